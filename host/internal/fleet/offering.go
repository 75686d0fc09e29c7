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
	m := o.member
	for {
		m.mu.Lock()
		if g := m.openLocked(o); g != nil {
			m.mu.Unlock()
			return g, nil
		}
		if !m.wakesLocked() {
			defer m.mu.Unlock()
			return nil, m.unavailableLocked()
		}
		m.orders.demand++
		changed := m.changed
		m.mu.Unlock()
		m.poke()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		m.order(func(o *orders) { o.demand-- })
		if ctx.Err() != nil {
			return nil, tool.AsError(context.Cause(ctx))
		}
	}
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
	return m.state == Idle || m.state == Starting || m.state == Ready && m.current == nil
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
