package mcpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttools"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// describeOwn is one of the host's own tools as a model sees it.
func describeOwn(t hosttools.Tool) mcp.Tool {
	out := mcp.NewToolWithRawSchema(t.Name, t.Description, t.InputSchema)
	out.Title, out.RawOutputSchema = t.Title, t.OutputSchema
	out.Annotations = annotations(t.Title, t.Annotations)
	return out
}

func (d *Door) findOwn(name string) (hosttools.Tool, bool) {
	i := slices.IndexFunc(d.cfg.HostTools, func(t hosttools.Tool) bool { return t.Name == name })
	if i < 0 {
		return hosttools.Tool{}, false
	}
	return d.cfg.HostTools[i], true
}

// own serves one of the host's own tools.
func (d *Door) own(t hosttools.Tool) server.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return d.serve(ctx, req, d.ownResult, func(
			ctx context.Context, r tool.Request, emit func(tool.Event),
		) (tool.Result, error) {
			got, err := t.Call(ctx, d.cfg.Viewer(ctx), r.Arguments, emit)
			if err != nil {
				return tool.Result{}, err
			}
			raw, err := plainJSON(got.Value)
			if err != nil {
				return tool.Result{}, fmt.Errorf("write the result of %s: %w", t.Name, err)
			}
			return tool.Result{Data: raw, Content: got.Content}, nil
		})
	}
}

// plainJSON is JSON without the escapes that HTML wants, which a model would have to read.
func plainJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// ownResult is what one of the host's own tools gives: its value with the blocks beside it, both in bounds
// already, or the error as all errors are shown. The latter is not what its schema describes, and so is text
// alone.
func (d *Door) ownResult(res tool.Result, err error) *mcp.CallToolResult {
	if err != nil {
		shaped := excerpt.Report(tool.NewReport(res, err), excerpt.Options{MaxChars: d.cfg.MaxText()})
		return &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(string(shaped.JSON))}, IsError: true}
	}
	return &mcp.CallToolResult{Content: beside(res.Data, res.Content), StructuredContent: res.Data}
}

// noExecutions are those of a host that keeps none.
type noExecutions struct{}

var errNoExecutions = errors.New("this host keeps no executions")

func (noExecutions) Read(string, executions.Part, int64, int) (executions.Chunk, error) {
	return executions.Chunk{}, errNoExecutions
}

func (noExecutions) List(executions.Filter) ([]executions.Execution, string, error) {
	return nil, "", errNoExecutions
}

func (noExecutions) RecentTargets(int) []string { return nil }
