package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// fake is a handler of func fields.
type fake struct {
	manifest  tool.Manifest
	configure func(tool.Policy) error
	plan      func(tool.Request) (tool.Plan, error)
	call      func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error)
}

func (f *fake) Describe(context.Context) (tool.Manifest, error) { return f.manifest, nil }

func (f *fake) Configure(_ context.Context, p tool.Policy) error { return f.configure(p) }

func (f *fake) Plan(_ context.Context, r tool.Request) (tool.Plan, error) { return f.plan(r) }

func (f *fake) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	return f.call(ctx, r, emit)
}

// join connects a client with a server over an in-memory connection.
func join(t *testing.T, register func(*grpc.Server)) *Client {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s := grpc.NewServer(ServerOptions()...)
	register(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
	conn, err := grpc.NewClient("passthrough:///wire",
		append(DialOptions(), dial, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
		<-served
	})
	return NewClient(conn)
}

func serve(t *testing.T, f *fake) *Client {
	return join(t, func(s *grpc.Server) { Register(s, f) })
}

func TestManifestSurvivesTheWire(t *testing.T) {
	want := tool.Manifest{Name: "nmap", Version: "1.2.3", Tools: []tool.Spec{{
		Name: "NmapTool", Title: "Nmap", Description: "scans",
		InputSchema: json.RawMessage(`{"type":"object"}`), OutputSchema: json.RawMessage(`{"type":"object"}`),
		Annotations: tool.Annotations{ReadOnly: true, Destructive: true, Idempotent: true, OpenWorld: true},
		Targets:     []tool.TargetArgument{{Argument: "target", Network: true}},
		Concurrency: 3, DefaultTimeout: time.Minute, MaxTimeout: time.Hour,
		Breaker: tool.Breaker{Threshold: 5, Recovery: 2 * time.Minute}, Hidden: true, Intrusive: true,
		Needs: []tool.Need{{Kind: tool.NeedCommand, Name: "nmap", MinVersion: "7.0", Install: "apt", Optional: true}},
		Facts: tool.Facts{
			Command: "nmap", AllowedFlags: []string{"-sS"}, GatedFlags: []string{"-A"},
			Templates: map[string]string{"quick": "-F"}, Details: json.RawMessage(`{"scripts":604}`),
		},
	}}, Layers: []tool.Layer{{Name: "landlock", Active: true, Detail: "ABI 7"}, {Name: "cgroup", Detail: "not used"}}}
	got, err := serve(t, &fake{manifest: want}).Describe(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Describe = %+v, %v\nwant %+v", got, err, want)
	}
}

func TestPolicySurvivesTheWire(t *testing.T) {
	want := tool.Policy{
		AllowIntrusive: true, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Suffixes: []string{"lab"},
		MaxNetworkSize: 1024, MaxPortRanges: 100, MaxArgsLength: 2048, MaxMemory: 1 << 29, MaxOpenFiles: 256,
		RunAs: "nobody", Require: []string{"landlock"},
		Hosts:  map[string][]netip.Addr{"db.lab": {netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("10.0.0.8")}},
		Config: json.RawMessage(`{"x":1}`),
	}
	var got tool.Policy
	err := serve(t, &fake{configure: func(p tool.Policy) error { got = p; return nil }}).Configure(t.Context(), want)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Configure = %v, got %+v\nwant %+v", err, got, want)
	}
}

func TestRequestEventsAndResultSurviveTheWire(t *testing.T) {
	sent := tool.Request{
		ID: "id", CorrelationID: "c", Tool: "T", Client: "stdio", Arguments: json.RawMessage(`{"a":1}`),
		Targets:  []tool.Target{{Argument: "target", Label: "db.lab", Prefix: netip.MustParsePrefix("10.0.0.7/32")}},
		Deadline: time.Now().Add(time.Minute), MaxStdout: 10, MaxStderr: 20,
	}
	progress := tool.Progress{Task: "scan", Percent: 12.5, Done: 1, Total: 8, Message: "going"}
	result := tool.Result{
		ReturnCode: 3, TimedOut: true, TruncatedStdout: true, TruncatedStderr: true,
		Data: json.RawMessage(`{"hosts":[]}`), Metadata: map[string]any{"n": 1.0},
	}
	var received tool.Request
	c := serve(t, &fake{call: func(_ context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
		received = r
		emit(tool.Event{Progress: &progress})
		emit(tool.Event{Output: &tool.Output{Stream: tool.Stdout, Data: []byte("out")}})
		emit(tool.Event{Output: &tool.Output{Stream: tool.Stderr, Data: []byte("err")}})
		return result, nil
	}})
	var events []string
	got, err := c.Call(t.Context(), sent, func(ev tool.Event) {
		switch {
		case ev.Progress != nil && *ev.Progress == progress:
			events = append(events, "progress")
		case ev.Output != nil:
			events = append(events, string(ev.Output.Data))
		}
	})
	if err != nil || !reflect.DeepEqual(got, result) {
		t.Errorf("Call = %+v, %v\nwant %+v", got, err, result)
	}
	if s := strings.Join(events, " "); s != "progress out err" {
		t.Errorf("events = %q, want progress, stdout, stderr in order", s)
	}
	if d := received.Deadline.Sub(sent.Deadline).Abs(); d > 10*time.Second {
		t.Errorf("the deadline moved by %v", d)
	}
	received.Deadline = sent.Deadline
	if !reflect.DeepEqual(received, sent) {
		t.Errorf("the plugin got %+v\nwant %+v", received, sent)
	}
}

func TestEveryKindSurvivesTheWireBothWays(t *testing.T) {
	for _, kind := range tool.Kinds() {
		sent := tool.Errorf(kind, "it went wrong").Suggest("do better").With("size", 12.0)
		sent.RetryAfter, sent.Tool, sent.Target = 1500*time.Millisecond, "T", "10.0.0.1"
		c := serve(t, &fake{
			configure: func(tool.Policy) error { return sent },
			plan:      func(tool.Request) (tool.Plan, error) { return tool.Plan{Verdict: tool.Reject, Error: sent}, nil },
			call: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
				return tool.Result{ReturnCode: 7}, sent
			},
		})
		res, callErr := c.Call(t.Context(), tool.Request{}, nil)
		if res.ReturnCode != 7 {
			t.Errorf("%s: the partial result is lost", kind)
		}
		plan, err := c.Plan(t.Context(), tool.Request{})
		if err != nil {
			t.Fatalf("Plan: %v", err)
		}
		for way, err := range map[string]error{
			"Configure": c.Configure(t.Context(), tool.Policy{}), "Call": callErr, "Plan": plan.Error,
		} {
			got := tool.AsError(err)
			if got.Kind != kind || got.Message != sent.Message || got.Suggestion != sent.Suggestion ||
				got.RetryAfter != sent.RetryAfter || got.Tool != "T" || got.Target != "10.0.0.1" ||
				!got.Time.Equal(sent.Time) || !reflect.DeepEqual(got.Metadata, sent.Metadata) {
				t.Errorf("%s: %s brought %+v\nwant %+v", kind, way, got, sent)
			}
		}
	}
}

func TestAKindThatIsNotKnownCountsAsUnknown(t *testing.T) {
	if got := errorFromPB(&toolpb.Error{Kind: "from_the_future", Message: "m"}); got.Kind != tool.KindUnknown {
		t.Errorf("kind = %q, want unknown", got.Kind)
	}
}

func TestAPanicIsAnErrorOfThatCallOnly(t *testing.T) {
	c := serve(t, &fake{
		manifest: tool.Manifest{Name: "p"},
		call: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
			panic("boom")
		},
	})
	_, err := c.Call(t.Context(), tool.Request{}, nil)
	if e := tool.AsError(err); e.Kind != tool.KindUnknown || !strings.Contains(e.Message, "boom") {
		t.Errorf("Call = %v, want an error of kind unknown that names the panic", err)
	}
	if _, err := c.Describe(t.Context()); err != nil {
		t.Errorf("Describe after the panic = %v", err)
	}
}

func TestInvalidUTF8IsRepairedOnce(t *testing.T) {
	c := serve(t, &fake{call: func(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
		for _, chunk := range []string{"gr\xc3", "\xbc\xdfe \xff\xfe", "\xe2\x82", "\xac", "\xe2"} {
			emit(tool.Event{Output: &tool.Output{Data: []byte(chunk)}})
		}
		return tool.Result{}, tool.Errorf(tool.KindExecution, "bad \xff bytes")
	}})
	var out bytes.Buffer
	_, err := c.Call(t.Context(), tool.Request{}, func(ev tool.Event) { out.Write(ev.Output.Data) })
	if want := "gr\u00fc\ufffde \ufffd\u20ac\ufffd"; out.String() != want {
		t.Errorf("output = %q, want %q", out.String(), want)
	}
	if err.Error() != "bad \ufffd bytes" {
		t.Errorf("error = %q", err)
	}
}

func TestALargeOutputIsCutIntoMessages(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 3*MaxMessage)
	c := serve(t, &fake{call: func(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
		emit(tool.Event{Output: &tool.Output{Data: big}})
		return tool.Result{}, nil
	}})
	n := 0
	if _, err := c.Call(t.Context(), tool.Request{}, func(ev tool.Event) { n += len(ev.Output.Data) }); err != nil {
		t.Fatal(err)
	}
	if n != len(big) {
		t.Errorf("got %d bytes, want %d", n, len(big))
	}
}

func TestAResultThatIsTooLargeIsAClearError(t *testing.T) {
	data, err := json.Marshal(strings.Repeat("x", MaxMessage))
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, &fake{call: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		return tool.Result{Data: data}, nil
	}})
	_, err = c.Call(t.Context(), tool.Request{}, nil)
	if e := tool.AsError(err); e.Kind != tool.KindExecution || !strings.Contains(e.Message, "can be carried") {
		t.Errorf("Call = %v, want an execution_error about the size", err)
	}
}

func TestCancellingReachesThePlugin(t *testing.T) {
	seen := make(chan error, 1)
	c := serve(t, &fake{call: func(ctx context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
		emit(tool.Event{Progress: &tool.Progress{}})
		<-ctx.Done()
		seen <- ctx.Err()
		return tool.Result{}, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.Call(ctx, tool.Request{}, func(tool.Event) { cancel() })
	if tool.KindOf(err) != tool.KindCancelled {
		t.Errorf("Call = %v, want cancelled", err)
	}
	if err := <-seen; !errors.Is(err, context.Canceled) {
		t.Errorf("the plugin saw %v", err)
	}
}

// liar is a plugin that does not keep to the contract.
type liar struct {
	toolpb.UnimplementedPluginServer
	call func(toolpb.Plugin_CallServer) error
}

func (l *liar) Call(_ *toolpb.CallRequest, s toolpb.Plugin_CallServer) error { return l.call(s) }

func TestAPluginThatLiesIsAnErrorOfItsOwn(t *testing.T) {
	send := func(m *toolpb.CallResponse) func(toolpb.Plugin_CallServer) error {
		return func(s toolpb.Plugin_CallServer) error { return s.Send(m) }
	}
	for name, c := range map[string]struct {
		call func(toolpb.Plugin_CallServer) error
		want string
	}{
		"no result":                   {func(toolpb.Plugin_CallServer) error { return nil }, "without a result"},
		"only an event of the future": {send(&toolpb.CallResponse{}), "without a result"},
		"data that is no JSON": {
			send(&toolpb.CallResponse{Kind: &toolpb.CallResponse_Result{Result: &toolpb.Result{Data: []byte("{")}}}),
			"not valid JSON",
		},
		"a message beyond the cap": {
			send(&toolpb.CallResponse{Kind: &toolpb.CallResponse_Output{
				Output: &toolpb.Output{Stream: 1, Data: make([]byte, MaxMessage+1)},
			}}),
			"larger than",
		},
	} {
		client := join(t, func(s *grpc.Server) { toolpb.RegisterPluginServer(s, &liar{call: c.call}) })
		_, err := client.Call(t.Context(), tool.Request{}, func(tool.Event) {})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Call = %v, want an error with %q", name, err, c.want)
		}
	}
}

func FuzzRepair(f *testing.F) {
	f.Add([]byte("gr\xc3\xbc\xff"), 3)
	f.Add([]byte("\xe2\x82\xac\xe2\x82"), 1)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = max(1, size%7)
		var r repairer
		var got []byte
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			got = append(got, r.repair(bytes.Clone(rest[:n]))...)
			rest = rest[n:]
		}
		got = append(got, r.flush()...)
		if !utf8.Valid(got) {
			t.Errorf("repair(%q) = %q, which is not valid UTF-8", text, got)
		}
		if utf8.Valid(text) && !bytes.Equal(got, text) {
			t.Errorf("repair(%q) by %d = %q, want it unchanged", text, size, got)
		}
	})
}
