package mcpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttools"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

type ownCall = func(ctx context.Context, c hosttools.Caller, args json.RawMessage,
	emit func(tool.Event)) (any, error)

func ownTool(name string, call ownCall) hosttools.Tool {
	return hosttools.Tool{
		Name: name, Title: "Title of " + name, Description: "is the host's", InputSchema: json.RawMessage(schema),
		OutputSchema: json.RawMessage(`{"type":"object","required":["got"]}`),
		Annotations:  tool.Annotations{Idempotent: true},
		Call: func(ctx context.Context, c hosttools.Caller, args json.RawMessage,
			emit func(tool.Event)) (hosttools.Result, error) {
			v, err := call(ctx, c, args, emit)
			return hosttools.Result{Value: v}, err
		},
	}
}

// withOwn offers tools of the host's, to callers who are named as their origin has it.
func withOwn(tools ...hosttools.Tool) func(*Config) {
	return func(cfg *Config) {
		cfg.HostTools = tools
		cfg.Viewer = func(ctx context.Context) hosttools.Caller {
			return hosttools.Caller{Viewer: executions.Viewer{Client: origin.From(ctx).Client}, MayCall: true}
		}
	}
}

func TestAToolOfTheHostGivesItsValue(t *testing.T) {
	type value struct {
		Got  json.RawMessage `json:"got"`
		Who  string          `json:"who"`
		Text string          `json:"text"`
	}
	b := bedWith(t, withOwn(ownTool("execution_x", func(_ context.Context, c hosttools.Caller,
		args json.RawMessage,
		_ func(tool.Event)) (any, error) {
		return value{args, c.Viewer.Client, "<a & b>"}, nil
	})))
	for _, c := range talkers(t, b, "{}") {
		for params, args := range map[string]string{
			`{"name":"execution_x","arguments":{"n":9007199254740993}}`: `{"n":9007199254740993}`,
			`{"name":"execution_x"}`:                                    `{}`,
		} {
			var res struct {
				Content           []struct{ Type, Text string }
				StructuredContent json.RawMessage
				IsError           bool
			}
			if m := c.send("tools/call", params); json.Unmarshal(m.Result, &res) != nil {
				t.Fatalf("%s: %v", c.says, m)
			}
			want := fmt.Sprintf(`{"got":%s,"who":"%s","text":"<a & b>"}`, args, c.client)
			if res.IsError || len(res.Content) != 1 || res.Content[0].Text != want || !same(t, res.StructuredContent,
				[]byte(want)) {
				t.Errorf("%s: %s = %+v %s, want %s", c.says, params, res, res.StructuredContent, want)
			}
		}
		if m := c.send("tools/call", `{"name":"execution_x","arguments":[]}`); m.String() != "1: error -32602" {
			t.Errorf("%s: arguments that are a list = %v, want -32602", c.says, m)
		}
	}
	if asked := b.caller.requests(); len(asked) > 0 {
		t.Errorf("the router was asked for %v; these are no tools of it", asked)
	}
}

func TestTheBlocksOfAToolOfTheHostFollowItsValue(t *testing.T) {
	waits := ownTool("execution_wait", nil)
	waits.Call = func(context.Context, hosttools.Caller, json.RawMessage, func(tool.Event)) (hosttools.Result, error) {
		return hosttools.Result{Value: map[string]int{"got": 1}, Content: []tool.Content{
			{Type: tool.TextContent, Text: "the answer"}, {Type: tool.ImageContent, MIMEType: "image/png", Data: []byte{1}},
		}}, nil
	}
	for _, c := range talkers(t, bedWith(t, withOwn(waits)), "{}") {
		res := calledOf(t, c.send("tools/call", `{"name":"execution_wait"}`))
		if res.IsError || string(res.StructuredContent) != `{"got":1}` || len(res.Content) != 3 ||
			res.Content[1]["text"] != "the answer" || res.Content[2]["data"] != "AQ==" {
			t.Errorf("%s: the result = %+v, want the value and two blocks", c.says, res)
		}
	}
}

func TestAnErrorOfAToolOfTheHostIsTextAlone(t *testing.T) {
	for says, row := range map[string]struct {
		call ownCall
		kind tool.Kind
		want string
	}{
		"an error": {func(context.Context, hosttools.Caller, json.RawMessage, func(tool.Event)) (any, error) {
			return map[string]int{"got": 1}, tool.Errorf(tool.KindValidation,
				"no such \x1b execution").Suggest("look at the list")
		}, tool.KindValidation, `no such \x1B execution`},
		"a value that cannot be written": {func(context.Context, hosttools.Caller, json.RawMessage,
			func(tool.Event)) (any, error) {
			return func() {}, nil
		}, tool.KindUnknown, "write the result of execution_x"},
		"an error that is long": {func(context.Context, hosttools.Caller, json.RawMessage, func(tool.Event)) (any,
			error) {
			return nil, errors.New(strings.Repeat("x", 100_000))
		}, tool.KindUnknown, "left out"},
	} {
		b := bedWith(t, withOwn(ownTool("execution_x", row.call)))
		for _, c := range talkers(t, b, "{}") {
			res := calledOf(t, c.send("tools/call", `{"name":"execution_x"}`))
			if !res.IsError || len(res.StructuredContent) > 0 || len(res.Content) != 1 {
				t.Errorf("%s, %s: isError: %t, %d blocks, structuredContent %s; want text alone", says, c.says,
					res.IsError,
					len(res.Content), res.StructuredContent)
			}
			if *res.report.ErrorType != row.kind || !strings.Contains(*res.report.Error, row.want) ||
				len(*res.report.Error) > 20_000 {
				t.Errorf("%s, %s: %s %.200q, want %s %q", says, c.says, *res.report.ErrorType, *res.report.Error,
					row.kind, row.want)
			}
		}
	}
}

func TestAToolOfTheHostIsListedWhole(t *testing.T) {
	hidden := func(cfg *Config) {
		withOwn(ownTool("execution_x", nil))(cfg)
		cfg.Visible = func(context.Context, string) bool { return false }
	}
	b := bedWith(t, hidden, entry("ATool"))
	list, err := b.stdio(t, nil).ListTools(t.Context(), nil)
	if err != nil || len(list.Tools) != 1 {
		t.Fatalf("ListTools = %+v, %v, want the host's alone", list, err)
	}
	got := list.Tools[0]
	if got.Name != "execution_x" || got.Title != "Title of execution_x" || got.Description != "is the host's" ||
		got.Annotations.ReadOnlyHint || !got.Annotations.IdempotentHint || got.Annotations.DestructiveHint == nil ||
		*got.Annotations.DestructiveHint || fmt.Sprint(got.OutputSchema) != "map[required:[got] type:object]" {
		t.Errorf("the tool = %+v", got)
	}
	cfg := b.cfg
	cfg.Viewer = nil
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "Viewer") {
		t.Errorf("New without Viewer = %v, want an error that names it", err)
	}
}

func TestAToolOfTheHostIsOfThoseWhoMayCallIt(t *testing.T) {
	start, look := ownTool("execution_start", nil), ownTool("execution_look", nil)
	start.Role, look.Role = hosttools.RoleCaller, hosttools.RoleViewer
	for may, want := range map[bool][]string{
		true: {"execution_look", "execution_start"}, false: {"execution_look"},
	} {
		b := bedWith(t, func(cfg *Config) {
			withOwn(start, look)(cfg)
			cfg.Viewer = func(context.Context) hosttools.Caller { return hosttools.Caller{MayCall: may} }
		})
		if got := listed(t, b.stdio(t, nil)); !slices.Equal(got, want) {
			t.Errorf("tools/list of who may call: %t = %q, want %q", may, got, want)
		}
	}
}

func TestAToolOfTheHostTellsHowFarItIs(t *testing.T) {
	b := bedWith(t, withOwn(ownTool("execution_x", func(_ context.Context, _ hosttools.Caller, _ json.RawMessage,
		emit func(tool.Event)) (any, error) {
		for i := range 3 {
			emit(tool.Event{Progress: &tool.Progress{Done: int64(i + 1), Total: 3, Message: "step"}})
		}
		return map[string]int{"got": 3}, nil
	})))
	const params = `{"name":"execution_x","_meta":{"progressToken":"p"}}`
	w := b.wire(t)
	w.open("{}")
	w.send(body("tools/call", params, ""))
	var stdio []string
	for m := w.next(); ; m = w.next() {
		stdio = append(stdio, m.String()+string(m.Params))
		if m.Result != nil {
			break
		}
	}
	h := b.HTTP()
	events := ask(t, h, "ci", "POST", openSession(t, h, "ci"), body("tools/call", params, "")).Body.String()
	var http []string
	for data := range strings.SplitSeq(events, "data: ") {
		if line, _, ok := strings.Cut(data, "\n"); ok && strings.HasPrefix(line, "{") {
			m := readSent(t, line)
			http = append(http, m.String()+string(m.Params))
		}
	}
	var want []string
	for i := range 3 {
		want = append(want, fmt.Sprintf(
			`notifications/progress{"message":"step","progress":%d,"progressToken":"p","total":3}`, i+1))
	}
	want = append(want, "1: result")
	if !slices.Equal(stdio, want) || !slices.Equal(http, want) {
		t.Errorf("told on stdio %q\nover HTTP %q\nwant %q", stdio, http, want)
	}
}

// A call that is started by a tool of the host's asks a person like one that is called.
func TestAToolOfTheHostAsksAPerson(t *testing.T) {
	g := newGate("10.0.0.7")
	b := bedWith(t, withOwn(ownTool("execution_start", func(ctx context.Context, _ hosttools.Caller,
		args json.RawMessage,
		_ func(tool.Event)) (any, error) {
		if _, err := g.call(ctx, tool.Request{Tool: "ScanTool", Arguments: args}); err != nil {
			return nil, fmt.Errorf("start it: %w", err)
		}
		return map[string]string{"got": "started"}, nil
	})))
	for _, c := range talkers(t, b, `{"elicitation":{}}`) {
		if !c.modern {
			continue
		}
		g.ran = nil
		m := c.send("tools/call", `{"name":"execution_start","arguments":{"tool":"ScanTool"}}`)
		first := calledOf(t, m)
		if q := string(first.InputRequests[consentID]); !strings.Contains(q, "ScanTool wants") || len(g.ran) > 0 {
			t.Fatalf("%s: the question = %s, %d ran", c.says, m.Result, len(g.ran))
		}
		res := calledOf(t, c.send("tools/call", `{"name":"execution_start","arguments":{"tool":"ScanTool"},`+
			said(first.RequestState, consentID, "accept", `{"allow":true}`)+`}`))
		if res.IsError || string(res.StructuredContent) != `{"got":"started"}` || len(g.ran) != 1 {
			t.Errorf("%s: the answer = %+v, %d ran; want it started", c.says, res, len(g.ran))
		}
	}
}
