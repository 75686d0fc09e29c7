package call

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// BreakerState is the state of a tool's circuit breaker.
type BreakerState string

// The states.
const (
	Closed   BreakerState = "CLOSED"    // calls pass
	Open     BreakerState = "OPEN"      // the tool failed too often; calls are refused
	HalfOpen BreakerState = "HALF_OPEN" // one call passes, as a trial; it decides between the other two
)

var breakerStates = map[gobreaker.State]BreakerState{
	gobreaker.StateClosed: Closed, gobreaker.StateOpen: Open, gobreaker.StateHalfOpen: HalfOpen,
}

// The outcomes that a circuit distinguishes; nil is success.
var (
	errFailed  = errors.New("the tool failed")
	errNeutral = errors.New("the call says nothing about the tool")
)

// circuit is the breaker of one tool: gobreaker's, together with what gobreaker does not tell. All changes
// of state happen inside of it; outcomes of calls from before a change are dropped.
type circuit struct {
	threshold int
	recovery  time.Duration
	breaker   *gobreaker.TwoStepCircuitBreaker[struct{}]
	news      *news
	retired   atomic.Bool               // replaced by another; its changes are no news any more
	reopens   atomic.Pointer[time.Time] // when an open one lets a trial through; monotonic
	failures  atomic.Int64              // consecutive, as of the last failure; zero after closing
}

func newCircuit(s catalog.Settings, n *news) *circuit {
	c := &circuit{threshold: s.BreakerThreshold, recovery: s.BreakerRecovery, news: n}
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     c.recovery,
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			c.failures.Store(int64(counts.ConsecutiveFailures))
			return int(counts.ConsecutiveFailures) >= c.threshold
		},
		IsSuccessful:  func(outcome error) bool { return outcome == nil },
		IsExcluded:    func(outcome error) bool { return errors.Is(outcome, errNeutral) },
		OnStateChange: func(_ string, from, to gobreaker.State) { c.changedLocked(from, to) },
	})
	return c
}

// renewed returns the circuit for new settings: the same one, or a fresh one, which starts closed.
func (c *circuit) renewed(s catalog.Settings) *circuit {
	if c.threshold == s.BreakerThreshold && c.recovery == s.BreakerRecovery {
		return c
	}
	c.retired.Store(true)
	if c.breaker.State() != gobreaker.StateClosed {
		c.news.add(Closed)
	}
	return newCircuit(s, c.news)
}

// changedLocked is called under gobreaker's lock: it notes, and calls nobody.
func (c *circuit) changedLocked(from, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		// gobreaker asks whether the time is *past*, hence the nanosecond: who waits that long is let
		// through.
		at := time.Now().Add(c.recovery + 1)
		c.reopens.Store(&at)
		if from == gobreaker.StateHalfOpen {
			c.failures.Add(1)
		}
	case gobreaker.StateClosed:
		c.failures.Store(0)
	}
	if !c.retired.Load() {
		c.news.add(breakerStates[to])
	}
}

// allow lets a call through, or not. The outcome must be reported by calling done.
func (c *circuit) allow() (done func(outcome error), ok bool) {
	report, err := c.breaker.Allow()
	c.news.flush()
	if err != nil {
		return nil, false
	}
	return func(outcome error) {
		report(outcome)
		c.news.flush()
	}, true
}

// refuses reports whether allow would refuse a call now; unlike allow it takes nothing.
func (c *circuit) refuses() bool {
	state := c.breaker.State()
	c.news.flush()
	if state != gobreaker.StateHalfOpen {
		return state == gobreaker.StateOpen
	}
	counts := c.breaker.Counts()
	return counts.Requests > counts.TotalExclusions // since the change to half-open: the trial
}

// state tells the breaker's part of a ToolState.
func (c *circuit) state() ToolState {
	s := ToolState{Breaker: breakerStates[c.breaker.State()], Failures: int(c.failures.Load())}
	c.news.flush()
	switch s.Breaker {
	case Closed:
		s.Failures = int(c.breaker.Counts().ConsecutiveFailures)
	case Open:
		s.RetryAfter = max(time.Until(*c.reopens.Load()), 1)
	}
	return s
}

// news passes changes of a tool's breaker on: in order, one at a time, under no lock, and by whoever comes
// along. It outlives the circuits of its tool.
type news struct {
	tool string
	tell func(tool string, state BreakerState)

	mu      sync.Mutex
	pending []BreakerState
	telling bool // somebody is in tell
}

func (n *news) add(s BreakerState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending = append(n.pending, s)
}

// flush tells what is pending, unless somebody is at it: then they will.
func (n *news) flush() {
	for s, ok := n.take(); ok; s, ok = n.take() {
		n.deliver(s)
	}
}

func (n *news) take() (s BreakerState, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.telling || len(n.pending) == 0 {
		return "", false
	}
	s, n.pending, n.telling = n.pending[0], n.pending[1:], true
	return s, true
}

func (n *news) deliver(s BreakerState) {
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.telling = false
	}()
	n.tell(n.tool, s)
}
