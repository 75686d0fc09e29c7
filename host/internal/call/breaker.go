package call

import (
	"context"
	"errors"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// breaker stops calls of a tool that keeps failing. It is asked again here, where the call has its slot: of
// those that waited together, one is the trial of a half-open breaker.
func (r *Router) breaker(inner next) next {
	return func(ctx context.Context, c *passage) error {
		now := r.tools.circuit(c.req.Tool)
		report, ok := now.allow()
		if !ok {
			return tripped(c, now)
		}
		outcome := errFailed // of a panic
		defer func() { report(outcome) }()
		err := inner(ctx, c)
		outcome = outcomeOf(err, c.short)
		return err
	}
}

// outcomeOf says what an error tells about the tool. Refusals and cancelled calls tell nothing: they
// neither open a breaker nor, as a success would, clear its count or close it. The same goes for a run that
// had less than its usual time, and for a plugin that is only not up at the moment.
func outcomeOf(err error, short bool) error {
	if err == nil {
		return nil
	}
	e := tool.AsError(err)
	switch e.Kind {
	case tool.KindNotFound, tool.KindResourceExhausted, tool.KindExecution, tool.KindUnknown:
		return errFailed
	case tool.KindTimeout:
		if !short {
			return errFailed
		}
	case tool.KindUnavailable:
		if !errors.Is(err, catalog.ErrNotRunning) && !errors.Is(err, errNoTrail) {
			return errFailed
		}
	}
	return errNeutral
}
