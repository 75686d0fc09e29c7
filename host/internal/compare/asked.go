package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// answer is what can be said of a question about a scan.
type answer int

const (
	unknown answer = iota
	yes
	no
)

// asked is which ports a scan asked for, as far as its report tells.
type asked struct {
	text  string
	none  bool              // hosts only
	top   int               // of the most common ones; 0: another choice
	lists map[string]ranges // protocol -> ports; nil: the text is none that is understood
	scans map[string]scanOf // protocol -> what was made of it; empty: nobody says
}

// scanOf is how a protocol was scanned.
type scanOf struct {
	ways  string // kinds of scan, those that find the same under one name
	count int    // ports of each host
}

const (
	everything = 65535
	maxFew     = 64 // of what the plugin bounds to 16 and 64
)

// atMost keeps a list that is short in every report of ours from being long in another.
func atMost[T any](list []T) []T { return list[:min(len(list), maxFew)] }

func newAsked(r *report) asked {
	a := asked{text: r.Ports, none: r.Ports == "none", scans: make(map[string]scanOf, len(r.Scans))}
	for _, s := range atMost(r.Scans) {
		of, way := a.scans[s.Protocol], sameAs(s.Type)
		if ways := strings.Split(of.ways, " "); !slices.Contains(ways, way) {
			ways = append(ways, way)
			slices.Sort(ways)
			of.ways = strings.TrimSpace(strings.Join(ways, " "))
		}
		of.count = max(of.count, s.Ports)
		a.scans[s.Protocol] = of
	}
	if _, err := fmt.Sscanf(r.Ports, "the %d most common", &a.top); err != nil || a.top < 0 {
		a.top = 0
		a.lists = parsePorts(r.Ports)
	}
	a.doubt()
	return a
}

// sameAs is one name for kinds of scan that find the same: both see a port open when it takes a connection.
func sameAs(kind string) string {
	if kind == "syn" || kind == "connect" {
		return "syn or connect"
	}
	return kind
}

// doubt gives up a choice of ports of which nmap itself counts others: some were excluded.
func (a *asked) doubt() {
	for protocol, of := range a.scans {
		if a.lists != nil && a.list(protocol).size() != of.count || a.top > 0 && a.top != of.count {
			a.lists, a.top = nil, 0
			return
		}
	}
}

func (a *asked) list(protocol string) ranges {
	if l, ok := a.lists[protocol]; ok {
		return l
	}
	return a.lists[""]
}

// protocol says whether a protocol was scanned at all.
func (a *asked) protocol(protocol string) answer {
	switch {
	case a.none:
		return no
	case len(a.scans) == 0:
		return unknown
	case a.scans[protocol] == scanOf{}:
		return no
	}
	return yes
}

// port says whether a port was asked for. With its help the other scan, which did, may tell.
func (a *asked) port(key portKey, other *asked) answer {
	switch p := a.protocol(key.protocol); {
	case p != yes:
		return p
	case a.lists != nil && a.list(key.protocol).has(key.port):
		return yes
	case a.lists != nil:
		return no
	case a.same(other, key.protocol):
		return yes
	case a.top > 0 && other.top > 0 && other.top <= a.top: // the more common come first
		return yes
	}
	return unknown
}

// same reports whether two scans chose the ports of a protocol in the same words, and got as many.
func (a *asked) same(other *asked, protocol string) bool {
	return a.text == other.text && a.text != "" && a.scans[protocol].count == other.scans[protocol].count
}

// sameWay reports whether what two scans say of a port means the same.
func (a *asked) sameWay(other *asked, protocol string) bool {
	x, y := a.scans[protocol], other.scans[protocol]
	return x == scanOf{} || y == scanOf{} || x.ways == y.ways
}

// ranges are ports, in order, without overlaps.
type ranges []struct{ from, to int }

func (r ranges) has(port int) bool {
	i, found := slices.BinarySearchFunc(r, port, func(e struct{ from, to int }, port int) int {
		return cmp.Compare(e.to, port)
	})
	return found || i < len(r) && r[i].from <= port
}

func (r ranges) size() (n int) {
	for _, e := range r {
		n += e.to - e.from + 1
	}
	return n
}

func (r ranges) normal() ranges {
	slices.SortFunc(r, func(a, b struct{ from, to int }) int { return cmp.Compare(a.from, b.from) })
	var merged ranges
	for _, e := range r {
		if last := len(merged) - 1; last >= 0 && e.from <= merged[last].to+1 {
			merged[last].to = max(merged[last].to, e.to)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}

var prefixes = map[string]string{"T:": "tcp", "U:": "udp", "S:": "sctp", "P:": "ip"}

// parsePorts reads a list of ports as nmap's option -p takes it: numbers and ranges, which may be open at an
// end, and protocols before them. nil: it has something else, such as names of services.
//
// Source: https://nmap.org/book/man-port-specification.html
func parsePorts(text string) map[string]ranges {
	if text == "" {
		return nil
	}
	lists, protocol := make(map[string]ranges), ""
	for _, piece := range strings.Split(text, ",") {
		if len(piece) >= 2 && prefixes[piece[:2]] != "" {
			protocol, piece = prefixes[piece[:2]], piece[2:]
		}
		from, to, ok := parseRange(piece)
		if !ok {
			return nil
		}
		lists[protocol] = append(lists[protocol], struct{ from, to int }{from, to})
	}
	for protocol, list := range lists {
		lists[protocol] = list.normal()
	}
	return lists
}

func parseRange(text string) (from, to int, ok bool) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		n, err := strconv.Atoi(low)
		return n, n, err == nil && 0 <= n && n <= everything
	}
	from, to = 1, everything
	var err1, err2 error
	if low != "" {
		from, err1 = strconv.Atoi(low)
	}
	if high != "" {
		to, err2 = strconv.Atoi(high)
	}
	return from, to, err1 == nil && err2 == nil && 0 <= from && from <= to && to <= everything
}

// summary is what nmap says of the ports of a host that it does not list.
type summary struct {
	exact map[portKey2]ranges // ports of which it says the state
	loose map[string][]string // protocol -> states of ports that it does not name
}

type portKey2 struct{ protocol, state string }

func (h *host) summary() *summary {
	if h.summed != nil {
		return h.summed
	}
	s := &summary{exact: make(map[portKey2]ranges), loose: make(map[string][]string)}
	for _, o := range atMost(h.Other) {
		if len(o.Reasons) == 0 {
			s.doubt("", o.State)
		}
		for _, r := range atMost(o.Reasons) {
			if list := parsePorts(r.Ports); list != nil {
				key := portKey2{r.Protocol, o.State}
				s.exact[key] = append(s.exact[key], list[""]...)
			} else {
				s.doubt(r.Protocol, o.State)
			}
		}
	}
	for key, list := range s.exact {
		s.exact[key] = list.normal()
	}
	h.summed = s
	return s
}

func (s *summary) doubt(protocol, state string) {
	if !slices.Contains(s.loose[protocol], state) {
		s.loose[protocol] = append(s.loose[protocol], state)
	}
}

// states are those that a port may be in which is not listed: none when it is not among those that were
// summed up.
func (s *summary) states(key portKey) []string {
	states := s.named(key)
	if len(states) == 0 {
		states = slices.Concat(s.loose[key.protocol], s.loose[""])
	}
	slices.Sort(states)
	return slices.Compact(states)
}

// named are the states of those ports that the summary names.
func (s *summary) named(key portKey) (states []string) {
	for k, list := range s.exact {
		if (k.protocol == key.protocol || k.protocol == "") && list.has(key.port) {
			states = append(states, k.state)
		}
	}
	return states
}
