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
	t.pace = newPace(t.member.fleet.cfg, t.member.fleet.random)
	for {
		over, err := t.consider(ctx)
		if !over && err == nil {
			over, err = t.wait(ctx)
		}
		if over || err != nil {
			return err
		}
	}
}

// wait waits for something to happen, and deals with it.
func (t *tenure) wait(ctx context.Context) (over bool, err error) {
	cfg := t.member.fleet.cfg
	alarm := time.NewTimer(t.nextLook())
	defer alarm.Stop()
	var born chan heir
	if t.heir != nil {
		born = t.heir.done
	}
	select {
	case <-ctx.Done():
		t.leave(ctx)
		return true, nil
	case <-t.gen.done:
		return t.bereaved(ctx, fmt.Errorf("the process ended: %w", t.gen.Err()))
	case why := <-t.gen.evicted:
		return t.bereaved(ctx, why)
	case h := <-born:
		return t.inherit(ctx, h)
	case <-t.gen.doubted:
		return t.doubt(ctx)
	case <-t.probe.C:
		return t.examine(ctx, cfg.ProbeTimeout)
	case <-t.member.poked:
	case <-alarm.C:
	}
	return false, nil
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
	case t.idle(ctx, time.Now()):
		return true, nil
	}
	if !t.gen.candidate.Same(o.candidate) {
		if err := t.pinned(o.candidate); err != nil {
			t.leave(ctx)
			m.mu.Lock()
			m.trying = o.asked
			m.mu.Unlock()
			return true, err
		}
	}
	t.follow(ctx, o)
	return false, nil
}

// follow has another process started beside the one that serves, if one is wanted.
func (t *tenure) follow(ctx context.Context, o orders) {
	if t.heir != nil && t.heir.candidate.Same(o.candidate) {
		return // its outcome is considered first
	}
	if t.heir != nil { // of a file that is not there any more
		t.member.callOff(t.heir)
		t.heir = nil
	}
	fresh := o.asked > t.failed && !t.gen.candidate.Same(o.candidate)
	due := t.again && !time.Now().Before(t.retry)
	if fresh {
		t.pace = newPace(t.member.fleet.cfg, t.member.fleet.random)
	}
	switch {
	case t.renewed != "", fresh, due:
		t.succeed(ctx, o)
	default:
		t.member.dealt(o.asked)
	}
}

// pinned takes another pin of the same file over, or says why the process must not go on under it. When the file
// is another one, the process goes on until that serves, unless nothing of that name is pinned any more.
func (t *tenure) pinned(c discover.Candidate) error {
	m := t.member
	if t.gen.candidate.Stamp != c.Stamp {
		_, err := m.fleet.expected(c)
		return err
	}
	if err := m.fleet.admits(c, t.gen.sha256, m.manifest()); err != nil {
		return err
	}
	t.gen.candidate = c
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offered.candidate, m.heirErr = c, nil
	return nil
}

// nextLook is when there may be something to consider though nobody pokes.
func (t *tenure) nextLook() time.Duration {
	next := time.Hour
	if t.again && t.heir == nil {
		next = max(time.Until(t.retry), 0)
	}
	t.member.mu.Lock()
	may := t.mayIdleLocked()
	t.member.mu.Unlock()
	if may {
		next = min(next, t.gen.quiet(t.member.fleet.cfg.IdleTimeout))
	}
	return next
}

// mayIdleLocked reports whether the process is one that ends when no call comes. One whose follower does not start
// is kept: it is all that there is.
func (t *tenure) mayIdleLocked() bool {
	m := t.member
	return m.fleet.cfg.Launch == Lazy && t.heir == nil && m.orders.demand == 0 && m.heirErr == nil
}

// idle retires the process of a lazy plugin when no call has come for a while.
func (t *tenure) idle(ctx context.Context, now time.Time) bool {
	m := t.member
	m.mu.Lock()
	over := t.mayIdleLocked() && t.gen.unused(m.fleet.cfg.IdleTimeout, now)
	if over {
		m.current = nil // in the same moment: a call that comes now has another started
		m.draining = append(m.draining, t.gen)
	}
	m.mu.Unlock()
	if over {
		m.finish(ctx, t.gen)
	}
	return over
}

// bereaved is what follows on the end of a process that nobody wanted: a follower that is being started takes
// over, else there is an error.
func (t *tenure) bereaved(ctx context.Context, why error) (over bool, err error) {
	m := t.member
	m.mu.Lock()
	g := m.current
	m.current = nil
	m.mu.Unlock()
	if errors.Is(why, errFrozen) {
		_ = g.Kill() // it would not hear that it is asked to end
	}
	m.close(g.process)
	m.pace.ran(t.served())
	if t.heir == nil {
		return true, why
	}
	m.become(Starting, nil, why.Error())
	a := t.heir
	t.heir = nil
	h, wanted := m.outcome(a)
	switch {
	case !wanted:
		return true, nil
	case h.err != nil:
		m.answer(h.asked)
		return true, h.err
	case h.process == nil:
		m.offer(h.newborn)
		return true, nil
	}
	defer m.answer(h.asked)
	if err := t.install(ctx, h); err != nil {
		return true, err
	}
	return false, nil
}

// errFrozen is in the chain of why a process had to end that did not answer.
var errFrozen = errors.New("no answer")

// examine probes the process, and sees what it holds. One that missed too many probes is ended.
func (t *tenure) examine(ctx context.Context, limit time.Duration) (over bool, err error) {
	m, cfg := t.member, t.member.fleet.cfg
	err = probe(ctx, t.gen, limit)
	switch {
	case ctx.Err() != nil:
		return false, nil
	case err == nil:
		t.misses = 0
		t.probe.Reset(cfg.ProbeInterval)
		state := Ready
		if err = t.weigh(); err != nil {
			state = Unhealthy
		}
		m.become(state, err, "")
		return false, nil
	}
	if t.misses++; t.misses > tolerated {
		return t.bereaved(ctx, fmt.Errorf("it missed %d health probes: %w: %w", t.misses, errFrozen, err))
	}
	m.become(Unhealthy, err, "")
	t.probe.Reset(min(limit, cfg.ProbeInterval))
	return false, nil
}

// doubt probes a process of which a call was given up, and again at once when it does not answer: if it is
// frozen, what the call started must not wait for the next probe.
func (t *tenure) doubt(ctx context.Context) (over bool, err error) {
	g, limit := t.gen, t.member.fleet.cfg.ProbeTimeout/2
	over, err = t.examine(ctx, limit)
	if over || err != nil || t.gen != g || t.misses == 0 {
		return over, err
	}
	return t.examine(ctx, limit)
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
