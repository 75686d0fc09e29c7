package netlab

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// The kernel's own network stack meets the responder's.
func TestALab(t *testing.T) {
	Run(t, func(t *testing.T, lab *Lab) {
		host := lab.AddHost("10.77.0.11", "02:00:00:00:00:11")
		wall := lab.AddResponder("10.77.0.12", "02:00:00:00:00:12", Behaviour{
			Echo: func(int) []time.Duration { return []time.Duration{time.Millisecond} },
			TCP:  map[uint16]Answer{22: Accept, 23: Refuse, 24: Prohibit},
		})
		t.Run("joins its machines", func(t *testing.T) { checkGreeting(t, lab, host) })
		t.Run("is joined to nothing else", func(t *testing.T) {
			for _, n := range []*Node{lab.Scanner, host, wall} {
				checkAlone(t, n)
			}
		})
		t.Run("has ports that do as they are told", func(t *testing.T) { checkPorts(t, lab, wall) })
		t.Run("starts programs inside", func(t *testing.T) { checkStart(t, lab, wall) })
	})
}

func checkGreeting(t *testing.T, lab *Lab, host *Node) {
	l, err := host.Listen("tcp4", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	greeted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.WriteString(c, "hello "+c.RemoteAddr().(*net.TCPAddr).IP.String())
			err = errors.Join(err, c.Close())
		}
		greeted <- err
	}()
	c, err := lab.Scanner.DialContext(t.Context(), "tcp4", "10.77.0.11:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-greeted); err != nil || string(got) != "hello "+ScannerAddress {
		t.Errorf("the host says %q, %v; want a greeting to the scanner", got, err)
	}
}

// checkAlone holds that a machine has its one interface, and no way out of the network of the lab.
func checkAlone(t *testing.T, n *Node) {
	h, err := netlink.NewHandleAt(n.ns)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if name := l.Attrs().Name; l.Attrs().Flags&net.FlagUp != 0 && name != "lo" && name != card {
			t.Errorf("%s has an interface %s, want lo and %s", n.Address, name, card)
		}
	}
	routes, err := h.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if r.Gw != nil || r.Dst == nil || r.Dst.String() != Network {
			t.Errorf("%s has the route %s, want %s alone", n.Address, r, Network)
		}
	}
}

func checkPorts(t *testing.T, lab *Lab, wall *Node) {
	for _, c := range []struct {
		port string
		want error
	}{{"22", nil}, {"23", syscall.ECONNREFUSED}, {"24", syscall.EHOSTUNREACH}} {
		conn, err := lab.Scanner.DialContext(t.Context(), "tcp4", wall.Address.String()+":"+c.port)
		if !errors.Is(err, c.want) {
			t.Errorf("dial port %s = %v, want %v", c.port, err, c.want)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if _, err := lab.Scanner.DialContext(t.Context(), "tcp4", "example.org:80"); err == nil {
		t.Error("dial of a name succeeded, want it refused: it would be looked up outside")
	}
}

func checkStart(t *testing.T, lab *Lab, wall *Node) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ping", "-n", "-c", "1", "-w", "10", wall.Address.String())
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := lab.Scanner.Start(cmd); err != nil {
		t.Fatal(err)
	}
	const reply = "\n64 bytes from 10.77.0.12: icmp_seq=1 ttl=64"
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), reply) {
		t.Errorf("ping = %v: %s; want one reply", err, out.String())
	}
}
