package metrics

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// Tally is what is counted of calls; plans are not in it. At rest Received equals Finished, and Refused are
// those of Finished that did not run.
type Tally struct {
	Received       int64   `json:"received"`
	Finished       int64   `json:"executions"` // refused ones too
	Refused        int64   `json:"refused"`
	Errors         int64   `json:"errors"` // of Finished
	Active         int64   `json:"active"`
	AverageSeconds float64 `json:"average_seconds"` // of those that ran

	elapsed time.Duration // of those that ran
}

// plus joins two tallies.
func (t Tally) plus(u Tally) Tally {
	t.Received += u.Received
	t.Finished += u.Finished
	t.Refused += u.Refused
	t.Errors += u.Errors
	t.Active += u.Active
	t.elapsed += u.elapsed
	t.AverageSeconds = 0
	if ran := t.Finished - t.Refused; ran > 0 {
		t.AverageSeconds = t.elapsed.Seconds() / float64(ran)
	}
	return t
}

// counts are a tally while it is counted.
type counts struct{ received, finished, refused, errors, active, nanos atomic.Int64 }

func (c *counts) read() Tally {
	return Tally{}.plus(Tally{
		Received: c.received.Load(), Finished: c.finished.Load(), Refused: c.refused.Load(),
		Errors: c.errors.Load(), Active: c.active.Load(), elapsed: time.Duration(c.nanos.Load()),
	})
}

// Summary is what the event stream tells every few seconds.
type Summary struct {
	Calls Tally            `json:"calls"` // since the start, of tools that are gone too
	Tools map[string]Tally `json:"tools"` // of tools that were called, at most maxSummary of them
	More  int              `json:"more"`  // tools that are left out
}

// maxSummary bounds the size of an event.
const maxSummary = 100

// Summary tells how many calls there were. The tools in it are those with the most calls.
func (m *Metrics) Summary() Summary {
	all, total := m.tallies()
	maps.DeleteFunc(all, func(_ string, t Tally) bool { return t.Received == 0 && t.Finished == 0 })
	s := Summary{Calls: total, Tools: make(map[string]Tally)}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b].Finished, all[a].Finished), cmp.Compare(a, b))
	})
	s.More = max(0, len(names)-maxSummary)
	for _, name := range names[:len(names)-s.More] {
		s.Tools[name] = all[name]
	}
	return s
}

func (m *Metrics) tallies() (each map[string]Tally, total Tally) {
	m.tools.mu.RLock()
	defer m.tools.mu.RUnlock()
	each, total = make(map[string]Tally), m.tools.gone
	for name, t := range m.tools.each {
		each[name] = t.tally.read()
		total = total.plus(each[name])
	}
	return each, total
}
