package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Times of early rounds: changes come in bursts.
const (
	kickDelay   = 250 * time.Millisecond // from the kick to the round
	kickSpacing = time.Second            // at least, from round to round

	endGrace = 500 * time.Millisecond // for probes to come back when Run ends
)

// probe is a Probe of a checker.
type probe struct {
	Probe
	checks map[string]Check // the last that it said; guarded by the checker's mutex

	mu    sync.Mutex // guards what follows
	busy  bool       // it runs, or hangs
	again bool       // something has changed while it ran
}

func newProbe(p Probe) *probe {
	if p.Priority == "" {
		p.Priority = Important
	}
	return &probe{Probe: p, checks: map[string]Check{p.Name: {
		Status: Degraded, Priority: p.Priority, Message: "this check has not run yet",
	}}}
}

// Run runs the probes until ctx ends. A probe that hangs then is left behind; everything else has ended when
// Run returns. It runs once.
func (c *Checker) Run(ctx context.Context) error {
	if !c.ran.CompareAndSwap(false, true) {
		return errors.New("health: Run was called twice")
	}
	var probes, teller sync.WaitGroup
	stop := make(chan struct{})
	before := c.Report()
	teller.Go(func() { c.announce(before, stop) })
	c.rounds(ctx, &probes)
	probes.Wait()
	close(stop)
	teller.Wait()
	return nil
}

// rounds starts a round at once, at each interval, and soon after a kick.
func (c *Checker) rounds(ctx context.Context, running *sync.WaitGroup) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time // when the last round began; the timer's clock, not c.now
	next, kicked := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			last = time.Now()
			c.round(ctx, running, kicked)
			kicked = false
			next = last.Add(c.current().Interval)
		case <-c.kick:
			next = earlier(next, later(time.Now().Add(kickDelay), last.Add(kickSpacing)))
			kicked = true
		case <-c.set:
			next = earlier(last.Add(c.current().Interval), later(time.Now(), last.Add(kickSpacing)))
		}
		timer.Reset(time.Until(next))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// round starts every probe that is not running still. Such a one runs again afterwards if the round is for a
// change, which it may have been too early to see.
func (c *Checker) round(ctx context.Context, running *sync.WaitGroup, kicked bool) {
	s := c.current()
	for _, p := range c.probes {
		if s.Disabled && !p.Known || !p.take(kicked) {
			continue
		}
		running.Add(1)
		go c.look(ctx, p, s.Timeout, sync.OnceFunc(running.Done)) // awaited by running, unless the probe hangs
	}
}

// take says whether the probe may be started now.
func (p *probe) take(kicked bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		p.again = p.again || kicked
		return false
	}
	p.busy, p.again = true, false
	return true
}

// release says whether the probe has to run once more; then it is still taken.
func (p *probe) release() (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again = p.again
	p.busy, p.again = again, false
	return again
}

// look runs a taken probe. counted is called when nobody has to wait for it any more: at its end, or once it
// has been found to hang.
func (c *Checker) look(ctx context.Context, p *probe, timeout time.Duration, counted func()) {
	defer counted()
	for {
		if hung := c.once(ctx, p, timeout, counted); hung {
			p.mu.Lock()
			p.busy, p.again = false, false
			p.mu.Unlock()
			return
		}
		if !p.release() || ctx.Err() != nil {
			return
		}
	}
}

// once is one run of a probe. What a probe says after its time is too old to be told.
func (c *Checker) once(ctx context.Context, p *probe, timeout time.Duration, counted func()) (hung bool) {
	own, cancel := context.WithTimeout(ctx, timeout-min(timeout/10, 500*time.Millisecond))
	defer cancel()
	answer := make(chan map[string]Check, 1)
	go func() { answer <- p.run(own) }() // awaited below, hanging or not
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	select {
	case checks := <-answer:
		c.store(p, checks)
		return false
	case <-ctx.Done():
		limit.Reset(endGrace)
		select {
		case <-answer:
			return false
		case <-limit.C:
		}
	case <-limit.C:
		c.store(p, p.failed(fmt.Sprintf("did not answer within %v", timeout), ""))
	}
	counted()
	<-answer
	return true
}

// run runs the probe's function; a panic is a result as well.
func (p *probe) run(ctx context.Context) (checks map[string]Check) {
	defer func() {
		if r := recover(); r != nil {
			checks = p.failed(fmt.Sprintf("the check panicked: %v", r), "report this")
		}
	}()
	return p.Run(ctx)
}

func (p *probe) failed(message, fix string) map[string]Check {
	return map[string]Check{p.Name: {Status: Unhealthy, Priority: p.Priority, Message: message, Fix: fix}}
}
