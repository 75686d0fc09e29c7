package call

import (
	"errors"
	"math/rand/v2"
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
	HalfOpen BreakerState = "HALF_OPEN" // trials pass; they decide between the other two
)

var breakerStates = map[gobreaker.State]BreakerState{
	gobreaker.StateClosed: Closed, gobreaker.StateOpen: Open, gobreaker.StateHalfOpen: HalfOpen,
}

// The outcomes that a circuit distinguishes; nil is success.
var (
	errFailed  = errors.New("the tool failed")
	errNeutral = errors.New("the call says nothing about the tool")
)

// circuit is the breaker of one tool: gobreaker's, together with what gobreaker does not know: a rest that
// grows after each failed trial, and the operator's hand. All changes of state happen inside of it; outcomes
// of calls from before a change are dropped.
//
// While the tool rests gobreaker is not asked: its own rest is as good as none, and it would go half-open.
type circuit struct {
	settings atomic.Pointer[catalog.Breaker] // a reload changes them; the state stays
	random   func() float64                  // in [0, 1); a field for tests
	news     *news

	mu       sync.Mutex // makes one step of a look at the rest and a word with breaker
	tripping bool       // it opens at the next failure; before anybody else has the circuit
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]

	retired  atomic.Bool                 // replaced by another; its changes are no news any more
	forced   atomic.Bool                 // opened by hand, until it is closed by hand
	rests    atomic.Pointer[recoveryEnd] // nil: it was never open
	failures atomic.Int64                // consecutive, as of the last failure; zero after closing
}

// recoveryEnd is the rest of an open breaker.
type recoveryEnd struct {
	rest time.Duration // without the random part; the next one grows from it
	at   time.Time     // when a trial is let through; monotonic
}

func newCircuit(s catalog.Breaker, n *news) *circuit {
	c := &circuit{news: n, random: rand.Float64}
	c.settings.Store(&s)
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: uint32(s.Trials),
		Timeout:     1, // see above
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			c.failures.Store(int64(counts.ConsecutiveFailures))
			return c.tripping || int(counts.ConsecutiveFailures) >= c.settings.Load().Threshold
		},
		IsSuccessful:  func(outcome error) bool { return outcome == nil },
		IsExcluded:    func(outcome error) bool { return errors.Is(outcome, errNeutral) },
		OnStateChange: func(_ string, from, to gobreaker.State) { c.changedLocked(from, to) },
	})
	return c
}

// renewed returns the circuit for new settings, in the state that the old one is in. It is the same one,
// unless the number of trials changed, which gobreaker is made for.
func (c *circuit) renewed(s catalog.Breaker) *circuit {
	if c.settings.Load().Trials == s.Trials {
		c.settings.Store(&s)
		return c
	}
	c.retired.Store(true)
	fresh := newCircuit(s, c.news)
	fresh.forced.Store(c.forced.Load())
	if c.underlying() != Closed {
		fresh.trip()
		fresh.rests.Store(c.rests.Load())
		fresh.failures.Store(c.failures.Load())
	}
	return fresh
}

// trip opens a circuit that nobody has yet, without news: it takes the place of one that is open.
func (c *circuit) trip() {
	c.retired.Store(true)
	c.tripping = true
	if report, err := c.breaker.Allow(); err == nil { // a fresh one allows everything
		report(errFailed)
	}
	c.tripping = false
	c.retired.Store(false)
}

// underlying is the state that failures made, whatever the operator's hand did.
func (c *circuit) underlying() BreakerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resting() {
		return Open
	}
	return breakerStates[c.breaker.State()]
}

// byHand returns the circuit that the operator wants: one that is open until he closes it, or one that is
// closed and knows of no failures.
func (c *circuit) byHand(open bool) *circuit {
	if !open {
		c.retired.Store(true)
		if c.look().Breaker != Closed {
			c.news.add(Closed)
		}
		return newCircuit(*c.settings.Load(), c.news)
	}
	if !c.forced.Swap(true) && !c.resting() {
		c.news.add(Open)
	}
	return c
}

// changedLocked is called under gobreaker's lock: it notes, and calls nobody.
func (c *circuit) changedLocked(from, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		if from == gobreaker.StateHalfOpen {
			c.failures.Add(1)
		}
		c.rest(from == gobreaker.StateHalfOpen)
	case gobreaker.StateClosed:
		c.failures.Store(0)
	}
	if !c.retired.Load() && !c.forced.Load() {
		c.news.add(breakerStates[to])
	}
}

// rest sets the time of the next trial. After a failed trial the rest grows, so that a tool which stays
// broken is asked less and less.
func (c *circuit) rest(again bool) {
	s := c.settings.Load()
	d := s.Recovery
	if last := c.rests.Load(); again && last != nil {
		grown := time.Duration(float64(last.rest) * s.Multiplier)
		d = max(min(grown, max(s.MaxRecovery, s.Recovery)), s.Recovery)
	}
	random := time.Duration(float64(d) * s.Jitter * c.random())
	c.rests.Store(&recoveryEnd{rest: d, at: time.Now().Add(d + random)})
}

// resting reports whether the breaker is open and its rest has not ended.
func (c *circuit) resting() bool {
	end := c.rests.Load()
	return end != nil && time.Now().Before(end.at)
}

// allow lets a call through, or not. The outcome must be reported by calling done.
func (c *circuit) allow() (done func(outcome error), ok bool) {
	defer c.news.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forced.Load() || c.resting() {
		return nil, false
	}
	report, err := c.breaker.Allow()
	if err != nil {
		return nil, false
	}
	return func(outcome error) {
		defer c.news.flush()
		c.mu.Lock()
		defer c.mu.Unlock()
		report(outcome)
	}, true
}

// refuses reports whether allow would refuse a call now; unlike allow it takes nothing.
func (c *circuit) refuses() bool {
	defer c.news.flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forced.Load() || c.resting() {
		return true
	}
	state := c.breaker.State()
	if state != gobreaker.StateHalfOpen {
		return state == gobreaker.StateOpen
	}
	counts := c.breaker.Counts() // since the change to half-open: the trials
	return counts.Requests-counts.TotalExclusions >= uint32(c.settings.Load().Trials)
}

// state tells the breaker's part of a ToolState.
func (c *circuit) state() ToolState {
	defer c.news.flush()
	return c.look()
}

// look is state that tells no news, for who holds a lock.
func (c *circuit) look() ToolState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ToolState{Forced: c.forced.Load(), Failures: int(c.failures.Load())}
	if s.Forced || c.resting() {
		s.Breaker = Open
		if end := c.rests.Load(); !s.Forced && end != nil {
			s.RetryAfter = max(time.Until(end.at), 1)
		}
		return s
	}
	s.Breaker = breakerStates[c.breaker.State()]
	if s.Breaker == Closed {
		s.Failures = int(c.breaker.Counts().ConsecutiveFailures)
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
