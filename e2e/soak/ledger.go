package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// stranger stands for all tools that there are not: what a caller invents is no name in metrics and events.
const stranger = "unknown"

// count is what one tool came to.
type count struct {
	received int
	started  int            // passed every gate
	finished int            // of those
	refused  int            // by a gate
	outcomes map[string]int // of the finished and the refused: error_type -> calls; "" is success
}

// ledger is what one witness says.
type ledger struct {
	witness string
	tools   map[string]*count // name -> what it came to
}

func newLedger(witness string) *ledger {
	return &ledger{witness: witness, tools: make(map[string]*count)}
}

// known is the name of a tool that there is, else that of all others.
func known(tool string) string {
	if !slices.Contains(tools, tool) {
		return stranger
	}
	return tool
}

// add counts refused calls that nobody tells of one by one.
func (l *ledger) add(refused map[refusal]int) {
	for r, n := range refused {
		c := l.of(r.tool)
		c.received += n
		c.refused += n
		c.outcomes[r.kind] += n
	}
}

// of is the count of a tool; names that there are not are one.
func (l *ledger) of(tool string) *count {
	tool = known(tool)
	c := l.tools[tool]
	if c == nil {
		c = &count{outcomes: make(map[string]int)}
		l.tools[tool] = c
	}
	return c
}

// imbalance says where a ledger contradicts itself.
func (l *ledger) imbalance() (faults []string) {
	for _, name := range slices.Sorted(maps.Keys(l.tools)) {
		c := l.tools[name]
		ended := 0
		for _, n := range c.outcomes {
			ended += n
		}
		if c.received != c.finished+c.refused || c.started != c.finished || ended != c.received {
			faults = append(faults, fmt.Sprintf(
				"%s of %s: received %d, started %d, finished %d, refused %d, outcomes %d",
				l.witness, name, c.received, c.started, c.finished, c.refused, ended))
		}
	}
	return faults
}

// differences says where two ledgers tell different stories.
func (l *ledger) differences(other *ledger) (faults []string) {
	for _, name := range tools {
		a, b := l.of(name), other.of(name)
		for _, pair := range []struct {
			what string
			a, b int
		}{
			{"received", a.received, b.received}, {"started", a.started, b.started},
			{"finished", a.finished, b.finished}, {"refused", a.refused, b.refused},
		} {
			if pair.a != pair.b {
				faults = append(faults, fmt.Sprintf("%s, %s: %d in %s, %d in %s",
					name, pair.what, pair.a, l.witness, pair.b, other.witness))
			}
		}
		for _, kind := range kindsOf(a, b) {
			if a.outcomes[kind] != b.outcomes[kind] {
				faults = append(faults, fmt.Sprintf("%s, %s: %d in %s, %d in %s",
					name, kindName(kind), a.outcomes[kind], l.witness, b.outcomes[kind], other.witness))
			}
		}
	}
	return faults
}

// kindsOf are the outcomes that any of the counts has.
func kindsOf(counts ...*count) []string {
	all := make(map[string]bool)
	for _, c := range counts {
		for kind := range c.outcomes {
			all[kind] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func kindName(kind string) string {
	if kind == "" {
		return "success"
	}
	return kind
}

// some names the first few of many.
func some(ids []string) string {
	const few = 5
	if len(ids) <= few {
		return strings.Join(ids, ", ")
	}
	return strings.Join(ids[:few], ", ") + fmt.Sprintf(" and %d more", len(ids)-few)
}
