package main

import (
	"fmt"
	"maps"
	"slices"
)

// life is what a witness says of one call.
type life struct {
	tool, kind                           string
	received, started, finished, refused int
	order                                string // first letters, as they came
	plan                                 bool
}

// lived finds the life of an execution id, or begins it.
func lived(lives map[string]*life, id string) *life {
	l := lives[id]
	if l == nil {
		l = new(life)
		lives[id] = l
	}
	return l
}

// event takes in an event of GET /events.
func (l *life) event(kind, tool, errorType string) {
	l.tool = tool
	switch kind {
	case "call.received":
		l.received++
		l.order += "r"
	case "call.started":
		l.started++
		l.order += "s"
	case "call.finished":
		l.finished++
		l.kind = errorType
		l.order += "f"
	case "call.refused":
		l.refused++
		l.kind = errorType
		l.order += "x"
	}
}

// line takes in a line of the trail, which tells of no call before it is decided.
func (l *life) line(event, tool, errorType string) {
	l.tool = tool
	switch event {
	case "accept":
		l.received++
		l.started++
		l.order += "a"
	case "exec":
		l.order += "e"
	case "finish":
		l.finished++
		l.kind = errorType
		l.order += "f"
	case "refuse":
		l.received++
		l.refused++
		l.kind = errorType
		l.order += "x"
	case "plan":
		l.plan = true
	}
}

// sum makes a ledger of lives, and tells of those that did not go as lives go. A life is whole when its order
// is one of those given.
func sum(witness string, lives map[string]*life, whole ...string) (*ledger, []string) {
	book := newLedger(witness)
	odd := make(map[string][]string) // order -> ids
	for id, l := range lives {
		if l.plan {
			continue
		}
		c := book.of(l.tool)
		c.received += l.received
		c.started += l.started
		c.finished += l.finished
		c.refused += l.refused
		if l.finished+l.refused > 0 {
			c.outcomes[l.kind]++
		}
		if !slices.Contains(whole, l.order) {
			odd[l.order] = append(odd[l.order], id)
		}
	}
	var faults []string
	for _, order := range slices.Sorted(maps.Keys(odd)) {
		faults = append(faults, fmt.Sprintf("in %s %d calls went %q, want one of %q: %s",
			witness, len(odd[order]), order, whole, some(odd[order])))
	}
	return book, faults
}
