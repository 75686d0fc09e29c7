package httpdoor

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
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/events"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// caller is what stands behind the door, made of two funcs; one that is nil succeeds.
type caller struct {
	call func(context.Context, tool.Request) (tool.Result, error)
	plan func(context.Context, tool.Request) (tool.Plan, error)
}

func (c caller) Call(ctx context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
	if c.call == nil {
		return tool.Result{ExecutionID: "id"}, nil
	}
	return c.call(ctx, r)
}

func (c caller) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	if c.plan == nil {
		return tool.Plan{Verdict: tool.Accept, Tool: r.Tool}, nil
	}
	return c.plan(ctx, r)
}

// calling is a caller that does one thing with each call.
func calling(f func(context.Context, tool.Request) (tool.Result, error)) func(*Config) {
	return func(c *Config) { c.Caller = caller{call: f} }
}

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func testCatalog() *catalog.Catalog {
	entry := func(name string, enabled bool) *catalog.Entry {
		return &catalog.Entry{
			Plugin: "plugin", Version: "1.2.3",
			Spec: tool.Spec{
				Name: name, Title: "A tool", Description: "does it", InputSchema: json.RawMessage(`{"type":"object"}`),
				OutputSchema: json.RawMessage(`{"type":"object","title":"report"}`),
				Facts:        tool.Facts{Command: "nmap", AllowedFlags: []string{"-sT"}},
				Needs: []tool.Need{{
					Kind: tool.NeedCommand, Name: "nmap", MinVersion: "7.80", Install: "apt install nmap",
				}},
			},
			Settings: catalog.Settings{
				Enabled: enabled, Concurrency: 2, DefaultTimeout: 30 * time.Second, MaxTimeout: time.Minute,
				QueueLength: 16,
				Breaker: catalog.Breaker{
					Threshold: 5, Recovery: time.Minute, Trials: 1, Multiplier: 1.5, MaxRecovery: 5 * time.Minute, Jitter: 0.1,
				},
				RateRequests: 10, RatePer: time.Minute,
			},
		}
	}
	c, _ := catalog.New(entry("ATool", true), entry("BTool", false))
	return c
}

// newDoor makes a door that asks for no credential and listens on loopback, unless it is changed.
func newDoor(t testing.TB, changes ...func(*Config)) *Door {
	t.Helper()
	d := newBareDoor(t, changes...)
	checkAnswers(t, d)
	return d
}

// newBareDoor is one whose answers are not held against its document.
func newBareDoor(t testing.TB, changes ...func(*Config)) *Door {
	t.Helper()
	c := testCatalog()
	cfg := Config{
		Version: "1.2.3", Transport: "http", Caller: caller{}, Catalog: func() *catalog.Catalog { return c },
		State:  func(string) ToolState { return ToolState{Breaker: "CLOSED", Active: 1, Queued: 3} },
		Health: func() health.Report { return health.Summarize(time.Time{}, "http", nil) },
		Ready:  func() bool { return true },
		Hosts:  HostsOf("127.0.0.1"), Logger: slog.New(slog.DiscardHandler), Budget: Budget{Connections: 100},
	}
	for _, change := range changes {
		change(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatalf("New = %v, want a door", err)
	}
	return d
}

// withTokens makes a door ask for the token "secret" of the client ci.
func withTokens(c *Config) {
	c.Clients, _ = clientsOf(auth.Token{Name: "ci", SHA256: auth.Hash("secret"), Role: auth.Caller})
}

// clientsOf are those that some tokens let in.
func clientsOf(list ...auth.Token) (*auth.Clients, *auth.Tokens) {
	tokens, err := auth.NewTokens(list, nil)
	if err != nil {
		panic(err) // tests give no two of them the same name
	}
	return auth.NewClients(auth.Config{Tokens: tokens}), tokens
}

// withEverything gives a door something behind each of its routes.
func withEverything(c *Config) {
	c.Metrics, c.MetricsJSON = says("text/plain; version=0.0.4", "up 1\n"), says("application/json", `{"up":1}`)
	c.MCP = says("application/json", `{}`)
	c.SetEnabled = func(context.Context, string, bool, string) error { return nil }
	c.SetBreaker = c.SetEnabled
	c.Configuration = func() any { return map[string]any{"server": map[string]any{}} }
	c.Events = events.New(events.Config{})
	c.Store, c.Issuer = &fakeStore{}, "https://issuer.example"
	withExecutions(c, &fakeExecutions{x: executions.Execution{
		ID: exampleID, Tool: "ATool", State: executions.Completed, DataBytes: 2,
	}})
	c.Plugins = &fakePlugins{list: PluginList{Plugins: []PluginView{{Name: "ATool", Path: "/p/a"}}}}
}

// says is a handler that always answers the same.
func says(media, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, text) // to a test that reads
	})
}

// request makes a request as a program on this machine sends it. Of header, each pair is a name and a value.
func request(method, target, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if strings.HasPrefix(target, mcpPath) && !slices.Contains(header, "Accept") {
		r.Header.Set("Accept", "*/*")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// parse reads an answer that must be JSON of that media type.
func parse(t testing.TB, w *httptest.ResponseRecorder, mediaType string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Header().Get("Content-Type") != mediaType {
		t.Fatalf("answer = %d %s %q (%v), want %s", w.Code, w.Header().Get("Content-Type"), w.Body, err, mediaType)
	}
	return v
}

// checkProblem holds what every refusal is: a problem of RFC 9457 with a kind and, for people, what to do
// next.
func checkProblem(t testing.TB, w *httptest.ResponseRecorder, status int, kind tool.Kind) map[string]any {
	t.Helper()
	p := parse(t, w, "application/problem+json")
	if w.Code != status || p["status"] != float64(status) || p["error_type"] != string(kind) {
		t.Errorf("answer = %d %s, want %d and %s", w.Code, w.Body, status, kind)
	}
	if p["type"] != "urn:gatehouse:error:"+string(kind) || p["detail"] == "" || p["timestamp"] == nil {
		t.Errorf("problem = %s, want type, detail and timestamp", w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header = %v, want no-store and nosniff", w.Header())
	}
	return p
}

func TestTheLadder(t *testing.T) {
	want := map[tool.Kind]int{
		tool.KindValidation: 400, tool.KindOutOfScope: 403, tool.KindIntrusiveDenied: 403,
		tool.KindNeedsPrivilege: 403, tool.KindUnauthenticated: 401,
		tool.KindForbidden: 403, tool.KindToolNotFound: 404, tool.KindDisabled: 403, tool.KindRateLimited: 429,
		tool.KindOverloaded: 503, tool.KindBreakerOpen: 503, tool.KindUnavailable: 503, tool.KindNotFound: 200,
		tool.KindTimeout: 200, tool.KindResourceExhausted: 200, tool.KindExecution: 200, tool.KindCancelled: 499,
		tool.KindUnknown: 500, "of a newer peer": 500,
	}
	for _, kind := range append(tool.Kinds(), "of a newer peer") {
		status, ok := want[kind]
		if !ok {
			t.Errorf("the kind %s has no row", kind)
		}
		failed := tool.Errorf(kind, "it failed <here>").Suggest("do this").With("fact", 1).About("ATool",
			"10.0.0.1")
		failed.RetryAfter = 1200 * time.Millisecond
		d := newDoor(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{Stdout: "partial", ExecutionID: "e-1", CorrelationID: "c-1"},
				fmt.Errorf("call: %w", failed)
		}))
		w := serve(d, request("POST", "/tools/ATool/execute", `{}`))
		if w.Code != status {
			t.Errorf("%s: status = %d, want %d", kind, w.Code, status)
		}
		if status == http.StatusOK {
			rep := parse(t, w, "application/json")
			if rep["error_type"] != string(kind) || rep["error"] != "it failed <here>" || rep["stdout"] != "partial" {
				t.Errorf("%s: report = %s, want the error next to the output", kind, w.Body)
			}
			continue
		}
		p := checkProblem(t, w, status, kind)
		for member, value := range map[string]any{
			"title": http.StatusText(status), "detail": "it failed <here>", "recovery_suggestion": "do this",
			"tool": "ATool", "target": "10.0.0.1", "execution_id": "e-1", "correlation_id": "c-1", "retry_after": 1.2,
		} {
			if p[member] != value {
				t.Errorf("%s: %s = %v, want %v", kind, member, p[member], value)
			}
		}
		if fmt.Sprint(p["metadata"]) != "map[fact:1]" || w.Header().Get("Retry-After") != "2" {
			t.Errorf("%s: metadata = %v, Retry-After = %q, want the fact and 2", kind, p["metadata"],
				w.Header().Get("Retry-After"))
		}
	}
}

func TestRetryAfterIsNeverTooShort(t *testing.T) {
	for wait, want := range map[time.Duration][2]string{
		0: {"", ""}, time.Nanosecond: {"1", "0.001"}, 999 * time.Millisecond: {"1", "0.999"},
		time.Second:             {"1", "1"},
		1001 * time.Millisecond: {"2", "1.001"}, 59*time.Second + 1: {"60", "59.001"}, time.Hour: {"3600", "3600"},
	} {
		failed := tool.Errorf(tool.KindRateLimited, "slower")
		failed.RetryAfter = wait
		d := newDoor(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{},
				failed
		}))
		w := serve(d, request("POST", "/tools/ATool/execute", `{}`))
		member := ""
		if v, ok := checkProblem(t, w, 429, tool.KindRateLimited)["retry_after"]; ok {
			member = fmt.Sprint(v)
		}
		if got := w.Header().Get("Retry-After"); got != want[0] || member != want[1] {
			t.Errorf("a wait of %v: Retry-After = %q, retry_after = %q, want %q", wait, got, member, want)
		}
	}
}

func TestForeignErrorsAreOnTheLadderToo(t *testing.T) {
	for _, row := range []struct {
		err    error
		status int
	}{
		{errors.New("boom"), 500}, {context.Canceled, 499}, {context.DeadlineExceeded, 200},
	} {
		d := newDoor(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{},
				row.err
		}))
		if w := serve(d, request("POST", "/tools/ATool/execute", `{}`)); w.Code != row.status {
			t.Errorf("Call fails with %v: status = %d, want %d", row.err, w.Code, row.status)
		}
	}
}

func TestACallThatWentWellIsAReport(t *testing.T) {
	var got tool.Request
	d := newDoor(t, withTokens, calling(func(ctx context.Context, r tool.Request) (tool.Result, error) {
		got = r
		if client := origin.From(ctx).Client; client != "ci" {
			t.Errorf("the context's client = %q, want ci", client)
		}
		return tool.Result{Stdout: "a < b", ReturnCode: 1, ExecutionID: "e", Data: json.RawMessage(`{"up":true}`)},
			nil
	}))
	const body = ` {"target": "10.0.0.1", "Targets": 1e2} `
	w := serve(d, request("POST", "/tools/ATool/execute", body, "Authorization", "Bearer secret"))
	rep := parse(t, w, "application/json")
	if w.Code != 200 || rep["returncode"] != 1.0 || rep["error"] != nil || rep["stdout"] != "a < b" ||
		fmt.Sprint(rep["data"]) != "map[up:true]" || !strings.Contains(w.Body.String(), "a < b") {
		t.Errorf("answer = %d %s, want the report", w.Code, w.Body)
	}
	if got.Tool != "ATool" || got.Client != "ci" ||
		strings.TrimSpace(string(got.Arguments)) != strings.TrimSpace(body) {
		t.Errorf("Call got %+v, want ATool, ci and the arguments as they were sent", got)
	}
}

// What a plugin's data makes impossible to write is a failure, never half an answer with status 200.
func TestAResultThatIsNotJSONIsAProblem(t *testing.T) {
	d := newDoor(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
		return tool.Result{Data: json.RawMessage(`{"up":`)}, nil
	}))
	w := serve(d, request("POST", "/tools/ATool/execute", `{}`))
	if w.Code != 500 || !json.Valid(w.Body.Bytes()) ||
		w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer = %d %s %s, want a problem of status 500", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

func TestPlans(t *testing.T) {
	d := newDoor(t, func(c *Config) {
		c.Caller = caller{plan: func(_ context.Context, r tool.Request) (tool.Plan, error) {
			switch r.Tool {
			case "ATool":
				return tool.RefusedPlan(tool.Errorf(tool.KindIntrusiveDenied, "no")), nil
			case "Late":
				return tool.Plan{}, tool.Errorf(tool.KindTimeout, "too slow")
			}
			return tool.Plan{}, tool.Errorf(tool.KindToolNotFound, "none")
		}}
	})
	w := serve(d, request("POST", "/tools/ATool/plan", `{}`))
	if p := parse(t, w, "application/json"); w.Code != 200 || p["verdict"] != "gated" {
		t.Errorf("plan = %d %s, want 200 and gated", w.Code, w.Body)
	}
	checkProblem(t, serve(d, request("POST", "/tools/None/plan", `{}`)), 404, tool.KindToolNotFound)
	if w := serve(d, request("POST", "/tools/Late/plan", `{}`)); w.Code < 500 {
		t.Errorf("a plan that could not be made = %d %s, want a failure: there is no result for it to stand in",
			w.Code, w.Body)
	}
}

func TestEachMethodHasItsPlace(t *testing.T) {
	d := newDoor(t, func(c *Config) { c.Metrics = says("text/plain", "up 1\n") })
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 200, ""}, {"HEAD", "/", 200, ""}, {"POST", "/", 405, "GET"}, {"OPTIONS", "/", 405, "GET"},
		{"GET", "/livez", 200, ""}, {"HEAD", "/livez", 200, ""}, {"DELETE", "/livez", 405, "GET"},
		{"GET", "/readyz", 200, ""}, {"GET", "/health", 200, ""}, {"PUT", "/health", 405, "GET"},
		{"GET", "/tools", 200, ""}, {"HEAD", "/tools", 200, ""}, {"POST", "/tools", 405, "GET"},
		{"GET", "/tools/ATool", 200, ""}, {"PATCH", "/tools/ATool", 405, "GET"}, {"GET", "/tools/None", 404, ""},
		{"POST", "/tools/ATool/execute", 200, ""}, {"GET", "/tools/ATool/execute", 405, "POST"},
		{"HEAD", "/tools/ATool/execute", 405, "POST"}, {"PUT", "/tools/ATool/plan", 405, "POST"},
		{"POST", "/tools/ATool/plan", 200, ""}, {"GET", "/metrics", 200, ""}, {"POST", "/metrics", 405, "GET"},
		{"GET", "/mcp", 404, ""}, {"GET", "/nowhere", 404, ""}, {"POST", "/tools/ATool/run", 404, ""},
		{"GET", "/tools/", 404, ""}, {"GET", "/tools/A%20Tool", 404, ""}, {"GET", "/tools/A%2FB", 404, ""},
		{"GET", "/tools/" + strings.Repeat("a", 65), 404, ""}, {"GET", "/tools/ATool%0A", 404, ""},
		{"GET", "/Livez", 404, ""}, {"GET", "/livez/", 404, ""},
	} {
		body := ""
		if row.method == "POST" {
			body = "{}"
		}
		w := serve(d, request(row.method, row.path, body))
		if w.Code != row.status || w.Header().Get("Allow") != row.allow {
			t.Errorf("%s %s = %d, Allow %q, want %d, %q", row.method, row.path, w.Code, w.Header().Get("Allow"),
				row.status, row.allow)
		}
		if row.status >= 400 {
			parse(t, w, "application/problem+json")
		}
	}
}

func TestAPanicIsAProblemAndStandsInTheLog(t *testing.T) {
	log := &journal{}
	d := newDoor(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) },
		calling(func(context.Context, tool.Request) (tool.Result, error) { panic("secret state") }))
	w := serve(d, request("POST", "/tools/ATool/execute", `{}`))
	checkProblem(t, w, 500, tool.KindUnknown)
	if strings.Contains(w.Body.String(), "secret state") {
		t.Errorf("answer = %s, want nothing of the panic's value", w.Body)
	}
	if !strings.Contains(log.String(), "secret state") || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log = %s, want the panic", log)
	}
}

func TestAnAbortedHandlerIsAborted(t *testing.T) {
	d := newDoor(t, calling(func(context.Context, tool.Request) (tool.Result,
		error) {
		panic(http.ErrAbortHandler)
	}))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // the identity is the contract
			t.Errorf("recover = %v, want %v", p, http.ErrAbortHandler)
		}
	}()
	serve(d, request("POST", "/tools/ATool/execute", `{}`))
}

func TestARefusalCanBeFoundInTheLog(t *testing.T) {
	log := &journal{}
	d := newDoor(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	w := serve(d, request("POST", "/tools/ATool/execute", `[]`))
	id, _ := checkProblem(t, w, 400, tool.KindValidation)["correlation_id"].(string)
	if id == "" || !strings.Contains(log.String(), id) {
		t.Errorf("log = %s, want the id %q of the answer", log, id)
	}
}
