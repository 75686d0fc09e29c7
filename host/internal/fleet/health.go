package fleet

import (
	"context"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// CheckHealth asks every plugin that has a process for its checks, all at once, and tells plugin name ->
// checks. A plugin that fails to answer before the deadline of ctx has one check, "health", which says so.
func (f *Fleet) CheckHealth(ctx context.Context) map[string][]tool.HealthCheck {
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex // guards all
		all = make(map[string][]tool.HealthCheck)
	)
	for _, m := range f.all() {
		wg.Go(func() {
			name, checks, running := m.checkHealth(ctx)
			mu.Lock()
			defer mu.Unlock()
			if running {
				all[name] = append(all[name], checks...)
			}
		})
	}
	wg.Wait()
	return all
}

// checkHealth asks the plugin's process, if there is one.
func (m *member) checkHealth(ctx context.Context) (name string, checks []tool.HealthCheck, running bool) {
	g := m.running()
	if g == nil {
		return "", nil, false // its state says why
	}
	defer g.leave()
	name = m.displayName()
	asked, ok := g.Handler.(tool.HealthChecker)
	if !ok {
		return name, nil, true
	}
	checks, err := asked.CheckHealth(ctx)
	if err == nil {
		return name, checks, true
	}
	e := tool.AsError(err)
	return name, []tool.HealthCheck{{
		Name: "health", Status: tool.Unhealthy, Priority: tool.Important,
		Message: "its checks failed: " + e.Message, Fix: e.Suggestion,
	}}, true
}
