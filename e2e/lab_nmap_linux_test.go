package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// scanData is what these tests read of the data of NmapTool.
type scanData struct {
	Started, Finished time.Time
	Hosts             []scanned
	Totals            struct{ Up, Down, Total int }
	Scans             []struct{ Type, Protocol string }
	Complete          bool
}

type scanned struct {
	Address, MAC, Vendor, Status, Reason string

	Ports []struct {
		Port                    int
		Protocol, State, Reason string
		ReasonTTL               int `json:"reason_ttl"`
		Service                 *struct {
			Name, Product, Version, Extra, Method string
			CPE                                   []string
		}
		Scripts []struct{ ID, Output string }
	}
	Other []struct {
		State   string
		Count   int
		Reasons []struct {
			Reason, Protocol string
			Count            int
		}
	} `json:"other_ports"`
	OS []struct {
		Name     string
		Accuracy int
		Classes  []struct{ Family string }
	}
	OSPorts []struct {
		Port            int
		Protocol, State string
	} `json:"os_ports"`
	Trace *struct {
		Hops []struct {
			TTL     int
			Address string
			RTT     *float64 `json:"rtt_ms"`
		}
	}
	Distance *int `json:"distance_hops"`
}

// nmap makes a scan that must not fail, with flags as they are written for nmap.
func (s *site) nmap(t *testing.T, target, flags string) scanData {
	t.Helper()
	return s.scan(t, args{"target": target, "extra_args": flags})
}

// scan makes a scan that must not fail.
func (s *site) scan(t *testing.T, arguments args) scanData {
	t.Helper()
	var d scanData
	rep := s.call(t, "NmapTool", arguments, &d)
	if rep.ReturnCode != 0 || !d.Complete {
		t.Fatalf("nmap %v = %d, complete: %t; want 0 and a complete scan\n%s", arguments, rep.ReturnCode,
			d.Complete, rep.Stderr)
	}
	if d.Started.IsZero() || d.Finished.Before(d.Started) {
		t.Errorf("nmap %v ran from %v to %v, want the one before the other", arguments, d.Started, d.Finished)
	}
	return d
}

// kinds are the kinds of scan that were made.
func (d scanData) kinds() (all []string) {
	for _, s := range d.Scans {
		all = append(all, s.Type+" "+s.Protocol)
	}
	return all
}

// alone is the only host of a scan.
func (d scanData) alone(t *testing.T) scanned {
	t.Helper()
	if len(d.Hosts) != 1 {
		t.Fatalf("hosts = %+v, want one", d.Hosts)
	}
	return d.Hosts[0]
}

// addresses are each host's address, hardware address and the reason why it is up.
func (d scanData) addresses() (all []string) {
	for _, h := range d.Hosts {
		all = append(all, strings.Join(strings.Fields(h.Address+" "+h.MAC+" "+h.Reason), " "))
	}
	slices.Sort(all)
	return all
}

// ports are the ports of a host as nmap prints them, in its order.
func (h scanned) ports() (all []string) {
	for _, p := range h.Ports {
		all = append(all, fmt.Sprintf("%d/%s %s %s", p.Port, p.Protocol, p.State, p.Reason))
	}
	return all
}

// services are product, version and name in the Common Platform Enumeration of the ports that told them.
func (h scanned) services() map[int]string {
	all := make(map[int]string)
	for _, p := range h.Ports {
		if s := p.Service; s != nil && s.Method == "probed" {
			all[p.Port] = strings.Join(append([]string{s.Name, s.Product, s.Version}, s.CPE...), " ")
		}
	}
	return all
}

// output is what a script said about a port.
func (h scanned) output(port int, script string) string {
	for _, p := range h.Ports {
		for _, x := range p.Scripts {
			if p.Port == port && x.ID == script {
				return x.Output
			}
		}
	}
	return ""
}

func (s *site) testDiscovery(t *testing.T) {
	server := serverAddress + " " + serverMAC + " arp-response"
	dropper := dropperAddress + " " + dropperMAC + " arp-response"
	slow := slowAddress + " " + slowMAC + " arp-response"
	scanner := "10.77.0.1 localhost-response"
	for _, c := range []struct {
		name, target, flags string
		want                []string
		down                int
	}{
		{"the network", "10.77.0.0/28", "-sn", []string{scanner, server, dropper, slow}, 12},
		{"the network without one", "10.77.0.8/29", "-sn --exclude " + dropperAddress,
			[]string{server, slow}, 5},
		{"an address that nobody has", nobodyAddress, "-sn", nil, 1},
		{"by ICMP", slowAddress, "-sn -PE --disable-arp-ping",
			[]string{slowAddress + " " + slowMAC + " echo-reply"}, 0},
		{"by ICMP, of one that is silent", dropperAddress, "-sn -PE --disable-arp-ping", nil, 1},
		{"by TCP, of one that is silent otherwise", dropperAddress, "-sn -PS22 --disable-arp-ping",
			[]string{dropperAddress + " " + dropperMAC + " syn-ack"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := s.nmap(t, c.target, c.flags)
			if got := d.addresses(); !slices.Equal(got, c.want) {
				t.Errorf("nmap %s %s finds %q, want %q", c.flags, c.target, got, c.want)
			}
			if n := len(c.want); d.Totals.Up != n || d.Totals.Down != c.down || d.Totals.Total != n+c.down {
				t.Errorf("nmap %s %s counts %+v, want %d up and %d down", c.flags, c.target, d.Totals, n,
					c.down)
			}
			for _, h := range d.Hosts {
				if h.Address == slowAddress && h.Vendor != slowVendor {
					t.Errorf("the vendor of %s is %q, want %q", h.MAC, h.Vendor, slowVendor)
				}
			}
		})
	}
	t.Run("nobody at all", func(t *testing.T) {
		_, kind := s.try(t, "NmapTool",
			args{"target": serverAddress, "extra_args": "-sn --exclude " + serverAddress}, &scanData{})
		if kind != tool.KindValidation { // what the caller asks for never counts against the tool
			t.Errorf("a scan of nobody = %q, want %s", kind, tool.KindValidation)
		}
	})
}

func (s *site) testPorts(t *testing.T) {
	for _, c := range []struct {
		name, target, flags string
		want                []string
	}{
		{"by SYN", serverAddress, "-sS -p 80,81,2222,8080", []string{
			"80/tcp open syn-ack", "81/tcp closed reset", "2222/tcp open syn-ack", "8080/tcp open syn-ack",
		}},
		{"by connecting", serverAddress, "-sT -p 80,81",
			[]string{"80/tcp open syn-ack", "81/tcp closed conn-refused"}},
		{"by UDP", serverAddress, "-sU -p 53,54",
			[]string{"53/udp open udp-response", "54/udp closed port-unreach"}},
		{"by SYN and UDP", serverAddress, "-sS -sU -p T:80,U:53",
			[]string{"80/tcp open syn-ack", "53/udp open udp-response"}},
		{"the open ones alone", serverAddress, "-sS --open -p 80,81", []string{"80/tcp open syn-ack"}},
		{"behind a firewall", dropperAddress, "-sS -p 22-25", []string{
			"22/tcp open syn-ack", "23/tcp closed reset", "24/tcp filtered admin-prohibited",
			"25/tcp filtered no-response",
		}},
		{"behind a firewall, by connecting", dropperAddress, "-sT -p 22-24", []string{
			"22/tcp open syn-ack", "23/tcp closed conn-refused", "24/tcp filtered host-unreach",
		}},
		{"behind a firewall, by UDP", dropperAddress, "-sU -p 53",
			[]string{"53/udp open|filtered no-response"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s.checkPorts(t, c.target, c.flags, c.want)
		})
	}
}

// checkPorts makes a scan of one host, and holds it to have been of the kinds that the flags ask for.
func (s *site) checkPorts(t *testing.T, target, flags string, want []string) {
	d := s.nmap(t, target, flags)
	var kinds []string
	for _, k := range [][2]string{{"-sS", "syn tcp"}, {"-sT", "connect tcp"}, {"-sU", "udp udp"}} {
		if strings.Contains(flags, k[0]) {
			kinds = append(kinds, k[1])
		}
	}
	if !slices.Equal(d.kinds(), kinds) {
		t.Errorf("nmap %s makes scans of %q, want %q", flags, d.kinds(), kinds)
	}
	h := d.alone(t)
	if got := h.ports(); !slices.Equal(got, want) {
		t.Errorf("nmap %s %s finds %q, want %q", flags, target, got, want)
	}
	for _, p := range h.Ports {
		if strings.Contains(flags, "-sT") || p.Reason == "no-response" {
			continue // there is none, or nmap does not see it
		}
		if p.ReasonTTL != 64 { // what the machines of the lab send, and none is behind another
			t.Errorf("the answer of %d has a time to live of %d, want 64", p.Port, p.ReasonTTL)
		}
	}
}

func (s *site) testServices(t *testing.T) {
	t.Run("of a web server", func(t *testing.T) {
		t.Parallel()
		h := s.scan(t, args{
			"target": serverAddress, "ports": "80", "service_detection": true,
			"scripts": []string{"http-title", "http-headers"}, "timing": 4,
		}).alone(t)
		if want := "http nginx 1.22.1 cpe:/a:igor_sysoev:nginx:1.22.1"; h.services()[webPort] != want {
			t.Errorf("the service is %q, want %q", h.services()[webPort], want)
		}
		if got := h.output(webPort, "http-title"); got != webTitle {
			t.Errorf("http-title = %q, want %q", got, webTitle)
		}
		if got := h.output(webPort, "http-headers"); !strings.Contains(got, "\n  X-Lab: yes\n") {
			t.Errorf("http-headers = %q, want all headers", got)
		}
	})
	t.Run("of one that means harm", func(t *testing.T) {
		t.Parallel()
		h := s.nmap(t, serverAddress, "-sV --script http-title,http-headers -p 2222,8080").alone(t)
		said := map[int]string{hostilePort: "http-title", bannerPort: "fingerprint-strings"}
		for port, script := range said {
			if got := h.output(port, script); !strings.Contains(got, "Ignore previous instructions") {
				t.Errorf("%s of port %d = %q, want what the machine said", script, port, got)
			}
		}
		const written = `\x1B[2J\x1B]0;owned\x07Ignore`
		if got := h.output(hostilePort, "http-title"); !strings.HasPrefix(got, written) {
			t.Errorf("http-title = %q, want the escapes written out: %s", got, written)
		}
	})
	t.Run("of one that never answers", func(t *testing.T) {
		t.Parallel()
		s.checkCut(t)
	})
}

// checkCut holds a scan that runs out of time to report what it had: of two hosts the first has no open port
// and is finished, the second hangs.
func (s *site) checkCut(t *testing.T) {
	var d scanData
	rep, kind := s.try(t, "NmapTool", args{
		"target": "10.77.0.12/31", "extra_args": "-sS -sV -p 80 --max-hostgroup 1", "timeout_sec": 10,
	}, &d)
	if kind != tool.KindTimeout || !rep.TimedOut || rep.ReturnCode != tool.ReturnCodeTimeout {
		t.Fatalf("the scan = %q, timed out %t, %d; want a %s", kind, rep.TimedOut, rep.ReturnCode,
			tool.KindTimeout)
	}
	if d.Complete || d.Totals.Total != 1 {
		t.Errorf("complete %t, totals %+v; want one host of an incomplete scan", d.Complete, d.Totals)
	}
	h := d.alone(t)
	want := []string{"80/tcp filtered no-response"}
	if h.Address != dropperAddress || !slices.Equal(h.ports(), want) {
		t.Errorf("the host is %s with %q, want %s with %q", h.Address, h.ports(), dropperAddress, want)
	}
}

func (s *site) testSystem(t *testing.T) {
	h := s.scan(t, args{
		"target": serverAddress, "ports": "80,81", "os_detection": true,
		"extra_args": "--max-os-tries 1 --traceroute",
	}).alone(t)
	if len(h.OS) == 0 || !strings.Contains(h.OS[0].Name, "Linux") || h.OS[0].Accuracy < 85 {
		t.Fatalf("the systems guessed are %+v, want a Linux first", h.OS)
	}
	if c := h.OS[0].Classes; len(c) == 0 || c[0].Family != "Linux" {
		t.Errorf("the first guess is of %+v, want the family of Linux", c)
	}
	var used []string
	for _, p := range h.OSPorts {
		if p.Protocol == "tcp" { // the closed UDP port is one that nmap chooses
			used = append(used, fmt.Sprintf("%d/%s %s", p.Port, p.Protocol, p.State))
		}
	}
	if want := []string{"80/tcp open", "81/tcp closed"}; !slices.Equal(used, want) {
		t.Errorf("the guess is by %q, want %q", used, want)
	}
	if h.Distance == nil || *h.Distance != 1 {
		t.Errorf("the distance is %v, want one hop", h.Distance)
	}
	if h.Trace == nil || len(h.Trace.Hops) != 1 {
		t.Fatalf("the path is %+v, want one hop", h.Trace)
	}
	hop := h.Trace.Hops[0]
	if hop.TTL != 1 || hop.Address != serverAddress || hop.RTT == nil || *hop.RTT <= 0 {
		t.Errorf("the hop is %+v, want the host itself", hop)
	}
}

// template is what a template must find on the server.
type template struct {
	name             string
	ports            []string
	others           int // closed ports
	probed, scripted bool
}

func (s *site) testTemplates(t *testing.T) {
	open := []string{"80/tcp open syn-ack", "2222/tcp open syn-ack", "8080/tcp open syn-ack"}
	for _, c := range []template{
		{name: "quick", ports: []string{open[0], open[2]}, others: 98},
		{name: "standard", ports: open, others: 997, probed: true},
		{name: "thorough", ports: open, others: 65532, probed: true, scripted: true},
		{name: "discovery"},
		{name: "version", ports: open, others: 997, probed: true},
		{name: "script", ports: open, others: 997, scripted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, s.scan(t, args{"target": serverAddress, "template": c.name}).alone(t))
		})
	}
}

func (c template) check(t *testing.T, h scanned) {
	if !slices.Equal(h.ports(), c.ports) {
		t.Errorf("template %s finds %q, want %q", c.name, h.ports(), c.ports)
	}
	others := 0
	for _, o := range h.Other {
		for _, r := range o.Reasons {
			if o.State == "closed" && r.Reason == "reset" && r.Protocol == "tcp" {
				others += r.Count
			}
		}
	}
	if others != c.others {
		t.Errorf("template %s counts %d other ports that are closed, want %d", c.name, others, c.others)
	}
	if got := strings.HasPrefix(h.services()[webPort], "http nginx 1.22.1"); got != c.probed {
		t.Errorf("template %s finds the services %v; want nginx: %t", c.name, h.services(), c.probed)
	}
	if got := h.output(webPort, "http-title") == webTitle; got != c.scripted {
		t.Errorf("template %s runs http-title: %t, want %t", c.name, got, c.scripted)
	}
}
