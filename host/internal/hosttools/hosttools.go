// Package hosttools has the host's own tools: by them an assistant starts a long scan, waits for it, reads
// and searches what it printed, ends it, and compares it with another. They know nothing of the protocol by
// which they are called.
//
//	tools, err := hosttools.New(hosttools.Config{Executions: windows, Start: start})
//	for _, t := range tools {
//		result, err := t.Call(ctx, hosttools.Caller{Viewer: viewer, MayCall: true}, args, emit)
//		answer.JSON, answer.Blocks = result.Value, result.Content
//	}
//
// What in a [Result] was chosen by scanned machines is clean, as [excerpt.Clean] makes it, and a notice says
// so. No result, with its blocks, is much longer than [Config].MaxText. Every error is a [*tool.Error] that says
// what to do next.
package hosttools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Executions are those that one caller may see.
type Executions interface {
	Get(id string) (executions.Execution, error)
	Report(id string) (tool.Report, error)
	Read(id string, p executions.Part, offset int64, limit int) (executions.Chunk, error)
	List(f executions.Filter) (list []executions.Execution, next string, err error)
	Wait(ctx context.Context, id string) (executions.Execution, error)
	Follow(ctx context.Context, id string, from executions.Position) iter.Seq2[executions.Update, error]
	Cancel(id string, why error) error
}

var _ Executions = executions.Window{}

// Config is what the tools need.
type Config struct {
	// Executions gives those that a viewer may see. Required.
	Executions func(executions.Viewer) Executions
	// Start starts a call that goes on when its caller goes away, and returns it as soon as it runs or
	// waits for a slot. Required.
	Start func(ctx context.Context, r tool.Request) (executions.Execution, error)
	// MaxText is the most characters of a result; nil, or a number below: excerpt.DefaultMaxChars. It is at
	// least excerpt.MinMaxChars.
	MaxText func() int
}

func (cfg Config) complete() (Config, error) {
	if cfg.Executions == nil || cfg.Start == nil {
		return cfg, errors.New("hosttools: Executions and Start are required")
	}
	if cfg.MaxText == nil {
		cfg.MaxText = func() int { return 0 }
	}
	return cfg, nil
}

// Role is what a client must be allowed to do.
type Role string

// The roles.
const (
	RoleViewer Role = "viewer" // look at what it may see
	RoleCaller Role = "caller" // call tools
)

// Caller is who calls.
type Caller struct {
	Viewer  executions.Viewer // whose executions there are
	MayCall bool              // whether it has RoleCaller
}

// Tool is one of the host's tools.
type Tool struct {
	Name, Title, Description  string
	InputSchema, OutputSchema json.RawMessage
	Annotations               tool.Annotations
	Role                      Role // a caller without it is refused

	// Call runs the tool. Of what happens meanwhile it tells emit, which may be nil; it does not after it has
	// returned.
	Call func(ctx context.Context, c Caller, args json.RawMessage, emit func(tool.Event)) (Result, error)
}

// Result is what one of the host's tools gives.
type Result struct {
	Value   any            // is written as JSON, as the tool's output schema says
	Content []tool.Content // blocks that the tool of an execution shows, to be shown beside; see [excerpt.Report]
}

// host is what the tools are made of.
type host struct {
	cfg      Config
	searches *desk
}

// New makes the tools.
func New(cfg Config) ([]Tool, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	h := &host{cfg: cfg, searches: newDesk()}
	var tools []Tool
	var errs []error
	add := func(t Tool, err error) {
		tools, errs = append(tools, t), append(errs, err)
	}
	look := tool.Annotations{ReadOnly: true, Idempotent: true}
	add(define(h, startTool, RoleCaller, tool.Annotations{Destructive: true, OpenWorld: true}, h.start))
	add(define(h, waitTool, RoleViewer, look, h.wait))
	add(define(h, resultTool, RoleViewer, look, h.result))
	add(define(h, readTool, RoleViewer, look, h.read))
	add(define(h, cancelTool, RoleCaller, tool.Annotations{Destructive: true, Idempotent: true}, h.cancel))
	add(define(h, listTool, RoleViewer, look, h.list))
	add(define(h, diffTool, RoleViewer, look, h.diff))
	return tools, errors.Join(errs...)
}

// maxText is the most characters of a result.
func (h *host) maxText() int {
	n := h.cfg.MaxText()
	if n <= 0 {
		n = excerpt.DefaultMaxChars
	}
	return max(n, excerpt.MinMaxChars)
}

// turn is one call of a tool.
type turn struct {
	Caller
	book Executions
	emit func(tool.Event)
}

// define makes a tool of its description and of what it does.
func define[A any](
	h *host, t Tool, role Role, a tool.Annotations, do func(context.Context, turn, A) (any, error),
) (Tool, error) {
	t.Role, t.Annotations = role, a
	input, err := catalog.CompileSchema(t.InputSchema)
	if err != nil {
		return t, fmt.Errorf("hosttools: %s: input schema: %w", t.Name, err)
	}
	if _, err := catalog.CompileSchema(t.OutputSchema); err != nil {
		return t, fmt.Errorf("hosttools: %s: output schema: %w", t.Name, err)
	}
	t.Call = func(ctx context.Context, c Caller, raw json.RawMessage, emit func(tool.Event)) (Result, error) {
		if role == RoleCaller && !c.MayCall {
			return Result{}, forbidden(t.Name, c.Viewer.Client)
		}
		args, err := read[A](input, raw)
		if err != nil {
			return Result{}, complete(t.Name, err)
		}
		if emit == nil {
			emit = func(tool.Event) {}
		}
		v, err := do(ctx, turn{c, h.cfg.Executions(c.Viewer), emit}, args)
		if err != nil {
			return Result{}, complete(t.Name, err)
		}
		res := Result{Value: v}
		if s, ok := v.(snapshot); ok {
			res.Content = s.content
		}
		return res, nil
	}
	return t, nil
}

func forbidden(name, client string) *tool.Error {
	return tool.Errorf(tool.KindForbidden, "the client %s may look at executions, not call %s",
		excerpt.Clean(client), name).
		Suggest("ask the operator for a token with the role caller").About(name, "")
}

// complete is an error as the caller gets it: it names the tool, and says what to do next.
func complete(name string, err error) *tool.Error {
	e := tool.AsError(err).About(name, "")
	if e.Suggestion == "" {
		e.Suggestion = suggestion(e.Kind)
	}
	return e
}

func suggestion(k tool.Kind) string {
	switch k {
	case tool.KindValidation:
		return "correct the arguments as the message says, and call again; executions_list has what there is"
	case tool.KindCancelled:
		return "call again if the answer is still wanted; the execution is not affected"
	default:
		return "try once more; if it fails again, tell the operator what the message says"
	}
}
