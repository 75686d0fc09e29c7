// Package sdktest runs a plugin in a test, in the test's own process and without a host. It does what a
// host would: holds targets to a scope and pins them, assembles the output, checks the parsed result
// against the tool's schema.
//
//	bench := sdktest.New(t, plugin, sdktest.Options{})
//	res, err := bench.Call(ctx, "PingTool", `{"target": "127.0.0.1", "extra_args": "-c 1"}`)
//
// A [Bench] is one plugin under test; [Conformance] is what every plugin must pass.
//
// Time may be that of a [testing/synctest] bubble, where a deadline of ten minutes is met at once. Everything here
// works in one:
//
//	synctest.Test(t, func(t *testing.T) {
//		bench := sdktest.New(t, plugin, sdktest.Options{Timeout: 10 * time.Minute})
//		_, err := bench.Call(t.Context(), "WaitTool", `{"until": "tomorrow"}`)
//		// sdk.KindOf(err) is sdk.KindTimeout, and time.Since ten minutes ago
//	})
//
// Time passes there when everybody waits for time. Who waits for the network or for a real program holds it up: play
// both, with Programs and Dial of [Options].
//
// A plugin whose tools run programs starts its own executable again to sandbox them. In a test that is
// the test binary, and it works, because package sdk/sandbox sees to it before any test runs.
package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/machine"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Options are what the host of the test is like. The zero Options are a fresh Gatehouse: private
// networks and loopback, nothing intrusive, no names.
type Options struct {
	AllowIntrusive bool
	// Networks are in scope; nil: RFC 1918 and loopback.
	Networks []netip.Prefix
	// Hosts answers for names: lower-case name -> addresses. Other names are not found; no resolver is
	// ever asked.
	Hosts map[string][]string
	// Programs stand in for programs that the tools run, under the names that command.Program has: nothing is
	// started for them. Others are those of this machine.
	Programs map[string]Program
	// Dial makes the connections of sdk.Call.DialContext, to addresses that it allows; nil: the network does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Config is the plugin's own section of the configuration.
	Config json.RawMessage
	// RunAs is who programs run as when the test is root's, as sdk.Policy has it; empty: nobody, who may not
	// enter the temporary directories of a test.
	RunAs string
	// Require names the layers of the sandbox without which no program is run.
	Require []string
	// Timeout is the deadline of a call; zero: 60 s.
	Timeout time.Duration
	// MaxStdout and MaxStderr cap the output; zero: 1 MiB and 256 KiB.
	MaxStdout, MaxStderr int64
	// Event sees every event as it comes; nil: nobody.
	Event func(sdk.Event)
	// Consent is the person of a host whose operator has set allow_intrusive to ask: it sees the plan of a call
	// that is intrusive, and says whether it may run. nil: nobody is asked, and the plugin refuses.
	Consent func(sdk.Plan) bool
	// Answer is the person who answers what a tool asks. Its ID may be left out. nil: nobody answers, and Call
	// returns the result with its questions.
	Answer func(sdk.Question) sdk.Answer
}

// Bench is a plugin under test.
type Bench struct {
	t        testing.TB
	handler  *sdk.Handler
	manifest sdk.Manifest
	options  Options
	scope    scope.Policy
	machine  *machine.Machine

	mu       sync.Mutex // guards what follows
	executed []sdk.Exec
	logged   []sdk.Log
	runs     int // of programs, played or real, those that were asked for their version among them
}

// New starts a plugin. It fails the test when the plugin is declared wrongly, and ends it with the test.
func New(t testing.TB, p sdk.Plugin, o Options) *Bench {
	t.Helper()
	h, err := sdk.NewHandler(p)
	if err != nil {
		t.Fatalf("NewHandler(%s) = %v", p.Name, err)
	}
	t.Cleanup(func() { closeWithin(t, h) })
	b := &Bench{t: t, handler: h, options: o, scope: scope.Default()}
	if o.Networks != nil {
		b.scope.Networks = o.Networks
	}
	b.machine = &machine.Machine{Lookup: b.lookup, Dial: o.Dial, Program: o.standIn, Run: b.run}
	b.manifest, _ = h.Describe(context.Background()) // a Handler always can
	b.Configure(sdk.Policy{
		AllowIntrusive: o.AllowIntrusive, Config: o.Config, RunAs: o.RunAs, Require: o.Require,
	})
	return b
}

// closeWithin ends a plugin, and says so when it does not.
func closeWithin(t testing.TB, h *sdk.Handler) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }() // waits for the calls; one that hangs ends with the process
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("Close() = %v", err)
		}
	case <-time.After(2 * patience): // long enough for the slow call of a sample, if it does end by itself
		t.Errorf("Close() has not returned after %v: a call does not end", 2*patience)
	}
}

// Configure hands a policy to the plugin, as a host does at a reload. Networks and suffixes are those
// of the bench.
func (b *Bench) Configure(p sdk.Policy) {
	b.t.Helper()
	p.Networks, p.Suffixes = b.scope.Networks, b.scope.Suffixes
	if err := b.handler.Configure(context.Background(), p); err != nil {
		b.t.Fatalf("Configure() = %v", err)
	}
}

// Manifest is what the plugin says about itself.
func (b *Bench) Manifest() sdk.Manifest { return b.manifest }

// Handler is the plugin itself, for what the bench does not offer.
func (b *Bench) Handler() *sdk.Handler { return b.handler }

// Context returns a context that carries the programs, names and connections of the options, for what is asked of
// the [Bench.Handler] itself. The methods of the bench need none.
func (b *Bench) Context(ctx context.Context) context.Context { return machine.With(ctx, b.machine) }

// run plays the programs of the options, and counts all.
func (b *Bench) run(ctx context.Context, c sandbox.Command) (sandbox.Outcome, bool, error) {
	b.mu.Lock()
	b.runs++
	b.mu.Unlock()
	return b.options.run(ctx, c)
}

// ran is how many programs were run so far.
func (b *Bench) ran() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runs
}

// Plan says what a call would do. arguments is a JSON object, or a value that marshals to one. A target
// out of scope is refused as a host refuses it.
func (b *Bench) Plan(name string, arguments any) sdk.Plan {
	b.t.Helper()
	r, err := b.request(name, arguments)
	if err != nil {
		return tool.RefusedPlan(err)
	}
	return b.planned(r)
}

// Call runs a tool. The result has its output assembled; data that does not fit the output schema fails
// the test.
func (b *Bench) Call(ctx context.Context, name string, arguments any) (sdk.Result, error) {
	b.t.Helper()
	r, err := b.request(name, arguments)
	if err != nil {
		return sdk.Result{}, err
	}
	timeout := b.options.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	r.Deadline = time.Now().Add(timeout)
	if err := b.consent(&r); err != nil {
		return sdk.Result{}, err
	}
	res, err := b.call(ctx, r)
	for rounds := 0; err == nil && len(res.Questions) > 0 && b.options.Answer != nil; rounds++ {
		if rounds == maxRounds {
			b.t.Errorf("Call(%s, %.200s) still asks after %d rounds of answers", name, r.Arguments, rounds)
			break
		}
		r.Answers, r.State = b.answers(res.Questions), res.State
		res, err = b.call(ctx, r)
	}
	return res, err
}

// call makes one run, and holds what came of it to the contract.
func (b *Bench) call(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	b.t.Helper()
	out := tool.NewCollector(r, b.event)
	res, err := b.handler.Call(b.Context(ctx), r, out.Event)
	out.Fill(&res)
	if e := b.CheckData(r.Tool, res.Data); e != nil {
		b.t.Errorf("Call(%s, %.200s): %v", r.Tool, r.Arguments, e)
	}
	return res, err
}

func (b *Bench) event(ev sdk.Event) {
	b.mu.Lock()
	if ev.Exec != nil {
		b.executed = append(b.executed, *ev.Exec)
	}
	if ev.Log != nil {
		b.logged = append(b.logged, *ev.Log)
	}
	b.mu.Unlock()
	if b.options.Event != nil {
		b.options.Event(ev)
	}
}

// Executed is what the calls of this bench have executed so far, in order. Programs that were only asked for
// their version do not count.
func (b *Bench) Executed() []sdk.Exec {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.executed)
}

// Logged is what the calls of this bench have logged so far, in order.
func (b *Bench) Logged() []sdk.Log {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.logged)
}

// CheckHealth runs the plugin's probes and those of its tools.
func (b *Bench) CheckHealth(ctx context.Context) []sdk.HealthCheck {
	b.t.Helper()
	checks, err := b.handler.CheckHealth(b.Context(ctx))
	if err != nil {
		b.t.Errorf("CheckHealth() = %v", err)
	}
	return checks
}

// CheckData holds a parsed result to the tool's output schema.
func (b *Bench) CheckData(name string, data json.RawMessage) error {
	spec, ok := b.spec(name)
	if !ok || len(data) == 0 {
		return nil
	}
	if len(spec.OutputSchema) == 0 {
		return fmt.Errorf("there is data, and no output schema")
	}
	return validate(spec.OutputSchema, data)
}

// validate holds a JSON value to a JSON Schema.
func validate(schema, data json.RawMessage) error {
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		return fmt.Errorf("the schema is none: %w", err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return fmt.Errorf("the schema does not compile: %w", err)
	}
	if data == nil {
		return nil
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	if err := resolved.Validate(v); err != nil {
		return fmt.Errorf("the data does not fit the schema: %w", err)
	}
	return nil
}

func (b *Bench) spec(name string) (sdk.Spec, bool) {
	i := slices.IndexFunc(b.manifest.Tools, func(s sdk.Spec) bool { return s.Name == name })
	if i < 0 {
		return sdk.Spec{}, false
	}
	return b.manifest.Tools[i], true
}

// request makes what a host would send: every target argument is held to the scope and pinned.
func (b *Bench) request(name string, arguments any) (sdk.Request, error) {
	b.t.Helper()
	r := sdk.Request{
		ID: "01890000-0000-7000-8000-000000000001", Tool: name, Client: "sdktest", Arguments: b.object(arguments),
		MaxStdout: b.options.MaxStdout, MaxStderr: b.options.MaxStderr,
	}
	if r.MaxStdout == 0 {
		r.MaxStdout = 1 << 20
	}
	if r.MaxStderr == 0 {
		r.MaxStderr = 256 << 10
	}
	spec, _ := b.spec(name)
	var args map[string]any
	_ = json.Unmarshal(r.Arguments, &args) // what is no object has no targets; the plugin refuses it
	for _, arg := range spec.Targets {
		text, ok := args[arg.Argument].(string)
		if !ok {
			continue
		}
		t, err := b.pin(text, arg.Network)
		if err != nil {
			return r, err
		}
		r.Targets = append(r.Targets, sdk.Target{Argument: arg.Argument, Label: text, Prefix: t.Prefix})
	}
	return r, nil
}

func (b *Bench) object(arguments any) json.RawMessage {
	b.t.Helper()
	switch a := arguments.(type) {
	case string:
		return json.RawMessage(a)
	case json.RawMessage:
		return bytes.Clone(a)
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		b.t.Fatalf("arguments %v: %v", arguments, err)
	}
	return raw
}

func (b *Bench) pin(text string, network bool) (scope.Target, error) {
	form := scope.OneHost
	if network {
		form = scope.OrNetwork
	}
	t, err := b.scope.Pin(context.Background(), text, form, b.lookup)
	if err == nil {
		return t, nil
	}
	kind := sdk.KindOutOfScope
	if e, ok := err.(*scope.Error); ok && e.Reason != scope.Outside {
		kind = sdk.KindValidation
	}
	return t, sdk.Errorf(kind, "%w", err)
}

func (b *Bench) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	texts, ok := b.options.Hosts[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true} // as a resolver says it
	}
	var addrs []netip.Addr
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}
