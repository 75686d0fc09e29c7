package call

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// planTimeout is the most time that a plugin gets to say what it would do; it executes nothing.
const planTimeout = 10 * time.Second

// runCall is the end of the way: it asks the plugin, collects what it prints, and judges how it ended.
func (r *Router) runCall(ctx context.Context, c *passage) error {
	out := tool.NewCollector(c.req, func(ev tool.Event) { r.pass(c, ev) })
	defer out.Fill(&c.result)
	c.ran = true
	ctx, c.breakOff = context.WithCancelCause(ctx)
	defer c.breakOff(nil)
	c.useGrant = func() { consent.Used(ctx) }
	if c.req.Grant != nil && c.req.Grant.Program == "" {
		c.useGrant() // nobody sees what a tool does that runs no program
	}
	var err error
	c.result, err = c.entry.Handler.Call(ctx, c.req, out.Event)
	if c.broken != nil {
		return c.broken
	}
	if c.held != nil { // how far it came is worth telling, however soon after the one before
		r.cfg.Progress(c.record(nil), *c.held)
	}
	if err := judge(ctx, c.req.Tool, c.timeout, err); err != nil {
		return err
	}
	return answerable(ctx, c)
}

// answerable refuses the questions of a tool to a caller who has no way to put them to a person.
func answerable(ctx context.Context, c *passage) error {
	if _, ok := consent.From(ctx); ok || len(c.result.Questions) == 0 {
		return nil
	}
	asked := c.result.Questions[0].Message
	c.result.Questions, c.result.State = nil, nil
	return tool.Errorf(tool.KindValidation, "%s asks a person something, and nobody can be asked: %s", c.req.Tool,
		tool.Untrusted(asked).Clean()).
		Suggest("call it directly over MCP, from a client that can ask its user (elicitation)")
}

const (
	maxExec       = 16                     // programs of one call that are remembered
	progressPause = 250 * time.Millisecond // between two that are told to others than the caller
)

// pass hands an event on: what is executed goes into the trail, progress to the caller and to who watches.
func (r *Router) pass(c *passage, ev tool.Event) {
	if ev.Exec != nil {
		c.holdToGrant(*ev.Exec)
		if len(c.exec) < maxExec {
			c.exec = append(c.exec, *ev.Exec)
			r.cfg.Executing(c.record(nil), *ev.Exec)
		}
		ev.Exec = nil
	}
	switch {
	case ev.Progress == nil:
	case time.Since(c.told) >= progressPause:
		c.told, c.held = time.Now(), nil
		r.cfg.Progress(c.record(nil), *ev.Progress)
	default:
		p := *ev.Progress
		c.held = &p
	}
	if ev.Output == nil && ev.Progress == nil && ev.Log == nil {
		return
	}
	r.cfg.Event(c.req.ID, ev)
	if c.emit != nil {
		c.emit(ev)
	}
}

// runPlan is the end of a plan's way.
func (r *Router) runPlan(ctx context.Context, c *passage) error {
	ctx, stop := context.WithTimeoutCause(ctx, planTimeout, errHung)
	defer stop()
	p, err := c.entry.Handler.Plan(ctx, c.req)
	if err := judge(ctx, c.req.Tool, min(c.timeout, planTimeout), err); err != nil {
		return err
	}
	if c.planned = p; p.Error != nil {
		c.planned.Error = c.complete(believed(c.req.Tool, p.Error))
	}
	return nil
}

// judge decides what became of a call. That the caller went away counts for more than what the plugin says,
// that the time is over counts for more than an error which follows from it, and an error of the plugin's
// is believed within limits.
func judge(ctx context.Context, name string, granted time.Duration, err error) error {
	// A handler that gives the context's own error back knows nothing that is not known here.
	ofPlugin := tool.KindOf(err) == tool.KindTimeout && !errors.Is(err, context.DeadlineExceeded)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(ctx)
	case err == nil:
		return nil
	case ctx.Err() != nil && !ofPlugin:
		return ended(ctx, granted)
	default:
		return believed(name, err)
	}
}

// believed is a plugin's error as far as a plugin can know. What only a gate of the host can say is not
// believed, nor that the caller cancelled, which the host would have noticed. The tool is the one that was
// called, whatever the plugin names.
func believed(name string, err error) *tool.Error {
	said := tool.AsError(err)
	e := said.About(name, "")
	e.Tool, e.Metadata = name, maps.Clone(said.Metadata)
	switch {
	case said.Kind == tool.KindCancelled:
		return disbelieved(e, tool.KindUnavailable, "the plugin broke the call off: %w", said)
	case hostsOwn(said.Kind), !said.Kind.Known():
		return disbelieved(e, tool.KindUnknown, "the plugin failed in a way that it cannot know of: %w", said)
	}
	return e
}

func disbelieved(e *tool.Error, k tool.Kind, format string, said *tool.Error) *tool.Error {
	unbelieved := tool.Errorf(k, format, said)
	unbelieved.Tool, unbelieved.Target, unbelieved.Metadata = e.Tool, e.Target, e.Metadata
	return unbelieved.With("plugin_error_type", clip(string(said.Kind), tool.MaxNameLength))
}

// hostsOwn reports whether only a gate of the host can refuse with this kind.
func hostsOwn(k tool.Kind) bool {
	switch k {
	case tool.KindUnauthenticated, tool.KindForbidden, tool.KindToolNotFound, tool.KindDisabled,
		tool.KindRateLimited, tool.KindOverloaded, tool.KindBreakerOpen:
		return true
	}
	return false
}
