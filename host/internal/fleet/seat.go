package fleet

import (
	"context"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// fit sees that a process which is about to serve is admitted still, and knows the policy in force: both may
// have changed while it was born.
func (m *member) fit(ctx context.Context, n *newborn) error {
	m.mu.Lock()
	c := m.orders.candidate
	m.mu.Unlock()
	if err := m.fleet.admits(c, n.offer.sha256, n.offer.manifest); err != nil {
		return err
	}
	for n.policy != m.fleet.policy.Load() {
		if err := m.renew(n); err != nil {
			return err
		}
		brief, cancel := context.WithTimeout(ctx, m.fleet.cfg.StartTimeout)
		err := m.configure(brief, n.process, n.offer.manifest.Name)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// renew makes the entries anew by the settings and choices in force.
func (m *member) renew(n *newborn) error {
	n.policy = m.fleet.policy.Load() // before the settings are asked for
	entries, err := catalog.Compile(n.offer.manifest, n.offer, m.fleet.cfg.Settings)
	if err != nil {
		return fmt.Errorf("settings of plugin %s: %w", n.offer.manifest.Name, err)
	}
	n.entries = m.fleet.chosen(entries)
	return nil
}

// seat puts a process in the place of the one that serves, which it returns; nil: none did. That one is
// draining from the same moment on, so that no call finds neither.
func (m *member) seat(ctx context.Context, n *newborn, g *generation, again bool) (old *generation) {
	for {
		news, current := m.take(n, g, again)
		if !current { // a new policy came just now
			if err := m.fit(ctx, n); err != nil {
				g.evict(err) // it serves for a moment, and is ended like any that refuses a policy
				n.policy = m.fleet.policy.Load()
			}
			continue
		}
		if news {
			m.fleet.publish()
		}
		return g.before
	}
}

// offer takes over what a plugin without a process offers, and publishes it if it is news.
func (m *member) offer(n newborn) {
	for {
		news, current := m.take(&n, nil, false)
		if current {
			if news {
				m.fleet.publish()
			}
			return
		}
		if err := m.renew(&n); err != nil { // its settings were made a moment ago
			m.fleet.cfg.Logger.Error("a plugin's tools cannot be offered", "path", m.path, "error", err)
			return
		}
	}
}

// take takes over what a plugin offers, and the process that serves it, if there is one: the entries must not
// be found before it. news: they are to be published. If they say what is offered already, calls that come by
// the old ones go on as before. When they are not current, because a policy came meanwhile, nothing is taken.
func (m *member) take(n *newborn, g *generation, again bool) (news, current bool) {
	m.settling.Lock() // Resettle comes before this, and has counted, or after it, and finds what is taken here
	defer m.settling.Unlock()
	if n.policy != m.fleet.policy.Load() {
		return false, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	entries := n.entries
	if m.orders.gone {
		entries = nil // its tools have left already
	}
	if news = m.offered == nil || !same(m.entries, entries) || len(entries) == 0; news {
		m.offered, m.entries = n.offer, entries
	} else {
		o := n.offer
		m.offered.candidate, m.offered.sha256, m.offered.manifest = o.candidate, o.sha256, o.manifest
	}
	m.name, m.version = n.offer.manifest.Name, n.offer.manifest.Version
	if g != nil {
		m.seatLocked(g, again)
	}
	return news, true
}

func (m *member) seatLocked(g *generation, again bool) {
	g.offering, g.before = m.offered, m.current
	if g.before != nil {
		m.draining = append(m.draining, g.before)
	}
	if again {
		m.restarts++
	}
	m.current, m.pid, m.heirErr = g, g.pid, nil
	m.broadcastLocked() // calls may wait for it
}
