package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Node is a machine of the lab. Its methods may be called from any goroutine, and what they return belongs to
// the machine wherever it is used.
type Node struct {
	Address netip.Addr
	MAC     net.HardwareAddr

	ns   netns.NsHandle
	jobs chan<- func() // for the thread that starts programs; closed by the lab
}

// newNamespace makes a network namespace that nothing but the handle keeps.
func newNamespace() (netns.NsHandle, error) {
	handle := netns.None()
	err := onOwnThread(func() (err error) {
		handle, err = netns.New()
		return err
	})
	if err != nil {
		return handle, fmt.Errorf("make a network namespace: %w", err)
	}
	return handle, nil
}

// onOwnThread runs f on a thread that ends with it, so that f may change what belongs to a thread.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the runtime ends a thread that is still locked
		done <- f()
	}()
	return <-done
}

// Do runs f on a thread inside of the machine. A goroutine that f starts is not inside.
func (n *Node) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return fmt.Errorf("enter the namespace of %s: %w", n.Address, err)
		}
		return f()
	})
}

// starter makes the thread that starts programs inside of the machine. It stays until the channel is closed:
// programs are killed when the thread that started them ends.
func (n *Node) starter() (chan<- func(), error) {
	jobs, entered := make(chan func()), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good
		entered <- netns.Set(n.ns)
		for job := range jobs {
			job()
		}
	}()
	return jobs, <-entered
}

// Start starts a program inside of the machine, which is killed when the test ends, however it does. Where it
// is not root's, it has CAP_NET_RAW and no other capability, as a service has to which its operator granted
// it.
func (n *Node) Start(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	n.jobs <- func() { done <- start(cmd) }
	return <-done
}

func start(cmd *exec.Cmd) error {
	if os.Geteuid() != 0 {
		if err := keepRawSockets(); err != nil {
			return err
		}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return cmd.Start()
}

// keepRawSockets takes all ambient capabilities but one from what this thread starts.
func keepRawSockets() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_RAW, 0, 0); err != nil {
		return fmt.Errorf("hand on CAP_NET_RAW: %w", err)
	}
	return nil
}

// Listen is net.Listen inside of the machine.
func (n *Node) Listen(network, address string) (l net.Listener, err error) {
	err = n.Do(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenPacket inside of the machine.
func (n *Node) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = n.Do(func() (err error) {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// DialContext connects from inside of the machine to a literal address; names would be looked up outside.
func (n *Node) DialContext(ctx context.Context, network, address string) (c net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from %s: %w", n.Address, err)
	}
	err = n.Do(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}
