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
		ctx, err := r.acquire(ctx, c)
		if err != nil {
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

// acquire takes a slot, at once or after a wait, and tells of the call as soon as it is known that it will have
// one. The context is that of the call from then on.
func (r *Router) acquire(ctx context.Context, c *passage) (context.Context, error) {
	s := c.state.slots
	q := queueing{
		client: c.req.Client, length: c.state.settings.QueueLength, perClient: max(r.cfg.MaxQueuedPerClient(), 0),
	}
	w, err := s.enter(q)
	if err == nil {
		ctx = r.cfg.Enlist(ctx, c.record(nil), w != nil)
		err = s.await(ctx, c.req.Deadline, w)
	}
	if err == nil {
		return ctx, nil
	}
	return ctx, r.noSlot(ctx, c, q, err)
}

// noSlot says why a call got no slot.
func (r *Router) noSlot(ctx context.Context, c *passage, q queueing, err error) error {
	s, name := c.state.slots, c.req.Tool
	switch {
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
