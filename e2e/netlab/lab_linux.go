package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

const (
	// ScannerAddress is the scanner's address.
	ScannerAddress = "10.77.0.1"
	// Network is the network of the lab.
	Network = "10.77.0.0/24"

	bits      = 24
	card      = "eth0"           // the one interface of each machine besides lo
	readiness = 30 * time.Second // for an interface to come up; it takes milliseconds
)

// Lab is a network of machines around one switch.
type Lab struct {
	Scanner *Node

	t      testing.TB
	wires  netns.NsHandle // the namespace of the switch
	bridge int            // index of the switch
	ports  int            // of the switch
}

// New makes a lab with a scanner in it. The test fails if that cannot be done: see [Run].
func New(t testing.TB) *Lab {
	t.Helper()
	l := &Lab{t: t, wires: netns.None()}
	t.Cleanup(func() { _ = l.wires.Close() })
	if err := l.addSwitch(); err != nil {
		t.Fatalf("a lab: %v", err)
	}
	l.Scanner = l.AddHost(ScannerAddress, "02:00:0a:4d:00:01")
	return l
}

func (l *Lab) addSwitch() (err error) {
	if l.wires, err = newNamespace(); err != nil {
		return err
	}
	h, err := netlink.NewHandleAt(l.wires)
	if err != nil {
		return err
	}
	defer h.Close()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "switch"}}
	if err := h.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add a bridge: %w", err)
	}
	l.bridge = bridge.Index
	return h.LinkSetUp(bridge)
}

// AddHost adds a machine with the kernel's network stack.
func (l *Lab) AddHost(address, mac string) *Node {
	l.t.Helper()
	n := l.add(address, mac)
	if err := n.setAddress(); err != nil {
		l.t.Fatalf("address %s: %v", address, err)
	}
	return n
}

// AddResponder adds a machine that answers as the behaviour says. The kernel has no address there, and keeps
// silent.
func (l *Lab) AddResponder(address, mac string, b Behaviour) *Node {
	l.t.Helper()
	n := l.add(address, mac)
	stop, err := n.respond(b)
	if err != nil {
		l.t.Fatalf("respond at %s: %v", address, err)
	}
	l.t.Cleanup(stop)
	return n
}

// add makes a machine and plugs it in.
func (l *Lab) add(address, mac string) *Node {
	l.t.Helper()
	ip, err := netip.ParseAddr(address)
	if err != nil || !netip.MustParsePrefix(Network).Contains(ip) {
		l.t.Fatalf("address %q: want one in %s", address, Network)
	}
	hw, err := net.ParseMAC(mac)
	if err != nil {
		l.t.Fatal(err)
	}
	n := &Node{Address: ip, MAC: hw, ns: netns.None()}
	l.t.Cleanup(func() { _ = n.ns.Close() })
	if n.ns, err = newNamespace(); err == nil {
		err = l.connect(n)
	}
	if err != nil {
		l.t.Fatalf("machine %s: %v", address, err)
	}
	if n.jobs, err = n.starter(); err != nil {
		l.t.Fatalf("enter machine %s: %v", address, err)
	}
	l.t.Cleanup(func() { close(n.jobs) })
	return n
}

// connect lays a cable from a machine to the switch, and waits until it carries packets.
func (l *Lab) connect(n *Node) error {
	h, err := netlink.NewHandleAt(l.wires)
	if err != nil {
		return err
	}
	defer h.Close()
	l.ports++
	port := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: fmt.Sprintf("port%d", l.ports), MasterIndex: l.bridge},
		PeerName:         card,
		PeerHardwareAddr: n.MAC,
		PeerNamespace:    netlink.NsFd(n.ns),
	}
	if err := h.LinkAdd(port); err != nil {
		return fmt.Errorf("add a pair of interfaces: %w", err)
	}
	if err := h.LinkSetUp(port); err != nil {
		return err
	}
	if err := n.setUp(); err != nil {
		return err
	}
	if err := awaitUp(l.wires, port.Name); err != nil {
		return err
	}
	return awaitUp(n.ns, card)
}

// setUp switches the interfaces of a machine on.
func (n *Node) setUp() error {
	h, err := netlink.NewHandleAt(n.ns)
	if err != nil {
		return err
	}
	defer h.Close()
	for _, name := range []string{"lo", card} {
		link, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		if err := h.LinkSetUp(link); err != nil {
			return fmt.Errorf("switch %s on: %w", name, err)
		}
	}
	return nil
}

func (n *Node) setAddress() error {
	h, err := netlink.NewHandleAt(n.ns)
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(card)
	if err != nil {
		return err
	}
	own := &net.IPNet{IP: n.Address.AsSlice(), Mask: net.CIDRMask(bits, 32)}
	return h.AddrAdd(link, &netlink.Addr{IPNet: own})
}

// awaitUp waits for the kernel to say that an interface is working.
func awaitUp(ns netns.NsHandle, name string) error {
	updates, done := make(chan netlink.LinkUpdate), make(chan struct{})
	defer close(done) // ends the subscription, which closes updates
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
		Namespace: &ns, ListExisting: true,
	})
	if err != nil {
		return fmt.Errorf("watch %s: %w", name, err)
	}
	late := time.After(readiness)
	for {
		select {
		case u, ok := <-updates:
			if !ok {
				return fmt.Errorf("watch %s: the kernel stopped telling", name)
			}
			if a := u.Attrs(); a.Name == name && a.OperState == netlink.OperUp {
				return nil
			}
		case <-late:
			return fmt.Errorf("interface %s does not come up", name)
		}
	}
}
