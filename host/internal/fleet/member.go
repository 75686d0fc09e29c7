package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// member is one plugin, whether it has a process or not. Its goroutine, run, takes it through its states; it
// is also the Handler of the plugin's entries.
type member struct {
	fleet     *Fleet
	candidate discover.Candidate
	pace      pace
	tried     func()        // tells the fleet, once
	turn      chan struct{} // held while configuring: the last policy to arrive must be the newest
	settling  sync.Mutex    // held while entries are made: the last ones to be set must be the newest

	mu       sync.Mutex // guards what follows
	state    State
	since    time.Time
	err      error     // why it is not ready
	retryAt  time.Time // of the next start, in backoff
	restarts int
	name     string // its own, else the file's
	version  string
	manifest tool.Manifest    // of the last good start
	entries  []*catalog.Entry // made of it, with the settings in force
	current  *generation      // nil: none
	pid      int              // of the process, also of one that is ending; 0: none
}

// errRefused is in the chain of what makes a plugin unfit whatever its process does.
var errRefused = errors.New("refused")

func newMember(f *Fleet, c discover.Candidate) *member {
	return &member{
		fleet: f, candidate: c, pace: newPace(f.cfg, f.random), tried: sync.OnceFunc(f.memberTried),
		turn: make(chan struct{}, 1), state: Starting, since: time.Now(), name: c.Name,
	}
}

// run keeps the plugin alive until ctx ends.
func (m *member) run(ctx context.Context) {
	defer m.tried()
	for {
		err := m.live(ctx)
		if ctx.Err() != nil {
			m.become(Stopped, nil)
			return
		}
		again := m.rest(ctx, err)
		if !again {
			m.become(Stopped, nil)
			return
		}
	}
}

// live is one life: from the start of a process to its end, and the reason of that.
func (m *member) live(ctx context.Context) error {
	m.become(Starting, nil)
	policy := m.fleet.policy.Load()
	g, o, err := m.bear(ctx)
	if err != nil {
		return err
	}
	m.serve(g, o)
	ready := time.Now()
	if m.fleet.policy.Load() != policy { // Reconfigure or Resettle came too early to find us
		err = m.catchUp(ctx, g, o.manifest.Name)
	}
	m.tried()
	if err == nil {
		err = m.watch(ctx, g)
	}
	m.pace.ran(time.Since(ready))
	m.retire(ctx, g)
	return err
}

// catchUp does what Reconfigure would have done.
func (m *member) catchUp(ctx context.Context, g *generation, name string) error {
	changed, err := m.resettle()
	if err != nil {
		return err
	}
	if changed {
		m.fleet.publish()
	}
	return m.configure(ctx, g, name)
}

// rest is the time between two lives. It returns false when there will be no other.
func (m *member) rest(ctx context.Context, err error) bool {
	wait, left := m.pace.failed(time.Now())
	if !left || errors.Is(err, errRefused) || errors.Is(err, proc.ErrUnusable) {
		m.become(Quarantined, err)
		m.tried()
		<-ctx.Done() // room for "until it is changed, or somebody asks"
		return false
	}
	m.backOff(wait, err)
	m.tried()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		m.mu.Lock()
		m.restarts++
		m.mu.Unlock()
		return true
	}
}

// offer is what a plugin brought, found good.
type offer struct {
	manifest tool.Manifest
	entries  []*catalog.Entry
}

// bear starts a process and makes it ready to serve.
func (m *member) bear(ctx context.Context) (*generation, offer, error) {
	p, err := m.fleet.start(ctx, m.candidate)
	if err != nil {
		return nil, offer{}, err
	}
	o, err := m.prepare(ctx, p)
	if err != nil {
		m.close(p)
		return nil, offer{}, err
	}
	return newGeneration(p), o, nil
}

func (m *member) prepare(ctx context.Context, p *process) (offer, error) {
	ctx, cancel := context.WithTimeout(ctx, m.fleet.cfg.StartTimeout)
	defer cancel()
	manifest, err := p.Describe(ctx)
	if err != nil {
		return offer{}, fmt.Errorf("ask what it offers: %w", err)
	}
	entries, err := catalog.Compile(manifest, m, m.fleet.cfg.Settings)
	if err != nil {
		return offer{}, fmt.Errorf("%w: %w", errRefused, tool.Errorf(tool.KindUnavailable,
			"the plugin's manifest: %w", err).Suggest("report this to the plugin's author"))
	}
	if err := m.configure(ctx, p, manifest.Name); err != nil {
		return offer{}, err
	}
	return offer{manifest: manifest, entries: m.fleet.chosen(entries)}, nil
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

// serve lets calls reach a process.
func (m *member) serve(g *generation, o offer) {
	m.settling.Lock()
	m.mu.Lock()
	m.current, m.pid = g, g.pid
	m.name, m.version, m.manifest = o.manifest.Name, o.manifest.Version, o.manifest
	changed := m.entries == nil || !same(m.entries, o.entries)
	if changed {
		m.entries = o.entries
	}
	m.mu.Unlock()
	m.settling.Unlock()
	if changed {
		m.fleet.publish()
	}
	m.become(Ready, nil)
}

// retire ends a process. When it ends together with the fleet, its calls are given time.
func (m *member) retire(ctx context.Context, g *generation) {
	m.mu.Lock()
	m.current = nil
	m.mu.Unlock()
	if ctx.Err() != nil {
		m.become(Stopped, nil)
		g.drain(m.fleet.cfg.Drain)
	}
	m.close(g.process)
	m.mu.Lock()
	m.pid = 0
	m.mu.Unlock()
}

func (m *member) close(p *process) {
	if err := p.Close(); err != nil {
		m.fleet.cfg.Logger.Error("plugin process not ended cleanly",
			"plugin", m.candidate.Name, "pid", p.pid, "error", err)
	}
}
