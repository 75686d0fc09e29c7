package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// live is the time in which the member has a process, from the start of one to the end of the last of those
// that followed it without a gap. It returns why that ended; nil when it was wanted.
func (m *member) live(ctx context.Context) error {
	m.become(Starting, nil, "")
	m.mu.Lock()
	c, asked := m.orders.candidate, m.orders.asked
	m.mu.Unlock()
	m.trying = asked
	n, err := m.bear(ctx, c)
	if err != nil {
		return err
	}
	if n.process == nil {
		m.offer(n.offer, nil)
		m.keep(n.offer)
		return nil // it will be told that none of its tools is wanted
	}
	t := &tenure{member: m}
	defer t.end()
	err = t.install(ctx, n, c, "")
	m.answer(asked)
	m.tried()
	if err != nil {
		return err
	}
	return t.watch(ctx)
}

// answer takes note that what was asked up to then has had its outcome.
func (m *member) answer(asked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trying, m.settled = asked, max(m.settled, asked)
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
	misses int         // of probes, in a row

	heir    chan heir // of the start under way beside it; nil: there is none
	renewed string    // why another process of the same file is wanted; "": none is
	why     string    // of the last start that was for that
	failed  int       // orders.asked of the last start that failed
	pace    pace      // of such starts
	again   bool      // whether it is tried again by itself
	retry   time.Time // when
}

// heir is a process that is to take over, or why there is none.
type heir struct {
	newborn
	candidate discover.Candidate
	asked     int
	why       string
	err       error
}

// install lets calls reach a process, and retires the one before it.
func (t *tenure) install(ctx context.Context, n newborn, c discover.Candidate, why string) error {
	m := t.member
	g := newGeneration(n.process, c)
	m.mu.Lock()
	old := m.current
	if t.gen != nil {
		m.restarts++
	}
	m.mu.Unlock()
	if m.take(n.offer, n.entries, g) {
		m.fleet.publish()
	}
	m.keep(g.offering)
	if old != nil {
		m.pace.ran(time.Since(t.ready))
		m.retire(ctx, old)
	}
	t.gen, t.ready, t.misses, t.why, t.again = g, time.Now(), 0, "", false
	m.change(Ready, nil, why, true)
	if m.fleet.policy.Load() != n.policy { // Reconfigure or Resettle came too early to find it
		return m.catchUp(ctx, g, n.offer.manifest.Name)
	}
	return nil
}

// catchUp does what Reconfigure would have done.
func (m *member) catchUp(ctx context.Context, g *generation, name string) error {
	changed, err := m.resettle()
	if err != nil {
		return err
	}
	if changed {
		m.fleet.publish()
	}
	return m.configure(ctx, g, name)
}

// end takes the process out of the way of calls when the tenure is over, and waits for a start under way.
func (t *tenure) end() {
	m := t.member
	m.mu.Lock()
	g := m.current
	m.current = nil
	m.mu.Unlock()
	if g != nil {
		m.pace.ran(time.Since(t.ready))
		m.close(g.process)
	}
	if t.heir != nil {
		if h := <-t.heir; h.process != nil {
			m.close(h.process)
		}
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
	m.mu.Unlock()
	m.retire(ctx, g)
}

// succeed starts a process beside the one that serves.
func (t *tenure) succeed(ctx context.Context, c discover.Candidate, asked int) {
	if t.renewed != "" {
		t.why = t.renewed
	}
	t.renewed, t.again = "", false
	why := followerReason(c, t.gen.candidate, t.why)
	t.heir = make(chan heir, 1)
	go func(to chan<- heir) { // joined by end, or by who takes the heir
		n, err := t.member.bear(ctx, c)
		to <- heir{newborn: n, candidate: c, asked: asked, why: why, err: err}
	}(t.heir)
}

// inherit takes what a start beside the process has come to. It returns whether the process is to be left
// without a follower.
func (t *tenure) inherit(ctx context.Context, h heir) (stop bool, err error) {
	m := t.member
	t.heir = nil
	if h.process == nil && h.err == nil { // nothing of what it offers is wanted
		m.offer(h.offer, nil)
		t.leave(ctx)
		return true, nil
	}
	defer m.answer(h.asked)
	if h.err != nil {
		t.disappointed(h)
		return false, nil
	}
	return false, t.install(ctx, h.newborn, h.candidate, h.why)
}

// disappointed decides when to try again; until then the process goes on serving.
func (t *tenure) disappointed(h heir) {
	m := t.member
	now := time.Now()
	t.failed = h.asked
	switch {
	case errors.Is(h.err, proc.ErrUnfinished):
		t.again, t.retry = true, now.Add(unfinishedPause)
		return
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
	m.fleet.cfg.Logger.Warn("what was to take a plugin's place does not start; the plugin goes on serving",
		"plugin", m.displayName(), "path", m.path, "error", h.err, "tried_again", t.again)
}

// followerReason says why another process took over.
func followerReason(c, before discover.Candidate, renew string) string {
	if renew != "" {
		return renew
	}
	if c.Stamp != before.Stamp {
		return "its file was replaced"
	}
	return fmt.Sprintf("its pin changed in %s", c.Dir)
}
