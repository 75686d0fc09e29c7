package main

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// setEnabled switches a tool on or off, for every host with the same state directory.
func (h *host) setEnabled(ctx context.Context, name string, on bool, reason string) error {
	if err := h.known(name); err != nil {
		return err
	}
	action := map[bool]string{true: "enable", false: "disable"}[on]
	err := h.switches.Set(name, on)
	if err != nil {
		err = tool.Errorf(tool.KindUnavailable, "%s was not switched: %w", name, err).
			Suggest("see that the state directory can be written; the log says more")
		h.log.Error("a tool could not be switched", "tool", name, "action", action, "error", err)
	}
	h.administered(ctx, action, name, reason, err)
	if err != nil {
		return err
	}
	h.hub.Publish("tool."+action+"d", map[string]string{
		"tool": name, "client": origin.From(ctx).Client, "reason": reason,
	})
	if err := h.fleet.Resettle(); err != nil {
		return tool.Errorf(tool.KindUnknown, "the switch of %s did not reach every tool: %w", name, err)
	}
	return nil
}

// setBreaker opens a tool's breaker until it is closed by hand, or closes it.
func (h *host) setBreaker(ctx context.Context, name string, open bool, reason string) error {
	action := map[bool]string{true: "breaker.open", false: "breaker.close"}[open]
	err := h.router.SetBreaker(name, open)
	h.administered(ctx, action, name, reason, err)
	return err
}

func (h *host) known(name string) error {
	if _, ok := h.fleet.Catalog().Lookup(name); ok {
		return nil
	}
	return tool.Errorf(tool.KindToolNotFound, "there is no tool %q", name).
		Suggest("list the tools to see what this host offers; names are exact")
}

// administered writes down who changed what.
func (h *host) administered(ctx context.Context, action, name, reason string, err error) {
	from := origin.From(ctx)
	e := audit.Entry{Event: audit.Admin, Origin: from, Actor: from.Client, Action: action, Tool: name}
	if reason != "" {
		e.Facts = map[string]string{"reason": reason}
	}
	if err != nil {
		e.ErrorType, e.Error = tool.KindOf(err), err.Error()
	}
	h.write(e)
	h.log.Info("administered", "action", action, "tool", name, "client", from.Client, "remote", from.Remote,
		"reason", reason, "done", err == nil)
}

// configuration is what GET /config answers.
func (h *host) configuration() any {
	l := h.force.Load()
	origins := make(map[string]string, len(l.Origins))
	for key, o := range l.Origins {
		origins[key] = o.String()
	}
	return map[string]any{
		"config": l.Config.Redacted(), "origins": origins, "file": l.File, "warnings": l.Warnings,
		"waiting_for_restart": l.waiting, "switched": h.switches.All(),
	}
}
