package call

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ToolState is how a tool is doing at this moment. The zero ToolState with a closed breaker is that of a
// tool that was never called.
type ToolState struct {
	Breaker    BreakerState
	Forced     bool          // opened by hand: it stays open until it is closed by hand
	Failures   int           // consecutive; while the breaker is not closed, those that opened it
	RetryAfter time.Duration // until an open breaker lets a trial through; zero when it is not open

	Slots      int           // calls at a time
	SlotsInUse int           // calls that hold one
	Queued     int           // calls that wait for one
	AverageRun time.Duration // moving average; zero: there was none

	Calls, Errors uint64 // since the host started: calls of the tool, and those of them that ended with an error
}

// State tells how a tool is doing; it may be any name.
func (r *Router) State(tool string) ToolState {
	st := r.tools.get(tool)
	if e, ok := r.cfg.Catalog().Lookup(tool); ok {
		st = r.tools.of(e)
	}
	if st == nil {
		return ToolState{Breaker: Closed}
	}
	s := st.circuit.state()
	s.Slots, s.AverageRun = st.slots.size, time.Duration(st.slots.average.Load())
	s.SlotsInUse, s.Queued = st.slots.load()
	s.Calls, s.Errors = st.counts.calls.Load(), st.counts.errors.Load()
	return s
}

// SetBreaker opens the breaker of a tool by hand, until it is closed by hand; or closes it, whoever opened
// it, and forgets the failures.
func (r *Router) SetBreaker(name string, open bool) error {
	e, ok := r.cfg.Catalog().Lookup(name)
	if !ok {
		return tool.Errorf(tool.KindToolNotFound, "there is no tool %q", clip(name, tool.MaxNameLength)).
			Suggest("list the tools to see what this host offers; names are exact")
	}
	st := r.tools.byHand(e, open)
	st.circuit.news.flush()
	return nil
}

// toolState is what is remembered of a tool from call to call, and over restarts of its plugin. It is
// immutable but for what its parts count: a reload that changes the settings makes a new one, and calls
// under way keep theirs.
type toolState struct {
	given    catalog.Settings // from which it was made
	settings catalog.Settings // given, with the floors of inForce
	slots    *slots
	circuit  *circuit
	counts   *counts
}

// counts are a tool's calls since the host started.
type counts struct{ calls, errors atomic.Uint64 }

// tools holds the state of each tool that the catalog ever had when it was called.
type tools struct {
	catalog func() *catalog.Catalog
	changed func(tool string, state BreakerState)

	mu     sync.RWMutex
	byName map[string]*toolState // tool name -> state
}

func newTools(cfg Config) *tools {
	return &tools{catalog: cfg.Catalog, changed: cfg.BreakerChanged, byName: make(map[string]*toolState)}
}

// circuit is the breaker in force of a tool that has been called. Who waited for a slot asks for it again: the
// one of its arrival may have been replaced by hand.
func (t *tools) circuit(name string) *circuit { return t.get(name).circuit }

// get returns the state of a tool, or nil.
func (t *tools) get(name string) *toolState {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[name]
}

// of returns the state of a tool of the catalog, made or renewed for the settings that the entry brings.
func (t *tools) of(e *catalog.Entry) *toolState {
	st := t.get(e.Spec.Name)
	if st != nil && st.given == e.Settings {
		return st
	}
	st = t.renew(e)
	st.circuit.news.flush() // not under the lock
	return st
}

// renew goes by the catalog of this moment, whatever the call has: one that comes late with an old entry must
// not bring old settings back.
func (t *tools) renew(e *catalog.Entry) *toolState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if newest, ok := t.catalog().Lookup(e.Spec.Name); ok {
		e = newest
	}
	old := t.byName[e.Spec.Name]
	if old != nil && old.given == e.Settings {
		return old // somebody else was faster
	}
	st := &toolState{given: e.Settings, settings: inForce(e.Settings)}
	if old == nil {
		st.slots = newSlots(st.settings.Concurrency)
		st.circuit = newCircuit(st.settings.Breaker, &news{tool: e.Spec.Name, tell: t.changed})
		st.counts = new(counts)
	} else {
		st.slots = old.slots.renewed(st.settings)
		st.circuit = old.circuit.renewed(st.settings.Breaker)
		st.counts = old.counts
	}
	t.byName[e.Spec.Name] = st
	return st
}

// byHand puts the operator's wish for a breaker into force.
func (t *tools) byHand(e *catalog.Entry, open bool) *toolState {
	t.of(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	st := *t.byName[e.Spec.Name]
	st.circuit = st.circuit.byHand(open)
	t.byName[e.Spec.Name] = &st
	return &st
}
