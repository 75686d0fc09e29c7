package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// plugins is what the door shows of the fleet, and does to it.
type plugins struct{ *host }

var _ httpdoor.Plugins = plugins{}

// List implements [httpdoor.Plugins].
func (p plugins) List() httpdoor.PluginList { return pluginList(p.fleet) }

// pluginList is the fleet as people and programs see it. Clashes stand with their plugins.
func pluginList(f *fleet.Fleet) httpdoor.PluginList {
	var l httpdoor.PluginList
	for _, s := range f.Status() {
		l.Plugins = append(l.Plugins, pluginView(s))
	}
	for _, found := range f.Problems() {
		if found.Tool == "" {
			l.Problems = append(l.Problems, pluginProblem(found))
		}
	}
	return l
}

func pluginView(s fleet.Status) httpdoor.PluginView {
	v := httpdoor.PluginView{
		Name: s.Name, Version: s.Version, Path: s.Path, SHA256: s.SHA256, State: string(s.State), Reason: s.Reason,
		Error: s.Error, RecoverySuggestion: s.Fix, Since: s.Since.UTC(), Pid: s.Pid, Restarts: s.Restarts,
		Launch: string(s.Launch), Pinned: s.Pinned, Tools: s.Tools, Filtered: s.Filtered,
		ResidentMemoryBytes: s.RSS, Draining: s.Draining, SuccessorError: s.Follower, SuccessorFix: s.FollowerFix,
		Layers: s.Layers, Sandbox: s.Sandbox,
	}
	if !s.RetryAt.IsZero() {
		v.RetryAt = s.RetryAt.UTC()
	}
	for _, c := range s.Clashes {
		v.Clashes = append(v.Clashes, pluginProblem(c))
	}
	return v
}

// pluginProblem tells how much a problem weighs: with each of them something does not serve.
func pluginProblem(p fleet.Problem) httpdoor.PluginProblem {
	return httpdoor.PluginProblem{
		Path: p.Path, Tool: p.Tool, Reason: p.Reason, Fix: p.Fix, Severity: httpdoor.SeverityError,
	}
}

// Do implements [httpdoor.Plugins].
func (p plugins) Do(
	ctx context.Context, name string, what httpdoor.PluginAction, reason string,
) (httpdoor.PluginView, error) {
	v, err := httpdoor.Find(p.List(), name)
	if err != nil {
		return httpdoor.PluginView{}, err
	}
	s, err := p.act(ctx, v.Path, what, reason)
	p.administeredPlugin(ctx, "plugin."+string(what), v.Name, reason, map[string]string{"path": v.Path}, err)
	return pluginView(s), err
}

func (h *host) act(ctx context.Context, path string, what httpdoor.PluginAction, reason string) (fleet.Status, error) {
	switch what {
	case httpdoor.PluginRestart:
		return h.fleet.Restart(ctx, path, reason)
	case httpdoor.PluginStop:
		return h.fleet.Stop(ctx, path, reason)
	case httpdoor.PluginStart:
		return h.fleet.Start(ctx, path)
	}
	return fleet.Status{}, tool.Errorf(tool.KindUnknown, "nobody knows how to %s a plugin", what)
}

// Pin implements [httpdoor.Plugins].
func (p plugins) Pin(ctx context.Context, reason string) (httpdoor.PinReport, error) {
	report, err := p.pinAll(ctx)
	facts := make(map[string]string)
	for _, pinned := range report.Pinned {
		facts[filepath.Join(pinned.Dir, pinned.File)] = pinned.SHA256
	}
	p.administeredPlugin(ctx, "plugins.pin", "", reason, facts, err)
	p.fleet.Rescan()
	return report, err
}

// Verify implements [httpdoor.Plugins].
func (p plugins) Verify(context.Context) (httpdoor.VerifyReport, error) {
	return verifyAll(p.config().Plugins.Dirs), nil
}

// administeredPlugin writes down who did what to a plugin; all of them when name is empty.
func (h *host) administeredPlugin(
	ctx context.Context, action, name, reason string, facts map[string]string, err error,
) {
	from := origin.From(ctx)
	if reason != "" {
		facts["reason"] = reason
	}
	e := audit.Entry{
		Event: audit.Admin, Origin: from, Actor: from.Client, Action: action, Plugin: name, Facts: facts,
	}
	if err != nil {
		e.ErrorType, e.Error = tool.KindOf(err), err.Error()
	}
	h.write(e)
	h.log.Info("administered", "action", action, "plugin", name, "client", from.Client, "remote", from.Remote,
		"reason", reason, "done", err == nil)
}

// pluginChanged tells of a plugin's new state; fleet has logged it.
func (h *host) pluginChanged(s fleet.Status) {
	h.metrics.PluginChanged(s.Name, string(s.State))
	h.hub.Publish("plugin", map[string]any{
		"name": s.Name, "version": s.Version, "path": s.Path, "sha256": s.SHA256, "state": string(s.State),
		"reason": s.Reason, "restarts": s.Restarts, "error": s.Error,
	})
	h.kick()
}

// offeredBy are all tools of a plugin's manifest, whether calls reach them or not.
func offeredBy(s fleet.Status) []string {
	all := slices.Concat(s.Tools, s.Filtered)
	for _, c := range s.Clashes {
		all = append(all, c.Tool)
	}
	slices.Sort(all)
	return all
}
