package mcpdoor

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of prompts that are filled in, in bytes.
const (
	maxArgument = tool.MaxPromptValue
	maxFilled   = 8 * tool.MaxPromptText // of all messages; a value may stand in many places
)

// prompts are those of a catalog.
func (d *Door) prompts(c *catalog.Catalog) []server.ServerPrompt {
	var all []server.ServerPrompt
	for _, p := range c.Prompts() {
		if !slices.ContainsFunc(p.Tools, func(name string) bool { return enabled(c, name) }) {
			continue
		}
		all = append(all, server.ServerPrompt{Prompt: describePrompt(p.Prompt), Handler: d.prompt})
	}
	return all
}

func enabled(c *catalog.Catalog, name string) bool {
	e, ok := c.Lookup(name)
	return ok && e.Settings.Enabled
}

func describePrompt(p tool.Prompt) mcp.Prompt {
	out := mcp.NewPrompt(p.Name, mcp.WithPromptDescription(p.Description))
	out.Title = p.Title
	for _, a := range p.Arguments {
		out.Arguments = append(out.Arguments, mcp.PromptArgument{
			Name: a.Name, Title: a.Title, Description: a.Description, Required: a.Required,
		})
	}
	return out
}

// findPrompt finds a prompt that the client is told of.
func (d *Door) findPrompt(ctx context.Context, name string) (tool.Prompt, catalog.Prompt, bool) {
	for _, p := range d.cfg.Catalog().Prompts() {
		if p.Name == name && d.showsAny(ctx, p.Tools) {
			return p.Prompt, p, true
		}
	}
	return tool.Prompt{}, catalog.Prompt{}, false
}

func (d *Door) showsAny(ctx context.Context, tools []string) bool {
	return slices.ContainsFunc(tools, func(name string) bool { return d.shows(ctx, name) })
}

// hidePrompts keeps out of prompts/list what is about tools that the client cannot call.
func (d *Door) hidePrompts(
	ctx context.Context, _ any, _ *mcp.ListPromptsRequest, result *mcp.ListPromptsResult,
) {
	result.Prompts = slices.DeleteFunc(slices.Clone(result.Prompts), func(p mcp.Prompt) bool {
		_, _, ok := d.findPrompt(ctx, p.Name)
		return !ok
	})
}

// prompt fills a prompt in.
func (d *Door) prompt(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	p, _, ok := d.findPrompt(ctx, req.Params.Name)
	if !ok {
		return nil, protocolError(ctx, mcp.INVALID_PARAMS,
			fmt.Sprintf("there is no prompt %q", clipped(req.Params.Name)), nil)
	}
	if err := checkArguments(p, req.Params.Arguments); err != nil {
		return nil, protocolError(ctx, mcp.INVALID_PARAMS, err.Error(), nil)
	}
	result, size := &mcp.GetPromptResult{Description: p.Description}, 0
	for _, m := range p.Messages {
		role := mcp.RoleUser
		if m.Role == string(mcp.RoleAssistant) {
			role = mcp.RoleAssistant
		}
		c := m.Content
		c.Text, c.URI = p.Fill(c.Text, req.Params.Arguments), p.Fill(c.URI, req.Params.Arguments)
		if err := c.Validate(); err != nil {
			return nil, protocolError(ctx, mcp.INVALID_PARAMS, fmt.Sprintf("prompt %s: %v", p.Name, err), nil)
		}
		if size += len(c.Text); size > maxFilled {
			return nil, protocolError(ctx, mcp.INVALID_PARAMS,
				fmt.Sprintf("prompt %s: it has more than %d bytes with these arguments; give shorter ones",
					p.Name, maxFilled), nil)
		}
		result.Messages = append(result.Messages, mcp.PromptMessage{Role: role, Content: promptContent(c)})
	}
	return result, nil
}

// promptContent is a block of a prompt: what an author wrote, and of strangers only what the arguments say.
func promptContent(c tool.Content) mcp.Content {
	switch c.Type {
	case tool.ImageContent:
		return mcp.NewImageContent(base64.StdEncoding.EncodeToString(c.Data), c.MIMEType)
	case tool.TextContent:
		return mcp.NewTextContent(c.Text)
	}
	room := tool.MaxPromptText
	return block(c, &room)
}

// checkArguments holds the arguments of a prompt to what it declares.
func checkArguments(p tool.Prompt, given map[string]string) error {
	for name, value := range given {
		if !slices.ContainsFunc(p.Arguments, func(a tool.PromptArgument) bool { return a.Name == name }) {
			return fmt.Errorf("prompt %s has no argument %q", p.Name, clipped(name))
		}
		if len(value) > maxArgument {
			return fmt.Errorf("prompt %s: the argument %s has %d bytes; allowed are %d",
				p.Name, name, len(value), maxArgument)
		}
	}
	for _, a := range p.Arguments {
		if a.Required && given[a.Name] == "" && a.Default == "" {
			return fmt.Errorf("prompt %s: the argument %s is missing: %s", p.Name, a.Name, a.Description)
		}
	}
	return nil
}
