package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// hostileTime is the deadline of a call whose arguments nobody meant.
const hostileTime = 2 * time.Second

// outside is an address that no scope has: it is kept for documentation (RFC 5737).
var outside = netip.MustParsePrefix("192.0.2.1/32")

// textSize is how long a text gets, in bytes.
var textSize = 1 << 20

type value struct{ name, text string }

// hostile are values that break readers of JSON, or whoever believes what they have read.
func hostile() []value {
	return []value{
		{"nested 1,000 deep", strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)},
		{"beyond all numbers", "1e400"},
		{"a number of 300 digits", strings.Repeat("9", 300)},
		{"a long text", `"` + strings.Repeat("A", textSize) + `"`},
		{"bytes that are not UTF-8", "\"\xff\xfe\xc0\xaf\""},
		{"half a character", `"\ud800"`},
		{"NUL and escapes", `"a\u0000\u001b[31m\u202e\r\nb"`},
		{"a list of 1,000", "[" + strings.Repeat("1,", 999) + "1]"},
	}
}

// depth is how deep a value is nested that readers of JSON refuse, or die of.
var depth = 100_000

// refusesBad makes requests directly, as a host that checks nothing would.
func (s Sample) refusesBad(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, nil)
	spec, _ := b.spec(s.Tool)
	bad := []string{`[]`, `null`, `"x"`, `{`, `{"no_such_argument": 1}`, `{}`}
	for name := range properties(spec) {
		for _, value := range []string{`7`, `{"a": []}`, `null`, `"x"`, `[[]]`, `true`} {
			bad = append(bad, s.with(name, value))
		}
	}
	for _, args := range bad {
		if validate(spec.InputSchema, json.RawMessage(args)) == nil {
			continue // not bad at all
		}
		s.refused(t, b, sdk.Request{Tool: s.Tool, Arguments: json.RawMessage(args)}, sdk.KindValidation)
	}
}

// with is the quick call with a value changed, or an object of it alone.
func (s Sample) with(name, value string) string {
	var args map[string]json.RawMessage
	_ = json.Unmarshal([]byte(s.Quick), &args) // none: an object of one
	var b strings.Builder
	for _, other := range slices.Sorted(maps.Keys(args)) {
		if other != name {
			fmt.Fprintf(&b, "%q: %s, ", other, args[other])
		}
	}
	return fmt.Sprintf("{%s%q: %s}", b.String(), name, value)
}

// refused holds Plan and Call to the same refusal, before anything is run.
func (s Sample) refused(t *testing.T, b *Bench, r sdk.Request, want sdk.Kind) {
	t.Helper()
	p, err := b.handler.Plan(b.Context(t.Context()), r)
	switch {
	case err == nil && (p.Verdict != sdk.Reject || p.Error == nil):
		t.Errorf("Plan(%.200s) = %s (%s), want %s, %s", r.Arguments, p.Verdict, p.Rule, sdk.Reject, want)
	case err == nil && p.Error.Kind != want:
		t.Errorf("Plan(%.200s) is refused as %v, want a %s", r.Arguments, p.Error, want)
	case err != nil && sdk.KindOf(err) != want:
		t.Errorf("Plan(%.200s) = %v, want a %s", r.Arguments, err, want)
	}
	r.Deadline = time.Now().Add(hostileTime)
	if _, err := b.call(t.Context(), r); sdk.KindOf(err) != want {
		t.Errorf("Call(%.200s) = %v, want a %s", r.Arguments, err, want)
	}
	if n := b.ran(); n > 0 {
		t.Errorf("for Call(%.200s) a program was run, though it is refused", r.Arguments)
	}
}

// copesWithHostile changes one argument at a time.
func (s Sample) copesWithHostile(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, func(o *Options) { o.Timeout = hostileTime })
	spec, _ := b.spec(s.Tool)
	names := slices.Sorted(maps.Keys(properties(spec)))
	s.hostile(t, b, spec, "deep nesting", s.with("no_such_argument",
		strings.Repeat("[", depth)+strings.Repeat("]", depth)))
	for _, name := range append(names, "no_such_argument") {
		for _, h := range hostile() {
			s.hostile(t, b, spec, name+", "+h.name, s.with(name, h.text))
		}
		s.hostile(t, b, spec, name+", given twice", strings.TrimSuffix(s.with(name, `"a"`), "}")+
			fmt.Sprintf(", %q: \"b\"}", name))
	}
}

func (s Sample) hostile(t *testing.T, b *Bench, spec sdk.Spec, what, args string) {
	r, err := b.request(s.Tool, s.Quick) // the targets stay pinned
	if err != nil {
		t.Fatalf("the sample %s: %v", s.Quick, err)
	}
	r.Arguments, r.Deadline = json.RawMessage(args), time.Now().Add(hostileTime)
	plan, err := b.handler.Plan(b.Context(t.Context()), r)
	if err != nil {
		plan.Verdict, plan.Error = sdk.Reject, sdk.AsError(err)
	}
	within(t, hostileTime+s.limit(), "Call with "+what, func() { _, err = b.call(context.WithoutCancel(t.Context()), r) })
	fits := validate(spec.InputSchema, r.Arguments) == nil
	switch kind := sdk.KindOf(err); {
	case kind == sdk.KindUnknown:
		t.Errorf("Call with %s = %v, want no error of this kind", what, err)
	case !fits && kind != sdk.KindValidation:
		t.Errorf("Call with %s = %v; it does not fit the schema: want a %s", what, err, sdk.KindValidation)
	case plan.Error != nil && plan.Error.Kind == sdk.KindUnknown:
		t.Errorf("Plan with %s = %v, want no error of this kind", what, plan.Error)
	case plan.Verdict == sdk.Reject && err == nil:
		t.Errorf("Call with %s succeeded, and its plan was: %s (%s)", what, plan.Verdict, plan.Rule)
	}
}

func (s Sample) refusesUnpinned(t *testing.T, p sdk.Plugin) {
	for i := range s.targets(t, p) {
		b := s.bench(t, p, nil)
		r, _ := b.request(s.Tool, s.Quick) // targets has asked
		r.Targets = slices.Delete(slices.Clone(r.Targets), i, i+1)
		s.refused(t, b, r, sdk.KindValidation)
	}
}

func (s Sample) refusesOutOfScope(t *testing.T, p sdk.Plugin) {
	for i := range s.targets(t, p) {
		b := s.bench(t, p, nil)
		r, _ := b.request(s.Tool, s.Quick) // targets has asked
		r.Targets[i].Prefix = outside
		s.refused(t, b, r, sdk.KindOutOfScope)
	}
}

func (s Sample) refusesIntrusive(t *testing.T, p sdk.Plugin) {
	if !s.spec(t, p).Intrusive {
		t.Errorf("the definition of %s does not say that it can be intrusive", s.Tool)
	}
	b := s.bench(t, p, func(o *Options) { o.AllowIntrusive = false })
	if plan := b.Plan(s.Tool, s.Intrusive); plan.Verdict != sdk.Gated {
		t.Errorf("Plan(%s) = %s (%s), want %s", s.Intrusive, plan.Verdict, plan.Rule, sdk.Gated)
	}
	if _, err := b.Call(t.Context(), s.Tool, s.Intrusive); sdk.KindOf(err) != sdk.KindIntrusiveDenied {
		t.Errorf("Call(%s) = %v, want a %s", s.Intrusive, err, sdk.KindIntrusiveDenied)
	}
	if b.ran() > 0 {
		t.Errorf("for Call(%s) a program was run, though it is refused", s.Intrusive)
	}
	b = s.bench(t, p, func(o *Options) { o.AllowIntrusive = true })
	if plan := b.Plan(s.Tool, s.Intrusive); plan.Verdict != sdk.Accept {
		t.Errorf("Plan(%s), with allow_intrusive = %s (%s), want %s", s.Intrusive, plan.Verdict, plan.Rule, sdk.Accept)
	}
}
