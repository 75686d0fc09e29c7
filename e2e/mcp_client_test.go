package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// The revisions that stand for the two eras of the protocol.
const (
	legacy = "2025-11-25"
	modern = "2026-07-28"
)

// way is how a client of MCP reaches a host.
type way struct {
	name, revision string
	stdio          bool
}

var waysOfMCP = []way{
	{"stdio, " + legacy, legacy, true}, {"stdio, " + modern, modern, true},
	{"http, " + legacy, legacy, false}, {"http, " + modern, modern, false},
}

// hostTools are the host's own, as who may call them sees them.
var hostTools = []string{
	"execution_cancel", "execution_read", "execution_result", "execution_start", "execution_wait",
	"executions_diff", "executions_list",
}

// withHostTools are the names of tools/list where plugins offer these.
func withHostTools(names ...string) []string {
	return slices.Sorted(slices.Values(append(names, hostTools...)))
}

// assistant is a client of the official Go SDK.
type assistant struct {
	*mcp.ClientSession
	t     *testing.T
	way   way
	host  *host // nil: it is on stdio
	pid   int   // of its host
	state string
	log   *logBuffer // of its host
	told  *toldAll
}

// toldAll is what a client is told besides answers.
type toldAll struct {
	changes chan string // the lists that have changed: tools, prompts, resources

	mu       sync.Mutex
	progress map[any][]mcp.ProgressNotificationParams // token -> in order
	grown    chan struct{}                            // closed by the next
}

// join starts a host of its own for a client.
func (w way) join(t *testing.T, plugins string, options mcp.ClientOptions, settings ...string) *assistant {
	t.Helper()
	settings = append([]string{"STATE_DIRECTORY=" + t.TempDir()}, settings...)
	if !w.stdio {
		return w.at(t, serve(t, plugins, settings...), options)
	}
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, plugins))
	cmd.Env = environment(t, settings...)
	a := &assistant{t: t, way: w, log: &logBuffer{}}
	cmd.Stderr = a.log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the host:\n%s", a.log)
		}
	})
	a.connect(&mcp.CommandTransport{Command: cmd}, options)
	a.pid, a.state = cmd.Process.Pid, variable(cmd.Env, "STATE_DIRECTORY")
	return a
}

// at is a client of a host that serves HTTP, on connections of its own.
func (w way) at(t *testing.T, h *host, options mcp.ClientOptions) *assistant {
	t.Helper()
	a := &assistant{t: t, way: w, host: h, pid: h.cmd.Process.Pid, log: h.log}
	a.state = variable(h.cmd.Env, "STATE_DIRECTORY")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: bearerOf{h.token, transport}}
	a.connect(&mcp.StreamableClientTransport{Endpoint: h.url + "/mcp", HTTPClient: client}, options)
	return a
}

// bearerOf adds a token to each request.
type bearerOf struct {
	token string
	next  http.RoundTripper
}

func (b bearerOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// variable is the last value of a variable in an environment; "": it is not there.
func variable(env []string, name string) (value string) {
	for _, setting := range env {
		if v, ok := strings.CutPrefix(setting, name+"="); ok {
			value = v
		}
	}
	return value
}

func (a *assistant) connect(transport mcp.Transport, o mcp.ClientOptions) {
	a.t.Helper()
	told := &toldAll{changes: make(chan string, 100), progress: make(map[any][]mcp.ProgressNotificationParams)}
	a.told = told
	o.ProgressNotificationHandler = func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
		told.add(r.Params)
	}
	o.ToolListChangedHandler = func(context.Context, *mcp.ToolListChangedRequest) { told.changes <- "tools" }
	o.PromptListChangedHandler = func(context.Context, *mcp.PromptListChangedRequest) { told.changes <- "prompts" }
	o.ResourceListChangedHandler = func(context.Context, *mcp.ResourceListChangedRequest) {
		told.changes <- "resources"
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &o)
	revision := &mcp.ClientSessionOptions{ProtocolVersion: a.way.revision}
	session, err := client.Connect(a.t.Context(), transport, revision)
	if err != nil {
		a.t.Fatalf("connect: %v", err)
	}
	if got := session.InitializeResult().ProtocolVersion; got != a.way.revision {
		a.t.Fatalf("%s is spoken, want %s", got, a.way.revision)
	}
	a.ClientSession = session
	a.t.Cleanup(func() { _ = session.Close() }) // the host may have gone first
}

func (n *toldAll) add(p *mcp.ProgressNotificationParams) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.progress[p.ProgressToken] = append(n.progress[p.ProgressToken], *p)
	if n.grown != nil {
		close(n.grown)
		n.grown = nil
	}
}

func (n *toldAll) read(token any) ([]mcp.ProgressNotificationParams, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.grown == nil {
		n.grown = make(chan struct{})
	}
	return n.progress[token], n.grown
}

// of waits until so much was told of the progress of one request.
func (n *toldAll) of(t *testing.T, token any, least int) []mcp.ProgressNotificationParams {
	t.Helper()
	late := time.After(patience)
	for {
		list, more := n.read(token)
		if len(list) >= least {
			return list
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%d were told of the progress %v, want %d: %+v", len(list), token, least, list)
		}
	}
}

// result is what a call came to.
type result struct {
	*mcp.CallToolResult
	raw []byte // the JSON of its text
}

// try calls a tool, with arguments as JSON. token may be nil: no progress is wanted.
func (a *assistant) try(ctx context.Context, name, arguments string, token any) (result, error) {
	params := &mcp.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)}
	if token != nil {
		params.SetProgressToken(token)
	}
	res, err := a.CallTool(ctx, params)
	if err != nil {
		return result{}, fmt.Errorf("%s %s: %w", name, arguments, err)
	}
	text, ok := res.Content[0].(*mcp.TextContent)
	if !ok {
		return result{}, fmt.Errorf("%s: the first content is %T, want text", name, res.Content[0])
	}
	return result{res, []byte(text.Text)}, nil
}

// call calls a tool, and reads the JSON of its result, which stands in it twice.
func (a *assistant) call(name, arguments string, into any) result {
	a.t.Helper()
	res, err := a.try(a.t.Context(), name, arguments, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	a.read(name, res, into)
	return res
}

func (a *assistant) read(name string, res result, into any) {
	a.t.Helper()
	if res.IsError {
		a.t.Fatalf("%s is an error: %s", name, res.raw)
	}
	twice, err := json.Marshal(res.StructuredContent)
	if err != nil || !sameJSON(a.t, twice, res.raw) {
		a.t.Fatalf("%s: structuredContent is %s (%v), and the text %s", name, twice, err, res.raw)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(res.raw, into); err != nil {
		a.t.Fatalf("%s = %s: %v", name, res.raw, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var plain [2]string
	for i, raw := range [][]byte{a, b} {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		plain[i] = string(again)
	}
	return plain[0] == plain[1]
}

// refused calls a tool that must be refused, and say what to do next.
func (a *assistant) refused(name, arguments string, want tool.Kind) string {
	a.t.Helper()
	res, err := a.try(a.t.Context(), name, arguments, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	var e struct {
		Error string
		Kind  tool.Kind `json:"error_type"`
		Next  string    `json:"recovery_suggestion"`
	}
	if err := json.Unmarshal(res.raw, &e); err != nil || !res.IsError || e.Kind != want || e.Next == "" {
		a.t.Errorf("%s %s = %s (%v), want %s and what to do next", name, arguments, res.raw, err, want)
	}
	return e.Error
}

// running is an execution, as far as tests look at it: in results of the host's tools and in those of REST.
type running struct {
	ID          string `json:"execution_id"`
	Tool        string
	Client      string
	State       string
	Detached    bool
	StdoutBytes int    `json:"stdout_bytes"`
	Latest      string `json:"latest_output"`
	Progress    *struct{ Message string }
	ErrorType   string `json:"error_type"`
	Finished    time.Time
	Notice      string
	Next        string
	Report      *tool.Report // over MCP
	Result      *tool.Report // over REST
}

// inBackground are the arguments of execution_start, and the body of POST /executions.
func inBackground(name, arguments string) string {
	return fmt.Sprintf(`{"tool":%q,"arguments":%s}`, name, arguments)
}

// start starts a tool in the background.
func (a *assistant) start(name, arguments string) running {
	a.t.Helper()
	var x running
	a.call("execution_start", inBackground(name, arguments), &x)
	if x.State != "running" && x.State != "queued" || x.ID == "" || !strings.Contains(x.Next, "execution_wait") {
		a.t.Fatalf("execution_start = %+v, want it to run, and what to do next", x)
	}
	return x
}

// neverID is that of no execution.
const neverID = "0199c2f0-6f3e-7c1a-9d52-0a1b2c3d4e5f"

// about are the arguments of a tool that is about an execution.
func (x running) about(more string) string {
	return strings.TrimSuffix(fmt.Sprintf(`{"execution_id":%q,%s`, x.ID, more), ",") + "}"
}

// ended waits until an execution has ended.
func (a *assistant) ended(x running) (got running) {
	a.t.Helper()
	for late := time.Now().Add(patience); ; {
		a.call("execution_wait", x.about(`"timeout_sec":30`), &got)
		if got.State != "running" && got.State != "queued" {
			return got
		}
		if time.Now().After(late) {
			a.t.Fatalf("the execution does not end: %+v", got)
		}
	}
}

// list is what there is of a tool, the newest first.
func (a *assistant) list(filter string) []running {
	a.t.Helper()
	var page struct{ Executions []running }
	a.call("executions_list", filter, &page)
	return page.Executions
}
