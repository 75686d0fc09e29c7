package fleet

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// verdict is what becomes of a member without a process.
type verdict struct {
	start, end bool // it gets one; it ends
	state      State
	err        error
	reason     string
	until      time.Time // when to judge again at the latest; zero: when poked
}

// due waits until a process is to be started, and returns false when there will be none any more.
func (m *member) due(ctx context.Context) bool {
	for ctx.Err() == nil {
		m.remember()
		v := m.judge(time.Now())
		if v.start || v.end {
			return v.start
		}
		m.become(v.state, v.err, v.reason)
		m.dealt()
		m.tried()
		m.sleep(ctx, v.until)
	}
	return false
}

// sleep returns when poked, at the time given, or when ctx ends.
func (m *member) sleep(ctx context.Context, until time.Time) {
	var alarm <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-ctx.Done():
	case <-m.poked:
	case <-alarm:
	}
}

// judge says what is to become of a member without a process. What stands first counts.
func (m *member) judge(now time.Time) verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, p := m.orders, m.pause
	known := m.offered != nil && m.offered.candidate.Same(o.candidate)
	switch {
	case o.gone:
		return verdict{end: true}
	case o.halted:
		return verdict{state: Stopped, reason: haltReason(o.halt)}
	case p.pending && p.asked == o.asked && (p.until.IsZero() || now.Before(p.until)):
		return verdict{state: p.state, err: p.err, until: p.until}
	case known && len(m.entries) == 0:
		return verdict{state: Stopped, reason: "none of its tools is offered: they are hidden, or not wanted"}
	case known && m.fleet.cfg.Launch == Lazy && o.demand == 0:
		return verdict{state: Idle}
	}
	m.countRestartLocked()
	m.pause = pause{}
	m.orders.renew = ""
	return verdict{start: true}
}

// countRestartLocked counts a start that follows on a failure.
func (m *member) countRestartLocked() {
	if m.pause.pending && m.pause.state != Starting {
		m.restarts++
	}
}

func haltReason(why string) string {
	if why == "" {
		return "somebody asked for it"
	}
	return "somebody asked for it: " + why
}

// dealt takes note that what was asked for until now has had its outcome.
func (m *member) dealt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.settled != m.orders.asked {
		m.settled = m.orders.asked
		m.broadcastLocked()
	}
}

// broadcastLocked wakes who waits for a change.
func (m *member) broadcastLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// remember fills in what a lazy plugin said of itself when it last ran, so that it need not run to be listed.
func (m *member) remember() {
	if m.fleet.cfg.Launch != Lazy {
		return
	}
	m.mu.Lock()
	c := m.orders.candidate
	known := m.offered != nil && m.offered.candidate.Same(c)
	m.mu.Unlock()
	if known {
		return
	}
	sum, manifest, ok := m.fleet.cfg.Manifests.Find(c.Path, c.Stamp)
	if !ok || m.fleet.admits(c, sum, manifest) != nil {
		return // it is started, and then it is known, or refused
	}
	o := &offering{member: m, candidate: c, sha256: sum, manifest: manifest}
	entries, err := catalog.Compile(manifest, o, m.fleet.cfg.Settings)
	if err != nil {
		return
	}
	m.offer(o, m.fleet.chosen(entries))
}

// offer takes over what a plugin offers, and publishes it if it is news.
func (m *member) offer(o *offering, entries []*catalog.Entry) {
	if m.take(o, entries, nil) {
		m.fleet.publish()
	}
}

// take takes over what a plugin offers, and the process that serves it, if there is one: the entries must not
// be found before it. It reports whether they are news, and to be published. If they say what is offered
// already, calls that come by the old ones go on as before.
func (m *member) take(o *offering, entries []*catalog.Entry, g *generation) (news bool) {
	m.settling.Lock()
	defer m.settling.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.orders.gone {
		entries = nil // its tools have left already
	}
	if news = m.offered == nil || !same(m.entries, entries) || len(entries) == 0; news {
		m.offered, m.entries = o, entries
	} else {
		m.offered.candidate, m.offered.sha256, m.offered.manifest = o.candidate, o.sha256, o.manifest
	}
	m.name, m.version = o.manifest.Name, o.manifest.Version
	if g != nil {
		g.offering = m.offered
		m.current, m.pid, m.heirErr = g, g.pid, nil
	}
	return news
}
