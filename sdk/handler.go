package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-mcp/gatehouse/sdk/internal/machine"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Handler serves the tools of one plugin. [Main] makes one and puts it on the wire; tests call it as it is.
//
//	Call
//	  find the tool           tool_not_found
//	  strip                   timeout_sec and correlation_id are the host's
//	  policy                  the one in force now, for the whole call; intrusive where a person allows it
//	  events                  caps of output, order, silence after the end
//	  Tool.Call               Func: typed input; command: flags, argv, the grant, sandbox
//	  kept                    the bounds of what is shown and asked
//	  settle                  panics, and errors that name tool and target
type Handler struct {
	manifest Manifest
	tools    map[string]Tool // name -> tool
	probes   []*probe
	policy   atomic.Pointer[inForce]
	pool     *pool

	ending context.Context // cancelled by Close
	end    context.CancelFunc

	mu     sync.Mutex // guards closed, and that no call begins once Close waits
	closed bool
	calls  sync.WaitGroup
}

var _ tool.Handler = (*Handler)(nil)

// NewHandler checks a plugin's declaration and makes the handler of its tools. Its errors are for the
// plugin's author.
func NewHandler(p Plugin) (*Handler, error) {
	h := &Handler{manifest: Manifest{Name: p.Name, Version: p.Version, Prompts: p.Prompts},
		tools: make(map[string]Tool), pool: new(pool)}
	for _, t := range p.Tools {
		if err := h.add(t); err != nil {
			return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
		}
	}
	if h.runsPrograms() {
		for _, l := range layers() {
			h.manifest.Layers = append(h.manifest.Layers, Layer(l))
		}
	}
	if err := h.manifest.Validate(); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	if err := h.addProbes(p); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	h.policy.Store(newInForce(DefaultPolicy()))
	h.ending, h.end = context.WithCancel(context.Background())
	return h, nil
}

func (h *Handler) add(t Tool) error {
	if t == nil {
		return errors.New("one of the tools is nil")
	}
	if c, ok := t.(Checker); ok {
		if err := c.Check(); err != nil {
			return err
		}
	}
	spec := t.Spec()
	h.manifest.Tools = append(h.manifest.Tools, spec)
	h.tools[spec.Name] = t
	return nil
}

// Describe returns the manifest.
func (h *Handler) Describe(context.Context) (Manifest, error) { return h.manifest, nil }

// Configure puts a policy in force for the calls that start from now on.
func (h *Handler) Configure(_ context.Context, p Policy) error {
	h.policy.Store(newInForce(completed(p)))
	return nil
}

// Plan says what Call would do with the request. What policy refuses is an answer.
func (h *Handler) Plan(ctx context.Context, r Request) (p Plan, err error) {
	t, err := h.find(&r)
	if err != nil {
		return Plan{}, err
	}
	defer settle(r, &err)
	p, err = t.Plan(ctx, h.env(ctx).of(r), r)
	if err != nil {
		refused := tool.RefusedPlan(AsError(err).About(r.Tool, label(r)))
		refused.Tokens, refused.Notes, refused.Program = p.Tokens, p.Notes, p.Program
		p, err = refused, nil
	}
	p.Tool, p.Targets = r.Tool, r.Targets
	return p, nil
}

// Call runs a tool. Output travels in events alone.
func (h *Handler) Call(ctx context.Context, r Request, emit func(Event)) (res Result, err error) {
	t, err := h.find(&r)
	if err != nil {
		return Result{}, err
	}
	if !h.begin() {
		return Result{}, Errorf(KindCancelled, "plugin %s is ending", h.manifest.Name)
	}
	defer h.calls.Done()
	if err := ctx.Err(); err != nil { // who asked has gone: nothing is begun
		return Result{ReturnCode: -1}, AsError(err).About(r.Tool, label(r))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ending, cancel)()

	out := newEvents(r, emit)
	defer out.end(&res)
	defer settle(r, &err)
	return kept(t.Call(ctx, h.env(ctx).of(r), r, out.event))
}

// kept holds a result to the contract, as the host will: what it shows and asks is within the bounds, and a call
// that failed asks nothing.
func kept(res Result, err error) (Result, error) {
	if err != nil {
		res.Questions, res.State = nil, nil
	}
	if broken := res.Validate(); broken != nil {
		res.Content, res.Questions, res.State = nil, nil, nil
		if err == nil {
			err = Errorf(KindUnknown, "the tool broke its contract: %w", broken).Suggest("report this to the plugin's author")
		}
	}
	return res, err
}

// Close ends the calls in flight and every program that they started, and waits for them. It may be
// called twice.
func (h *Handler) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.end()
	err := h.pool.close()
	h.calls.Wait()
	return err
}

// begin counts a call in, unless the plugin is ending.
func (h *Handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.calls.Add(1)
	}
	return !h.closed
}

func (h *Handler) env(ctx context.Context) Env {
	p := h.policy.Load()
	return Env{Policy: p.Policy, user: p.user, pool: h.pool, machine: machine.From(ctx)}
}

// runsPrograms reports whether one of the tools says so.
func (h *Handler) runsPrograms() bool {
	return slices.ContainsFunc(h.manifest.Tools, func(s Spec) bool { return s.Facts.Command != "" })
}

// find returns the tool of a request, and takes out of its arguments what is the host's.
func (h *Handler) find(r *Request) (Tool, error) {
	t, ok := h.tools[r.Tool]
	if !ok {
		return nil, Errorf(tool.KindToolNotFound, "plugin %s has no tool %q", h.manifest.Name, r.Tool)
	}
	args, err := stripHostArguments(r.Arguments)
	if err != nil {
		return nil, AsError(err).About(r.Tool, label(*r))
	}
	r.Arguments = args
	return t, nil
}

// hostArguments belong to the host: it adds them to every tool's schema and acts on them. A direct
// caller may send them.
var hostArguments = []string{"timeout_sec", "correlation_id"}

func stripHostArguments(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	if object, ok := schema.Plain(raw); ok && !hasHostArguments(object) { // as almost always
		return raw, nil
	}
	var args map[string]json.RawMessage
	if err := json.Unmarshal(raw, &args); err != nil || args == nil {
		return nil, Errorf(KindValidation, "the arguments must be a JSON object").
			Suggest("send an object such as {}, with the properties of the tool's input schema")
	}
	if name := schema.Twice(raw); name != "" {
		return nil, Errorf(KindValidation, "%q is given twice", name).
			Suggest("give each argument, and each member of an object in one, once")
	}
	before := len(args)
	for _, name := range hostArguments {
		delete(args, name)
	}
	if len(args) == before {
		return raw, nil
	}
	return json.Marshal(args)
}

func hasHostArguments(object map[string]any) bool {
	return slices.ContainsFunc(hostArguments, func(name string) bool {
		_, ok := object[name]
		return ok
	})
}

// settle is deferred around a tool: a panic becomes an error, and every error names the tool and the
// target.
func settle(r Request, err *error) {
	if p := recover(); p != nil {
		stack := debug.Stack()
		*err = Errorf(KindUnknown, "tool %s panicked: %v", r.Tool, p).
			Suggest("report this to the plugin's author").With("stack", string(stack[:min(len(stack), 4<<10)]))
	}
	if *err != nil {
		*err = AsError(*err).About(r.Tool, label(r))
	}
}

// label is the first target as the caller wrote it.
func label(r Request) string {
	if len(r.Targets) == 0 {
		return ""
	}
	return r.Targets[0].Label
}
