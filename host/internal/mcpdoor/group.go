package mcpdoor

import (
	"context"
	"sync"
)

// group are goroutines that somebody waits for.
type group struct {
	mu    sync.Mutex // guards what follows
	count int
	done  bool          // nothing begins any more
	ended chan struct{} // closed when count is zero and done; nil: nobody waits yet
}

// start runs f in a goroutine of its own; false: it is too late.
func (g *group) start(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return false
	}
	g.count++
	go func() {
		defer g.leave()
		f()
	}()
	return true
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count--; g.count == 0 && g.ended != nil {
		close(g.ended)
	}
}

// wait lets nothing more begin, and waits for what runs; an error is of ctx. It may be called again.
func (g *group) wait(ctx context.Context) error {
	g.mu.Lock()
	if !g.done {
		g.done, g.ended = true, make(chan struct{})
		if g.count == 0 {
			close(g.ended)
		}
	}
	ended := g.ended
	g.mu.Unlock()
	select {
	case <-ended:
		return nil
	default:
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
