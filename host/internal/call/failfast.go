package call

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// failFast refuses what the breaker would refuse anyway, before it waits for a slot. It takes nothing from
// the breaker: only the breaker gate does.
func (r *Router) failFast(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if now := r.tools.circuit(c.req.Tool); now.refuses() {
			return tripped(c, now)
		}
		return inner(ctx, c)
	}
}

// tripped is the refusal by a breaker that is open, or whose trial is under way. The wait is true for an
// open one; a trial takes as long as it takes, and a usual run is the best guess.
func tripped(c *passage, now *circuit) *tool.Error {
	s := now.state()
	if s.Forced {
		return tool.Errorf(tool.KindBreakerOpen, "the operator has opened the circuit breaker of %s", c.req.Tool).
			Suggest("ask the operator when %s is to be used again; other tools are not affected", c.req.Tool).
			With("breaker", string(s.Breaker)).With("by_hand", true)
	}
	err := tool.Errorf(tool.KindBreakerOpen, "%s failed %d times in a row and rests", c.req.Tool, s.Failures)
	err.RetryAfter = s.RetryAfter
	if s.Breaker != Open {
		err = tool.Errorf(tool.KindBreakerOpen, "%s failed; another call tries it now", c.req.Tool)
		err.RetryAfter = c.state.slots.hint()
	}
	wait := round(err.RetryAfter)
	return err.Suggest("wait %v, then call again; the health report says what is wrong", wait).
		With("breaker", string(s.Breaker)).With("failures", s.Failures).
		With("recovery_sec", now.settings.Load().Recovery.Seconds())
}

// round makes a wait readable; it never makes it shorter.
func round(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
