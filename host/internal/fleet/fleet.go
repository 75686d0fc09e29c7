// Package fleet owns the plugin processes. A [Fleet] finds the plugins, starts each, takes in what it offers,
// watches it, restarts it when it fails and ends it when the host ends; what can be called at any moment is
// its [catalog.Catalog]. Nobody else starts or ends a plugin.
//
//	f, err := fleet.New(fleet.Config{Dirs: dirs, Policy: policy, Settings: settings, Logger: logger})
//	...
//	go func() { errc <- f.Run(ctx) }() // until ctx ends and nothing of it is left
//	<-f.Ready()
//	entry, ok := f.Catalog().Lookup("NmapTool")
//
// Each plugin has one goroutine, which takes it through its states:
//
//	starting --> ready <--> unhealthy      ready, unhealthy: there is a process, and calls reach it
//	   |  ^        |            |
//	   |  |        v            v
//	   |  +---- backoff <-------+          waiting for the next start
//	   v           |
//	quarantined <--+                       will not be started again by itself
//
// and to stopped from everywhere, when Run's context ends. The entries of a plugin stay in the catalog from
// its first good start on; while there is no process to answer they say why, and when to try again.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
)

// Fleet is a set of plugins. Make one with New; its methods may be called concurrently.
type Fleet struct {
	cfg     Config
	catalog atomic.Pointer[catalog.Catalog]
	ran     atomic.Bool
	ready   chan struct{}          // closed by the last member that tried its first start
	untried atomic.Int32           // members before that
	dirty   chan struct{}          // holds one token while Changed is owed a call
	policy  atomic.Int64           // counts Reconfigure
	runtime string                 // directory; written before the first member runs
	start   starter                // a field for tests
	scan    func() discover.Result // likewise
	random  func() float64         // likewise

	mu      sync.Mutex // guards what follows
	members []*member  // by path
	found   discover.Result
	clashes []Problem
}

// New makes a fleet and starts nothing.
func New(cfg Config) (*Fleet, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	f := &Fleet{cfg: cfg, ready: make(chan struct{}), dirty: make(chan struct{}, 1)}
	f.start, f.random = f.startProcess, rand.Float64
	f.scan = func() discover.Result { return discover.Scan(cfg.Dirs) }
	empty, _ := catalog.New() // nothing cannot clash
	f.catalog.Store(empty)
	return f, nil
}

// Run looks for plugins, starts them all at once, and looks after them until ctx ends. Then it lets calls in
// flight come to their end, within Config.Drain, ends every process, and returns. It runs once.
func (f *Fleet) Run(ctx context.Context) error {
	if !f.ran.CompareAndSwap(false, true) {
		return errors.New("fleet: Run was called twice")
	}
	remove, err := f.makeRuntimeDir()
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer remove()
	members := f.load()
	var wg sync.WaitGroup
	wg.Go(func() { <-ctx.Done() }) // a fleet without plugins waits as well
	for _, m := range members {
		wg.Go(func() { m.run(ctx) })
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		wg.Wait()
	}()
	f.announce(left)
	return nil
}

// announce calls Changed, one call at a time, until the members have left.
func (f *Fleet) announce(left <-chan struct{}) {
	for {
		select {
		case <-f.dirty:
			f.cfg.Changed()
		case <-left:
			return
		}
	}
}

// load finds the plugins and makes a member of each.
func (f *Fleet) load() []*member {
	found := f.scan()
	members := make([]*member, len(found.Candidates))
	for i, c := range found.Candidates {
		members[i] = newMember(f, c)
	}
	for _, r := range append(found.Refusals, found.Missing...) {
		f.cfg.Logger.Warn("not used as a plugin", "path", r.Path, "reason", r.Reason, "fix", r.Fix)
	}
	f.mu.Lock()
	f.members, f.found = members, found
	f.mu.Unlock()
	f.untried.Store(int32(len(members)))
	if len(members) == 0 {
		close(f.ready)
	}
	return members
}

func (f *Fleet) memberTried() {
	if f.untried.Add(-1) == 0 {
		close(f.ready)
	}
}

// Ready is closed when every plugin has been tried once, with or without success.
func (f *Fleet) Ready() <-chan struct{} { return f.ready }

// Catalog is what can be called now; it is empty before the first plugin is ready, never nil.
func (f *Fleet) Catalog() *catalog.Catalog { return f.catalog.Load() }

func (f *Fleet) all() []*member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members // not changed after load
}
