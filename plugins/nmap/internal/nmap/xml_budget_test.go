package nmap

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// wide writes the document of hosts, each with so many open ports: full ones.
func wide(ports ...int) string {
	var b strings.Builder
	b.WriteString(begin)
	for i, n := range ports {
		fmt.Fprintf(&b, `<host starttime="1" endtime="2"><status state="up" reason="user-set"/>`+
			`<address addr="%s" addrtype="ipv4"/><ports>`, address(i))
		for p := range n {
			fmt.Fprintf(&b, `<port protocol="tcp" portid="%d"><state state="open" reason="syn-ack"/>`+
				`<service name="http" product="Apache httpd" version="2.4.1" method="probed"/></port>`, p+1)
		}
		b.WriteString(`</ports><times srtt="1" rttvar="2" to="3"/></host>`)
	}
	fmt.Fprintf(&b, `<runstats><finished exit="success"/><hosts up="%[1]d" down="0" total="%[1]d"/></runstats>`+
		`</nmaprun>`, len(ports))
	return b.String()
}

func address(host int) string { return fmt.Sprintf("127.0.%d.%d", host/256, host%256) }

// scanned reads the document of a scan of a target of so many addresses.
func scanned(t *testing.T, bench *sdktest.Bench, text string, total int64) Report {
	t.Helper()
	d := &document{total: total, progress: func(sdk.Progress) {}}
	if err := d.read(strings.NewReader(text)); err != nil {
		t.Fatalf("read() = %v", err)
	}
	v, err := d.data(sandbox.Outcome{})
	if err != nil {
		t.Fatalf("data() = %v", err)
	}
	checkFits(t, bench, v.(Report))
	return v.(Report)
}

// each is so many hosts with as many ports.
func each(hosts, ports int) []int {
	all := make([]int, hosts)
	for i := range all {
		all[i] = ports
	}
	return all
}

func TestManyPortsOfOneHostKeepNobodyOut(t *testing.T) {
	b := reporter(t)
	for _, c := range []struct {
		name  string
		total int64
		ports []int
		cut   bool
	}{
		{"a host with 1000 open ports, and a usual one", 2, []int{1000, 100}, false},
		{"a host with 9000 open ports, and a usual one", 2, []int{9000, 100}, true},
		{"a host with very many ports open, and a usual one", 2, []int{20000, 100}, true},
		{"a host with 9000 open ports, alone", 1, []int{9000}, true},
		{"a small host, and two with 9000", 4, []int{1, 9000, 9000}, true},
		{"the most hosts that a request can have by default, each with many", 1024, each(1024, 20), true},
		{"as many without a port", 1024, each(1024, 0), false},
		{"more hosts than the target has", 1, each(1024, 1), false},
		{"a very large network", 1 << 16, each(3000, 2), true},
	} {
		r := scanned(t, b, wide(c.ports...), c.total)
		if len(r.Hosts) != len(c.ports) || r.Truncated != c.cut {
			t.Errorf("%s: report has %d hosts, truncated %t; want %d, %t", c.name, len(r.Hosts), r.Truncated,
				len(c.ports), c.cut)
			continue
		}
		left := 0
		for i, h := range r.Hosts {
			if h.Address != address(i) || h.Status != "up" || h.Reason != "user-set" {
				t.Fatalf("%s: host %d = %s %s (%s), want %s up (user-set)", c.name, i, h.Address, h.Status,
					h.Reason, address(i))
			}
			if got := len(h.Ports) + h.PortsLeftOut; got != c.ports[i] {
				t.Fatalf("%s: host %d has %d ports and %d left out, want %d together", c.name, i,
					len(h.Ports), h.PortsLeftOut, c.ports[i])
			}
			for k, p := range h.Ports {
				if p.Port != k+1 {
					t.Fatalf("%s: port %d of host %d = %d, want them in order", c.name, k, i, p.Port)
				}
			}
			left += h.PortsLeftOut
		}
		if last := r.Hosts[len(r.Hosts)-1]; len(c.ports) <= 3 && len(last.Ports) < 100 {
			t.Errorf("%s: the last host has %d ports, want those that half of the rest holds", c.name,
				len(last.Ports))
		}
		if c.cut != (left > 0) {
			t.Errorf("%s: %d ports are left out, truncated %t", c.name, left, r.Truncated)
		}
	}
}

// What scripts print about a host as a whole is bounded likewise.
func TestScriptsOfOneHostKeepNobodyOut(t *testing.T) {
	long := strings.Repeat("x", maxScript)
	scripts := `<hostscript>` + strings.Repeat(`<script id="x" output="`+long+`"/>`, perHost) + `</hostscript>`
	r := scanned(t, reporter(t), strings.Replace(wide(1, 1), `<times`, scripts+`<times`, 1), 2)
	if len(r.Hosts) != 2 || !r.Truncated {
		t.Fatalf("report has %d hosts, truncated %t; want both, truncated", len(r.Hosts), r.Truncated)
	}
	h := r.Hosts[0]
	if n := len(h.Scripts); n < 10 || n == perHost || len(h.Ports) != 1 || h.RTT == nil {
		t.Errorf("host has %d scripts, %d ports, times %v; want some of the scripts and all else", n,
			len(h.Ports), h.RTT)
	}
	if len(r.Hosts[1].Ports) != 1 {
		t.Errorf("the other host = %+v, want its port", r.Hosts[1])
	}
}

// Room for the least of each host is set aside: that has to be enough for it.
func TestTheLeastOfAHostFits(t *testing.T) {
	h := Host{
		Address: "255.255.255.255", Status: "unknown", Reason: "localhost-response", TimedOut: true,
		Started: "2026-11-22T19:00:00Z", Finished: "2026-11-22T19:00:00Z", PortsLeftOut: 1 << 17,
		MAC: strings.Repeat("x", maxText), Other: make([]Other, maxFew),
	}
	if n := size(h.least()); n > minHost {
		t.Errorf("the least of a host has %d bytes, want at most %d", n, minHost)
	}
	raw, err := json.Marshal(h.least())
	if err != nil || strings.Contains(string(raw), "xxx") || !strings.Contains(string(raw), h.Reason) {
		t.Errorf("least() = %s, %v; want its reason and nothing long", raw, err)
	}
}

// When more hosts come than the target has, so that nothing is set aside for them, the last one gives up its
// ports to be there.
func TestTheLastHostThatFitsIsThereWithoutItsPorts(t *testing.T) {
	h := Host{Address: "127.0.0.1", Status: "up", Reason: "user-set"}
	p := Port{Port: 22, Protocol: "tcp", State: "open", Reason: "syn-ack"}
	for _, c := range []struct {
		name        string
		room        int
		ports, left int
		hosts       int
	}{
		{"room for both", size(h) + size(p), 1, 0, 1},
		{"room for the host", size(h) + size(p) - 1, 0, 1, 1},
		{"room for less", size(h) - 1, 0, 0, 0},
	} {
		d := &document{progress: func(sdk.Progress) {}, budget: budget{spent: maxData - c.room}}
		d.budget.openHost(0)
		d.host, d.port = new(h), new(p)
		d.endPort()
		d.endHost()
		if len(d.report.Hosts) != c.hosts || d.budget.spent > maxData || d.report.Totals.Total != 1 {
			t.Errorf("%s: %d hosts, %d of %d bytes, totals %+v; want %d hosts", c.name, len(d.report.Hosts),
				d.budget.spent, maxData, d.report.Totals, c.hosts)
			continue
		}
		for _, got := range d.report.Hosts {
			if len(got.Ports) != c.ports || got.PortsLeftOut != c.left {
				t.Errorf("%s: %d ports, %d left out; want %d, %d", c.name, len(got.Ports), got.PortsLeftOut, c.ports,
					c.left)
			}
		}
	}
}
