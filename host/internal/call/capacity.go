package call

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// capacity holds a slot of the tool for the run, and waits for one at most until the call's deadline.
func (r *Router) capacity(inner next) next {
	return func(ctx context.Context, c *passage) error {
		s, arrived := c.state.slots, time.Now()
		if err := r.acquire(ctx, c); err != nil {
			c.queued = time.Since(arrived)
			return err
		}
		begun := time.Now()
		defer func() {
			s.release()
			if c.ran { // a refusal by the breaker is no run
				s.ranFor(time.Since(begun))
			}
		}()
		if c.queued = begun.Sub(arrived); c.queued > c.timeout/2 {
			c.short = true // the queue ate most of the time
		}
		return inner(ctx, c)
	}
}

func (r *Router) acquire(ctx context.Context, c *passage) error {
	s, name := c.state.slots, c.req.Tool
	q := queueing{
		client: c.req.Client, length: c.state.settings.QueueLength, perClient: max(r.cfg.MaxQueuedPerClient(), 0),
	}
	err := s.acquire(ctx, c.req.Deadline, q)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(ctx)
	case errors.Is(err, errQueueFull):
		return overloaded(s, tool.Errorf(tool.KindOverloaded, "%s is busy and its queue of %d is full",
			name, q.length))
	case errors.Is(err, errClientFull):
		return overloaded(s, tool.Errorf(tool.KindOverloaded, "%s is busy and %d calls of %s wait for it already, "+
			"which is the most that one client may have waiting", name, q.perClient, q.client)).
			With("queued_by_client", s.waitingOf(q.client))
	case errors.Is(err, errShed):
		return overloaded(s, tool.Errorf(tool.KindOverloaded, "%s is busy and its queue of %d is full; the place "+
			"of this call went to a client that had fewer than %s in it", name, q.length, q.client)).
			With("queued_by_client", s.waitingOf(q.client))
	default:
		return overloaded(s, tool.Errorf(tool.KindOverloaded, "%s was busy until the call's deadline of %v",
			name, c.timeout))
	}
}

func overloaded(s *slots, err *tool.Error) *tool.Error {
	_, waiting := s.load()
	err.RetryAfter = s.hint()
	wait := round(err.RetryAfter)
	return err.Suggest("wait about %v, then call again; other tools are not affected", wait).
		With("concurrency", s.size).With("queued", waiting)
}
