// Package mcpdoor is the door for AI assistants: the tools of the catalog over the Model Context Protocol,
// on stdio and as Streamable HTTP. It translates and nothing else; what a tool may do is decided behind the
// [Caller].
//
//	door, err := mcpdoor.New(mcpdoor.Config{Caller: router, Catalog: fleet.Catalog, ...})
//	err = door.ServeStdio(ctx, in, out) // or mount door.Handler() at /mcp
//	door.Refresh()                      // after the catalog changed
package mcpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Caller runs tools behind all gates.
type Caller interface {
	Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error)
}

// Config is what the door needs; all fields are required, Instructions and Visible apart.
type Config struct {
	Version      string
	Instructions string // for the model: what this server is good for
	Caller       Caller
	Catalog      func() *catalog.Catalog
	Logger       *slog.Logger
	// Visible reports whether the client of a context is told of a tool; nil: of every one.
	Visible func(ctx context.Context, tool string) bool
}

// Door is the MCP door.
type Door struct {
	cfg    Config
	server *server.MCPServer

	mu     sync.Mutex // guards served, and serialises Refresh
	served []string   // fingerprints of the tools that clients were told of
}

// New makes a door that offers the tools of the current catalog.
func New(cfg Config) (*Door, error) {
	if cfg.Caller == nil || cfg.Catalog == nil || cfg.Logger == nil {
		return nil, errors.New("mcpdoor: Caller, Catalog and Logger are required")
	}
	d := &Door{cfg: cfg}
	hooks := &server.Hooks{}
	hooks.AddAfterListTools(d.hide)
	hooks.AddOnError(d.observeUnknownTool)
	d.server = server.NewMCPServer("gatehouse", cfg.Version,
		server.WithTitle("Gatehouse"), server.WithInstructions(cfg.Instructions),
		server.WithToolCapabilities(true), server.WithLogging(), server.WithRecovery(), server.WithHooks(hooks))
	d.Refresh()
	return d, nil
}

// Refresh takes the current catalog over; a tool that MCP has no form for is left out. Clients are told,
// once, if what they see has changed.
func (d *Door) Refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries := d.cfg.Catalog().Entries()
	tools := make([]server.ServerTool, 0, len(entries))
	prints := make([]string, 0, len(entries))
	for _, e := range entries {
		t := describe(e)
		seen, err := fingerprint(t, e.Settings.Enabled)
		if err != nil {
			d.cfg.Logger.Warn("a tool cannot be offered over MCP", "tool", t.Name, "plugin", e.Plugin, "error", err)
			continue
		}
		tools = append(tools, server.ServerTool{Tool: t, Handler: d.call})
		prints = append(prints, seen)
	}
	if d.served != nil && slices.Equal(prints, d.served) {
		return
	}
	d.served = prints
	d.server.SetTools(tools...)
}

// fingerprint is equal for tools that look the same to a client. It fails for a tool that mcp-go cannot
// write, which would break tools/list for all, and for one whose x-mcp-header annotations are wrong, on which
// SetTools panics.
func fingerprint(t mcp.Tool, enabled bool) (string, error) {
	if len(t.RawInputSchema) == 0 {
		return "", errors.New("it has no input schema")
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write the tool: %w", err)
	}
	if err := mcp.ValidateParamHeaderAnnotations(&t); err != nil {
		return "", fmt.Errorf("x-mcp-header: %w", err)
	}
	return fmt.Sprintf("%t %s", enabled, raw), nil
}

func describe(e *catalog.Entry) mcp.Tool {
	t := mcp.NewToolWithRawSchema(e.Spec.Name, e.Spec.Description, e.Spec.InputSchema)
	t.Title, t.RawOutputSchema = e.Spec.Title, e.Spec.OutputSchema
	a := e.Spec.Annotations
	t.Annotations = mcp.ToolAnnotation{
		Title: e.Spec.Title, ReadOnlyHint: &a.ReadOnly, DestructiveHint: &a.Destructive,
		IdempotentHint: &a.Idempotent, OpenWorldHint: &a.OpenWorld,
	}
	return t
}

// hide keeps out of tools/list what the client cannot call; a call of it still gets its own clear error.
func (d *Door) hide(ctx context.Context, _ any, _ *mcp.ListToolsRequest, result *mcp.ListToolsResult) {
	c := d.cfg.Catalog()
	result.Tools = slices.DeleteFunc(slices.Clone(result.Tools), func(t mcp.Tool) bool {
		e, ok := c.Lookup(t.Name)
		return ok && !e.Settings.Enabled || d.cfg.Visible != nil && !d.cfg.Visible(ctx, t.Name)
	})
}

// observeUnknownTool sends a call that mcp-go refused by itself the way of all calls, so that the trail has
// it too.
func (d *Door) observeUnknownTool(ctx context.Context, _ any, _ mcp.MCPMethod, message any, err error) {
	req, ok := message.(*mcp.CallToolRequest)
	if !ok || !errors.Is(err, server.ErrToolNotFound) {
		return
	}
	ctx, r := request(ctx, *req)
	_, _ = d.cfg.Caller.Call(ctx, r, nil) // refused: the client has its answer already
}

func (d *Door) call(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if args := bytes.TrimSpace(req.Params.RawArguments); len(args) > 0 && args[0] != '{' && !bytes.Equal(args, null) {
		return nil, errArguments
	}
	ctx, r := request(ctx, req)
	res, err := d.cfg.Caller.Call(ctx, r, nil)
	report, encodeErr := json.Marshal(tool.NewReport(res, err))
	if encodeErr != nil {
		return nil, fmt.Errorf("write the result: %w", encodeErr)
	}
	return &mcp.CallToolResult{
		Content:           []mcp.Content{mcp.NewTextContent(string(report))},
		StructuredContent: json.RawMessage(report),
		IsError:           err != nil,
	}, nil
}

var (
	null         = []byte("null")
	errArguments = errors.New("params.arguments must be a JSON object") // a break of the protocol, not of a tool's schema
)

// request is what the router is asked, with where it comes from. Who started the process is the client of
// stdio.
func request(ctx context.Context, req mcp.CallToolRequest) (context.Context, tool.Request) {
	from := origin.From(ctx)
	if from.Door = origin.MCP; from.Client == "" {
		from.Client, from.Door = "stdio", origin.Stdio
	}
	if from.Trace == (origin.Trace{}) && req.Params.Meta != nil {
		header, _ := req.Params.Meta.AdditionalFields["traceparent"].(string)
		from.Trace = origin.ParseTraceparent(header)
	}
	args := req.Params.RawArguments
	if len(args) == 0 || bytes.Equal(bytes.TrimSpace(args), null) {
		args = json.RawMessage("{}")
	}
	return origin.With(ctx, from), tool.Request{Tool: req.Params.Name, Client: from.Client, Arguments: args}
}
