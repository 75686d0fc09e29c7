package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// patience is how long the suite waits before it calls something hung. Nothing is measured against it.
const patience = 20 * time.Second

// Sample is how the suite exercises a tool.
type Sample struct {
	Tool  string
	Quick string // arguments of a call that succeeds within seconds, on loopback; empty: none is made
	Slow  string // arguments of a call that runs for half a minute unless it is ended; empty: none is made
}

// Conformance runs what every plugin must pass: the manifest is valid, its schemas compile and its prompts can be
// filled in, bad
// arguments are refused as validation_error by Plan and Call alike, a call ends when it is cancelled or
// its deadline passes, results fit their schema, a call executes what its plan says, no event comes after a
// call has returned, and every probe answers.
func Conformance(t *testing.T, p sdk.Plugin, samples ...Sample) {
	t.Run("manifest", func(t *testing.T) { manifest(t, New(t, p, Options{})) })
	t.Run("unknown tool", func(t *testing.T) {
		_, err := New(t, p, Options{}).Handler().Call(t.Context(), sdk.Request{Tool: "No-Such-Tool"}, nil)
		if err == nil {
			t.Error("a call of a tool that is not there succeeded")
		}
	})
	t.Run("health", func(t *testing.T) { New(t, p, Options{}).probesAnswer() })
	for _, s := range samples {
		t.Run(s.Tool, func(t *testing.T) { s.run(t, p) })
	}
}

func manifest(t *testing.T, b *Bench) {
	if err := b.Manifest().Validate(); err != nil {
		t.Fatalf("Manifest.Validate() = %v", err)
	}
	for _, s := range b.Manifest().Tools {
		if err := validate(s.InputSchema, nil); err != nil {
			t.Errorf("%s: input: %v", s.Name, err)
		}
		if len(s.OutputSchema) == 0 {
			continue
		}
		if err := validate(s.OutputSchema, nil); err != nil {
			t.Errorf("%s: output: %v", s.Name, err)
		}
	}
	for _, p := range b.Manifest().Prompts {
		prompt(t, b, p)
	}
}

// prompt fills a prompt in with a plain value for each argument, and leaves no place open.
func prompt(t *testing.T, b *Bench, p sdk.Prompt) {
	values := make(map[string]string)
	for _, a := range p.Arguments {
		values[a.Name] = "value-of-" + a.Name
		if a.Description == "" {
			t.Errorf("prompt %s: the argument %s has no description", p.Name, a.Name)
		}
	}
	messages, err := b.Prompt(p.Name, values)
	if err != nil {
		t.Errorf("prompt %s, with all arguments = %v", p.Name, err)
	}
	all := ""
	for _, m := range messages {
		all += m.Content.Text + m.Content.URI
	}
	for _, a := range p.Arguments {
		if !strings.Contains(all, values[a.Name]) {
			t.Errorf("prompt %s: the argument %s stands nowhere in its messages", p.Name, a.Name)
		}
	}
}

func (s Sample) run(t *testing.T, p sdk.Plugin) {
	t.Run("refuses bad arguments", func(t *testing.T) { s.refuses(t, p) })
	if s.Quick != "" {
		t.Run("answers", func(t *testing.T) { s.answers(t, p) })
		t.Run("takes the host's arguments for nothing", func(t *testing.T) { s.strips(t, p) })
	}
	if s.Slow != "" {
		t.Run("ends when cancelled", func(t *testing.T) { s.cancelled(t, p) })
		t.Run("ends at its deadline", func(t *testing.T) { s.timesOut(t, p) })
		t.Run("ends with the plugin", func(t *testing.T) { s.closed(t, p) })
	}
}

// refuses makes requests directly, as a host that checks nothing would.
func (s Sample) refuses(t *testing.T, p sdk.Plugin) {
	b := New(t, p, Options{})
	for _, args := range []string{
		`[]`, `null`, `"x"`, `{`, `{"no_such_argument": 1}`,
		`{"target": 7}`, `{"target": {"a": []}}`, `{"target": null}`,
	} {
		r := sdk.Request{Tool: s.Tool, Arguments: json.RawMessage(args)}
		if _, err := b.Handler().Call(t.Context(), r, nil); sdk.KindOf(err) != sdk.KindValidation {
			t.Errorf("Call(%s) = %v, want a %s", args, err, sdk.KindValidation)
		}
		plan, err := b.Handler().Plan(t.Context(), r)
		if err == nil && plan.Verdict != sdk.Reject {
			t.Errorf("Plan(%s) = %s, want %s", args, plan.Verdict, sdk.Reject)
		}
		if err != nil && sdk.KindOf(err) != sdk.KindValidation {
			t.Errorf("Plan(%s) = %v, want a %s", args, err, sdk.KindValidation)
		}
	}
}

func (s Sample) answers(t *testing.T, p sdk.Plugin) {
	var returned atomic.Bool
	b := New(t, p, Options{Event: func(sdk.Event) {
		if returned.Load() {
			t.Error("an event came after the call had returned")
		}
	}})
	plan := b.Plan(s.Tool, s.Quick)
	if plan.Verdict != sdk.Accept {
		t.Errorf("Plan(%s) = %s (%s), want %s", s.Quick, plan.Verdict, plan.Rule, sdk.Accept)
	}
	_, err := b.Call(t.Context(), s.Tool, s.Quick)
	returned.Store(true)
	if err != nil {
		t.Errorf("Call(%s) = %v", s.Quick, err)
	}
	planned := func(e sdk.Exec) bool { return e.Program == plan.Program && slices.Equal(e.Argv, plan.Argv) }
	if len(plan.Argv) > 0 && !slices.ContainsFunc(b.Executed(), planned) {
		t.Errorf("Call(%s) executed %q, want what its plan said: %q", s.Quick, b.Executed(), plan.Argv)
	}
}

// probesAnswer holds the probes to what a host reads of them. What they find is the machine's affair.
func (b *Bench) probesAnswer() {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	checks := b.CheckHealth(ctx)
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < time.Second { // a probe took all the time there is
		b.t.Errorf("CheckHealth() took %v; a probe hangs: %+v", patience, checks)
	}
	for _, c := range checks {
		if c.Message == "" || strings.ContainsAny(c.Message+c.Fix, "\n\r") {
			b.t.Errorf("probe %s says %q, fix %q; want one line that tells what was found", c.Name, c.Message, c.Fix)
		}
		if c.Status != tool.Healthy && c.Fix == "" {
			b.t.Logf("probe %s is %s and does not say what to do about it: %s", c.Name, c.Status, c.Message)
		}
	}
}

func (s Sample) strips(t *testing.T, p sdk.Plugin) {
	var args map[string]any
	if err := json.Unmarshal([]byte(s.Quick), &args); err != nil {
		t.Fatalf("sample %s: %v", s.Quick, err)
	}
	args["timeout_sec"], args["correlation_id"] = 5, "abc"
	if plan := New(t, p, Options{}).Plan(s.Tool, args); plan.Verdict != sdk.Accept {
		t.Errorf("Plan with timeout_sec and correlation_id = %s (%s), want %s", plan.Verdict, plan.Rule, sdk.Accept)
	}
}

// cancelled goes away at the first event, or shortly after the start for a tool that is silent.
func (s Sample) cancelled(t *testing.T, p sdk.Plugin) {
	ctx, cancel := context.WithCancel(t.Context())
	b := New(t, p, Options{Event: func(sdk.Event) { cancel() }})
	defer time.AfterFunc(time.Second, cancel).Stop()
	if err := s.ends(ctx, t, b); sdk.KindOf(err) != sdk.KindCancelled {
		t.Errorf("Call, cancelled = %v, want a %s", err, sdk.KindCancelled)
	}
}

func (s Sample) timesOut(t *testing.T, p sdk.Plugin) {
	err := s.ends(t.Context(), t, New(t, p, Options{Timeout: time.Second}))
	if sdk.KindOf(err) != sdk.KindTimeout {
		t.Errorf("Call, past its deadline = %v, want a %s", err, sdk.KindTimeout)
	}
}

func (s Sample) closed(t *testing.T, p sdk.Plugin) {
	b := New(t, p, Options{})
	defer time.AfterFunc(time.Second,
		func() { _ = b.Handler().Close() }).Stop() // its error comes again at the end
	if err := s.ends(t.Context(), t, b); sdk.KindOf(err) != sdk.KindCancelled {
		t.Errorf("Call, plugin ended = %v, want a %s", err, sdk.KindCancelled)
	}
}

// ends makes the slow call, and fails the test when it does not end.
func (s Sample) ends(ctx context.Context, t *testing.T, b *Bench) error {
	done := make(chan error, 1)
	go func() {
		_, err := b.Call(ctx, s.Tool, s.Slow)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("Call(%s) did not end within %v", s.Slow, patience)
		return errors.New("hung")
	}
}
