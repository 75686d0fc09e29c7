//go:build amd64 || arm64

package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Pool runs programs, any number at a time, each under a supervisor of its own for the time of its run.
// It is safe for use by many goroutines.
type Pool struct {
	config Config
	log    *slog.Logger
	ctx    context.Context // ends with Close: runs treat that as their own cancellation
	cancel context.CancelFunc
	live   sync.WaitGroup // counts supervisors; Add under mu, while closed is false
	shared bool           // for tests: supervisors stay in the PID namespace of this process

	mu     sync.Mutex // guards what follows
	closed bool
	idle   []*worker   // the last one in is the first one out: its memory is warm
	shrink *time.Timer // ends those that a burst left behind; nil: not running
}

const (
	defaultMaxIdle = 16
	burstPatience  = 10 * time.Second
)

// resident is how many idle supervisors stay when there is nothing to do.
func (p *Pool) resident() int { return min(max(2, runtime.GOMAXPROCS(0)), p.config.MaxIdle) }

// New makes a Pool. It starts nothing: the first runs start the supervisors.
func New(c Config) *Pool {
	if c.MaxIdle <= 0 {
		c.MaxIdle = defaultMaxIdle
	}
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pool{config: c, log: c.Logger}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Close ends every run as if its context were cancelled, then the supervisors, and returns when no
// process is left. It may be called twice; the second call waits too.
func (p *Pool) Close() error {
	p.cancel()
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	if p.shrink != nil {
		p.shrink.Stop()
	}
	p.mu.Unlock()
	for _, w := range idle {
		p.retire(w)
	}
	p.live.Wait()
	return nil
}

// take gives a supervisor without a job, with a PID namespace of its own if the job requires that: an idle
// one, or else a new one.
func (p *Pool) take(namespace bool) (w *worker, fresh bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, &StartError{"take a supervisor", ErrClosed}
	}
	for i, w := range slices.Backward(p.idle) {
		if w.namespace || !namespace {
			p.idle = slices.Delete(p.idle, i, i+1)
			p.mu.Unlock()
			return w, false, nil
		}
	}
	p.live.Add(1)
	p.mu.Unlock()
	if w, err = p.start(namespace); err != nil {
		p.live.Done()
		return nil, false, err
	}
	return w, true, nil
}

// start starts a supervisor: in a PID namespace where that can be. What could be at the first trial may
// meet a limit later, and is then done without, unless it is required.
func (p *Pool) start(required bool) (*worker, error) {
	none := errShared
	if !p.shared {
		none = namespaces()
	}
	if none != nil && required {
		return nil, &StartError{"start a supervisor", fmt.Errorf("%w: %w", ErrNoNamespace, none)}
	}
	if none != nil {
		return startWorker(p.config.Dir, false)
	}
	w, err := startWorker(p.config.Dir, true)
	if err != nil && required {
		return nil, &StartError{"start a supervisor", fmt.Errorf("%w: %w", ErrNoNamespace, err)}
	}
	if err != nil {
		p.log.Warn("sandbox: no PID namespace for a supervisor, trying without", "err", err)
		return startWorker(p.config.Dir, false)
	}
	return w, nil
}

// put takes back a supervisor that has done its job.
func (p *Pool) put(w *worker) {
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < p.config.MaxIdle
	if keep {
		p.idle = append(p.idle, w)
		if len(p.idle) > p.resident() && p.shrink == nil {
			p.shrink = time.AfterFunc(burstPatience, p.endBurst)
		}
	}
	p.mu.Unlock()
	if !keep {
		p.retire(w)
	}
}

// endBurst ends the idle supervisors that waited longest, until only the resident ones are left.
func (p *Pool) endBurst() {
	p.mu.Lock()
	p.shrink = nil
	n := max(len(p.idle)-p.resident(), 0)
	old := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	p.mu.Unlock()
	for _, w := range old {
		p.retire(w)
	}
}

// retire ends a supervisor, in the background: a run need not wait for it. Close does.
func (p *Pool) retire(w *worker) {
	go func() {
		defer p.live.Done()
		w.end()
	}()
}
