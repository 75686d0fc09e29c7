package call

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// What became of a question, in [Record.Consent].
const (
	ConsentAsked       = "asked"       // the call comes again with the answer
	ConsentGranted     = "granted"     // and the call ran with this one grant
	ConsentDeclined    = "declined"    // by the person
	ConsentUnavailable = "unavailable" // nobody could be asked
)

// consent has a person decide about a call that the policy would refuse as intrusive, where the operator wants it
// so. What is allowed is one command, for this one call: it is shown as it will be executed, with the targets
// pinned, and the plugin is held to it.
func (r *Router) consent(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if c.entry.Spec.Intrusive && r.cfg.AskIntrusive() {
			if err := r.ask(ctx, c); err != nil {
				return err
			}
		}
		return inner(ctx, c)
	}
}

func (r *Router) ask(ctx context.Context, c *passage) error {
	q, gated, err := r.questionOf(ctx, c)
	if err != nil || !gated {
		return err
	}
	c.question = &q
	answer, err := consent.Answer(""), error(consent.ErrCannotAsk)
	if ask, ok := consent.From(ctx); ok {
		answer, err = ask(ctx, q)
	}
	switch {
	case err == nil && answer == consent.Granted:
		c.consent, c.req.Grant = ConsentGranted, &q.Grant
		return nil
	case err == nil:
		c.consent = ConsentDeclined
		return notAllowed(q, "the person who was asked did not allow it").
			Suggest("do not ask again; leave the intrusive options out, or let the person decide what to do next")
	case errors.Is(err, consent.ErrPending):
		c.consent = ConsentAsked
		return notAllowed(q, "%w", err).Suggest("wait for the answer")
	case errors.Is(ctx.Err(), context.Canceled):
		c.consent = ConsentUnavailable
		return cancelled(ctx)
	}
	c.consent = ConsentUnavailable
	e := notAllowed(q, "a person has to allow it, and was not asked: %w", err)
	if errors.Is(err, consent.ErrCannotAsk) {
		return e.Suggest("leave the intrusive options out, or call from an MCP client that can ask its user (elicitation)")
	}
	return e.Suggest("leave the intrusive options out, or ask for less at a time")
}

func notAllowed(q consent.Question, format string, args ...any) *tool.Error {
	e := tool.Errorf(tool.KindIntrusiveDenied, format, args...)
	e.Message = q.Rule + "; " + e.Message
	return e.With("ask", true)
}

// questionOf is what a person would be asked; gated is false for a call that needs no asking, or that no answer
// would let through: the plugin refuses that by itself.
func (r *Router) questionOf(ctx context.Context, c *passage) (q consent.Question, gated bool, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, planTimeout, errHung)
	defer stop()
	plain, err := c.entry.Handler.Plan(ctx, c.req)
	if err != nil || plain.Verdict != tool.Gated {
		return q, false, judge(ctx, c.req.Tool, planTimeout, err)
	}
	asked := c.req
	asked.Grant = &tool.Grant{}
	granted, err := c.entry.Handler.Plan(ctx, asked)
	if err != nil || granted.Verdict != tool.Accept {
		return q, false, judge(ctx, c.req.Tool, planTimeout, err)
	}
	return consent.Question{
		Client: c.req.Client, Tool: c.req.Tool, Rule: plain.Rule, Arguments: c.req.Arguments, Targets: c.req.Targets,
		Grant: tool.Grant{Program: granted.Program, Argv: granted.Argv},
	}, true, nil
}

// stillAsked refuses a call that was allowed by a person, when the operator has taken that right away while the call
// waited.
func (r *Router) stillAsked(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if c.req.Grant != nil && !r.cfg.AskIntrusive() {
			return notAllowed(*c.question, "the operator has changed security.allow_intrusive since a person was asked")
		}
		return inner(ctx, c)
	}
}

// holdToGrant breaks a run off that executes something else than what a person allowed.
func (c *passage) holdToGrant(x tool.Exec) {
	g := c.req.Grant
	if g != nil {
		c.useGrant()
	}
	if g == nil || x.Program == g.Program && slices.Equal(x.Argv, g.Argv) {
		return
	}
	c.broken = tool.Errorf(tool.KindUnknown, "the plugin executed another command than a person had allowed; it was "+
		"broken off").Suggest("tell the operator: the plugin of %s is not to be trusted", c.req.Tool)
	c.breakOff(c.broken)
}
