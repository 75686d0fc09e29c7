package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// finish has a process that is draining finish its calls, in the background, and then ends it. It gets no new
// ones but those that were on their way.
func (m *member) finish(ctx context.Context, g *generation) {
	m.retired.Go(func() {
		g.retire()
		m.drain(ctx, g)
		m.close(g.process)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.draining = slices.DeleteFunc(m.draining, func(d *generation) bool { return d == g })
	})
}

// drain waits until the calls have left, which their deadlines see to. A process that ends or freezes, and the
// end of the fleet, are not waited for as long.
func (m *member) drain(ctx context.Context, g *generation) {
	cfg := m.fleet.cfg
	tick := time.NewTicker(cfg.ProbeInterval)
	defer tick.Stop()
	for {
		select {
		case <-g.idle:
			return
		case <-g.done:
			return
		case <-ctx.Done():
			g.await(cfg.Drain)
			return
		case <-g.doubted:
		case <-tick.C:
		}
		if !g.answers(ctx, cfg.ProbeTimeout/2) && ctx.Err() == nil {
			_ = g.Kill() // it would not hear that it is asked to end
			return
		}
	}
}

// answers probes a process, and again at once when it does not answer, as often as is tolerated.
func (g *generation) answers(ctx context.Context, limit time.Duration) bool {
	for range tolerated + 1 {
		if probe(ctx, g, limit) == nil {
			return true
		}
	}
	return false
}

// await waits for the last call, as long as it may take.
func (g *generation) await(limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-g.idle:
	case <-g.done:
	case <-t.C:
	}
}

// close ends a process.
func (m *member) close(p *process) {
	if err := p.Close(); err != nil {
		m.fleet.cfg.Logger.Error("plugin process not ended cleanly",
			"plugin", m.displayName(), "path", m.path, "pid", p.pid, "error", fmt.Errorf("close: %w", err))
	}
}
