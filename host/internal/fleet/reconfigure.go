package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// Resettle asks again for the settings of every tool and which of them are wanted, and publishes a new
// catalog if that changes anything. No plugin notices.
func (f *Fleet) Resettle() error {
	f.policy.Add(1) // before looking for members: one that becomes ready now looks at the count afterwards
	var errs []error
	changed := false
	for _, m := range f.all() {
		news, err := m.resettle()
		changed = changed || news
		errs = append(errs, err)
	}
	if changed {
		f.publish()
	}
	return errors.Join(errs...)
}

// Reconfigure is Resettle, and hands the policy in force to every plugin that has a process; the others get
// it when they start. It tells which refused it: those are ended, because what does not take the policy in
// force must not serve under an old one.
func (f *Fleet) Reconfigure(ctx context.Context) error {
	settled := f.Resettle()
	members := f.all()
	errs := make([]error, len(members), len(members)+1)
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { errs[i] = m.reconfigure(ctx) })
	}
	wg.Wait()
	return errors.Join(append(errs, settled)...)
}

// resettle makes the entries anew; changed is whether they say anything else now.
func (m *member) resettle() (changed bool, err error) {
	m.settling.Lock()
	defer m.settling.Unlock()
	m.mu.Lock()
	o, old, gone := m.offered, m.entries, m.orders.gone
	m.mu.Unlock()
	if o == nil || gone {
		return false, nil // it has never been ready, and asks when it is
	}
	manifest := m.manifest()
	entries, err := catalog.Compile(manifest, o, m.fleet.cfg.Settings)
	if err != nil {
		return false, fmt.Errorf("settings of plugin %s: %w", manifest.Name, err)
	}
	if entries = m.fleet.chosen(entries); same(old, entries) {
		return false, nil
	}
	m.mu.Lock()
	m.entries = entries
	m.mu.Unlock()
	m.poke() // it may be wanted now, or not any more
	return true, nil
}

func (m *member) reconfigure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.fleet.cfg.StartTimeout)
	defer cancel()
	g := m.running()
	if g == nil {
		return nil // it has no process, and gets the policy when it starts
	}
	defer g.leave()
	err := m.configure(ctx, g, m.displayName())
	if err != nil {
		g.evict(err)
	}
	return err
}
