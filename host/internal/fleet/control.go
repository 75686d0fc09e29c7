package fleet

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Restart has another process take the place of the one that a plugin has, without a failed call, or starts
// one that has none. path is that of its file. It waits until that has come to something, and returns what the
// plugin is then. An error says that there is no such plugin, or that ctx ended; why a plugin does not start is
// in its status.
func (f *Fleet) Restart(ctx context.Context, path, reason string) (Status, error) {
	return f.ask(ctx, path, func(o *orders) {
		o.halted = false
		o.renew = "somebody asked for a restart"
		if reason != "" {
			o.renew += ": " + reason
		}
	})
}

// Stop has a plugin finish its calls and end its process. Its tools stay, and say that it is stopped, until
// Start or Restart, or until the host starts again.
func (f *Fleet) Stop(ctx context.Context, path, reason string) (Status, error) {
	return f.ask(ctx, path, func(o *orders) { o.halted, o.halt = true, reason })
}

// Start undoes Stop, and has a plugin tried again that is not restarted any more.
func (f *Fleet) Start(ctx context.Context, path string) (Status, error) {
	return f.ask(ctx, path, func(o *orders) { o.halted = false })
}

// ask changes the orders of a plugin and waits for the outcome.
func (f *Fleet) ask(ctx context.Context, path string, change func(*orders)) (Status, error) {
	m, err := f.at(path)
	if err != nil {
		return Status{}, err
	}
	asked := 0
	m.order(func(o *orders) {
		change(o)
		o.asked++
		asked = o.asked
	})
	for {
		m.mu.Lock()
		settled, gone, changed := m.settled >= asked, m.orders.gone, m.changed
		m.mu.Unlock()
		if settled || gone {
			return m.status(f.Catalog()), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return m.status(f.Catalog()), tool.AsError(context.Cause(ctx))
		}
	}
}

// at finds the plugin of a file.
func (f *Fleet) at(path string) (*member, error) {
	for _, m := range f.all() {
		if m.path == path {
			return m, nil
		}
	}
	return nil, tool.Errorf(tool.KindToolNotFound, "there is no plugin %s any more", path).
		Suggest("list the plugins to see what this host has: GET /plugins, or gatehouse plugins list")
}

func (m *member) displayName() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.name
}
