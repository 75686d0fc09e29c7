package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// open reports whether a state says that something takes connections, or may.
func open(state string) bool { return strings.HasPrefix(state, "open") }

// fill puts what one scan says to its side.
func (p *Port) fill(side int, state string, s *service) {
	if side == 0 {
		p.Before, p.WasService = foreign(state), foreign(s.text())
	} else {
		p.After, p.Service = foreign(state), foreign(s.text())
	}
}

// port compares a port of a host that is up in both scans, and is listed in one at least.
func (c *comparison) port(pair [2]*host, key portKey) (p Port, differs bool) {
	p = Port{Port: key.port, Protocol: tool.Untrusted(key.protocol), Comparable: true, Change: Changed}
	was, is := pair[0].listed[key], pair[1].listed[key]
	if was == nil {
		return c.oneListed(p, pair, key, 1)
	}
	if is == nil {
		return c.oneListed(p, pair, key, 0)
	}
	p.fill(0, was.State, was.Service)
	p.fill(1, is.State, is.Service)
	p.Scripts = c.scripts(was.Scripts, is.Scripts)
	p.Change = change(was.State, is.State)
	if was.State == is.State && !otherService(was.Service, is.Service) && len(p.Scripts) == 0 {
		return p, false
	}
	c.sameWay(&p, key)
	return p, true
}

// otherService reports whether a service is another one. What was asked is not compared with a guess by
// number.
func otherService(a, b *service) bool {
	return a.probed() == b.probed() && a.text() != b.text() && a != nil && b != nil
}

func change(before, after string) Kind {
	switch {
	case open(after) && !open(before):
		return Came
	case open(before) && !open(after):
		return Went
	}
	return Changed
}

// sameWay marks a difference between kinds of scan that mean different things by a state.
func (c *comparison) sameWay(p *Port, key portKey) {
	if p.Comparable && !c.sides[0].asked.sameWay(&c.sides[1].asked, key.protocol) {
		p.Comparable, p.Why = false, "the scans are of different kinds"
	}
}

// oneListed is a port that the scan here lists, and the one there does not: it was summed up there, not
// asked for, or left out.
func (c *comparison) oneListed(p Port, pair [2]*host, key portKey, here int) (Port, bool) {
	there := 1 - here
	listed := pair[here].listed[key]
	state, why := c.unlisted(pair[there], key, there)
	switch {
	case why == notAsked: // which is no difference of the port
		return c.notAsked(p, pair, key, here)
	case why == "" && slices.Contains(state, listed.State):
		return p, false // it may well be the same
	case len(state) == 0 && !open(listed.State):
		return p, false // nobody asked for ports that are not open to be told
	}
	p.fill(here, listed.State, listed.Service)
	p.fill(there, strings.Join(state, " or "), nil)
	var states [2]string
	states[here] = listed.State
	if len(state) > 0 {
		states[there] = state[0]
	}
	p.Change = change(states[0], states[1])
	if why != "" {
		p.Comparable, p.Why = false, fmt.Sprintf(why, sideNames[there])
	}
	c.sameWay(&p, key)
	return p, true
}

// Why a port that is not listed cannot be compared; each names the side.
const (
	notAsked     = "the scan %s did not ask for the port"
	maybeAsked   = "whether the scan %s asked for the port is not known"
	gaveUp       = "the scan %s gave the host up"
	someLeftOut  = "the report of the scan %s leaves out some ports of the host"
	notKnownOpen = "" // it can be compared
)

// unlisted are the states that a port may have in a scan that does not list it, and why that cannot be
// compared.
func (c *comparison) unlisted(h *host, key portKey, side int) (states []string, why string) {
	states = h.summary().states(key)
	switch c.sides[side].asked.port(key, &c.sides[1-side].asked) {
	case no:
		return nil, notAsked
	case unknown:
		if len(h.summary().named(key)) == 0 {
			return nil, maybeAsked
		}
	}
	switch {
	case h.TimedOut:
		return nil, gaveUp
	case h.PortsLeftOut > 0 && len(h.summary().named(key)) == 0:
		return nil, someLeftOut
	}
	return states, notKnownOpen
}

// notAsked is a port that only the scan here asked for. When the other one did not touch the protocol at all,
// there is no use in naming each.
func (c *comparison) notAsked(p Port, pair [2]*host, key portKey, here int) (Port, bool) {
	there := 1 - here
	if c.sides[there].asked.protocol(key.protocol) == no {
		c.note("the scan %s did not ask for %s ports at all", sideNames[there], foreign(key.protocol).Clean())
		c.count.NotComparable++
		return p, false
	}
	listed := pair[here].listed[key]
	p.fill(here, listed.State, listed.Service)
	p.Change, p.Comparable, p.Why = NotScannedBefore, false, fmt.Sprintf(notAsked, sideNames[there])
	if there == 1 {
		p.Change = NotScannedAfter
	}
	return p, true
}
