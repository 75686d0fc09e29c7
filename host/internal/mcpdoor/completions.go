package mcpdoor

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of completions. A client gets the first hundred.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/completion
const (
	maxCompletions = 100
	lookBack       = 100 // executions and targets that are looked at
)

// completions completes the arguments of prompts and of resources.
type completions struct{ *Door }

var (
	_ server.PromptCompletionProvider   = completions{}
	_ server.ResourceCompletionProvider = completions{}
)

// CompletePromptArgument implements [server.PromptCompletionProvider].
func (c completions) CompletePromptArgument(
	ctx context.Context, name string, argument mcp.CompleteArgument, _ mcp.CompleteContext,
) (*mcp.Completion, error) {
	p, of, ok := c.findPrompt(ctx, name)
	if !ok {
		return begun(nil, ""), nil
	}
	for _, a := range p.Arguments {
		if a.Name == argument.Name {
			return begun(append(slices.Clone(a.Values), c.values(ctx, a.Complete, of.Tools)...), argument.Value), nil
		}
	}
	return begun(nil, ""), nil
}

// CompleteResourceArgument implements [server.ResourceCompletionProvider].
func (c completions) CompleteResourceArgument(
	ctx context.Context, uri string, argument mcp.CompleteArgument, _ mcp.CompleteContext,
) (*mcp.Completion, error) {
	by := tool.CompleteNothing
	switch {
	case argument.Name == "id" && strings.HasPrefix(uri, executionURI):
		by = tool.CompleteExecutions
	case argument.Name == "name" && strings.HasPrefix(uri, toolURI):
		by = tool.CompleteTools
	}
	return begun(c.values(ctx, by, nil), argument.Value), nil
}

// values are all that an argument can be completed with; tools are those of the plugin whose prompt it is.
func (c completions) values(ctx context.Context, by tool.CompleteBy, tools []string) []string {
	switch by {
	case tool.CompleteTargets:
		return c.cfg.Executions(ctx).RecentTargets(lookBack)
	case tool.CompleteExecutions:
		list, _, err := c.cfg.Executions(ctx).List(executions.Filter{Limit: lookBack})
		if err != nil {
			return nil // nothing to complete with; who reads one is told why
		}
		ids := make([]string, 0, len(list))
		for _, x := range list {
			ids = append(ids, x.ID)
		}
		return ids
	case tool.CompleteTools:
		return slices.DeleteFunc(c.cfg.Catalog().Names(), func(name string) bool { return !c.shows(ctx, name) })
	case tool.CompleteTemplates:
		return c.templatesOf(ctx, tools)
	}
	return nil
}

func (c completions) templatesOf(ctx context.Context, tools []string) []string {
	var names []string
	for _, name := range tools {
		if e, ok := c.cfg.Catalog().Lookup(name); ok && c.shows(ctx, name) {
			names = append(names, slices.Sorted(maps.Keys(e.Spec.Facts.Templates))...)
		}
	}
	return names
}

// begun are the values that begin as the client has, each once.
func begun(values []string, with string) *mcp.Completion {
	fit := make([]string, 0, len(values))
	for _, v := range values {
		if len(v) >= len(with) && strings.EqualFold(v[:len(with)], with) && !slices.Contains(fit, v) {
			fit = append(fit, v)
		}
	}
	c := &mcp.Completion{Values: fit, Total: len(fit)}
	if len(fit) > maxCompletions {
		c.Values, c.HasMore = fit[:maxCompletions], true
	}
	return c
}
