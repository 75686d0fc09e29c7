package netlab

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// respond answers what reaches the interface until stop is called.
func (n *Node) respond(b Behaviour) (stop func(), err error) {
	var wire *os.File
	err = n.Do(func() (err error) {
		wire, err = packetSocket()
		return err
	})
	if err != nil {
		return nil, err
	}
	r := &responder{address: n.Address, mac: n.MAC, Behaviour: b}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve(wire)
	}()
	return func() {
		_ = wire.Close() // ends serve; replies that are still to come are lost
		<-done
	}, nil
}

// packetSocket opens the interface of the namespace that this thread is in.
func packetSocket() (*os.File, error) {
	link, err := net.InterfaceByName(card)
	if err != nil {
		return nil, err
	}
	const everything = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, everything)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: link.Index}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind a packet socket to %s: %w", card, err)
	}
	return os.NewFile(uintptr(fd), card), nil
}

// serve reads frames until the socket is closed.
func (r *responder) serve(wire *os.File) {
	buf := make([]byte, 1<<16)
	for {
		n, err := wire.Read(buf)
		if err != nil {
			return
		}
		for _, reply := range r.answer(buf[:n]) {
			if reply.after == 0 {
				_, _ = wire.Write(reply.frame) // lost as on any wire
				continue
			}
			time.AfterFunc(reply.after, func() { _, _ = wire.Write(reply.frame) })
		}
	}
}
