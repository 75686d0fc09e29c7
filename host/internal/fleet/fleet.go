// Package fleet owns the plugin processes. A [Fleet] mirrors the plugin directories: it starts each plugin,
// takes in what it offers, watches it, restarts it when it fails, puts a newer file in the place of an older
// one without a failed call, and ends it when its file is gone or the host ends. What can be called at any
// moment is its [catalog.Catalog]. Nobody else starts or ends a plugin.
//
//	f, err := fleet.New(fleet.Config{Dirs: dirs, Policy: policy, Settings: settings, Logger: logger})
//	...
//	go func() { errc <- f.Run(ctx) }() // until ctx ends and nothing of it is left
//	<-f.Ready()
//	entry, ok := f.Catalog().Lookup("NmapTool")
//
// Each plugin has one goroutine, which takes it through its states:
//
//	                 idle                    lazy: described, and no process until a call comes
//	                 ^  |
//	                 |  v
//	starting --> ready <--> unhealthy        ready, unhealthy: there is a process, and calls reach it
//	   |  ^        |            |
//	   |  |        v            v
//	   |  +---- backoff <-------+            waiting for the next start
//	   v           |
//	quarantined <--+                         not started again until its file changes or somebody asks
//
// and to stopped from everywhere: when somebody asks, none of its tools is wanted, its file is gone, or Run's
// context ends. The entries of a plugin stay in the catalog from its first good start on, as long as its file
// is there; while there is no process to answer they say why, and when to try again.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// Fleet is a set of plugins. Make one with New; its methods may be called concurrently.
type Fleet struct {
	cfg     Config
	catalog atomic.Pointer[catalog.Catalog]
	ran     atomic.Bool
	ready   chan struct{} // closed by the last member of the first scan that tried its first start
	untried atomic.Int32  // members before that
	dirty   chan struct{} // holds one token while Changed is owed a call
	look    chan struct{} // holds one token while a scan is owed
	policy  atomic.Int64  // counts Reconfigure
	runtime string        // directory; written before the first member runs

	// What tests have their own of.
	start   starter
	scan    func() discover.Result
	watch   func(ctx context.Context, news func(why string)) error // nil: nobody watches
	rss     func(pid int) (int64, error)
	handsOn func(capability string) bool
	random  func() float64

	mu      sync.Mutex // guards what follows
	members []*member  // by path
	found   discover.Result
	clashes []Problem
	told    map[Problem]bool // problems that stand in the log
}

// New makes a fleet and starts nothing.
func New(cfg Config) (*Fleet, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	f := &Fleet{
		cfg: cfg, ready: make(chan struct{}), dirty: make(chan struct{}, 1), look: make(chan struct{}, 1),
		rss: residentMemory, handsOn: handsOn, random: rand.Float64,
	}
	f.start = f.startProcess
	f.scan = func() discover.Result { return discover.Scan(cfg.Dirs) }
	if cfg.Rescan > 0 {
		f.watch = f.watchDirs
	}
	if cfg.Attach != "" {
		f.attach()
	}
	empty, _ := catalog.New() // nothing cannot clash
	f.catalog.Store(empty)
	return f, nil
}

// Run keeps the fleet as the plugin directories are, until ctx ends. Then it lets calls in flight come to
// their end, within Config.Drain, ends every process, and returns. It runs once.
func (f *Fleet) Run(ctx context.Context) error {
	if !f.ran.CompareAndSwap(false, true) {
		return errors.New("fleet: Run was called twice")
	}
	remove, err := f.makeRuntimeDir()
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer remove()
	dismiss, err := f.guard()
	if err != nil {
		f.cfg.Logger.Warn("what plugins leave when this host is killed will not be ended", "error", err)
	}
	defer dismiss()
	stopAdopting := f.adopt(ctx)
	defer stopAdopting()
	var wg sync.WaitGroup
	f.mirror(ctx, &wg)
	wg.Go(func() { f.follow(ctx, &wg) })
	left := make(chan struct{})
	go func() {
		defer close(left)
		wg.Wait()
	}()
	f.announce(left)
	return nil
}

// adopt looks after what escapes from plugins, until the returned function has been called: after the last
// plugin has ended.
func (f *Fleet) adopt(ctx context.Context) (stop func()) {
	if !f.cfg.AdoptOrphans {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := proc.Adopt(ctx, f.cfg.Logger); err != nil {
			f.cfg.Logger.Warn("what escapes from a plugin will not be found", "error", err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// guard starts the process that looks after what this one leaves when it is killed, until dismiss is called.
func (f *Fleet) guard() (dismiss func(), err error) {
	if !f.cfg.Guard {
		return func() {}, nil
	}
	own := ""
	if f.cfg.RuntimeDir == "" {
		own = f.runtime
	}
	g, err := proc.StartGuard(f.cfg.Cgroup, own)
	if err != nil {
		return func() {}, err
	}
	return func() {
		if err := g.Close(); err != nil {
			f.cfg.Logger.Warn("the guard of the plugins did not end in order", "error", err)
		}
	}, nil
}

// announce calls Changed, one call at a time, until the members have left. Changes within Config.Settle share
// a call.
func (f *Fleet) announce(left <-chan struct{}) {
	for {
		select {
		case <-f.dirty:
		case <-left:
			return
		}
		if f.cfg.Settle > 0 {
			select {
			case <-time.After(f.cfg.Settle):
			case <-left:
			}
			select {
			case <-f.dirty:
			default:
			}
		}
		f.cfg.Changed()
	}
}

func (f *Fleet) memberTried() {
	if f.untried.Add(-1) == 0 {
		close(f.ready)
	}
}

// Ready is closed when every plugin that was there at the beginning has been tried once, with or without
// success.
func (f *Fleet) Ready() <-chan struct{} { return f.ready }

// Catalog is what can be called now; it is empty before the first plugin is ready, never nil.
func (f *Fleet) Catalog() *catalog.Catalog { return f.catalog.Load() }

func (f *Fleet) all() []*member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members // replaced as a whole
}
