package sdktest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// patience is how long the suite waits before it calls something hung. Nothing is measured against it.
var patience = 20 * time.Second

// promptly is how soon a call must end that was told to, where the time is a bubble's and no machine is too busy:
// what is left of it after the sandbox's grace of 2 s.
const promptly = 3 * time.Second

// Sample is how the suite exercises a tool. All arguments are JSON objects. Without Quick, Slow or Intrusive what
// needs them is left out.
type Sample struct {
	Tool      string
	Quick     string // arguments of a call that succeeds within seconds, on loopback
	Slow      string // arguments of a call that runs for half a minute unless it is ended
	Intrusive string // arguments of a call that needs allow_intrusive; it is planned, and never made

	// Options are what the host is like: names, programs, what is in scope. Event, Timeout, the caps, Consent and
	// Answer are the suite's own.
	Options Options

	// FakeTime runs each check in a testing/synctest bubble: half a minute passes at once. It is for tools that
	// wait for time alone, or for programs that Options.Programs plays; time stands still while one waits for the
	// network or for a real program.
	FakeTime bool
}

// Conformance runs what every plugin must pass, as subtests of these names.
//
//	manifest    valid; every schema compiles, the input's is an object's and leaves timeout_sec and correlation_id
//	            to the host; every prompt can be filled in, describes its arguments and uses them all
//	health      every probe answers in time, in one line
//
// For each tool, with or without a sample (TOOL/...):
//
//	refuses bad arguments        no object, unknown names, wrong types, a value too few: what does not fit the
//	                             schema is a validation_error, of Plan as of Call
//	copes with hostile arguments each argument in turn is nested, a number beyond all, given twice, a text of 1 MiB,
//	                             not UTF-8, half a character, a long list, and once nested 100,000 deep: no panic
//	                             (no error of kind unknown), an end in time, and a validation_error for what does
//	                             not fit the schema
//
// With Quick:
//
//	refuses a target without a pin    validation_error of Plan and Call, and no program is run
//	refuses a target out of scope     out_of_scope of both, and no program is run
//	plans what it does                the verdict is accept, the same plan comes twice, nothing is run for it, and
//	                                  the call executes its program and argv
//	answers                           without an error; data fits the schema, is UTF-8 and at most 3 MiB; metadata
//	                                  can be written as JSON; progress is negative (unknown) or 0 to 100 per cent,
//	                                  and no more is done than there is; a program that runs was told of
//	answers calls at the same time    three of them; run the test with -race
//	keeps to the caps of output       with 8 bytes for stdout and stderr the call comes out as before, not a byte
//	                                  more is passed on, and truncated_stdout and truncated_stderr tell the truth
//	copes with any program            of a tool whose Facts name a command: the program prints nothing, random bytes
//	                                  or an endless line, exits with 1, is ended by a signal (execution_error) or a
//	                                  limit (resource_exhausted), is lost (execution_error), is not installed
//	                                  (not_found) or has no capabilities (needs_privilege, unless it does without);
//	                                  each time no panic, an end in time, and data that fits the schema. Nothing is
//	                                  started for it
//
// With Slow: a call ends as cancelled when the caller goes (ends when it is cancelled), as timeout with returncode
// 124 (ends at its deadline), and as cancelled when the plugin ends (ends with the plugin); within 20 s, and with
// FakeTime within 3 s.
//
// With Intrusive (refuses what is intrusive): the definition says so, the plan is gated, the call is
// intrusive_denied and runs no program; with allow_intrusive the plan is accept.
//
// What [sdk.Handler] sees to whatever a tool does is not tried here: output beyond the caps and events after the end
// are dropped, a panic ends its call alone, a call that was cancelled before it began is not begun.
//
// What can be seen only from outside, such as the handshake and processes left behind, tries
// "gatehouse plugin test".
func Conformance(t *testing.T, p sdk.Plugin, samples ...Sample) {
	t.Run("manifest", func(t *testing.T) { manifest(t, New(t, p, Options{})) })
	t.Run("health", func(t *testing.T) { New(t, p, Options{}).probesAnswer() })
	for _, s := range all(p, samples) {
		t.Run(s.Tool, func(t *testing.T) { s.run(t, p) })
	}
}

// all are the samples, and an empty one for each tool that has none.
func all(p sdk.Plugin, samples []Sample) []Sample {
	sampled := make(map[string]bool)
	for _, s := range samples {
		sampled[s.Tool] = true
	}
	for _, t := range p.Tools {
		if t != nil && !sampled[t.Spec().Name] {
			samples = append(samples, Sample{Tool: t.Spec().Name})
		}
	}
	return samples
}

func manifest(t *testing.T, b *Bench) {
	if err := b.Manifest().Validate(); err != nil {
		t.Fatalf("Manifest.Validate() = %v", err)
	}
	for _, s := range b.Manifest().Tools {
		if err := validate(s.InputSchema, nil); err != nil {
			t.Errorf("%s: input: %v", s.Name, err)
		}
		for _, name := range []string{"timeout_sec", "correlation_id"} {
			if _, ok := properties(s)[name]; ok {
				t.Errorf("%s: input: %s is an argument of the host's", s.Name, name)
			}
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

// properties are the arguments of a tool: name -> schema.
func properties(s sdk.Spec) map[string]json.RawMessage {
	var object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	_ = json.Unmarshal(s.InputSchema, &object) // what is no object has none
	return object.Properties
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

// probesAnswer holds the probes to what a host reads of them. What they find is the machine's affair.
func (b *Bench) probesAnswer() {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	checks := b.CheckHealth(ctx)
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < patience/20 { // a probe took all the time there is
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

// checks are those of a sample. needs says whether the sample has what they need.
var checks = []struct {
	name  string
	needs func(Sample) bool
	run   func(Sample, *testing.T, sdk.Plugin)
}{
	{"refuses bad arguments", nil, Sample.refusesBad},
	{"copes with hostile arguments", nil, Sample.copesWithHostile},
	{"refuses a target without a pin", hasQuick, Sample.refusesUnpinned},
	{"refuses a target out of scope", hasQuick, Sample.refusesOutOfScope},
	{"plans what it does", hasQuick, Sample.plans},
	{"answers", hasQuick, Sample.answers},
	{"answers calls at the same time", hasQuick, Sample.answersAll},
	{"keeps to the caps of output", hasQuick, Sample.keepsToCaps},
	{"ends when it is cancelled", hasSlow, Sample.cancelled},
	{"ends at its deadline", hasSlow, Sample.timesOut},
	{"ends with the plugin", hasSlow, Sample.closed},
	{"refuses what is intrusive", hasIntrusive, Sample.refusesIntrusive},
}

func hasQuick(s Sample) bool     { return s.Quick != "" }
func hasSlow(s Sample) bool      { return s.Slow != "" }
func hasIntrusive(s Sample) bool { return s.Intrusive != "" }

func (s Sample) run(t *testing.T, p sdk.Plugin) {
	spec := s.spec(t, p)
	for _, c := range checks {
		if c.needs == nil || c.needs(s) {
			s.try(t, c.name, func(t *testing.T) { c.run(s, t, p) })
		}
	}
	if command := spec.Facts.Command; command != "" && s.Quick != "" {
		t.Run("copes with any program", func(t *testing.T) { s.copesWithPrograms(t, p, command) })
	}
}

// try runs a check, in a bubble if the sample says so.
func (s Sample) try(t *testing.T, name string, run func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		if s.FakeTime {
			synctest.Test(t, run)
			return
		}
		run(t)
	})
}

// bench is a fresh one, of the sample's options and what a check changes about them.
func (s Sample) bench(t *testing.T, p sdk.Plugin, change func(*Options)) *Bench {
	t.Helper()
	o := s.Options
	o.Event, o.Timeout, o.MaxStdout, o.MaxStderr, o.Consent, o.Answer = nil, 0, 0, 0, nil, nil
	if change != nil {
		change(&o)
	}
	return New(t, p, o)
}

// spec is what the tool says of itself. A sample of a tool that is not there fails the test.
func (s Sample) spec(t *testing.T, p sdk.Plugin) sdk.Spec {
	t.Helper()
	spec, ok := s.bench(t, p, nil).spec(s.Tool)
	if !ok {
		t.Fatalf("the plugin has no tool %q", s.Tool)
	}
	return spec
}

// targets are the target arguments of the quick call.
func (s Sample) targets(t *testing.T, p sdk.Plugin) []sdk.Target {
	t.Helper()
	s.spec(t, p)
	r, err := s.bench(t, p, nil).request(s.Tool, s.Quick)
	if err != nil {
		t.Fatalf("the sample %s: %v", s.Quick, err)
	}
	return r.Targets
}

// limit is how long a call may take that was told to end.
func (s Sample) limit() time.Duration {
	if s.FakeTime {
		return promptly
	}
	return patience
}

// within fails the test when fn does not return in time.
func within(t *testing.T, limit time.Duration, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { // a call that hangs is waited for when its bench is closed
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s did not end within %v", what, limit)
	}
}
