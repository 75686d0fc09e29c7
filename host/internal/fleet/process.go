package fleet

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// birth says which process to start.
type birth struct {
	candidate  discover.Candidate
	sha256     string // what the bytes must hash to; "": anything
	noNewPrivs bool
}

// starter starts one plugin process. A test has its own.
type starter func(context.Context, birth) (*process, error)

// process is a plugin that has been started.
type process struct {
	tool.Handler
	life
	pid    int
	sha256 string          // of the bytes that run
	layers []tool.Layer    // what the process itself is confined by
	done   <-chan struct{} // closed when it has ended
}

// life is what fleet asks of a process beyond the calls.
type life interface {
	Ping(context.Context) error
	Err() error   // how it ended
	Kill() error  // at once; Close is owed still
	Close() error // bounded; may be called twice
}

func (f *Fleet) startProcess(ctx context.Context, b birth) (*process, error) {
	confine := f.cfg.Confine
	confine.NoNewPrivs = b.noNewPrivs
	p, err := proc.Start(ctx, proc.Config{
		Name: b.candidate.Name, Path: b.candidate.Path, SHA256: b.sha256, Judge: f.judge(b.candidate.Stamp),
		RuntimeDir: f.runtime, Env: f.cfg.Env,
		StartTimeout: f.cfg.StartTimeout, Grace: f.cfg.Grace, Logger: f.cfg.Logger,
		Confine: confine, Cgroup: f.cfg.Cgroup,
	})
	if err != nil {
		return nil, err
	}
	return &process{
		Handler: p, life: p, pid: p.Pid(), done: p.Done(), sha256: p.SHA256(), layers: p.Layers(),
	}, nil
}

// judge holds that what is started is what a scan has found good: owner and mode are in the stamp, by the time of
// their last change.
func (f *Fleet) judge(seen discover.Stamp) func(fs.FileInfo) error {
	return func(info fs.FileInfo) error {
		if discover.StampFrom(info) == seen {
			return nil
		}
		f.Rescan()
		return errors.New("it is another file than was looked at")
	}
}

// generation is a process that calls go to, and the count of the calls in it. A plugin has one at a time, but
// old ones may still be finishing their calls.
type generation struct {
	*process
	candidate discover.Candidate // that it was started from, with the pin that admits it
	offering  *offering
	before    *generation   // that it took the place of; nil: there was none
	evicted   chan error    // holds at most one: why the process must end; closed by nobody
	doubted   chan struct{} // holds a token when a call was given up; closed by nobody

	mu      sync.Mutex // guards what follows
	calls   int
	last    time.Time // that a call came, or ended
	retired bool
	closed  bool          // no call gets in any more
	idle    chan struct{} // closed by the last call to leave after it was retired
}

func newGeneration(p *process, c discover.Candidate) *generation {
	return &generation{
		process: p, candidate: c, idle: make(chan struct{}), evicted: make(chan error, 1),
		doubted: make(chan struct{}, 1), last: time.Now(),
	}
}

// evict asks for the end of the process.
func (g *generation) evict(why error) {
	select {
	case g.evicted <- why:
	default: // somebody has asked already
	}
}

// ended takes note of the end of a call. A process whose call was given up is probed: it may be frozen, and
// hold what the call started.
func (g *generation) ended(ctx context.Context) {
	g.used(time.Now())
	if ctx.Err() == nil {
		return
	}
	select {
	case g.doubted <- struct{}{}:
	default: // it will be probed anyway
	}
}

// enter counts a call in, unless the process is about to be ended.
func (g *generation) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.calls++
	return true
}

// used takes note of a call, for who waits for none to come.
func (g *generation) used(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = now
}

func (g *generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls--; g.calls > 0 {
		return
	}
	if g.retired {
		g.shutLocked()
	}
}

// shutLocked lets no call in any more, as none is in it and none is to come.
func (g *generation) shutLocked() {
	if !g.closed {
		g.closed = true
		close(g.idle)
	}
}

// retire lets no new call in once the last one has left.
func (g *generation) retire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.retired = true
	if g.calls == 0 {
		g.shutLocked()
	}
}

// unused closes the process to calls when none came for a time.
func (g *generation) unused(timeout time.Duration, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls > 0 || now.Sub(g.last) < timeout {
		return false
	}
	g.shutLocked()
	return true
}

// quiet is how long it takes at least until the process may be unused.
func (g *generation) quiet(timeout time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls > 0 {
		return timeout
	}
	return max(time.Until(g.last.Add(timeout)), 0)
}
