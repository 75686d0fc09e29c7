package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// report is what is needed of a result of the plugin nmap. Its own description is in the plugin's output
// schema.
type report struct {
	Started   string `json:"started"`
	Ports     string `json:"scanned_ports"`
	Scans     []scan `json:"scans"`
	Hosts     []host `json:"hosts"`
	Complete  bool   `json:"complete"`
	Truncated bool   `json:"truncated"`

	asked     asked
	byAddress map[string]*host // the first of each address
	probed    bool             // some service was asked for its version
	scripts   bool             // some script told something
	guessed   bool             // some system was guessed
}

type scan struct {
	Type     string `json:"type"`
	Protocol string `json:"protocol"`
	Ports    int    `json:"ports"`
}

type host struct {
	Address      string   `json:"address"`
	MAC          string   `json:"mac"`
	Status       string   `json:"status"`
	TimedOut     bool     `json:"timed_out"`
	Ports        []port   `json:"ports"`
	PortsLeftOut int      `json:"ports_left_out"`
	Other        []other  `json:"other_ports"`
	OS           []system `json:"os"`
	Scripts      []script `json:"scripts"`

	listed map[portKey]*port
	summed *summary
}

type port struct {
	Port     int      `json:"port"`
	Protocol string   `json:"protocol"`
	State    string   `json:"state"`
	Service  *service `json:"service"`
	Scripts  []script `json:"scripts"`
}

type service struct {
	Name    string `json:"name"`
	Product string `json:"product"`
	Version string `json:"version"`
	Extra   string `json:"extra"`
	Tunnel  string `json:"tunnel"`
	Method  string `json:"method"`
}

type other struct {
	State   string   `json:"state"`
	Reasons []reason `json:"reasons"`
}

type reason struct {
	Protocol string `json:"protocol"`
	Ports    string `json:"ports"`
}

type system struct {
	Name string `json:"name"`
}

type script struct {
	ID     string `json:"id"`
	Output string `json:"output"`
}

type portKey struct {
	protocol string
	port     int
}

// read decodes a report. What is not there is empty; what is there must be of the right type.
func read(raw json.RawMessage) (*report, error) {
	if len(raw) == 0 {
		return nil, errors.New("there is no data")
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(raw, &has); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	if has["hosts"] == nil || has["scanned_ports"] == nil {
		return nil, errors.New("it has no hosts and scanned_ports")
	}
	r := new(report)
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	r.index()
	return r, nil
}

func (r *report) index() {
	r.asked = newAsked(r)
	r.byAddress = make(map[string]*host, len(r.Hosts))
	for i := range r.Hosts {
		h := &r.Hosts[i]
		h.Address = clip(h.Address)
		if h.Address == "" || r.byAddress[h.Address] != nil {
			continue
		}
		r.byAddress[h.Address] = h
		h.index()
		r.scripts = r.scripts || len(h.Scripts) > 0
		r.guessed = r.guessed || len(h.OS) > 0
		for _, p := range h.listed {
			r.probed = r.probed || p.Service.probed()
			r.scripts = r.scripts || len(p.Scripts) > 0
		}
	}
}

func (h *host) index() {
	h.listed = make(map[portKey]*port, len(h.Ports))
	for i := range h.Ports {
		p := &h.Ports[i]
		key := portKey{clip(p.Protocol), p.Port}
		if h.listed[key] == nil {
			h.listed[key] = p
		}
	}
}

func (s *service) probed() bool { return s != nil && s.Method == "probed" }

// text is the service in one line.
func (s *service) text() string {
	if s == nil {
		return ""
	}
	words := []string{s.Name, s.Product, s.Version, s.Extra}
	if s.Tunnel != "" {
		words[0] = s.Tunnel + "/" + s.Name
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// up reports whether a host is up; one that is not in the report is not.
func (h *host) up() bool { return h != nil && h.Status == "up" }

func (h *host) status() string {
	if h == nil {
		return ""
	}
	return h.Status
}

// foreign is a text from a report, at its length here.
func foreign(s string) tool.Untrusted { return tool.Untrusted(clip(s)) }

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// compareAddresses orders addresses as numbers, and what is none after them.
func compareAddresses(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	switch {
	case errX == nil && errY == nil && x != y:
		return x.Compare(y)
	case (errX == nil) != (errY == nil):
		if errX == nil {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}
