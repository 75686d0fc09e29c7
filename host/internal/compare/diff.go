package compare

import (
	"slices"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// tally counts the differences of a host.
func (c *comparison) tally(h *Host) {
	n := &c.count
	changed := h.Change == Changed && len(h.Facts)+len(h.Scripts) > 0
	for _, p := range h.Ports {
		changed = changed || h.Change == Changed && p.Comparable
		switch {
		case !p.Comparable:
			n.NotComparable++
		case p.Change == Came:
			n.PortsCame++
		case p.Change == Went:
			n.PortsWent++
		default:
			n.PortsChanged++
		}
	}
	switch {
	case !h.Comparable:
		n.NotComparable++
	case h.Change == Came:
		n.HostsCame++
	case h.Change == Went:
		n.HostsWent++
	case changed:
		n.HostsChanged++
	}
}

// diff is the difference, bounded.
func (c *comparison) diff() Diff {
	d := Diff{
		Comparable: len(c.notes) == 0 && c.count.NotComparable == 0, Notes: c.notes, Counts: c.count,
		Before: c.sides[0].side(), After: c.sides[1].side(),
	}
	d.Hosts, d.LeftOut = bound(c.found)
	fillIn(&d.Notes)
	fillIn(&d.Hosts)
	for i := range d.Hosts {
		h := &d.Hosts[i]
		fillIn(&h.Ports)
		fillIn(&h.Facts)
		fillIn(&h.Scripts)
		for k := range h.Ports {
			fillIn(&h.Ports[k].Scripts)
		}
	}
	return d
}

// fillIn makes a list of nothing one that is not null in JSON.
func fillIn[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

func (r *report) side() Side {
	s := Side{
		Started: foreign(r.Started), Ports: foreign(r.Ports), Scans: r.scanNames(),
		Complete: r.Complete && !r.Truncated,
	}
	for _, h := range r.byAddress {
		if h.up() {
			s.Up++
		}
	}
	return s
}

// bound leaves out what is more than MaxChanges: first what cannot be compared, and then from the end.
func bound(found []Host) (hosts []Host, left int) {
	total, certain := 0, 0
	for i := range found {
		all, sure := found[i].weigh()
		total, certain = total+all, certain+sure
	}
	if total <= MaxChanges {
		return found, 0
	}
	doubtful := max(MaxChanges-certain, 0)
	room := MaxChanges
	for _, h := range found {
		kept := h.within(&room, &doubtful)
		if kept == nil {
			continue
		}
		hosts = append(hosts, *kept)
	}
	for i := range hosts {
		all, _ := hosts[i].weigh()
		total -= all
	}
	return hosts, total
}

// weigh counts the differences of a host, and those that can be compared. A host that has changed is none
// itself.
func (h *Host) weigh() (all, certain int) {
	count := func(n int, sure bool) {
		all += n
		if sure {
			certain += n
		}
	}
	if h.Change != Changed {
		count(1, h.Comparable)
	}
	count(len(h.Facts)+len(h.Scripts), true)
	for _, p := range h.Ports {
		count(1+len(p.Scripts), p.Comparable)
	}
	return all, certain
}

// within is the host with as many of its differences as there is room for; nil: with none. doubtful is room
// for what cannot be compared.
func (h Host) within(room, doubtful *int) *Host {
	take := func(n int, sure bool) bool {
		if n > *room || !sure && n > *doubtful {
			return false
		}
		*room -= n
		if !sure {
			*doubtful -= n
		}
		return true
	}
	if h.Change != Changed && !take(1, h.Comparable) {
		return nil
	}
	h.Ports = slices.DeleteFunc(slices.Clone(h.Ports), func(p Port) bool {
		return !take(1+len(p.Scripts), p.Comparable)
	})
	h.Facts = slices.DeleteFunc(slices.Clone(h.Facts), func(Fact) bool { return !take(1, true) })
	h.Scripts = slices.DeleteFunc(slices.Clone(h.Scripts), func(Script) bool { return !take(1, true) })
	if all, _ := h.weigh(); all == 0 {
		return nil
	}
	return &h
}

// line is a foreign text on one line.
func line(u tool.Untrusted) string {
	text := []rune(u.Clean())
	for i, r := range text {
		if r == '\n' || r == '\t' {
			text[i] = ' '
		}
	}
	return string(text)
}
