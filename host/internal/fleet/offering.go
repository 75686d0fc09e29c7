package fleet

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// offering is what one version of a plugin offers; it is the Handler of the entries. A call that found its
// entry before an upgrade goes to a process of that version, as long as there is one.
type offering struct {
	member    *member
	candidate discover.Candidate // guarded by member.mu, as all that follows
	sha256    string
	manifest  tool.Manifest
}

var _ tool.Handler = (*offering)(nil)

// enter finds the process for a call, and counts the call in: the caller counts it out with leave. Of a lazy
// plugin it has one started, and waits for it.
func (o *offering) enter(ctx context.Context) (*generation, error) {
	m, waits := o.member, false
	defer func() {
		if waits {
			m.order(func(o *orders) { o.demand-- })
		}
	}()
	for ctx.Err() == nil {
		m.mu.Lock()
		g, wakes, changed := m.openLocked(o), m.wakesLocked(), m.changed
		if g == nil && !wakes {
			defer m.mu.Unlock()
			return nil, m.unavailableLocked()
		}
		if g == nil && !waits {
			m.orders.demand++
			waits = true
		}
		m.mu.Unlock()
		if g != nil {
			return g, nil
		}
		m.poke()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil, tool.AsError(context.Cause(ctx))
}

// openLocked finds a process that takes a call of an offering, and counts the call in.
func (m *member) openLocked(o *offering) *generation {
	if m.current != nil && m.current.offering != o {
		for _, g := range m.draining {
			if g.offering == o && g.enter() {
				return g
			}
		}
	}
	if m.current != nil && m.current.enter() {
		m.current.used(time.Now())
		return m.current
	}
	return nil
}

// wakesLocked reports whether a call has a process started.
func (m *member) wakesLocked() bool {
	if m.fleet.cfg.Launch != Lazy || m.orders.halted || m.orders.gone {
		return false
	}
	switch m.state {
	case Idle, Starting:
		return true
	case Ready, Unhealthy:
		return m.current == nil // it is being ended
	}
	return false
}

// running is enter for who wants nothing of a plugin without a process.
func (m *member) running() *generation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil || !m.current.enter() {
		return nil
	}
	return m.current
}

// Describe asks the process.
func (o *offering) Describe(ctx context.Context) (tool.Manifest, error) {
	g, err := o.enter(ctx)
	if err != nil {
		return tool.Manifest{}, err
	}
	defer g.leave()
	return g.Describe(ctx)
}

// Configure hands the process a policy. It lasts until the next Reconfigure.
func (o *offering) Configure(ctx context.Context, p tool.Policy) error {
	g, err := o.enter(ctx)
	if err != nil {
		return err
	}
	defer g.leave()
	return g.Configure(ctx, p)
}

// Plan asks the process.
func (o *offering) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	g, err := o.enter(ctx)
	if err != nil {
		return tool.Plan{}, err
	}
	defer g.leave()
	defer g.ended(ctx)
	return g.Plan(ctx, r)
}

// Call runs in the process.
func (o *offering) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	g, err := o.enter(ctx)
	if err != nil {
		return tool.Result{}, err
	}
	defer g.leave()
	defer g.ended(ctx)
	return g.Call(ctx, r, emit)
}
