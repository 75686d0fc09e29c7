package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// newborn is a process that is ready to serve, with what it offers. Without a process it offers nothing that
// is wanted, and has been ended.
type newborn struct {
	process *process
	policy  int64 // Fleet.policy when it was configured
	offer   *offering
	entries []*catalog.Entry
}

// bear starts a process and makes it ready to serve. One that turns out to need what no_new_privs takes is
// started once more.
func (m *member) bear(ctx context.Context, c discover.Candidate) (newborn, error) {
	nnp := m.fleet.noNewPrivs(m.manifest())
	n, err := m.bearOnce(ctx, c, nnp)
	if err == nil && nnp && n.process != nil && !m.fleet.noNewPrivs(n.offer.manifest) {
		m.close(n.process)
		return m.bearOnce(ctx, c, false)
	}
	return n, err
}

func (m *member) bearOnce(ctx context.Context, c discover.Candidate, noNewPrivs bool) (newborn, error) {
	sum, err := m.fleet.expected(c)
	if err != nil {
		return newborn{}, err
	}
	p, err := m.fleet.start(ctx, birth{candidate: c, sha256: sum, noNewPrivs: noNewPrivs})
	if err != nil {
		return newborn{}, m.fleet.startError(c, err)
	}
	n, err := m.prepare(ctx, c, p)
	if err != nil || len(n.entries) == 0 {
		m.close(p)
		n.process = nil
	}
	return n, err
}

// prepare asks a process what it offers, and configures it.
func (m *member) prepare(ctx context.Context, c discover.Candidate, p *process) (newborn, error) {
	ctx, cancel := context.WithTimeout(ctx, m.fleet.cfg.StartTimeout)
	defer cancel()
	manifest, err := p.Describe(ctx)
	if err != nil {
		return newborn{}, fmt.Errorf("ask what it offers: %w", err)
	}
	n := newborn{process: p, offer: &offering{member: m, candidate: c, sha256: p.sha256, manifest: manifest}}
	if err := m.renew(&n); err != nil {
		return newborn{}, fmt.Errorf("%w: %w", errRefused, tool.Errorf(tool.KindUnavailable,
			"the plugin's manifest: %w", err).Suggest("report this to the plugin's author"))
	}
	if err := m.fleet.admits(c, p.sha256, manifest); err != nil {
		return newborn{}, err
	}
	if len(n.entries) == 0 {
		return n, nil
	}
	return n, m.configure(ctx, p, manifest.Name)
}

// configure hands the plugin the policy in force.
func (m *member) configure(ctx context.Context, h tool.Handler, name string) error {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return fmt.Errorf("configure plugin %s: %w", name, context.Cause(ctx))
	}
	if err := h.Configure(ctx, m.fleet.cfg.Policy(name)); err != nil {
		return fmt.Errorf("configure plugin %s: %w", name, err)
	}
	return nil
}

// manifest is what is known of the plugin; the zero one when nothing is.
func (m *member) manifest() tool.Manifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.offered == nil {
		return tool.Manifest{}
	}
	return m.offered.manifest
}

// locked reports whether only pinned bytes may run.
func (f *Fleet) locked(c discover.Candidate) bool {
	return f.cfg.Trust == TrustPinned || f.cfg.Trust == TrustDirectory && c.Locked
}

// expected is the hash that a file's bytes must have, or "" when any may run.
func (f *Fleet) expected(c discover.Candidate) (string, error) {
	switch {
	case !f.locked(c):
		return "", nil
	case c.Pin == nil:
		return "", unpinned(c, "is not pinned: the lock file of %s says nothing of it", c.Dir)
	}
	return c.Pin.SHA256, nil
}

// admits says why what has described itself must not serve: it is not what was pinned.
func (f *Fleet) admits(c discover.Candidate, sum string, m tool.Manifest) error {
	if !f.locked(c) {
		return nil
	}
	if _, err := f.expected(c); err != nil {
		return err
	}
	if sum != c.Pin.SHA256 {
		return unpinned(c, "is not what was pinned: its sha256 is %.12s…, pinned is %.12s…", sum, c.Pin.SHA256)
	}
	for _, s := range m.Tools {
		if !slices.Contains(c.Pin.Tools, s.Name) {
			return unpinned(c, "offers the tool %s, which was not there when it was pinned", s.Name)
		}
	}
	return nil
}

func unpinned(c discover.Candidate, format string, args ...any) error {
	return fmt.Errorf("%w: %w", errRefused, tool.Errorf(tool.KindUnavailable, "the file "+format, args...).
		Suggest("look at where %s comes from; when it is right, type: gatehouse plugins pin", c.Path))
}

// startError adds what the fleet knows of a process that did not start.
func (f *Fleet) startError(c discover.Candidate, err error) error {
	if errors.Is(err, proc.ErrChanged) && f.locked(c) {
		return unpinned(c, "is not what was pinned: %w", err)
	}
	return err
}
