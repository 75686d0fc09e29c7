package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// starter starts one plugin process. A test has its own.
type starter func(context.Context, discover.Candidate) (*process, error)

// process is a plugin that has been started.
type process struct {
	tool.Handler
	life
	pid  int
	done <-chan struct{} // closed when it has ended
}

// life is what fleet asks of a process beyond the calls.
type life interface {
	Ping(context.Context) error
	Err() error   // how it ended
	Close() error // bounded; may be called twice
}

func (f *Fleet) startProcess(ctx context.Context, c discover.Candidate) (*process, error) {
	p, err := proc.Start(ctx, proc.Config{
		Name: c.Name, Path: c.Path, RuntimeDir: f.runtime, Env: f.cfg.Env,
		StartTimeout: f.cfg.StartTimeout, Grace: f.cfg.Grace, Logger: f.cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &process{Handler: p, life: p, pid: p.Pid(), done: p.Done()}, nil
}

// generation is a process that calls go to, and the count of the calls in it. A plugin has one at a time, but
// an old one may still be draining.
type generation struct {
	*process
	evicted chan error // holds at most one: why the process must end; closed by nobody

	mu      sync.Mutex // guards what follows
	calls   int
	retired bool
	idle    chan struct{} // closed by the last call to leave after it was retired
}

func newGeneration(p *process) *generation {
	return &generation{process: p, idle: make(chan struct{}), evicted: make(chan error, 1)}
}

// evict asks for the end of the process.
func (g *generation) evict(why error) {
	select {
	case g.evicted <- why:
	default: // somebody has asked already
	}
}

// enter counts a call in. It must not be called after retire.
func (g *generation) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
}

func (g *generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls--; g.calls == 0 && g.retired {
		close(g.idle)
	}
}

// drain waits until the calls have left, the process has ended, or the time is up.
func (g *generation) drain(limit time.Duration) {
	g.mu.Lock()
	g.retired = true
	empty := g.calls == 0
	g.mu.Unlock()
	if empty {
		return
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-g.idle:
	case <-g.done:
	case <-t.C:
	}
}
