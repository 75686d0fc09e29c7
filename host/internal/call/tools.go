package call

import (
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// ToolState is how a tool is doing at this moment. The zero ToolState with a closed breaker is that of a
// tool that was never called.
type ToolState struct {
	Breaker    BreakerState
	Failures   int           // consecutive; while the breaker is not closed, those that opened it
	RetryAfter time.Duration // until an open breaker lets a trial through; zero when it is not open

	Slots      int           // calls at a time
	SlotsInUse int           // calls that hold one
	Queued     int           // calls that wait for one
	AverageRun time.Duration // moving average; zero: there was none
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
	s.Slots, s.SlotsInUse = st.slots.size, int(st.slots.busy.Load())
	s.Queued, s.AverageRun = int(st.slots.waiting.Load()), time.Duration(st.slots.average.Load())
	return s
}

// toolState is what is remembered of a tool from call to call, and over restarts of its plugin. It is
// immutable but for what its parts count: a reload that changes the settings makes a new one, and calls
// under way keep theirs.
type toolState struct {
	given    catalog.Settings // from which it was made
	settings catalog.Settings // given, with the floors of inForce
	slots    *slots
	circuit  *circuit
}

// tools holds the state of each tool that the catalog ever had when it was called.
type tools struct {
	changed func(tool string, state BreakerState)

	mu     sync.RWMutex
	byName map[string]*toolState // tool name -> state
}

func newTools(changed func(string, BreakerState)) *tools {
	return &tools{changed: changed, byName: make(map[string]*toolState)}
}

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

func (t *tools) renew(e *catalog.Entry) *toolState {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byName[e.Spec.Name]
	if old != nil && old.given == e.Settings {
		return old // somebody else was faster
	}
	st := &toolState{given: e.Settings, settings: inForce(e.Settings)}
	if old == nil {
		st.slots = newSlots(st.settings.Concurrency)
		st.circuit = newCircuit(st.settings, &news{tool: e.Spec.Name, tell: t.changed})
	} else {
		st.slots = old.slots.renewed(st.settings)
		st.circuit = old.circuit.renewed(st.settings)
	}
	t.byName[e.Spec.Name] = st
	return st
}
