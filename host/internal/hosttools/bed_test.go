package hosttools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// id is the n-th execution id.
func id(n int) string { return fmt.Sprintf("0199c2f0-6f3e-7c1a-9d52-%012d", n) }

// bed is the tools over a book in memory.
type bed struct {
	t     *testing.T
	book  *executions.Book
	tools []Tool
	who   Caller
	max   int
	seen  []tool.Event
	asked []tool.Request
	start func(ctx context.Context, r tool.Request) (executions.Execution, error)
}

func newBed(t *testing.T) *bed {
	t.Helper()
	book, err := executions.Open(executions.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	b := &bed{t: t, book: book, who: Caller{Viewer: executions.Viewer{Client: "alice"}, MayCall: true}}
	b.start = func(context.Context, tool.Request) (executions.Execution, error) {
		return b.begin(1, "NmapTool", nil), nil
	}
	b.tools, err = New(Config{
		Executions: func(v executions.Viewer) Executions { return book.For(v) },
		Start: func(ctx context.Context, r tool.Request) (executions.Execution, error) {
			b.asked = append(b.asked, r)
			return b.start(ctx, r)
		},
		MaxText: func() int { return b.max },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// begin begins the n-th execution, of alice.
func (b *bed) begin(n int, name string, cancel context.CancelCauseFunc) executions.Execution {
	b.t.Helper()
	return b.beginAs(executions.Execution{ID: id(n), Tool: name, Client: "alice", Target: "10.0.0.7"}, cancel)
}

func (b *bed) beginAs(x executions.Execution, cancel context.CancelCauseFunc) executions.Execution {
	b.t.Helper()
	if err := b.book.Begin(x, cancel); err != nil {
		b.t.Fatal(err)
	}
	b.book.Start(x.ID)
	x, err := b.book.Get(x.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return x
}

// done is the n-th execution, which has printed something and ended.
func (b *bed) done(n int, stdout string) {
	b.t.Helper()
	b.begin(n, "NmapTool", nil)
	b.print(n, stdout)
	b.end(n, tool.Result{}, nil)
}

func (b *bed) print(n int, stdout string) {
	b.book.Event(id(n), tool.Event{Output: &tool.Output{Data: []byte(stdout)}})
}

func (b *bed) end(n int, res tool.Result, err *tool.Error) {
	b.book.End(id(n), executions.Outcome{Result: res, Err: err})
}

func (b *bed) tool(name string) Tool {
	b.t.Helper()
	i := slices.IndexFunc(b.tools, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		b.t.Fatalf("there is no tool %s", name)
	}
	return b.tools[i]
}

func (b *bed) run(ctx context.Context, name, args string) (any, error) {
	b.t.Helper()
	res, err := b.result(ctx, name, args)
	return res.Value, err
}

// result is what a tool gives, with the blocks.
func (b *bed) result(ctx context.Context, name, args string) (Result, error) {
	b.t.Helper()
	return b.tool(name).Call(ctx, b.who, json.RawMessage(args), func(ev tool.Event) { b.seen = append(b.seen, ev) })
}

// call calls a tool that answers as its schema says.
func (b *bed) call(name, args string) map[string]any {
	b.t.Helper()
	v, err := b.run(b.t.Context(), name, args)
	if err != nil {
		b.t.Fatalf("%s %s = %v", name, args, err)
	}
	return b.shown(name, v)
}

func (b *bed) shown(name string, v any) map[string]any {
	b.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := catalog.CompileSchema(b.tool(name).OutputSchema)
	if err != nil {
		b.t.Fatal(err)
	}
	if bad := s.Validate(raw); len(bad) > 0 {
		b.t.Fatalf("%s answers against its schema: %+v in %s", name, bad, raw)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// refused calls a tool that refuses, and says what to do next.
func (b *bed) refused(name, args string, kind tool.Kind) *tool.Error {
	b.t.Helper()
	v, err := b.run(b.t.Context(), name, args)
	e := tool.AsError(err)
	if err == nil || e.Kind != kind || e.Suggestion == "" || e.Tool != name {
		b.t.Fatalf("%s %.200s = %v, %+v; want %s with a suggestion", name, args, v, e, kind)
	}
	return e
}

// args are arguments about the n-th execution.
func args(n int, more string) string {
	return strings.TrimSuffix(fmt.Sprintf(`{"execution_id":%q,%s`, id(n), more), ",") + "}"
}
