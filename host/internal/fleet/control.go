package fleet

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Restart has another process take the place of the one that a plugin has, without a failed call, or starts
// one that has none. It waits until that has come to something, and returns what the plugin is then. An error
// says that there is no such plugin, or that ctx ended; a plugin that does not start has it in its status.
func (f *Fleet) Restart(ctx context.Context, name, reason string) (Status, error) {
	return f.ask(ctx, name, func(o *orders) {
		o.halted = false
		o.renew = "somebody asked for a restart"
		if reason != "" {
			o.renew += ": " + reason
		}
	})
}

// Stop has a plugin finish its calls and end its process. Its tools stay, and say that it is stopped, until
// Start or Restart, or until the host starts again.
func (f *Fleet) Stop(ctx context.Context, name, reason string) (Status, error) {
	return f.ask(ctx, name, func(o *orders) { o.halted, o.halt = true, reason })
}

// Start undoes Stop, and has a plugin tried again that is not restarted any more.
func (f *Fleet) Start(ctx context.Context, name string) (Status, error) {
	return f.ask(ctx, name, func(o *orders) { o.halted = false })
}

// ask changes the orders of a plugin and waits for the outcome.
func (f *Fleet) ask(ctx context.Context, name string, change func(*orders)) (Status, error) {
	m, err := f.named(name)
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

// named finds a plugin by its own name, else by that of its file, else by its path.
func (f *Fleet) named(name string) (*member, error) {
	all := f.all()
	for _, matches := range []func(*member) bool{
		func(m *member) bool { return m.displayName() == name },
		func(m *member) bool { return filepath.Base(m.path) == name },
		func(m *member) bool { return m.path == name },
	} {
		var found []*member
		var paths []string
		for _, m := range all {
			if matches(m) {
				found, paths = append(found, m), append(paths, m.path)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return nil, tool.Errorf(tool.KindValidation, "%d plugins are called %q: %s", len(found), name,
				strings.Join(paths, ", ")).Suggest("name the file, or take the others away")
		}
	}
	return nil, tool.Errorf(tool.KindToolNotFound, "there is no plugin %q", name).
		Suggest("list the plugins to see what this host has: GET /plugins, or gatehouse plugins list")
}

func (m *member) displayName() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.name
}
