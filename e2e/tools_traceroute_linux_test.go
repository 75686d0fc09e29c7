package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/gatehouse-mcp/gatehouse/e2e/netlab"
	"github.com/gatehouse-mcp/gatehouse/internal/openapitest"
)

// The path of this lab: from the scanner over two routers, of which the second never answers the scanner, to a
// host with an address in a network of its own. All are plugged into the one switch of the lab; what makes a
// path of it are the routes.
const (
	tracerouteFirst  = "10.77.0.21"
	tracerouteSilent = "10.77.0.22"
	tracerouteEnd    = "10.77.0.23"
	tracerouteTarget = "10.78.0.9"
	tracerouteBeyond = "10.78.0.0/24"
)

// traced is what these tests read of the data of TracerouteTool.
type traced struct {
	Reached, Complete bool
	Distance          int
	Method            string
	Hops              []struct {
		TTL    int
		Probes []struct {
			Address, Annotation string
			RTT                 float64 `json:"rtt_ms"`
			Lost                bool
		}
	}
}

func TestTracerouteOverThreeHops(t *testing.T) {
	netlab.Run(t, func(t *testing.T, lab *netlab.Lab) {
		tracerouteLab(t, lab)
		s := tracerouteSite(t, lab)
		events := s.watch(t)
		for _, method := range []string{"default", "udp", "icmp", "tcp"} {
			var d traced
			s.call(t, "TracerouteTool", args{
				"target": tracerouteTarget, "method": method, "wait_sec": 1, "probes": 2, "max_hops": 6,
				"correlation_id": method,
			}, &d)
			checkTraced(t, d, method)
		}
		events.await(t, "call.progress", `"correlation_id":"default"`)

		var d traced
		s.call(t, "TracerouteTool", args{"target": "10.78.1.1", "max_hops": 4, "wait_sec": 1, "probes": 1}, &d)
		if d.Reached || d.Distance != 0 || !d.Complete || len(d.Hops) == 0 || d.Hops[0].Probes[0].Annotation != "!N" {
			t.Errorf("of a network without a route: %+v, want !N at the first hop", d)
		}
	})
}

// checkTraced holds a report to the path of the lab.
func checkTraced(t *testing.T, d traced, method string) {
	t.Helper()
	if !d.Reached || d.Distance != 3 || len(d.Hops) != 3 || !d.Complete || d.Method != method {
		t.Fatalf("by %s: %+v, want three hops", method, d)
	}
	for i, want := range []string{tracerouteFirst, "", tracerouteTarget} {
		h := d.Hops[i]
		if h.TTL != i+1 || len(h.Probes) != 2 {
			t.Errorf("by %s: hop %d is %+v, want two probes", method, i+1, h)
		}
		for _, p := range h.Probes {
			if p.Address != want || p.Lost != (want == "") || (p.RTT > 0) != (want != "") {
				t.Errorf("by %s: hop %d has %+v, want an answer of %q", method, i+1, p, want)
			}
		}
	}
}

// tracerouteLab makes the path.
func tracerouteLab(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	first := lab.AddHost(tracerouteFirst, "02:00:0a:4d:00:21")
	silent := lab.AddHost(tracerouteSilent, "02:00:0a:4d:00:22")
	end := lab.AddHost(tracerouteEnd, "02:00:0a:4d:00:23")
	for _, n := range []*netlab.Node{lab.Scanner, first, silent, end} {
		onNode(t, n, plainRouting)
	}
	onNode(t, lab.Scanner, func() error { return tracerouteVia("10.78.0.0/16", tracerouteFirst) })
	onNode(t, first, func() error { return tracerouteVia(tracerouteBeyond, tracerouteSilent) })
	onNode(t, silent, func() error {
		if err := tracerouteVia(tracerouteBeyond, tracerouteEnd); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: network(netlab.ScannerAddress + "/32"), Type: 6}) // RTN_BLACKHOLE
	})
	onNode(t, end, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(lo, &netlink.Addr{IPNet: network(tracerouteTarget + "/32")})
	})
}

func onNode(t *testing.T, n *netlab.Node, f func() error) {
	t.Helper()
	if err := n.Do(f); err != nil {
		t.Fatalf("machine %s: %v", n.Address, err)
	}
}

// plainRouting lets the kernel forward what comes in by the interface where it goes out again, and say nothing
// of shorter ways, and answer as often as it is asked. These settings belong to the network namespace of the thread.
func plainRouting() error {
	for name, value := range map[string]string{
		"ip_forward": "1", "conf/all/rp_filter": "0", "conf/eth0/rp_filter": "0", "conf/all/send_redirects": "0",
		"conf/eth0/send_redirects": "0", "conf/all/accept_redirects": "0", "conf/eth0/accept_redirects": "0",
		"icmp_ratelimit": "0",
	} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tracerouteVia adds a route to the namespace of the thread.
func tracerouteVia(to, gateway string) error {
	return netlink.RouteAdd(&netlink.Route{Dst: network(to), Gw: net.ParseIP(gateway)})
}

func network(text string) *net.IPNet {
	ip, n, err := net.ParseCIDR(text)
	if err != nil {
		panic(err) // a constant
	}
	return &net.IPNet{IP: ip, Mask: n.Mask}
}

// tracerouteSite starts a host with the plugin in the scanner.
func tracerouteSite(t *testing.T, lab *netlab.Lab) *site {
	t.Helper()
	s := &site{
		lab: lab, state: t.TempDir(), inside: &http.Transport{DialContext: lab.Scanner.DialContext},
		host: &host{t: t, log: &logBuffer{}, ended: make(chan error, 1)},
	}
	s.cmd = exec.Command(filepath.Join(bin, "gatehouse"), "serve", "--transport", "http", "--port", "0",
		"--plugins-dir", filepath.Join(bin, "tools"))
	s.cmd.Env = environment(t, "STATE_DIRECTORY="+s.state)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Scanner.Start(s.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	serving := make(chan string, 1)
	go s.follow(stderr, serving)
	select {
	case s.url = <-serving:
	case err := <-s.ended:
		t.Fatalf("the host ended: %v\n%s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("the host does not serve:\n%s", s.log)
	}
	s.token, s.client = s.showToken(), &http.Client{Transport: s.inside}
	s.client = s.checked(t)
	s.client.Transport.(*openapitest.Transport).Base = s.inside
	return s
}

func TestTracerouteOnLoopback(t *testing.T) {
	h := serve(t, "tools")
	rep, kind := h.rest(t, "TracerouteTool", `{"target": "127.0.0.1", "probes": 1}`)
	if kind != "" || rep.ReturnCode != 0 || !strings.HasPrefix(rep.Stdout, "traceroute to 127.0.0.1") {
		t.Errorf("TracerouteTool = %d, %q: %s%s", rep.ReturnCode, kind, rep.Stdout, rep.Stderr)
	}
}
