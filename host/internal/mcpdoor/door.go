// Package mcpdoor is the door for AI assistants: the tools of the catalog over the Model Context Protocol,
// on stdio and as Streamable HTTP, in every revision from 2024-11-05 to 2026-07-28. It translates and nothing
// else; what a tool may do is decided behind the [Caller].
//
//	door, err := mcpdoor.New(mcpdoor.Config{Caller: router, Catalog: fleet.Catalog, ...})
//	err = door.ServeStdio(ctx, in, out) // or mount door.HTTP() at /mcp
//	door.Refresh()                      // after the catalog changed
package mcpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttools"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Caller runs tools behind all gates.
type Caller interface {
	Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error)
}

// Config is what the door needs; the fields are required, but for those that say what they are without.
type Config struct {
	Version      string
	Instructions string // for the model: what this server is good for
	Caller       Caller
	Catalog      func() *catalog.Catalog
	Logger       *slog.Logger
	// Visible reports whether the client of a context is told of a tool; nil: of every one.
	Visible func(ctx context.Context, tool string) bool

	// HostTools are offered beside those of the catalog; nil: none is.
	HostTools []hosttools.Tool
	// Viewer says who the client of a context is to the host's tools; required with HostTools.
	Viewer func(ctx context.Context) hosttools.Caller
	// Executions are those of the client of a context; nil: there are none.
	Executions func(ctx context.Context) Executions
	// Policy is what the client of a context is allowed at this moment, as JSON shows it; nil: nothing is said of it.
	Policy func(ctx context.Context) any
	// Scope says in a sentence for models which targets are allowed; nil: nothing is said of it.
	Scope func() string
	// Intrusive reports whether what can disturb a target is run at all, be it that a person is asked; nil: it
	// is not.
	Intrusive func() bool
	// MaxText is how many characters of a result a model gets; nil: 20,000.
	MaxText func() int
}

func (cfg Config) complete() (Config, error) {
	if cfg.Caller == nil || cfg.Catalog == nil || cfg.Logger == nil {
		return cfg, errors.New("mcpdoor: Caller, Catalog and Logger are required")
	}
	if len(cfg.HostTools) > 0 && cfg.Viewer == nil {
		return cfg, errors.New("mcpdoor: HostTools need Viewer")
	}
	if cfg.Visible == nil {
		cfg.Visible = func(context.Context, string) bool { return true }
	}
	if cfg.Executions == nil {
		cfg.Executions = func(context.Context) Executions { return noExecutions{} }
	}
	if cfg.Policy == nil {
		cfg.Policy = func(context.Context) any { return struct{}{} }
	}
	if cfg.Scope == nil {
		cfg.Scope = func() string { return "" }
	}
	if cfg.Intrusive == nil {
		cfg.Intrusive = func() bool { return false }
	}
	if cfg.MaxText == nil {
		cfg.MaxText = func() int { return 0 }
	}
	return cfg, nil
}

// Door is the MCP door.
type Door struct {
	cfg    Config
	server *server.MCPServer
	talks  *talks

	mu     sync.Mutex // guards served, and serialises Refresh
	served served     // what clients were told of
}

// served are fingerprints of what clients see, list by list.
type served struct{ tools, prompts, resources []string }

// listTTL is for how long a client of the stateless revision may keep a list, in milliseconds. What is listed
// depends on who asks.
const listTTL = 5000

// New makes a door that offers the tools of the current catalog.
func New(cfg Config) (*Door, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	d := &Door{cfg: cfg, talks: newTalks()}
	hooks := &server.Hooks{}
	hooks.AddAfterListTools(d.hide)
	hooks.AddAfterListPrompts(d.hidePrompts)
	hooks.AddOnError(d.observeUnknownTool)
	d.offerResources(hooks)
	d.server = server.NewMCPServer("gatehouse", cfg.Version,
		server.WithTitle("Gatehouse"), server.WithInstructions(cfg.Instructions),
		server.WithToolCapabilities(true), server.WithPromptCapabilities(true),
		server.WithResourceCapabilities(false, true),
		server.WithCompletions(), server.WithPromptCompletionProvider(completions{d}),
		server.WithResourceCompletionProvider(completions{d}),
		server.WithCacheHints(listTTL, mcp.CacheScopePrivate),
		server.WithLogging(), server.WithHooks(hooks))
	d.server.AddResourceTemplate(mcp.NewResourceTemplate(executionURI+"{+rest}", "execution"),
		server.ResourceTemplateHandlerFunc(d.readExecution))
	d.Refresh()
	return d, nil
}

// Refresh takes the current catalog over; a tool that MCP has no form for is left out. Clients are told,
// once for each list, if what they see has changed.
func (d *Door) Refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cfg.Catalog()
	tools, offered, seen := d.tools(c)
	if !slices.Equal(seen, d.served.tools) || d.served.tools == nil {
		d.served.tools = seen
		d.server.SetTools(tools...)
	}
	prompts := d.prompts(c)
	seen = fingerprints(prompts, func(p server.ServerPrompt) any { return p.Prompt })
	if !slices.Equal(seen, d.served.prompts) {
		d.served.prompts = seen
		d.server.SetPrompts(prompts...)
	}
	resources := d.resources(offered)
	seen = fingerprints(resources, func(r server.ServerResource) any { return r.Resource })
	if !slices.Equal(seen, d.served.resources) {
		d.served.resources = seen
		d.server.SetResources(resources...)
	}
}

// fingerprints are equal for lists that look the same to a client.
func fingerprints[T any](list []T, of func(T) any) []string {
	prints := make([]string, 0, len(list))
	for _, x := range list {
		raw, err := json.Marshal(of(x))
		if err != nil {
			raw = fmt.Append(nil, err) // it cannot be listed, which is a change too
		}
		prints = append(prints, string(raw))
	}
	return prints
}

// tools are those of a catalog, and the host's own, with their fingerprints; offered are those of the catalog
// that can be listed.
func (d *Door) tools(
	c *catalog.Catalog,
) (tools []server.ServerTool, offered []*catalog.Entry, prints []string) {
	prints = []string{}
	for _, e := range c.Entries() {
		t := d.describe(e)
		seen, err := fingerprint(t, e.Settings.Enabled)
		if err != nil {
			d.cfg.Logger.Warn("a tool cannot be offered over MCP", "tool", t.Name, "plugin", e.Plugin, "error", err)
			continue
		}
		tools = append(tools, server.ServerTool{Tool: t, Handler: d.call})
		prints = append(prints, seen)
		if e.Settings.Enabled {
			offered = append(offered, e)
		}
	}
	for _, t := range d.cfg.HostTools {
		tools = append(tools, server.ServerTool{Tool: describeOwn(t), Handler: d.own(t)})
	}
	return tools, offered, prints
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

// describe is a tool as a model sees it: in its plugin's words, and what holds for it on this host.
func (d *Door) describe(e *catalog.Entry) mcp.Tool {
	t := mcp.NewToolWithRawSchema(e.Spec.Name, e.Spec.Description+"\n\n"+d.inForce(e), e.Spec.InputSchema)
	hints := e.Spec.Annotations
	if e.Spec.Intrusive && d.cfg.Intrusive() {
		hints.ReadOnly = false // what disturbs a target may change it
	}
	t.Title, t.RawOutputSchema = e.Spec.Title, e.Spec.OutputSchema
	t.Annotations = annotations(e.Spec.Title, hints)
	return t
}

func annotations(title string, a tool.Annotations) mcp.ToolAnnotation {
	return mcp.ToolAnnotation{
		Title: title, ReadOnlyHint: &a.ReadOnly, DestructiveHint: &a.Destructive,
		IdempotentHint: &a.Idempotent, OpenWorldHint: &a.OpenWorld,
	}
}

// inForce says what a model has to know of a tool on this host: where it may point it, how long and how
// often, and what to do when that is too little.
func (d *Door) inForce(e *catalog.Entry) string {
	s := e.Settings
	text := fmt.Sprintf("On this host: at most %d at a time, %.0f s unless timeout_sec asks for up to %.0f",
		s.Concurrency, s.DefaultTimeout.Seconds(), s.MaxTimeout.Seconds())
	if s.RateRequests > 0 && s.RatePer > 0 {
		text += fmt.Sprintf(", %d calls in %.0f s", s.RateRequests, s.RatePer.Seconds())
	}
	text += "."
	if scope := d.cfg.Scope(); scope != "" && len(e.Spec.Targets) > 0 {
		text += " " + scope
	}
	if len(d.cfg.HostTools) > 0 && s.MaxTimeout > waitTime {
		text += " For a run of more than a minute use execution_start with this tool's name and arguments, then " +
			"execution_wait. An error says what to do next."
	}
	return text
}

// waitTime is how long clients of MCP usually wait for an answer.
const waitTime = time.Minute

// shows reports whether the client of a context is told of a tool.
func (d *Door) shows(ctx context.Context, name string) bool {
	e, ok := d.cfg.Catalog().Lookup(name)
	return ok && e.Settings.Enabled && d.cfg.Visible(ctx, name)
}

// hide keeps out of tools/list what the client cannot call; a call of it still gets its own clear error.
func (d *Door) hide(ctx context.Context, _ any, _ *mcp.ListToolsRequest, result *mcp.ListToolsResult) {
	result.Tools = slices.DeleteFunc(slices.Clone(result.Tools), func(t mcp.Tool) bool {
		own, isOwn := d.findOwn(t.Name)
		if isOwn {
			return own.Role == hosttools.RoleCaller && !d.cfg.Viewer(ctx).MayCall
		}
		return !d.shows(ctx, t.Name)
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
