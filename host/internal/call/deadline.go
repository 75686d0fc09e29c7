package call

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// errHung is why a context ends whose call was not ended by its plugin.
var errHung = errors.New("the plugin did not end the call in time")

// deadline grants the call its time: what was asked for, else the tool's default, never more than the
// ceiling. The plugin ends its tool at the deadline and says so; the context goes on for the grace, so that
// there is time to hear it, and then ends whatever hangs. The caller's own deadline wins when it is
// earlier, and has no grace: nobody would wait for it.
func (r *Router) deadline(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if ctx.Err() != nil {
			return ended(ctx, 0)
		}
		now, s := time.Now(), c.state.settings
		c.timeout = min(s.DefaultTimeout, s.MaxTimeout, r.cfg.MaxTimeout)
		usual := c.timeout
		if asked, ok := c.args.number(catalog.TimeoutArgument); ok {
			// The schema has refused more than the tool's own maximum.
			c.timeout = min(seconds(asked), s.MaxTimeout, r.cfg.MaxTimeout)
		}
		c.req.Deadline = now.Add(c.timeout)
		if callers, ok := ctx.Deadline(); ok && callers.Before(c.req.Deadline) {
			c.req.Deadline, c.timeout = callers, callers.Sub(now)
		}
		c.short = c.timeout < usual
		ctx, stop := context.WithDeadlineCause(ctx, c.req.Deadline.Add(r.cfg.Grace), errHung)
		defer stop()
		return inner(ctx, c)
	}
}

// seconds is a number of seconds as a duration, whatever the number.
func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), math.MaxInt64/2/float64(time.Second)) * float64(time.Second))
}

// ended is the error of a call whose context has ended: the caller went away, or the time is over and the
// host says so because the plugin did not.
func ended(ctx context.Context, granted time.Duration) *tool.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return cancelled(ctx)
	}
	return tool.Errorf(tool.KindTimeout, "the call ran past its %v: %w", granted, context.Cause(ctx)).
		With("timeout_sec", granted.Seconds()).With("ended_by", "host")
}
