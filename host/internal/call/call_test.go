package call

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// events is where a plugin tells what it does.
type events = func(tool.Event)

// fake is a plugin made of two funcs; one that is nil succeeds at once.
type fake struct {
	call  func(context.Context, tool.Request, events) (tool.Result, error)
	plan  func(context.Context, tool.Request) (tool.Plan, error)
	calls atomic.Int64
}

var _ tool.Handler = (*fake)(nil)

func (f *fake) Describe(context.Context) (tool.Manifest, error) { return tool.Manifest{}, nil }
func (f *fake) Configure(context.Context, tool.Policy) error    { return nil }
func (f *fake) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	if f.plan == nil {
		return tool.Plan{Verdict: tool.Accept}, nil
	}
	return f.plan(ctx, r)
}

func (f *fake) Call(ctx context.Context, r tool.Request, emit events) (tool.Result, error) {
	f.calls.Add(1)
	if f.call == nil {
		return tool.Result{}, nil
	}
	return f.call(ctx, r, emit)
}

// failing is a plugin whose calls all end with one error.
func failing(err error) *fake {
	return &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
		return tool.Result{}, err
	}}
}

// taking is a plugin whose calls take some time, or until their context ends.
func taking(d time.Duration) *fake {
	return &fake{call: func(ctx context.Context, _ tool.Request, _ events) (tool.Result, error) {
		select {
		case <-time.After(d):
			return tool.Result{}, nil
		case <-ctx.Done():
			return tool.Result{}, ctx.Err()
		}
	}}
}

const scanSchema = `{"type": "object", "properties": {
	"target": {"type": "string"}, "via": {"type": "string"}, "ports": {"type": "string", "maxLength": 9},
	"depth": {"type": "integer"}, "any": {}}}`

// setup is what a test can change of a bed before it is made.
type setup struct {
	Config
	spec     tool.Spec
	settings catalog.Settings
	handler  tool.Handler
	forbid   string // client
}

// bed is a router with one tool, ScanTool, and with a memory of what it told.
type bed struct {
	*Router
	setup
	current atomic.Pointer[catalog.Catalog]

	mu      sync.Mutex
	records []Record
	started []string
	news    []BreakerState
}

func newBed(t testing.TB, h tool.Handler, changes ...func(*setup)) *bed {
	t.Helper()
	b := &bed{setup: setup{
		handler: h,
		spec: tool.Spec{
			Name: "ScanTool", Description: "scans", InputSchema: json.RawMessage(scanSchema),
			Targets: []tool.TargetArgument{{Argument: "target", Network: true}, {Argument: "via"}},
		},
		settings: catalog.Settings{
			Enabled: true, Concurrency: 1, DefaultTimeout: time.Minute, MaxTimeout: 10 * time.Minute,
			QueueLength: 16, Breaker: catalog.Breaker{Threshold: 3, Recovery: 30 * time.Second, Multiplier: 1},
		},
	}}
	b.Config = Config{
		Catalog: b.current.Load,
		Authorize: func(_ context.Context, client, _ string) error {
			if client == b.forbid {
				return tool.Errorf(tool.KindForbidden, "%s may not", client)
			}
			return nil
		},
		Scope: scope.Default,
		Lookup: func(_ context.Context, name string) ([]netip.Addr, error) {
			return nil, errors.New("no such host")
		},
		Admit: func(r Record) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.started = append(b.started, r.Tool)
			return nil
		},
		Finished: func(r Record) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.records = append(b.records, r)
		},
		BreakerChanged: func(_ string, s BreakerState) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.news = append(b.news, s)
		},
	}
	b.forbid = "nobody"
	for _, change := range changes {
		change(&b.setup)
	}
	b.publish(t)
	r, err := New(b.Config)
	if err != nil {
		t.Fatal(err)
	}
	b.Router = r
	return b
}

// publish puts the tool into the catalog as the setup has it now, as a reload or a restart of the plugin
// does.
func (b *bed) publish(t testing.TB) {
	t.Helper()
	m := tool.Manifest{Name: "scanner", Version: "1.2", Tools: []tool.Spec{b.spec}}
	entries, err := catalog.Compile(m, b.handler, func(tool.Spec) catalog.Settings { return b.settings })
	if err != nil {
		t.Fatal(err)
	}
	c, _ := catalog.New(entries...)
	b.current.Store(c)
}

// run calls ScanTool and returns the kind of the error.
func (b *bed) run(ctx context.Context, args string) tool.Kind {
	_, err := b.Call(ctx, request(args), nil)
	return tool.KindOf(err)
}

func request(args string) tool.Request {
	return tool.Request{Tool: "ScanTool", Client: "alice", Arguments: json.RawMessage(args)}
}

// last is the record of the call that finished last.
func (b *bed) last(t testing.TB) Record {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.records) == 0 {
		t.Fatal("no record")
	}
	return b.records[len(b.records)-1]
}

func asError(t testing.TB, err error) *tool.Error {
	t.Helper()
	e, ok := err.(*tool.Error)
	if !ok {
		t.Fatalf("error is %T (%v), want *tool.Error", err, err)
	}
	return e
}

func TestNewRefusesWhatIsMissingOrNegative(t *testing.T) {
	good := newBed(t, &fake{}).Config
	for name, spoil := range map[string]func(*Config){
		"Catalog": func(c *Config) { c.Catalog = nil }, "Authorize": func(c *Config) { c.Authorize = nil },
		"Scope": func(c *Config) { c.Scope = nil }, "Lookup": func(c *Config) { c.Lookup = nil },
		"MaxClients": func(c *Config) { c.Limits.MaxClients = -1 },
		"MaxTimeout": func(c *Config) { c.MaxTimeout = -1 }, "Grace": func(c *Config) { c.Grace = -1 },
		"MaxStdout": func(c *Config) { c.Limits.MaxStdout = -1 },
		"MaxStderr": func(c *Config) { c.Limits.MaxStderr = -1 },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New with a bad %s = %v, want an error that names it", name, err)
		}
	}
}

func TestCallGivesThePluginWhatTheRouterDecided(t *testing.T) {
	var got tool.Request
	b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, emit events) (tool.Result, error) {
		got = r
		emit(tool.Event{Output: &tool.Output{Data: []byte("hello")}})
		emit(tool.Event{Output: &tool.Output{Stream: tool.Stderr, Data: []byte("oh")}})
		return tool.Result{ReturnCode: 1, Stdout: "forged", ExecutionID: "forged"}, nil
	}})
	req := request(`{"target": "10.0.0.7", "correlation_id": "c-1"}`)
	req.ID, req.Deadline, req.MaxStdout = "forged", time.Unix(0, 0), 1
	req.Targets = []tool.Target{{Label: "forged"}}
	var seen int
	res, err := b.Call(t.Context(), req, func(tool.Event) { seen++ })
	if err != nil {
		t.Fatal(err)
	}
	if got.ID == "forged" || got.ID == "" || got.ID != res.ExecutionID || got.MaxStdout != 1<<20 {
		t.Errorf("the plugin got %+v, the caller %+v; want the router's id and caps", got, res)
	}
	if string(got.Arguments) != `{"target": "10.0.0.7"}` || got.CorrelationID != "c-1" ||
		time.Until(got.Deadline) <= 0 {
		t.Errorf("the plugin got %+v", got)
	}
	if len(got.Targets) != 1 || got.Targets[0].Literal() != "10.0.0.7" {
		t.Errorf("targets = %v, want the pinned one alone", got.Targets)
	}
	if res.Stdout != "hello" || res.Stderr != "oh" || res.ReturnCode != 1 || seen != 2 ||
		res.CorrelationID != "c-1" {
		t.Errorf("Call = %+v with %d events", res, seen)
	}
	rec := b.last(t)
	if !rec.Ran || rec.Kind != "" || rec.Tool != "ScanTool" || rec.Plugin != "scanner" ||
		rec.Version != "1.2" || len(rec.Stdout) != 5 || rec.Target != "10.0.0.7" || len(rec.Targets) != 1 ||
		rec.Timeout != time.Minute {
		t.Errorf("record = %+v", rec)
	}
	if !slices.Equal(b.started, []string{"ScanTool"}) {
		t.Errorf("started = %v", b.started)
	}
}

// TestEarliestGateDecides makes one call that is wrong in every way, and repairs it gate by gate.
func TestEarliestGateDecides(t *testing.T) {
	block := make(chan struct{})
	h := &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
		<-block
		return tool.Result{}, tool.Errorf(tool.KindExecution, "broken")
	}}
	b := newBed(t, h, func(s *setup) {
		s.settings.QueueLength, s.forbid = 1, "alice"
		s.settings.Enabled, s.settings.Breaker.Threshold = false, 1
		s.settings.RateRequests, s.settings.RatePer = 1, time.Hour
	})
	req := request(`{"target": "8.8.8.8", "depth": "x"}`)
	req.Tool = "Scan"
	gone, leave := context.WithCancel(t.Context())
	leave()
	ctx := gone
	var running sync.WaitGroup
	for _, row := range []struct {
		repair func()
		want   tool.Kind
		gate   string
	}{
		{func() {}, tool.KindToolNotFound, "lookup"},
		{func() { req.Tool = "ScanTool" }, tool.KindDisabled, "lookup"},
		{func() { b.settings.Enabled = true; b.publish(t) }, tool.KindForbidden, "authorize"},
		{func() {
			b.forbid = "nobody"
			_, _ = b.Call(ctx, req, nil) // takes the only token
		}, tool.KindRateLimited, "rate"},
		{func() { b.settings.RateRequests = 0; b.publish(t) }, tool.KindValidation, "check"},
		{func() { req.Arguments = json.RawMessage(`{"target": "8.8.8.8"}`) }, tool.KindOutOfScope, "scope"},
		{func() { req.Arguments = json.RawMessage(`{"target": "10.0.0.1"}`) }, tool.KindCancelled, "deadline"},
		{func() {
			ctx = t.Context()
			for range 2 { // one runs, one waits
				running.Go(func() { b.run(ctx, "{}") })
			}
			for b.State("ScanTool").Queued < 1 || h.calls.Load() < 1 {
				runtime.Gosched()
			}
		}, tool.KindOverloaded, "capacity"},
		{func() { close(block); running.Wait() }, tool.KindBreakerOpen, "breaker"},
		{func() { _ = b.SetBreaker("ScanTool", false) }, tool.KindExecution, ""},
	} {
		row.repair()
		before := h.calls.Load()
		res, err := b.Call(ctx, req, nil)
		e := asError(t, err)
		if e.Kind != row.want {
			t.Fatalf("Call = %v (%s), want %s", err, e.Kind, row.want)
		}
		if ran := h.calls.Load() > before; ran != (row.want == tool.KindExecution) {
			t.Errorf("%s: the plugin was asked: %v", row.want, ran)
		}
		if e.Suggestion == "" || e.Tool != req.Tool || e.Time.IsZero() ||
			res.ExecutionID == "" || res.Elapsed <= 0 {
			t.Errorf("%s: error %+v, result %+v: want suggestion, tool, time, id, elapsed", row.want, e, res)
		}
		rec := b.last(t)
		if rec.Kind != row.want || rec.ExecutionID != res.ExecutionID || rec.Err != e || rec.Gate != row.gate {
			t.Errorf("%s: record = %+v, want gate %q", row.want, rec, row.gate)
		}
	}
}

func TestUnknownToolIsHelpedAndNeverCounted(t *testing.T) {
	b := newBed(t, &fake{})
	for asked, want := range map[string]string{
		"scantool": "ScanTool", "ScanTol": "ScanTool", "scan": "ScanTool", "ScanTool2": "ScanTool",
		"": "list the tools", "Ping": "list the tools", strings.Repeat("ScanTool", 1000): "list the tools",
	} {
		_, err := b.Call(t.Context(), tool.Request{Tool: asked, Client: "alice"}, nil)
		e := asError(t, err)
		if e.Kind != tool.KindToolNotFound || !strings.Contains(e.Suggestion, want) {
			t.Errorf("Call(%.20q) = %s, suggestion %q; want tool_not_found, %q",
				asked, e.Kind, e.Suggestion, want)
		}
		if rec := b.last(t); rec.Tool != "" || len(rec.Asked) > tool.MaxNameLength+3 || len(e.Message) > 200 {
			t.Errorf("Call(%.20q): record names %q, asked %q", asked, rec.Tool, rec.Asked)
		}
	}
	if n := len(b.tools.byName) + b.buckets.Len(); n != 0 {
		t.Errorf("%d states are kept for tools that do not exist", n)
	}
	_, err := b.Call(t.Context(), tool.Request{Tool: "scan", Client: "nobody"}, nil)
	if e := asError(t, err); strings.Contains(e.Suggestion, "ScanTool") {
		t.Errorf("suggestion %q names a tool that the client may not call", e.Suggestion)
	}
}
