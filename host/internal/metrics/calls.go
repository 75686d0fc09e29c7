package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// The values of some labels.
const (
	stdout  = "stdout"
	stderr  = "stderr"
	success = "success"
	failure = "error"
)

var (
	gates = []string{
		"lookup", "authorize", "rate", "check", "scope", "deadline", "capacity", "breaker", "trail",
	}
	verdicts      = []tool.Verdict{"", tool.Accept, tool.Gated, tool.Reject}
	breakerStates = []string{"closed", "open", "half_open"} // by the value of mcp_circuit_breaker_state
)

// Observation is what is to be known of a call or a plan that ended.
type Observation struct {
	Tool    string       // of the catalog, the same as Received was told; anything else: Unknown
	Plan    bool         // a dry run: counted among plans, and nowhere else
	Verdict tool.Verdict // of a plan that reached the plugin
	Ran     bool         // every gate was passed, and Started was called
	Gate    string       // that refused; counts when Ran is false
	Kind    tool.Kind    // empty: it went well

	Elapsed, Queued                  time.Duration // Queued is part of Elapsed
	Stdout, Stderr                   int           // bytes that were kept
	TruncatedStdout, TruncatedStderr bool
}

// Received counts a call, or notes that a plan is under way. Finished must follow, once.
func (m *Metrics) Received(name string, plan bool) {
	m.on(name, func(t *instruments) {
		t.open.Add(1)
		if !plan {
			t.received.Inc()
			t.tally.received.Add(1)
		}
	})
}

// Started counts a call that passed every gate. Finished with Ran must follow, once.
func (m *Metrics) Started(name string) {
	m.on(name, func(t *instruments) {
		t.active.Inc()
		t.tally.active.Add(1)
	})
}

// Finished counts a call or a plan that ended.
func (m *Metrics) Finished(o Observation) {
	gone := false
	m.on(o.Tool, func(t *instruments) {
		switch {
		case o.Plan:
			m.planned(t, o)
		default:
			m.ended(t, o)
		}
		gone = t.open.Add(-1) <= 0 && t.gone
	})
	if gone {
		m.settle(o.Tool)
	}
}

func (m *Metrics) planned(t *instruments, o Observation) {
	if !slices.Contains(verdicts, o.Verdict) {
		o.Verdict = "" // the plugin's own word
	}
	m.vecs.plans.WithLabelValues(t.name, string(o.Verdict), string(outcomes[ordinal(o.Kind)])).Inc()
}

func (m *Metrics) ended(t *instruments, o Observation) {
	m.outcome(t, ordinal(o.Kind))
	t.tally.finished.Add(1)
	if o.Ran {
		t.active.Dec()
		t.tally.active.Add(-1)
		t.tally.nanos.Add(int64(o.Elapsed))
		t.duration.Observe(o.Elapsed.Seconds())
	} else {
		t.tally.refused.Add(1)
		gate := o.Gate
		if !slices.Contains(gates, gate) {
			gate = Other
		}
		m.vecs.refusals.WithLabelValues(t.name, gate).Inc()
	}
	if o.Ran || o.Queued > 0 {
		t.queued.Observe(o.Queued.Seconds())
	}
	m.printed(t, o)
}

// outcome counts how a call ended.
func (m *Metrics) outcome(t *instruments, i int) {
	kind := string(outcomes[i])
	if kind != "" {
		m.vecs.errors.WithLabelValues(t.name, kind).Inc()
		t.tally.errors.Add(1)
	}
	p := t.total[i].Load()
	if p == nil {
		status := success
		if kind != "" {
			status = failure
		}
		c := m.vecs.total.WithLabelValues(t.name, status, kind)
		p = &c
		t.total[i].Store(p)
	}
	(*p).Inc()
}

func (m *Metrics) printed(t *instruments, o Observation) {
	for _, s := range []struct {
		name  string
		bytes prometheus.Counter
		n     int
		cut   bool
	}{{stdout, t.stdout, o.Stdout, o.TruncatedStdout}, {stderr, t.stderr, o.Stderr, o.TruncatedStderr}} {
		if s.n > 0 {
			s.bytes.Add(float64(s.n))
		}
		if s.cut {
			m.vecs.truncated.WithLabelValues(t.name, s.name).Inc()
		}
	}
}

// Breaker shows the state of a tool's breaker: 0 closed, 1 open, 2 half open. A state that it has already is
// no transition.
func (m *Metrics) Breaker(name string, state int) {
	if state < 0 || state >= len(breakerStates) {
		return
	}
	m.on(name, func(t *instruments) {
		if t.name == Unknown {
			return
		}
		m.vecs.breaker.WithLabelValues(t.name).Set(float64(state))
		if t.state.Swap(int32(state)) != int32(state) {
			m.vecs.transitions.WithLabelValues(t.name, breakerStates[state]).Inc()
		}
	})
}
