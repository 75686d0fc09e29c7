package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

type input struct {
	Target string   `json:"target,omitempty" jsonschema:"where"`
	Count  int      `json:"count" jsonschema:"how often"`
	Names  []string `json:"names,omitempty"`
}

type output struct {
	Names []string       `json:"names"`
	Seen  map[string]int `json:"seen,omitempty"`
	Next  []struct {
		Deep []int `json:"deep"`
	} `json:"next"`
}

// one is a plugin with a single Go tool.
func one(fn func(context.Context, *sdk.Call, input) (output, error)) sdk.Plugin {
	return sdk.Plugin{Name: "one", Version: "1", Tools: []sdk.Tool{sdk.Func(sdk.Definition{
		Name: "One", Description: "A tool of the tests.", Targets: []sdk.TargetArgument{{Argument: "target"}},
	}, fn)}}
}

func TestFuncSchemas(t *testing.T) {
	b := sdktest.New(t,
		one(func(context.Context, *sdk.Call, input) (output, error) { return output{}, nil }), sdktest.Options{})
	spec := b.Manifest().Tools[0]
	for _, s := range []json.RawMessage{spec.InputSchema, spec.OutputSchema} {
		if strings.Contains(string(s), "null") || !strings.Contains(string(s), `"additionalProperties":false`) {
			t.Errorf("schema = %s, want arrays that are arrays, and no further properties", s)
		}
	}
	res, err := b.Call(t.Context(), "One", `{"count": 1}`)
	if want := `{"names":[],"next":[]}`; err != nil || string(res.Data) != want {
		t.Errorf("Call() = %s, %v; want %s: nil slices are empty arrays", res.Data, err, want)
	}
}

func TestFuncRefusesArguments(t *testing.T) {
	b := sdktest.New(t, one(func(context.Context, *sdk.Call, input) (output, error) {
		t.Error("the function was called")
		return output{}, nil
	}), sdktest.Options{})
	for _, c := range []struct{ args, names string }{
		{`{}`, "count"},
		{`{"count": "1"}`, "count"},
		{`{"count": 1.5}`, "count"},
		{`{"count": 1, "names": [7]}`, "names"},
		{`{"count": 1, "names": null}`, "names"},
		{`{"count": 1, "Names": []}`, "Names"},
		{`{"count": 1, "nmaes": []}`, "nmaes"},
		{`{"count": 99999999999999999999}`, "count"},
	} {
		_, err := b.Call(t.Context(), "One", c.args)
		if sdk.KindOf(err) != sdk.KindValidation || !strings.Contains(err.Error(), c.names) {
			t.Errorf("Call(%s) = %v, want a %s that names %s", c.args, err, sdk.KindValidation, c.names)
		}
	}
}

func TestFuncGetsItsCall(t *testing.T) {
	b := sdktest.New(t, one(func(ctx context.Context, c *sdk.Call, in input) (output, error) {
		target, ok := c.Target("target")
		if !ok || target.Literal() != "10.1.2.3" || target.Label != "db.lab.internal" {
			t.Errorf("Target() = %+v, %t; want the pinned address", target, ok)
		}
		if d, ok := c.Deadline(); !ok || d.IsZero() {
			t.Error("Deadline() = none")
		}
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the context has no deadline")
		}
		if c.Client() != "sdktest" || c.ID() == "" {
			t.Errorf("client %q, id %q", c.Client(), c.ID())
		}
		fmt.Fprint(c.Stdout(), "out")
		fmt.Fprint(c.Stderr(), "complaint")
		c.Progress(sdk.Progress{Task: "x", Percent: 50})
		return output{Names: []string{"a"}}, nil
	}), sdktest.Options{Hosts: map[string][]string{"db.lab.internal": {"10.1.2.3"}}})
	res, err := b.Call(t.Context(), "One", `{"target": "db.lab.internal", "count": 1}`)
	if err != nil || res.Stdout != "out" || res.Stderr != "complaint" {
		t.Errorf("Call() = %+v, %v", res, err)
	}
}

func TestFuncErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func(ctx context.Context) error
		want sdk.Kind
	}{
		{"an error of its own kind",
			func(context.Context) error { return sdk.Errorf(sdk.KindOutOfScope, "no") }, sdk.KindOutOfScope},
		{"any other error", func(context.Context) error { return errors.New("refused") }, sdk.KindExecution},
		{"the deadline",
			func(ctx context.Context) error {
				<-ctx.Done()
				return fmt.Errorf("dial: %w", ctx.Err())
			}, sdk.KindTimeout},
		{"a deadline of its own, not the call's",
			func(context.Context) error { return context.DeadlineExceeded }, sdk.KindExecution},
		{"a panic", func(context.Context) error { panic("oh") }, sdk.KindUnknown},
	} {
		b := sdktest.New(t, one(func(ctx context.Context, call *sdk.Call, _ input) (output, error) {
			return output{Names: []string{"partial"}}, c.fn(ctx)
		}), sdktest.Options{Timeout: 50 * time.Millisecond})
		res, err := b.Call(t.Context(), "One", `{"count": 1}`)
		if sdk.KindOf(err) != c.want {
			t.Errorf("%s: Call() = %v, want a %s", c.name, err, c.want)
		}
		if c.want != sdk.KindUnknown && !strings.Contains(string(res.Data), "partial") {
			t.Errorf("%s: data = %s, want what the function returned", c.name, res.Data)
		}
		code := 1
		if c.want == sdk.KindTimeout {
			code = sdk.ReturnCodeTimeout
		}
		if c.want != sdk.KindUnknown && (res.TimedOut != (c.want == sdk.KindTimeout) || res.ReturnCode != code) {
			t.Errorf("%s: timed out %t, returncode %d", c.name, res.TimedOut, res.ReturnCode)
		}
		if e := sdk.AsError(err); e.Tool != "One" {
			t.Errorf("%s: the error names tool %q", c.name, e.Tool)
		}
	}
}

func TestOutputIsCapped(t *testing.T) {
	b := sdktest.New(t, one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
		for range 1000 {
			if _, err := io.WriteString(c.Stdout(), "äöü"); err != nil {
				t.Errorf("Write() = %v", err)
			}
		}
		fmt.Fprint(c.Stderr(), "short")
		return output{}, nil
	}), sdktest.Options{MaxStdout: 11})
	res, err := b.Call(t.Context(), "One", `{"count": 1}`)
	if err != nil || res.Stdout != "äöüäö" || !res.TruncatedStdout || res.TruncatedStderr {
		t.Errorf("Call() = %q, truncated %t and %t, %v", res.Stdout, res.TruncatedStdout, res.TruncatedStderr, err)
	}
}

func TestEventsEndWithTheCall(t *testing.T) {
	late, sent := make(chan struct{}), make(chan struct{})
	b := sdktest.New(t, one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
		go func() {
			defer close(sent)
			<-late
			fmt.Fprint(c.Stdout(), "late")
		}()
		return output{}, nil
	}), sdktest.Options{Event: func(ev sdk.Event) { t.Errorf("event %+v after the end", ev) }})
	if _, err := b.Call(t.Context(), "One", `{"count": 1}`); err != nil {
		t.Fatal(err)
	}
	close(late)
	<-sent
}

func TestPolicyOfTheStartHolds(t *testing.T) {
	running, reloaded := make(chan struct{}), make(chan struct{})
	b := sdktest.New(t, one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
		close(running)
		<-reloaded
		if c.Policy().AllowIntrusive {
			t.Error("the policy changed under way")
		}
		return output{}, nil
	}), sdktest.Options{})
	done := make(chan error, 1)
	go func() { _, err := b.Call(context.Background(), "One", `{"count": 1}`); done <- err }()
	<-running
	b.Configure(sdk.Policy{AllowIntrusive: true})
	close(reloaded)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	sdktest.Conformance(t, one(func(ctx context.Context, _ *sdk.Call, in input) (output, error) {
		if in.Count > 1 {
			<-ctx.Done()
		}
		return output{}, ctx.Err()
	}), sdktest.Sample{Tool: "One", Quick: `{"count": 1}`, Slow: `{"count": 2}`})
}

func TestNewHandlerRefuses(t *testing.T) {
	type reserved struct {
		Timeout int `json:"timeout_sec"`
	}
	type none = struct{}
	good := sdk.Definition{Name: "X", Description: "x."}
	ok := sdk.Func(good, func(context.Context, *sdk.Call, none) (none, error) { return none{}, nil })
	for _, c := range []struct {
		name  string
		tools []sdk.Tool
		says  string
	}{
		{"no tools", nil, "0 tools"},
		{"a nil tool", []sdk.Tool{nil}, "nil"},
		{"a tool twice", []sdk.Tool{ok, ok}, "twice"},
		{"an argument of the host's", []sdk.Tool{sdk.Func(good,
			func(context.Context, *sdk.Call, reserved) (none, error) { return none{}, nil })}, "timeout_sec"},
		{"an input that is no struct", []sdk.Tool{sdk.Func(good,
			func(context.Context, *sdk.Call, int) (none, error) { return none{}, nil })}, "struct"},
		{"an output that is no struct", []sdk.Tool{sdk.Func(good,
			func(context.Context, *sdk.Call, none) ([]int, error) { return nil, nil })}, "struct"},
		{"no function", []sdk.Tool{sdk.Func[none, none](good, nil)}, "nil"},
		{"a bad name", []sdk.Tool{sdk.Func(sdk.Definition{Name: "a b", Description: "x."},
			func(context.Context, *sdk.Call, none) (none, error) { return none{}, nil })}, "a b"},
		{"a target that is no argument", []sdk.Tool{sdk.Func(
			sdk.Definition{Name: "X", Description: "x.", Targets: []sdk.TargetArgument{{Argument: "host"}}},
			func(context.Context, *sdk.Call, none) (none, error) { return none{}, nil })}, "host"},
	} {
		_, err := sdk.NewHandler(sdk.Plugin{Name: "p", Tools: c.tools})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: NewHandler() = %v, want an error about %q", c.name, err, c.says)
		}
	}
}

// TestArgumentsThatAreGivenTwiceAreRefused: a struct would get the first "deep", and the schema see the second.
func TestArgumentsThatAreGivenTwiceAreRefused(t *testing.T) {
	b := sdktest.New(t, one(func(context.Context, *sdk.Call, input) (output, error) {
		t.Error("the function was called")
		return output{}, nil
	}), sdktest.Options{})
	for _, args := range []string{`{"count": 1, "count": 1}`, `{"count": 1, "names": [], "names": ["x"]}`} {
		_, err := b.Call(t.Context(), "One", args)
		if sdk.KindOf(err) != sdk.KindValidation || !strings.Contains(err.Error(), "twice") {
			t.Errorf("Call(%s) = %v, want a %s", args, err, sdk.KindValidation)
		}
	}
}
