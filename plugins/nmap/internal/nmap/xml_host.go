package nmap

import "github.com/gatehouse-mcp/gatehouse/sdk"

func (d *document) inHost(name string, a attrs) {
	h := d.host
	switch name {
	case "status":
		h.Status, h.Reason, h.ReasonTTL = a.text("state"), a.text("reason"), a.number("reason_ttl")
	case "address":
		if a["addrtype"] == "mac" {
			h.MAC, h.Vendor = a.text("addr"), a.text("vendor")
		} else {
			h.Address = a.text("addr")
		}
	case "hostname":
		h.Hostnames = add(d, h.Hostnames, maxList, Hostname{Name: a.untrusted("name"), Type: a.text("type")})
	case "port":
		d.port = &Port{Port: a.number("portid"), Protocol: a.text("protocol"), State: "unknown"}
	case "extraports":
		h.Other = add(d, h.Other, maxFew, Other{State: a.text("state"), Count: a.number("count")})
	case "extrareasons":
		d.extraReasons(a)
	case "portused":
		h.OSPorts = add(d, h.OSPorts, maxFew,
			OSPort{Port: a.number("portid"), Protocol: a.text("proto"), State: a.text("state")})
	case "osmatch":
		h.OS = add(d, h.OS, maxFew, OS{Name: a.text("name"), Accuracy: a.number("accuracy")})
	case "osclass":
		d.osClass(a)
	case "trace", "hop":
		d.trace(name, a)
	default:
		d.measured(name, a)
	}
}

// measured takes what nmap has measured of the host itself.
func (d *document) measured(name string, a attrs) {
	h := d.host
	switch name {
	case "uptime":
		h.Uptime = &Uptime{Seconds: a.number("seconds")}
	case "distance":
		h.Distance = new(a.number("value"))
	case "tcpsequence":
		h.TCPSequence = &Sequence{Index: a.number("index"), Difficulty: a.text("difficulty")}
	case "ipidsequence":
		h.IPIDClass = a.text("class")
	case "times":
		ms := func(name string) float64 { return a.decimal(name, 1e12) / 1000 } // from microseconds
		h.RTT = &RTT{Smoothed: ms("srtt"), Variance: ms("rttvar"), Timeout: ms("to")}
	}
}

// extraReasons says why the ports that were summed up last are in their state.
func (d *document) extraReasons(a attrs) {
	if len(d.host.Other) == 0 {
		return
	}
	o := &d.host.Other[len(d.host.Other)-1]
	r := Reason{Reason: a.text("reason"), Count: a.number("count"), Protocol: a.text("proto")}
	if ports := a["ports"]; len(ports) <= maxPorts {
		r.Ports = cut(ports, maxPorts)
	}
	o.Reasons = add(d, o.Reasons, maxFew, r)
}

func (d *document) osClass(a attrs) {
	if len(d.host.OS) == 0 {
		return
	}
	m := &d.host.OS[len(d.host.OS)-1]
	m.Classes = add(d, m.Classes, maxFew, OSClass{
		Vendor: a.text("vendor"), Family: a.text("osfamily"), Generation: a.text("osgen"), Type: a.text("type"),
		Accuracy: a.number("accuracy"),
	})
}

func (d *document) trace(name string, a attrs) {
	h := d.host
	switch {
	case name == "trace":
		h.Trace = &Trace{Protocol: a.text("proto"), Port: a.number("port")}
	case h.Trace != nil:
		hop := Hop{TTL: a.number("ttl"), Address: a.text("ipaddr"), Host: a.untrusted("host")}
		if a["rtt"] != "" && a["rtt"] != "--" {
			hop.RTT = new(a.decimal("rtt", 1e9))
		}
		h.Trace.Hops = add(d, h.Trace.Hops, maxList, hop)
	}
}

func (d *document) inPort(name string, a attrs) {
	p := d.port
	switch name {
	case "state":
		p.State, p.Reason = a.text("state"), a.text("reason")
		p.ReasonTTL, p.ReasonAddress = a.number("reason_ttl"), a.text("reason_ip")
	case "service":
		p.Service = &Service{
			Name: a.text("name"), Product: a.untrusted("product"), Version: a.untrusted("version"),
			Extra: a.untrusted("extrainfo"), Hostname: a.untrusted("hostname"), OS: a.untrusted("ostype"),
			Device: a.untrusted("devicetype"),
			Tunnel: a.text("tunnel"), Method: a.text("method"), Confidence: a.number("conf"),
		}
		if p.Service.Name == "" {
			p.Service.Name = unnamed
		}
	}
}

// endCPE puts a name to what it names: the service of a port, or a kind of operating system.
func (d *document) endCPE(text string) {
	switch {
	case d.port != nil && d.port.Service != nil:
		s := d.port.Service
		s.CPE = add(d, s.CPE, maxFew, sdk.Untrusted(text))
	case d.port == nil && d.host != nil && len(d.host.OS) > 0:
		if m := &d.host.OS[len(d.host.OS)-1]; len(m.Classes) > 0 {
			c := &m.Classes[len(m.Classes)-1]
			c.CPE = add(d, c.CPE, maxFew, text)
		}
	}
}

// add appends to a list that is not to grow beyond most.
func add[T any](d *document, list []T, most int, x T) []T {
	if len(list) >= most {
		d.report.Truncated = true
		return list
	}
	return append(list, x)
}
