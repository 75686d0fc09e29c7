package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
)

// tolerated is how many health probes in a row a process may miss. One may get lost on a machine under load.
const tolerated = 1

// watch looks after the process that serves, and returns when there is none any more: why it ended, nil when
// that was wanted.
func (t *tenure) watch(ctx context.Context) error {
	cfg := t.member.fleet.cfg
	t.pace = newPace(cfg, t.member.fleet.random)
	probe := time.NewTimer(cfg.ProbeInterval)
	defer probe.Stop()
	for {
		over, err := t.consider(ctx)
		if over || err != nil {
			return err
		}
		alarm := time.NewTimer(t.nextLook())
		select {
		case <-ctx.Done():
			t.leave(ctx)
			return nil
		case <-t.gen.done:
			err = t.bereaved(ctx, fmt.Errorf("the process ended: %w", t.gen.Err()))
		case why := <-t.gen.evicted:
			err = t.bereaved(ctx, why)
		case h := <-t.heir:
			over, err = t.inherit(ctx, h)
		case <-t.gen.doubted:
			err = t.doubt(ctx, probe)
		case <-probe.C:
			err = t.examine(ctx, probe, cfg.ProbeTimeout)
		case <-t.member.poked:
		case <-alarm.C:
		}
		alarm.Stop()
		if over || err != nil {
			return err
		}
	}
}

// consider looks at the orders and at the time. over: the process has been retired, as it should be.
func (t *tenure) consider(ctx context.Context) (over bool, err error) {
	m := t.member
	m.mu.Lock()
	o, entries := m.orders, len(m.entries)
	m.orders.renew = ""
	m.mu.Unlock()
	if o.renew != "" {
		t.renewed = o.renew
	}
	switch {
	case o.gone, o.halted, entries == 0:
		t.leave(ctx)
		return true, nil
	case t.idle(time.Now()):
		return true, nil
	}
	if t.gen.candidate.Stamp == o.candidate.Stamp && !t.gen.candidate.Same(o.candidate) {
		if err := t.pinned(o.candidate); err != nil {
			t.leave(ctx)
			m.trying = o.asked
			return true, err
		}
	}
	t.follow(ctx, o)
	return false, nil
}

// follow has another process started beside the one that serves, if one is wanted.
func (t *tenure) follow(ctx context.Context, o orders) {
	if t.heir != nil {
		return // its outcome is considered first
	}
	fresh := o.asked > t.failed && !t.gen.candidate.Same(o.candidate)
	due := t.again && !time.Now().Before(t.retry)
	switch {
	case t.renewed != "", fresh, due:
		t.succeed(ctx, o.candidate, o.asked)
	default:
		t.member.dealt()
	}
}

// pinned takes another pin of the same file over, or says why the process must not go on under it.
func (t *tenure) pinned(c discover.Candidate) error {
	m := t.member
	if err := m.fleet.admits(c, t.gen.sha256, m.manifest()); err != nil {
		return err
	}
	t.gen.candidate = c
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offered.candidate = c
	return nil
}

// nextLook is when there may be something to consider though nobody pokes.
func (t *tenure) nextLook() time.Duration {
	next := time.Hour
	if t.again && t.heir == nil {
		next = max(time.Until(t.retry), 0)
	}
	if cfg := t.member.fleet.cfg; cfg.Launch == Lazy {
		next = min(next, t.gen.quiet(cfg.IdleTimeout))
	}
	return next
}

// idle takes the process of a lazy plugin out of the way when no call has come for a while.
func (t *tenure) idle(now time.Time) bool {
	m := t.member
	if m.fleet.cfg.Launch != Lazy || t.heir != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.orders.demand == 0 && t.gen.unused(m.fleet.cfg.IdleTimeout, now) // end closes it
}

// bereaved is what follows on the end of a process that nobody wanted: a follower that is being started takes
// over, else there is an error.
func (t *tenure) bereaved(ctx context.Context, why error) error {
	m := t.member
	m.mu.Lock()
	g := m.current
	m.current = nil
	m.mu.Unlock()
	if errors.Is(why, errFrozen) {
		_ = g.Kill() // it would not hear that it is asked to end
	}
	m.close(g.process)
	m.pace.ran(time.Since(t.ready))
	if t.heir == nil {
		return why
	}
	m.become(Starting, nil, why.Error())
	h := <-t.heir
	t.heir = nil
	m.trying = h.asked
	if h.err != nil {
		return h.err
	}
	if h.process == nil {
		m.offer(h.offer, nil)
		return nil
	}
	defer m.answer(h.asked)
	return t.install(ctx, h.newborn, h.candidate, h.why)
}

// errFrozen is in the chain of why a process had to end that did not answer.
var errFrozen = errors.New("no answer")

// examine probes the process, and sees what it holds. One that missed too many probes is ended.
func (t *tenure) examine(ctx context.Context, next *time.Timer, limit time.Duration) error {
	m, cfg := t.member, t.member.fleet.cfg
	err := probe(ctx, t.gen, limit)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		t.misses = 0
		next.Reset(cfg.ProbeInterval)
		if err = t.weigh(); err == nil {
			m.become(Ready, nil, "")
			return nil
		}
		m.become(Unhealthy, err, "")
		return nil
	}
	if t.misses++; t.misses > tolerated {
		return t.bereaved(ctx, fmt.Errorf("it missed %d health probes: %w: %w", t.misses, errFrozen, err))
	}
	m.become(Unhealthy, err, "")
	next.Reset(min(limit, cfg.ProbeInterval))
	return nil
}

// doubt probes a process of which a call was given up, and again at once when it does not answer: if it is
// frozen, what the call started must not wait for the next probe.
func (t *tenure) doubt(ctx context.Context, next *time.Timer) error {
	g, limit := t.gen, t.member.fleet.cfg.ProbeTimeout/2
	if err := t.examine(ctx, next, limit); err != nil || t.gen != g || t.misses == 0 {
		return err
	}
	return t.examine(ctx, next, limit)
}

func probe(ctx context.Context, g *generation, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return g.Ping(ctx)
}

// weigh has a process followed by another when it holds too much memory. Calls in it come to their end first.
// As with failures there is a budget: of one that needs more than the limit whatever is done, it returns an
// error.
func (t *tenure) weigh() error {
	m := t.member
	limit := m.fleet.cfg.MaxRSS()
	if limit == 0 || t.heir != nil {
		return nil
	}
	held, err := m.fleet.rss(t.gen.pid)
	if err != nil || held <= limit {
		return nil // it is gone just now: another event tells
	}
	why := fmt.Sprintf("it held %d MiB of memory, and plugins.max_rss is %d", held>>20, limit>>20)
	if _, left := m.pace.failed(time.Now()); !left {
		return errors.New(why + "; it was replaced too often for that to help")
	}
	t.renewed = why
	return nil
}
