package metrics

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// tools are the instruments of each tool. Whoever counts holds mu for reading, so that what is counted is
// never counted into series that are just being deleted.
type tools struct {
	mu   sync.RWMutex
	each map[string]*instruments // name -> its instruments; Unknown is always there
	gone Tally                   // of the tools that were deleted
}

// instruments of one tool. Those that every call touches are looked up once.
type instruments struct {
	name             string
	received         prometheus.Counter
	active           prometheus.Gauge
	duration, queued prometheus.Observer
	stdout, stderr   prometheus.Counter
	total            []atomic.Pointer[prometheus.Counter] // by index in outcomes
	state            atomic.Int32                         // of the breaker
	gone             bool                                 // of the catalog; guarded by tools.mu
	open             atomic.Int64                         // calls and plans under way
	tally            counts
}

// outcomes are the values of error_type: none, and the kinds of the table.
var outcomes = append([]tool.Kind{""}, tool.Kinds()...)

// ordinal is the place of a kind in outcomes.
func ordinal(k tool.Kind) int {
	if i := slices.Index(outcomes, k); i >= 0 {
		return i
	}
	return slices.Index(outcomes, tool.KindUnknown)
}

// Tools says which tools there are. The series of others are deleted, once no call of theirs is under way.
func (m *Metrics) Tools(names []string) {
	m.tools.mu.Lock()
	defer m.tools.mu.Unlock()
	for name, t := range m.tools.each {
		if t.gone = name != Unknown && !slices.Contains(names, name); t.gone {
			m.deleteLocked(t)
		}
	}
	m.addLocked(Unknown)
	for _, name := range names {
		m.addLocked(name)
	}
}

// deleteLocked ends the series of a tool, unless a call of it will still be counted.
func (m *Metrics) deleteLocked(t *instruments) {
	if t.open.Load() > 0 {
		return
	}
	m.tools.gone = m.tools.gone.plus(t.tally.read())
	delete(m.tools.each, t.name)
	for _, v := range m.vecs.byTool {
		v.DeletePartialMatch(prometheus.Labels{"tool": t.name})
	}
}

func (m *Metrics) addLocked(name string) {
	if m.tools.each == nil {
		m.tools.each = make(map[string]*instruments)
	}
	if m.tools.each[name] != nil || len(m.tools.each) > maxTools { // one is Unknown
		return
	}
	t := &instruments{
		name:     name,
		received: m.vecs.received.WithLabelValues(name),
		active:   m.vecs.active.WithLabelValues(name),
		duration: m.vecs.duration.WithLabelValues(name),
		queued:   m.vecs.queued.WithLabelValues(name),
		stdout:   m.vecs.output.WithLabelValues(name, stdout),
		stderr:   m.vecs.output.WithLabelValues(name, stderr),
		total:    make([]atomic.Pointer[prometheus.Counter], len(outcomes)),
	}
	m.tools.each[name] = t
	m.zero(name)
}

// zero makes the series that alerts watch, because the step from none to one is no increase to Prometheus.
func (m *Metrics) zero(name string) {
	m.vecs.total.WithLabelValues(name, success, "")
	for _, kind := range tool.Kinds() {
		m.vecs.errors.WithLabelValues(name, string(kind))
	}
	for _, gate := range append(gates, Other) {
		m.vecs.refusals.WithLabelValues(name, gate)
	}
	if name != Unknown {
		m.vecs.breaker.WithLabelValues(name)
	}
}

// on counts something of a tool, or of Unknown.
func (m *Metrics) on(name string, count func(*instruments)) {
	if m.counted(name, count) {
		return
	}
	if m.known(name) { // in a catalog that Tools has not told of yet
		m.tools.mu.Lock()
		m.addLocked(name)
		m.tools.mu.Unlock()
		if m.counted(name, count) {
			return
		}
	}
	m.counted(Unknown, count)
}

func (m *Metrics) counted(name string, count func(*instruments)) bool {
	m.tools.mu.RLock()
	defer m.tools.mu.RUnlock()
	t := m.tools.each[name]
	if t != nil {
		count(t)
	}
	return t != nil
}

// settle deletes what Tools had to leave because of the call that just ended.
func (m *Metrics) settle(name string) {
	m.tools.mu.Lock()
	defer m.tools.mu.Unlock()
	if t := m.tools.each[name]; t != nil && t.gone {
		m.deleteLocked(t)
	}
}

// shown reports whether a tool has series.
func (m *Metrics) shown(name string) bool { return m.counted(name, func(*instruments) {}) }
