package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// comparison is two reports on the way to their difference.
type comparison struct {
	sides [2]*report // before, after
	notes []string
	found []Host
	count Counts
}

// note says what cannot be compared, once.
func (c *comparison) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(c.notes) < maxNotes && !slices.Contains(c.notes, text) {
		c.notes = append(c.notes, text)
	}
}

// overall notes in what the two scans as a whole are not alike.
func (c *comparison) overall() {
	a, b := c.sides[0], c.sides[1]
	for i, r := range c.sides {
		if !r.Complete {
			c.note("the scan %s was cut short: hosts that it does not have may not have been reached", sideNames[i])
		}
		if r.Truncated {
			c.note("the report of the scan %s was bounded: something is missing", sideNames[i])
		}
	}
	if a.Ports != b.Ports {
		c.note("the scans asked for different ports: before %s, after %s", quote(a.Ports), quote(b.Ports))
	}
	if x, y := a.scanNames(), b.scanNames(); !slices.Equal(x, y) {
		c.note("the scans are of different kinds: before %s, after %s", quote(join(x)), quote(join(y)))
	}
	for i, r := range c.sides {
		other := c.sides[1-i]
		if r.probed && !other.probed {
			c.note("only the scan %s asked for the versions of services; they are not compared", sideNames[i])
		}
		if r.scripts && !other.scripts {
			c.note("only the scan %s has results of scripts; they are not compared", sideNames[i])
		}
		if r.guessed && !other.guessed {
			c.note("only the scan %s guessed at operating systems; they are not compared", sideNames[i])
		}
	}
}

func (r *report) scanNames() []tool.Untrusted {
	names := make([]tool.Untrusted, 0, len(r.Scans))
	for _, s := range atMost(r.Scans) {
		names = append(names, foreign(s.Type+"/"+s.Protocol))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func join(names []tool.Untrusted) string {
	var words []string
	for _, n := range names {
		words = append(words, string(n))
	}
	return strings.Join(words, ", ")
}

// quote is a foreign text within a sentence of ours.
func quote(s string) string { return fmt.Sprintf("%q", foreign(s).Clean()) }

func (c *comparison) hosts() {
	addresses := maps.Clone(c.sides[0].byAddress)
	maps.Copy(addresses, c.sides[1].byAddress)
	for _, address := range slices.SortedFunc(maps.Keys(addresses), compareAddresses) {
		pair := [2]*host{c.sides[0].byAddress[address], c.sides[1].byAddress[address]}
		h := Host{
			Address: tool.Untrusted(address), Change: Changed, Comparable: true,
			Before: foreign(pair[0].status()), After: foreign(pair[1].status()),
		}
		switch {
		case pair[0].up() && pair[1].up():
			c.both(&h, pair)
		case pair[1].up():
			c.alone(&h, pair, 1, Came)
		case pair[0].up():
			c.alone(&h, pair, 0, Went)
		default:
			continue // down, not asked and not reported are all the same
		}
		if !h.Comparable || h.Change != Changed || len(h.Ports)+len(h.Facts)+len(h.Scripts) > 0 {
			c.found = append(c.found, h)
			c.tally(&h)
		}
	}
}

// alone is a host that is up in one of the scans.
func (c *comparison) alone(h *Host, pair [2]*host, here int, change Kind) {
	h.Change = change
	there, r := pair[1-here], c.sides[1-here]
	switch {
	case there != nil && there.Status != "down":
		h.Why = "the scan " + sideNames[1-here] + " did not ask whether it is up"
	case there == nil && !r.Complete:
		h.Why = "the scan " + sideNames[1-here] + " was cut short"
	case there == nil && r.Truncated:
		h.Why = "the report of the scan " + sideNames[1-here] + " was bounded"
	}
	h.Comparable = h.Why == ""
	for _, key := range sortedKeys(pair[here].listed, nil) {
		p := pair[here].listed[key]
		if !open(p.State) {
			continue
		}
		d := Port{
			Port: key.port, Protocol: tool.Untrusted(key.protocol), Change: change, Comparable: h.Comparable,
			Why: h.Why,
		}
		d.fill(here, p.State, p.Service)
		h.Ports = append(h.Ports, d)
	}
}

// both is a host that is up in both scans.
func (c *comparison) both(h *Host, pair [2]*host) {
	for _, key := range sortedKeys(pair[0].listed, pair[1].listed) {
		if p, differs := c.port(pair, key); differs {
			h.Ports = append(h.Ports, p)
		}
	}
	fact := func(name, before, after string) {
		if before != "" && after != "" && before != after {
			h.Facts = append(h.Facts, Fact{Name: name, Before: foreign(before), After: foreign(after)})
		}
	}
	fact("mac", pair[0].MAC, pair[1].MAC)
	fact("os", pair[0].bestGuess(), pair[1].bestGuess())
	h.Scripts = c.scripts(pair[0].Scripts, pair[1].Scripts)
}

func (h *host) bestGuess() string {
	if len(h.OS) == 0 {
		return ""
	}
	return h.OS[0].Name
}

func sortedKeys(a, b map[portKey]*port) []portKey {
	keys := make(map[portKey]bool, len(a)+len(b))
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	return slices.SortedFunc(maps.Keys(keys), func(x, y portKey) int {
		return cmp.Or(cmp.Compare(x.port, y.port), strings.Compare(x.protocol, y.protocol))
	})
}

// scripts are the differences between what scripts said. A scan in which none said anything had none.
func (c *comparison) scripts(before, after []script) []Script {
	if !c.sides[0].scripts || !c.sides[1].scripts {
		return nil
	}
	was, is := outputs(before), outputs(after)
	ids := maps.Clone(was)
	maps.Copy(ids, is)
	var found []Script
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		x, hadIt := was[id]
		y, hasIt := is[id]
		if hadIt == hasIt && x == y {
			continue
		}
		s := Script{ID: foreign(id), Change: Changed}
		switch {
		case !hadIt:
			s.Change = Came
		case !hasIt:
			s.Change = Went
		}
		if s.Change != Changed {
			c.note("which scripts were run is not told: one that came or went may not have been run in the other scan")
		}
		s.Before, s.After = firstDifference(x, y)
		found = append(found, s)
	}
	return found
}

func outputs(list []script) map[string]string {
	m := make(map[string]string, len(list))
	for _, s := range list {
		if _, ok := m[s.ID]; !ok {
			m[s.ID] = s.Output
		}
	}
	return m
}

// firstDifference is the first line in which two texts differ.
func firstDifference(a, b string) (x, y tool.Untrusted) {
	for {
		lineA, restA, moreA := strings.Cut(a, "\n")
		lineB, restB, moreB := strings.Cut(b, "\n")
		lineA, lineB = strings.TrimSpace(lineA), strings.TrimSpace(lineB)
		if lineA != lineB || !moreA && !moreB {
			return foreign(lineA), foreign(lineB)
		}
		a, b = restA, restB
	}
}
