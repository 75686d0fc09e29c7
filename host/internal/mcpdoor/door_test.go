package mcpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// caller is what stands behind the door, and remembers what it was asked.
type caller struct {
	call func(context.Context, tool.Request) (tool.Result, error) // nil: succeeds

	mu    sync.Mutex
	asked []tool.Request
}

func (c *caller) Call(ctx context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
	c.mu.Lock()
	c.asked = append(c.asked, r)
	c.mu.Unlock()
	if c.call == nil {
		return tool.Result{Stdout: "done", ExecutionID: "e-1", Data: r.Arguments}, nil
	}
	return c.call(ctx, r)
}

func (c *caller) requests() []tool.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

const schema = `{"type":"object","properties":{"target":{"type":"string"}}}`

func entry(name string, changes ...func(*catalog.Entry)) *catalog.Entry {
	e := &catalog.Entry{
		Spec: tool.Spec{
			Name: name, Title: "Title of " + name, Description: "does it", InputSchema: json.RawMessage(schema),
			OutputSchema: json.RawMessage(`{"type":"object"}`), Annotations: tool.Annotations{ReadOnly: true,
				OpenWorld: true},
		},
		Settings: catalog.Settings{Enabled: true, Concurrency: 1},
	}
	for _, change := range changes {
		change(e)
	}
	return e
}

func disabled(e *catalog.Entry) { e.Settings.Enabled = false }

// bed is a door with a catalog that can be changed.
type bed struct {
	*Door
	caller  *caller
	current atomic.Pointer[catalog.Catalog]
}

func (b *bed) offer(entries ...*catalog.Entry) {
	c, _ := catalog.New(entries...)
	b.current.Store(c)
}

func newBed(t testing.TB, entries ...*catalog.Entry) *bed {
	t.Helper()
	return bedWith(t, func(*Config) {}, entries...)
}

// bedWith is a bed with more behind its door.
func bedWith(t testing.TB, change func(*Config), entries ...*catalog.Entry) *bed {
	t.Helper()
	b := &bed{caller: &caller{}}
	b.offer(entries...)
	cfg := Config{
		Version: "1.2.3", Instructions: "Be careful.", Caller: b.caller, Catalog: b.current.Load,
		Logger: slog.New(slog.DiscardHandler),
	}
	change(&cfg)
	var err error
	if b.Door, err = New(cfg); err != nil {
		t.Fatalf("New = %v, want a door", err)
	}
	return b
}

// legacy is a session that begins with initialize, which the official client does only when it is told to.
var legacy = &sdk.ClientSessionOptions{ProtocolVersion: "2025-11-25"}

func connect(t testing.TB, transport sdk.Transport, opts *sdk.ClientOptions,
	session ...*sdk.ClientSessionOptions) *sdk.ClientSession {
	t.Helper()
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, opts).Connect(t.Context(),
		transport, append(session, nil)[0])
	if err != nil {
		t.Fatalf("Connect = %v, want a session", err)
	}
	return s
}

// stdio joins the official client to ServeStdio.
func (b *bed) stdio(t testing.TB, opts *sdk.ClientOptions,
	of ...*sdk.ClientSessionOptions) *sdk.ClientSession {
	t.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ended := make(chan error, 1) // gets the one result of ServeStdio
	go func() {
		ended <- b.ServeStdio(context.WithoutCancel(t.Context()), in, out)
		_ = out.Close() // never fails
	}()
	session := connect(t, &sdk.IOTransport{Reader: fromServer, Writer: toServer}, opts, of...)
	t.Cleanup(func() {
		_ = session.Close() // the end of the stream ends the server
		if err := <-ended; err != nil {
			t.Errorf("ServeStdio = %v, want nil at the end of its stream", err)
		}
	})
	return session
}

// overHTTP joins the official client to the endpoint, as the client ci.
func (b *bed) overHTTP(t testing.TB, opts *sdk.ClientOptions,
	of ...*sdk.ClientSessionOptions) *sdk.ClientSession {
	t.Helper()
	endpoint := b.HTTP()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		endpoint.ServeHTTP(w, r.WithContext(origin.With(r.Context(), origin.Origin{Client: "ci",
			Door: origin.MCP})))
	}))
	session := connect(t, &sdk.StreamableClientTransport{Endpoint: srv.URL, HTTPClient: srv.Client(),
		MaxRetries: -1}, opts, of...)
	t.Cleanup(func() {
		_ = session.Close() // ends its streams
		ctx := context.WithoutCancel(t.Context())
		endpoint.CloseSessions(ctx)
		if err := endpoint.Close(ctx); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
		srv.Close()
	})
	return session
}

// doors runs a test through both transports. client is who calls there.
func doors(t *testing.T, test func(t *testing.T, b *bed, client string, join func() *sdk.ClientSession),
	entries ...*catalog.Entry) {
	t.Helper()
	t.Run("stdio", func(t *testing.T) {
		b := newBed(t, entries...)
		test(t, b, "stdio", func() *sdk.ClientSession { return b.stdio(t, nil) })
	})
	t.Run("http", func(t *testing.T) {
		b := newBed(t, entries...)
		test(t, b, "ci", func() *sdk.ClientSession { return b.overHTTP(t, nil) })
	})
}

func listed(t testing.TB, s *sdk.ClientSession) []string {
	t.Helper()
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatalf("ListTools = %v, want a list", err)
	}
	names := []string{}
	for _, tl := range list.Tools {
		names = append(names, tl.Name)
	}
	slices.Sort(names)
	return names
}

// report reads the result of a call: text and structuredContent are the same JSON.
func report(t testing.TB, res *sdk.CallToolResult) tool.Report {
	t.Helper()
	if len(res.Content) != 1 {
		t.Fatalf("%d contents, want 1", len(res.Content))
	}
	text, ok := res.Content[0].(*sdk.TextContent)
	if !ok {
		t.Fatalf("content is %T, want text", res.Content[0])
	}
	var fromText any
	if err := json.Unmarshal([]byte(text.Text), &fromText); err != nil {
		t.Fatalf("Unmarshal(%q) = %v", text.Text, err)
	}
	if fmt.Sprint(fromText) != fmt.Sprint(res.StructuredContent) {
		t.Errorf("structuredContent = %v, want the text's %v", res.StructuredContent, fromText)
	}
	var rep tool.Report
	if err := json.Unmarshal([]byte(text.Text), &rep); err != nil {
		t.Fatalf("Unmarshal(%q) = %v", text.Text, err)
	}
	return rep
}

func TestTheServerSaysWhatItIs(t *testing.T) {
	doors(t, func(t *testing.T, _ *bed, _ string, join func() *sdk.ClientSession) {
		got := join().InitializeResult()
		if got.ServerInfo.Name != "gatehouse" || got.ServerInfo.Version != "1.2.3" ||
			got.Instructions != "Be careful." {
			t.Errorf("initialize = %+v, want gatehouse, its version and its instructions", got)
		}
		if got.Capabilities.Tools == nil || !got.Capabilities.Tools.ListChanged {
			t.Errorf("capabilities = %+v, want tools that may change", got.Capabilities)
		}
	})
}

func TestToolsAreListedWhole(t *testing.T) {
	doors(t, func(t *testing.T, _ *bed, _ string, join func() *sdk.ClientSession) {
		list, err := join().ListTools(t.Context(), nil)
		if err != nil || len(list.Tools) != 1 {
			t.Fatalf("ListTools = %v, %v, want one", list, err)
		}
		got := list.Tools[0]
		const inForce = "does it\n\nOn this host: at most 1 at a time, 0 s unless timeout_sec asks for up to 0."
		if got.Name != "ATool" || got.Title != "Title of ATool" || got.Description != inForce {
			t.Errorf("tool = %+v, want ATool with title and description", got)
		}
		if in, out := fmt.Sprint(got.InputSchema), fmt.Sprint(got.OutputSchema); out != "map[type:object]" ||
			in != "map[properties:map[target:map[type:string]] type:object]" {
			t.Errorf("schemas = %s and %s, want those of the catalog", in, out)
		}
		a := got.Annotations
		if a == nil || !a.ReadOnlyHint || a.DestructiveHint == nil || *a.DestructiveHint || a.IdempotentHint ||
			a.OpenWorldHint == nil || !*a.OpenWorldHint {
			t.Errorf("annotations = %+v, want each hint as the tool has it", a)
		}
	}, entry("ATool"))
}

func TestACallReachesTheCaller(t *testing.T) {
	for _, row := range []struct {
		says      string
		arguments any
		want      string
	}{
		{"arguments", json.RawMessage(`{"target":"10.0.0.1","n":9007199254740993}`),
			`{"target":"10.0.0.1","n":9007199254740993}`},
		{"no arguments", nil, `{}`},
		{"an empty object", map[string]any{}, `{}`},
	} {
		t.Run(row.says, func(t *testing.T) {
			doors(t, func(t *testing.T, b *bed, client string, join func() *sdk.ClientSession) {
				res, err := join().CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool", Arguments: row.arguments})
				if err != nil {
					t.Fatalf("CallTool = %v, want a result", err)
				}
				if rep := report(t, res); res.IsError || rep.Stdout != "done" || rep.ExecutionID != "e-1" ||
					rep.Error != nil {
					t.Errorf("CallTool = %+v, isError: %t, want the report", rep, res.IsError)
				}
				asked := b.caller.requests()
				if len(asked) != 1 || asked[0].Tool != "ATool" || asked[0].Client != client ||
					string(asked[0].Arguments) != row.want {
					t.Errorf("the caller saw %+v, want ATool with %s for %s", asked, row.want, client)
				}
			}, entry("ATool"))
		})
	}
}

func TestAFailureIsAResultWithItsError(t *testing.T) {
	doors(t, func(t *testing.T, b *bed, _ string, join func() *sdk.ClientSession) {
		session := join()
		for _, kind := range tool.Kinds() {
			b.caller.call = func(context.Context, tool.Request) (tool.Result, error) {
				return tool.Result{Stdout: "partial"}, tool.Errorf(kind, "it failed").Suggest("do this").With("fact", 1)
			}
			res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
			if err != nil {
				t.Errorf("%s: CallTool = %v, want a result", kind, err)
				continue
			}
			rep := report(t, res)
			if !res.IsError || rep.ErrorType == nil || *rep.ErrorType != kind || *rep.Error != "it failed" ||
				rep.Suggestion != "do this" || rep.Stdout != "partial" {
				t.Errorf("%s: CallTool = %+v, isError: %t, want the error next to the output", kind, rep, res.IsError)
			}
		}
	}, entry("ATool"))
}

func TestAPanicEndsOneCallOnly(t *testing.T) {
	doors(t, func(t *testing.T, b *bed, _ string, join func() *sdk.ClientSession) {
		b.caller.call = func(_ context.Context, r tool.Request) (tool.Result, error) {
			if strings.Contains(string(r.Arguments), "boom") {
				panic("boom")
			}
			return tool.Result{Stdout: "done"}, nil
		}
		session := join()
		arguments := map[string]any{"target": "boom"}
		if res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool",
			Arguments: arguments}); err == nil && !res.IsError {
			t.Errorf("CallTool = %+v, want a failure", res)
		}
		if res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"}); err != nil ||
			res.IsError {
			t.Errorf("the next CallTool = %+v, %v, want a result", res, err)
		}
	}, entry("ATool"))
}

func TestADisabledToolIsNotListedButAnswers(t *testing.T) {
	doors(t, func(t *testing.T, b *bed, _ string, join func() *sdk.ClientSession) {
		b.caller.call = func(_ context.Context, r tool.Request) (tool.Result, error) {
			return tool.Result{}, tool.Errorf(tool.KindDisabled, "%s is switched off", r.Tool)
		}
		session := join()
		if got := listed(t, session); !slices.Equal(got, []string{"ATool"}) {
			t.Errorf("tools/list = %v, want ATool alone", got)
		}
		res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "BTool"})
		if err != nil {
			t.Fatalf("CallTool(BTool) = %v, want a result", err)
		}
		if rep := report(t, res); !res.IsError || *rep.ErrorType != tool.KindDisabled {
			t.Errorf("CallTool(BTool) = %+v, want %s", rep, tool.KindDisabled)
		}
	}, entry("ATool"), entry("BTool", disabled))
}

func TestAnUnknownToolIsAnErrorThatTheCallerSaw(t *testing.T) {
	doors(t, func(t *testing.T, b *bed, client string, join func() *sdk.ClientSession) {
		_, err := join().CallTool(t.Context(), &sdk.CallToolParams{Name: "None",
			Arguments: map[string]any{"target": "x"}})
		var rpc *jsonrpc.Error
		if !errors.As(err, &rpc) || rpc.Code != jsonrpc.CodeInvalidParams ||
			!strings.Contains(rpc.Message, "None") {
			t.Errorf("CallTool(None) = %v, want %d and the name", err, jsonrpc.CodeInvalidParams)
		}
		asked := b.caller.requests()
		if len(asked) != 1 || asked[0].Tool != "None" || asked[0].Client != client ||
			string(asked[0].Arguments) != `{"target":"x"}` {
			t.Errorf("the caller saw %+v, want the call of None by %s, once", asked, client)
		}
	}, entry("ATool"))
}

func TestOneBadToolDoesNotBreakTheList(t *testing.T) {
	withSchema := func(s string) func(*catalog.Entry) {
		return func(e *catalog.Entry) { e.Spec.InputSchema = json.RawMessage(s) }
	}
	property := func(p string) func(*catalog.Entry) {
		return withSchema(`{"type":"object","properties":{"a":` + p + `}}`)
	}
	for _, row := range []struct {
		says string
		bad  func(*catalog.Entry)
	}{
		{"a schema that is not JSON", withSchema(`{"type":`)},
		{"no schema", withSchema(``)},
		{"an output schema that is not JSON",
			func(e *catalog.Entry) { e.Spec.OutputSchema = json.RawMessage(`{`) }},
		{"a header that cannot be", property(`{"type":"string","x-mcp-header":"bad header\r\n"}`)},
		{"an empty header", property(`{"type":"string","x-mcp-header":""}`)},
		{"a header of an object", property(`{"type":"object","x-mcp-header":"X"}`)},
		{"a header that is no text", property(`{"type":"string","x-mcp-header":1}`)},
	} {
		t.Run(row.says, func(t *testing.T) {
			doors(t, func(t *testing.T, b *bed, _ string, join func() *sdk.ClientSession) {
				if got := listed(t, join()); !slices.Equal(got, []string{"ATool"}) {
					t.Errorf("tools/list = %v, want the good tool alone", got)
				}
				b.offer(entry("ATool"), entry("Bad", row.bad), entry("CTool")) // and when it comes later
				b.Refresh()
				if got := listed(t, join()); !slices.Equal(got, []string{"ATool", "CTool"}) {
					t.Errorf("tools/list = %v, want the good tools", got)
				}
			}, entry("ATool"), entry("Bad", row.bad))
		})
	}
}

func TestABadToolStandsInTheLog(t *testing.T) {
	var log bytes.Buffer
	c, _ := catalog.New(entry("Bad", func(e *catalog.Entry) { e.Spec.InputSchema = json.RawMessage(`{`) }))
	_, err := New(Config{
		Caller: &caller{}, Catalog: func() *catalog.Catalog { return c },
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil || !strings.Contains(log.String(), "Bad") {
		t.Errorf("New = %v, log = %q, want a door and a line about the tool", err, &log)
	}
}

// toldSession is one of mcp-go's, of which only the notifications matter: they are sent before Refresh
// returns.
type toldSession chan mcp.JSONRPCNotification

func (s toldSession) Initialize()                                         {}
func (s toldSession) Initialized() bool                                   { return true }
func (s toldSession) NotificationChannel() chan<- mcp.JSONRPCNotification { return s }
func (s toldSession) SessionID() string                                   { return "session" }
