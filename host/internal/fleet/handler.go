package fleet

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var _ tool.Handler = (*member)(nil)

// enter finds the process for a call, and counts the call in: the caller counts it out with leave. As both
// happen under one lock, a process that is being retired gets no new calls.
func (m *member) enter() (*generation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return nil, m.unavailableLocked()
	}
	m.current.enter()
	return m.current, nil
}

// Describe asks the process.
func (m *member) Describe(ctx context.Context) (tool.Manifest, error) {
	g, err := m.enter()
	if err != nil {
		return tool.Manifest{}, err
	}
	defer g.leave()
	return g.Describe(ctx)
}

// Configure hands the process a policy. It lasts until the next Reconfigure.
func (m *member) Configure(ctx context.Context, p tool.Policy) error {
	g, err := m.enter()
	if err != nil {
		return err
	}
	defer g.leave()
	return g.Configure(ctx, p)
}

// Plan asks the process.
func (m *member) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	g, err := m.enter()
	if err != nil {
		return tool.Plan{}, err
	}
	defer g.leave()
	return g.Plan(ctx, r)
}

// Call runs in the process.
func (m *member) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	g, err := m.enter()
	if err != nil {
		return tool.Result{}, err
	}
	defer g.leave()
	return g.Call(ctx, r, emit)
}
