package fleet

import (
	"context"
	"time"
)

// verdict is what becomes of a member without a process.
type verdict struct {
	start, end bool // it gets one; it ends
	state      State
	err        error
	reason     string
	until      time.Time // when to judge again at the latest; zero: when poked
	asked      int       // orders.asked that it answers
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
		m.dealt(v.asked)
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
		return verdict{state: Stopped, reason: haltReason(o.halt), asked: o.asked}
	case p.pending && p.asked == o.asked && (p.until.IsZero() || now.Before(p.until)):
		return verdict{state: p.state, err: p.err, until: p.until, asked: o.asked}
	case known && len(m.entries) == 0:
		return verdict{state: Stopped, reason: "none of its tools is offered: they are hidden, or not wanted",
			asked: o.asked}
	case known && m.fleet.cfg.Launch == Lazy && o.demand == 0 && o.renew == "":
		return verdict{state: Idle, asked: o.asked}
	}
	if p.pending && p.asked != o.asked { // somebody asked, or the file changed
		m.pace = newPace(m.fleet.cfg, m.fleet.random)
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

// dealt takes note that what was asked up to then has had its outcome.
func (m *member) dealt(asked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trying = max(m.trying, asked)
	if asked > m.settled {
		m.settled = asked
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
	if known || m.sought.Same(c) {
		return
	}
	m.sought = c
	sum, manifest, ok := m.fleet.cfg.Manifests.Find(c.Path, c.Stamp)
	if !ok || m.fleet.admits(c, sum, manifest) != nil {
		return // it is started, and then it is known, or refused
	}
	n := newborn{offer: &offering{member: m, candidate: c, sha256: sum, manifest: manifest}}
	if m.renew(&n) == nil {
		m.offer(n)
	}
}
