package hosttest

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Fake is a plugin in the same process. Each method is a field; one that is nil does the simplest thing that
// is right. Set the fields before the first call.
type Fake struct {
	Manifest    tool.Manifest // what Describe answers without OnDescribe; zero: OneTool("fake", "FakeTool")
	OnDescribe  func(context.Context) (tool.Manifest, error)
	OnConfigure func(context.Context, tool.Policy) error
	OnPlan      func(context.Context, tool.Request) (tool.Plan, error)
	OnCall      func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error)
}

var _ tool.Handler = (*Fake)(nil)

// OneTool is a manifest with one tool, whose arguments are "text", any string, and "target", a host or a
// network.
func OneTool(plugin, name string) tool.Manifest {
	return tool.Manifest{Name: plugin, Version: "1.2.3", Tools: []tool.Spec{{
		Name: name, Title: "A tool for tests", Description: "Answers with its arguments.",
		InputSchema: json.RawMessage(
			`{"type":"object","properties":{"text":{"type":"string"},"target":{"type":"string"}}}`),
		Targets: []tool.TargetArgument{{Argument: "target", Network: true}},
	}}}
}

// Describe implements [tool.Handler].
func (f *Fake) Describe(ctx context.Context) (tool.Manifest, error) {
	switch {
	case f.OnDescribe != nil:
		return f.OnDescribe(ctx)
	case f.Manifest.Name == "":
		return OneTool("fake", "FakeTool"), nil
	}
	return f.Manifest, nil
}

// Configure implements [tool.Handler].
func (f *Fake) Configure(ctx context.Context, p tool.Policy) error {
	if f.OnConfigure == nil {
		return nil
	}
	return f.OnConfigure(ctx, p)
}

// Plan implements [tool.Handler]. Without OnPlan everything is accepted.
func (f *Fake) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	if f.OnPlan == nil {
		return tool.Plan{Verdict: tool.Accept, Rule: "everything is allowed", Targets: r.Targets}, nil
	}
	return f.OnPlan(ctx, r)
}

// Call implements [tool.Handler]. Without OnCall the arguments come back as data.
func (f *Fake) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	if f.OnCall == nil {
		return tool.Result{Data: r.Arguments}, nil
	}
	return f.OnCall(ctx, r, emit)
}
