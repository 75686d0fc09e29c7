package call

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// violationsOf makes a call that must be refused by check, and returns where and why.
func violationsOf(t *testing.T, b *bed, args string) (at, why []string) {
	t.Helper()
	_, err := b.Call(t.Context(), request(args), nil)
	e := asError(t, err)
	if e.Kind != tool.KindValidation || b.last(t).Gate != "check" {
		t.Fatalf("Call(%.60q) = %s at %s, want validation_error at check", args, e.Kind, b.last(t).Gate)
	}
	for _, v := range e.Metadata["violations"].([]any) {
		at = append(at, v.(map[string]any)["pointer"].(string))
		why = append(why, v.(map[string]any)["message"].(string))
	}
	return at, why
}

func nested(open, inner, end string, depth int) string {
	return `{"any":` + strings.Repeat(open, depth-1) + inner + strings.Repeat(end, depth-1) + `}`
}

func TestArgumentsAreBounded(t *testing.T) {
	h := &fake{}
	b := newBed(t, h)
	for _, args := range []string{
		nested("[", "", "]", 32), nested(`{"a":`, "1", "}", 32), nested(`[{"a":`, "[]", "}]", 16),
		`{"any":[1e308,-1e308,5e-324,0e999,-0,0.0e-999,1e-5]}`,
		`{"any":[` + strings.Repeat("[[]],", 1000) + `1]}`, // as deep as it looks, and no deeper
	} {
		if k := b.run(t.Context(), args); k != "" {
			t.Errorf("Call(%.60q) = %q, want no error", args, k)
		}
	}
	asked := h.calls.Load()
	const deep, large = "nested too deeply; allowed are 32 levels", "too large or too small"
	for _, row := range []struct{ says, args, at, why string }{
		{"33 lists", nested("[", "", "]", 33), "/any" + strings.Repeat("/0", 31), deep},
		{"33 objects", nested(`{"a":`, "1", "}", 33), "/any" + strings.Repeat("/a", 31), deep},
		{"thousands", nested("[", "", "]", 9000), "/any" + strings.Repeat("/0", 31), deep},
		{"a deep value in a list",
			`{"depth":1,"any":[7,` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `]}`,
			"/any/1" + strings.Repeat("/0", 30), deep},
		{"a number that is too large", `{"depth":1e999}`, "/depth", large},
		{"one below all", `{"any":[1,{"a":-1e309}]}`, "/any/1/a", large},
		{"one that is nearly zero", `{"any":1e-999999}`, "/any", large},
		{"one that is long", `{"any":1` + strings.Repeat("0", 400) + `}`, "/any", large},
		{"the time", `{"timeout_sec":1e999}`, "/timeout_sec", large},
	} {
		at, why := violationsOf(t, b, row.args)
		if len(at) != 1 || at[0] != row.at || !strings.Contains(why[0], row.why) || len(why[0]) > 120 {
			t.Errorf("%s: Call(%.60q) = %q %q, want %s %s", row.says, row.args, at, why, row.at, row.why)
		}
	}
	if n := h.calls.Load(); n != asked {
		t.Errorf("the plugin was asked %d times too often", n-asked)
	}
}

func TestNumbersThatNobodyHoldsAreAllTold(t *testing.T) {
	b := newBed(t, &fake{})
	at, _ := violationsOf(t, b, `{"correlation_id":"c-1","any":[1e999,1,-1e999],"depth":1e400}`)
	if want := []string{"/any/0", "/any/2", "/depth"}; !slices.Equal(at, want) {
		t.Errorf("violations at %v, want %v", at, want)
	}
	if rec := b.last(t); rec.CorrelationID != "c-1" {
		t.Errorf("correlation id = %q, want the caller's c-1", rec.CorrelationID)
	}
}

// openSchema takes members that it does not know.
const openSchema = `{"type": "object", "additionalProperties": true, "properties": {
	"target": {"type": "string"}, "via": {"type": "string"}, "extra_args": {"type": "string"}, "a/b": {},
	"Mode": {}, "mode": {}}}`

func TestANameInOtherLettersIsNoOther(t *testing.T) {
	h := &fake{}
	open := newBed(t, h, func(s *setup) { s.spec.InputSchema = json.RawMessage(openSchema) })
	closed := newBed(t, h)
	for _, args := range []string{
		`{"extra_args":"x","other":1,"Other2":2}`, `{"MODE":1}`, `{"Mode":1}`, `{"mode":1}`,
		`{"other":{"Extra_Args":1}}`, `{"other":[{"a":1},{"A":1}],"a":{"A":{"a":1}}}`, `{"ı":1,"i":2}`,
	} {
		if k := open.run(t.Context(), args); k != "" {
			t.Errorf("Call(%s) = %q, want no error", args, k)
		}
	}
	asked := h.calls.Load()
	const other = " in other letters; write it so"
	const twice = "is another member of the same object in other letters"
	for _, row := range []struct {
		bed           *bed
		args, at, why string
	}{
		{open, `{"extra_argſ":"-sV"}`, "/extra_argſ", "is extra_args" + other},
		{open, `{"EXTRA_ARGS":null}`, "/EXTRA_ARGS", "is extra_args" + other},
		{open, `{"A/B":1}`, "/A~1B", "is a/b" + other},
		{open, `{"Timeout_sec":5}`, "/Timeout_sec", "is timeout_sec" + other},
		{open, `{"Target":"10.0.0.1"}`, "/Target", "is target" + other},
		{closed, `{"Ports":"1"}`, "/Ports", "is ports" + other},
		{open, `{"other":1,"OTHER":2}`, "/OTHER", twice},
		{open, `{"mode":1,"Mode":2}`, "/Mode", twice},
		{open, `{"\u212Aey":1,"key":2}`, "/key", twice},
		{open, `{"σ":1,"ς":2}`, "/ς", twice},
		{closed, `{"any":[0,{"x":{"ſ":1},"y":1,"X":1}]}`, "/any/1/X", twice},
	} {
		at, why := violationsOf(t, row.bed, row.args)
		if len(at) != 1 || at[0] != row.at || !strings.HasPrefix(why[0], row.why) {
			t.Errorf("Call(%s) = %q %q, want %s %s", row.args, at, why, row.at, row.why)
		}
	}
	if n := h.calls.Load(); n != asked {
		t.Errorf("the plugin was asked %d times too often", n-asked)
	}
}

func TestTheNamesOfAToolAreThoseOfItsEntryInForce(t *testing.T) {
	b := newBed(t, &fake{}, func(s *setup) { s.spec.InputSchema = json.RawMessage(openSchema) })
	if k := b.run(t.Context(), `{"Ports":"1"}`); k != "" {
		t.Errorf("Call = %q, want no error: the tool knows no ports", k)
	}
	b.spec.InputSchema = json.RawMessage(strings.Replace(openSchema, `"via"`, `"ports"`, 1))
	b.spec.Targets = b.spec.Targets[:1]
	b.publish(t) // the plugin came back with another schema, and the same settings
	if k := b.run(t.Context(), `{"Ports":"1"}`); k != tool.KindValidation {
		t.Errorf("Call = %q, want validation_error: the tool knows ports now", k)
	}
}

// Two names fold to one exactly when Go's own comparison takes them for one.
func FuzzFold(f *testing.F) {
	for _, pair := range [][2]string{
		{"extra_argſ", "extra_args"}, {"\u212A", "k"}, {"K", "k"}, {"σ", "ς"}, {"İ", "i"}, {"ß", "ẞ"}, {"a", "b"},
		{"ǅ", "Ǆ"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return // no name of JSON
		}
		if got, want := fold(a) == fold(b), strings.EqualFold(a, b); got != want {
			t.Errorf("fold(%q) == fold(%q) is %v, want %v", a, b, got, want)
		}
	})
}

// What the scanner takes is an object of sound depth, and its members are those that another reader finds.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,{"b":1e999}],"A":2}`, `{"a" : "x" , "b":{"c":[[]]}}`, `{"a":1}}`, `[`, `{"a":01}`,
		`{"a":"\ud800"}`, nested("[", "1", "]", 33), `{"":null,"a~/b":-0.0e-9}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		args, bad := parseArguments(raw)
		if (len(bad) == 0) != (args.raw != nil) {
			t.Fatalf("parseArguments(%q) = %q with %v", raw, args.raw, bad)
		}
		if len(bad) > 0 || len(raw) == 0 {
			return
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(raw, &doc); err != nil || len(doc) != len(args.members) {
			t.Fatalf("parseArguments(%q) = %d members, want %d (%v)", raw, len(args.members), len(doc), err)
		}
		for _, m := range args.members {
			if string(doc[m.name]) != string(m.value) {
				t.Errorf("member %q = %q, want %q", m.name, m.value, doc[m.name])
			}
		}
		var values any
		if err := json.Unmarshal(raw, &values); err != nil || depthOf(values) > maxArgumentDepth {
			t.Errorf("parseArguments(%q) = no violation, want one (%v)", raw, err)
		}
	})
}

func depthOf(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, item := range v {
			deepest = max(deepest, depthOf(item))
		}
	case []any:
		for _, item := range v {
			deepest = max(deepest, depthOf(item))
		}
	default:
		return 0
	}
	return deepest + 1
}
