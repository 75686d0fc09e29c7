package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// live is the time in which the member has a process, from the start of one to the end of the last of those
// that followed it without a gap. It returns why that ended; nil when it was wanted.
func (m *member) live(ctx context.Context) error {
	m.become(Starting, nil, "")
	m.mu.Lock()
	o := m.orders
	m.trying = o.asked
	m.mu.Unlock()
	a := m.attempt(ctx, o.candidate, o.asked, "")
	h, wanted := m.outcome(a)
	if !wanted {
		return nil // what is wanted instead is judged anew
	}
	if h.err != nil {
		return h.err
	}
	if h.process == nil {
		m.offer(h.newborn)
		m.keep(h.offer)
		return nil // it will be told that none of its tools is wanted
	}
	t := &tenure{member: m, probe: time.NewTimer(m.fleet.cfg.ProbeInterval)}
	defer t.end()
	err := t.install(ctx, h)
	m.answer(o.asked)
	m.tried()
	if err != nil {
		return err
	}
	return t.watch(ctx)
}

// attempt is the start of a process, under way in a goroutine of its own.
type attempt struct {
	candidate discover.Candidate
	asked     int
	cancel    context.CancelFunc
	done      chan heir // gets its outcome, once
}

// heir is a process that is to serve, or why there is none.
type heir struct {
	newborn
	candidate discover.Candidate
	asked     int
	why       string // it is wanted
	err       error
}

// attempt begins a start. Somebody must take its outcome.
func (m *member) attempt(ctx context.Context, c discover.Candidate, asked int, why string) *attempt {
	ctx, cancel := context.WithCancel(ctx)
	a := &attempt{candidate: c, asked: asked, cancel: cancel, done: make(chan heir, 1)}
	go func() { // joined by who takes the outcome
		defer cancel()
		n, err := m.bear(ctx, c)
		a.done <- heir{newborn: n, candidate: c, asked: asked, why: why, err: err}
	}()
	return a
}

// outcome waits for an attempt. One that is not wanted any more is called off, and nothing is left of it.
func (m *member) outcome(a *attempt) (h heir, wanted bool) {
	for {
		select {
		case h := <-a.done:
			return h, true
		case <-m.poked:
		}
		if m.wants(a) {
			continue
		}
		m.callOff(a)
		m.poke() // there is news to judge
		return heir{}, false
	}
}

// wants reports whether an attempt is still of use.
func (m *member) wants(a *attempt) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.orders.gone && !m.orders.halted && a.candidate.Same(m.orders.candidate)
}

// callOff ends an attempt, and what has come of it.
func (m *member) callOff(a *attempt) {
	a.cancel()
	if h := <-a.done; h.process != nil {
		m.close(h.process)
	}
}

// answer takes note that what was asked up to then has had its outcome.
func (m *member) answer(asked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trying, m.settled = max(m.trying, asked), max(m.settled, asked)
	m.broadcastLocked()
}

// keep remembers what a plugin said of itself.
func (m *member) keep(o *offering) {
	m.mu.Lock()
	c, sum, manifest := o.candidate, o.sha256, o.manifest
	m.mu.Unlock()
	if err := m.fleet.cfg.Manifests.Keep(c.Path, c.Stamp, sum, manifest); err != nil {
		m.fleet.cfg.Logger.Warn("what a plugin offers cannot be remembered", "plugin", manifest.Name, "error", err)
	}
}

// tenure is the goroutine's view of the processes of a live member.
type tenure struct {
	member *member
	gen    *generation // that calls go to
	ready  time.Time   // when it came to serve
	probe  *time.Timer // for its next health probe
	misses int         // of probes, in a row

	heir    *attempt  // of a process beside it; nil: there is none
	renewed string    // why another process of the same file is wanted; "": none is
	why     string    // of the last start that was for that
	failed  int       // orders.asked of the last start that failed
	pace    pace      // of such starts
	again   bool      // whether it is tried again by itself
	retry   time.Time // when
}

// install lets calls reach a process, and retires the one before it. A process that may not serve any more by
// now is ended.
func (t *tenure) install(ctx context.Context, h heir) error {
	m := t.member
	if err := m.fit(ctx, &h.newborn); err != nil {
		m.close(h.process)
		return err
	}
	if t.gen != nil && t.gen.candidate.Stamp != h.candidate.Stamp {
		m.pace = newPace(m.fleet.cfg, m.fleet.random) // what another file did says nothing of this one
	}
	m.pace.ran(t.served())
	g := newGeneration(h.process, h.candidate)
	old := m.seat(ctx, &h.newborn, g, t.gen != nil)
	m.keep(g.offering)
	if old != nil {
		m.finish(ctx, old)
	}
	t.gen, t.ready, t.misses, t.why, t.again = g, time.Now(), 0, "", false
	t.probe.Reset(m.fleet.cfg.ProbeInterval)
	m.change(Ready, nil, h.why, true)
	return nil
}

// served is how long the process has served.
func (t *tenure) served() time.Duration {
	if t.gen == nil {
		return 0
	}
	return time.Since(t.ready)
}

// end leaves nothing: neither a process that serves nor a start under way.
func (t *tenure) end() {
	m := t.member
	t.probe.Stop()
	m.mu.Lock()
	g := m.current
	m.current, m.heirErr = nil, nil
	m.mu.Unlock()
	m.pace.ran(t.served())
	if g != nil {
		m.close(g.process)
	}
	if t.heir != nil {
		m.callOff(t.heir)
	}
	m.mu.Lock()
	m.pid = 0
	m.mu.Unlock()
}

// leave retires the process that serves: it finishes its calls by itself.
func (t *tenure) leave(ctx context.Context) {
	m := t.member
	m.mu.Lock()
	g := m.current
	m.current = nil
	if g != nil {
		m.draining = append(m.draining, g)
	}
	m.mu.Unlock()
	if g != nil {
		m.finish(ctx, g)
	}
}

// succeed starts a process beside the one that serves.
func (t *tenure) succeed(ctx context.Context, o orders) {
	if t.renewed != "" {
		t.why = t.renewed
	}
	t.renewed, t.again = "", false
	why := followerReason(o.candidate, t.gen.candidate, t.why)
	t.heir = t.member.attempt(ctx, o.candidate, o.asked, why)
}

// inherit takes what a start beside the process has come to. over: there is to be no process.
func (t *tenure) inherit(ctx context.Context, h heir) (over bool, err error) {
	m := t.member
	t.heir = nil
	if h.process == nil && h.err == nil { // nothing of what it offers is wanted
		m.offer(h.newborn)
		return false, nil // which is considered next
	}
	defer m.answer(h.asked)
	if h.err == nil {
		h.err = t.install(ctx, h)
	}
	if h.err != nil {
		t.disappointed(h)
	}
	return false, nil
}

// disappointed decides when to try again; until then the process goes on serving.
func (t *tenure) disappointed(h heir) {
	m := t.member
	now := time.Now()
	t.failed = h.asked
	unfinished := errors.Is(h.err, proc.ErrUnfinished)
	switch {
	case unfinished:
		t.again, t.retry = true, now.Add(unfinishedPause)
	case errors.Is(h.err, errRefused), errors.Is(h.err, proc.ErrUnusable), errors.Is(h.err, proc.ErrChanged):
	default:
		var wait time.Duration
		wait, t.again = t.pace.failed(now)
		t.retry = now.Add(wait)
	}
	m.mu.Lock()
	m.heirErr = h.err
	m.broadcastLocked()
	m.mu.Unlock()
	if !unfinished {
		m.fleet.cfg.Logger.Warn("what was to take a plugin's place does not start; the plugin goes on serving",
			"plugin", m.displayName(), "path", m.path, "error", h.err, "tried_again", t.again)
	}
}

// followerReason says why another process took over.
func followerReason(c, before discover.Candidate, renew string) string {
	if renew != "" {
		return renew
	}
	if c.Stamp != before.Stamp {
		return "its file was replaced"
	}
	return "its pin changed"
}
