package call

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestArgumentsThatAreNotOneObjectAreRefused(t *testing.T) {
	h := &fake{}
	b := newBed(t, h)
	for _, args := range []string{
		`null`, `[]`, `"x"`, `1`, ` `, `{`, `{}{}`, `{} x`, `{"ports"}`, `{"ports":}`, `{"ports":"1",}`, `}`,
		`{"ports":"1","ports":"2"}`, `{"any":{"a":1,"a":2}}`, `{"ports":"1","p\u006frts":"2"}`,
		"{\"ports\":\"\xff\"}", `{"ports":"\ud800"}`, `{"depth":01}`, `{"depth":NaN}`,
		`{"any":"` + strings.Repeat("x", 64<<10) + `"}`, strings.Repeat("[", 60000),
	} {
		if k := b.run(t.Context(), args); k != tool.KindValidation {
			t.Errorf("Call(%.40q) = %q, want validation_error", args, k)
		}
	}
	if n := h.calls.Load(); n != 0 {
		t.Errorf("the plugin was asked %d times", n)
	}
}

func TestAllViolationsAreToldAtOnce(t *testing.T) {
	b := newBed(t, &fake{})
	req := request(`{"ports":"1234567890","depth":"x","a/b":1,"timeout_sec":9999}`)
	_, err := b.Call(t.Context(), req, nil)
	e := asError(t, err)
	var pointers []string
	for _, v := range e.Metadata["violations"].([]any) {
		pointers = append(pointers, v.(map[string]any)["pointer"].(string))
	}
	slices.Sort(pointers)
	if want := []string{"/a~1b", "/depth", "/ports", "/timeout_sec"}; !slices.Equal(pointers, want) {
		t.Errorf("violations at %v, want %v", pointers, want)
	}
	for _, p := range pointers {
		if !strings.Contains(e.Message, p) {
			t.Errorf("the message %q does not name %s", e.Message, p)
		}
	}
}

func TestManyViolationsAreBounded(t *testing.T) {
	b := newBed(t, &fake{})
	var args strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&args, `,"field%05d":1`, i)
	}
	_, err := b.Call(t.Context(), request("{"+args.String()[1:]+"}"), nil)
	e := asError(t, err)
	n, total := len(e.Metadata["violations"].([]any)), e.Metadata["violations_total"]
	if n != maxViolations || total != 3000 {
		t.Errorf("%d violations of %v, want %d of 3000", n, total, maxViolations)
	}
	if !strings.Contains(e.Message, "and 2990 more") || len(e.Message) > 1000 {
		t.Errorf("message = %q", e.Message)
	}
}

func TestHostArgumentsAreTakenOutAndTheRestIsLeftAsWritten(t *testing.T) {
	var got string
	b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, _ events) (tool.Result, error) {
		got = string(r.Arguments)
		return tool.Result{}, nil
	}})
	for args, want := range map[string]string{
		``:                         `{}`,
		` { "depth" : 1e0 } `:      ` { "depth" : 1e0 } `,
		`{"timeout_sec":5}`:        `{}`,
		`{"timeout\u005fsec": 5 }`: `{}`,
		`{"timeout_sec":5, "any" : [2.50] ,"correlation_id":"x", "depth":2}`: `{"any" : [2.50],"depth":2}`,
		`{"any":{"timeout_sec":5}}`:                      `{"any":{"timeout_sec":5}}`,
		"{\n\t\"depth\":1\n,\n\"correlation_id\":\"x\"}": `{"depth":1}`,
	} {
		if k := b.run(t.Context(), args); k != "" || got != want {
			t.Errorf("Call(%s): the plugin got %s (%s), want %s", args, got, k, want)
		}
	}
}

func TestCorrelationID(t *testing.T) {
	for _, row := range []struct {
		name, given, args, client string
		want                      string
		kind                      tool.Kind
	}{
		{name: "where none is given the execution id stands in"},
		{name: "the door's is taken", given: "door-1", want: "door-1"},
		{name: "the argument's beats it", given: "door-1", args: `{"correlation_id":"arg:1"}`, want: "arg:1"},
		{name: "a refused call keeps it", args: `{"correlation_id":"arg.1"}`, client: "nobody",
			want: "arg.1", kind: tool.KindForbidden},
		{name: "a bad argument is refused", args: `{"correlation_id":"a b"}`, kind: tool.KindValidation},
		{name: "a bad one of the door is refused and not repeated", given: "a\nb", kind: tool.KindValidation},
		{name: "65 characters are too many", given: strings.Repeat("x", 65), kind: tool.KindValidation},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBed(t, &fake{})
			req := request(row.args)
			req.CorrelationID = row.given
			if row.client != "" {
				req.Client = row.client
			}
			res, err := b.Call(t.Context(), req, nil)
			kind, id, want := tool.KindOf(err), res.CorrelationID, cmp.Or(row.want, res.ExecutionID)
			if kind != row.kind || id != want || b.last(t).CorrelationID != want {
				t.Errorf("correlation id %q, kind %q; want %q, %q", id, kind, want, row.kind)
			}
		})
	}
}

// FuzzWithout holds that taking members out leaves valid JSON in which every other member is as it was.
func FuzzWithout(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"timeout_sec":1}`,
		` {"a":1 , "timeout_sec":1,"b":[{}]}`, `{"correlation_id":"x","a":"\"},{"}`,
		`[`, `{"a":1}2`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		given := bytes.Clone(raw)
		args, bad := parseArguments(raw)
		if len(bad) > 0 || len(raw) == 0 {
			return
		}
		rest := args.without(catalog.TimeoutArgument, catalog.CorrelationArgument)
		if !jsontext.Value(rest).IsValid() || !bytes.Equal(raw, given) {
			t.Fatalf("without(%s) = %s", raw, rest)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(raw, &before) != nil || json.Unmarshal(rest, &after) != nil {
			t.Fatalf("%s or %s is not an object", raw, rest)
		}
		delete(before, catalog.TimeoutArgument)
		delete(before, catalog.CorrelationArgument)
		if !maps.EqualFunc(before, after, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("without(%s) = %s", raw, rest)
		}
	})
}

func TestSecondsNeverOverflow(t *testing.T) {
	for in, want := range map[float64]time.Duration{1.5: 1500 * time.Millisecond, -1: 0, 0: 0} {
		if got := seconds(in); got != want {
			t.Errorf("seconds(%v) = %v, want %v", in, got, want)
		}
	}
	if got := seconds(1e300); got < time.Hour {
		t.Errorf("seconds(1e300) = %v, want something long", got)
	}
}

func TestANullThatIsNotWantedCountsAsAbsent(t *testing.T) {
	var got string
	b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
		got = string(r.Arguments)
		return tool.Result{}, nil
	}})
	if k := b.run(t.Context(), `{"timeout_sec":null,"depth":null,"correlation_id":null}`); k != "" || got != `{}` {
		t.Errorf("Call with nulls = %q, the plugin got %s; want success and {}", k, got)
	}
	if k := b.run(t.Context(), `{"depth":null,"nonsense":1}`); k != tool.KindValidation {
		t.Errorf("Call with a null and an unknown field = %q, want validation_error", k)
	}
}
