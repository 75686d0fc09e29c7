package sdktest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

type toolIn struct {
	Target string `json:"target,omitempty"`
	Wait   int    `json:"wait,omitempty"`
	Text   string `json:"text,omitempty"`
}

type toolOut struct {
	Text string `json:"text"`
}

// gatedIn is intrusive when it waits.
type gatedIn struct {
	Wait int `json:"wait,omitempty"`
}

func (in gatedIn) Intrusive() string {
	if in.Wait > 0 {
		return "it waits"
	}
	return ""
}

var definition = sdk.Definition{
	Name: "Tool", Description: "A tool of the tests.", Targets: []sdk.TargetArgument{{Argument: "target"}},
}

const (
	aLine    = "a line of output that is longer than any tiny cap"
	loopback = `{"target": "127.0.0.1"}`
	longWait = `{"target": "127.0.0.1", "wait": 30}`
)

// good is a function that passes the suite.
func good(ctx context.Context, c *sdk.Call, in toolIn) (toolOut, error) {
	fmt.Fprintln(c.Stdout(), aLine)
	c.Progress(sdk.Progress{Percent: -1, Done: 1, Total: 2})
	select {
	case <-time.After(time.Duration(in.Wait) * time.Second):
		return toolOut{Text: "done"}, nil
	case <-ctx.Done():
		return toolOut{}, ctx.Err()
	}
}

func of(t sdk.Tool) sdk.Plugin {
	return sdk.Plugin{Name: "broken", Version: "1", Tools: []sdk.Tool{t}}
}

type (
	planFunc = func(sdk.Env, sdk.Request) (sdk.Plan, error)
	callFunc = func(context.Context, sdk.Env, sdk.Request, func(sdk.Event)) (sdk.Result, error)
)

// changed is a tool with another spec, plan or call.
type changed struct {
	spec sdk.Spec
	plan planFunc
	call callFunc
}

func (t *changed) Spec() sdk.Spec { return t.spec }

func (t *changed) Plan(_ context.Context, env sdk.Env, r sdk.Request) (sdk.Plan, error) {
	return t.plan(env, r)
}

func (t *changed) Call(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
	return t.call(ctx, env, r, emit)
}

// change makes a plugin of a tool that is changed.
func change(t sdk.Tool, how func(*changed)) sdk.Plugin {
	c := &changed{spec: t.Spec(), call: t.Call}
	c.plan = func(env sdk.Env, r sdk.Request) (sdk.Plan, error) { return t.Plan(context.Background(), env, r) }
	how(c)
	return of(c)
}

func well() sdk.Tool { return sdk.Func(definition, good) }

// planning changes the plans of the good function that it does not refuse.
func planning(how func(sdk.Env, sdk.Request, *sdk.Plan) error) sdk.Plugin {
	return change(well(), func(t *changed) {
		plan := t.plan
		t.plan = func(env sdk.Env, r sdk.Request) (sdk.Plan, error) {
			p, err := plan(env, r)
			if err == nil {
				err = how(env, r, &p)
			}
			return p, err
		}
	})
}

// answering changes the results of the good function's calls that succeed.
func answering(how func(sdk.Env, sdk.Request, func(sdk.Event), *sdk.Result) error) sdk.Plugin {
	return change(well(), func(t *changed) {
		call := t.call
		t.call = func(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
			res, err := call(ctx, env, r, emit)
			if err == nil {
				err = how(env, r, emit, &res)
			}
			return res, err
		}
	})
}

// resulting is answering, with nothing but the result.
func resulting(how func(*sdk.Result)) sdk.Plugin {
	return answering(func(_ sdk.Env, _ sdk.Request, _ func(sdk.Event), res *sdk.Result) error {
		how(res)
		return nil
	})
}

func progressing(p sdk.Progress) sdk.Plugin {
	return answering(func(_ sdk.Env, _ sdk.Request, emit func(sdk.Event), _ *sdk.Result) error {
		emit(sdk.Event{Progress: &p})
		return nil
	})
}

// asked changes requests before the good function sees them.
func asked(how func(*sdk.Request)) sdk.Plugin {
	return change(well(), func(t *changed) {
		plan, call := t.plan, t.call
		t.plan = func(env sdk.Env, r sdk.Request) (sdk.Plan, error) {
			how(&r)
			return plan(env, r)
		}
		t.call = func(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
			how(&r)
			return call(ctx, env, r, emit)
		}
	})
}

func prompting(text, about string) sdk.Plugin {
	p := of(well())
	p.Prompts = []sdk.Prompt{{Name: "look", Description: "Looks.",
		Arguments: []sdk.PromptArgument{{Name: "what", Description: about}, {Name: "why", Description: "why"}},
		Messages:  []sdk.PromptMessage{{Content: sdk.Content{Type: sdk.TextContent, Text: text + " {{why}}"}}},
	}}
	return p
}

func probing(says string) sdk.Plugin {
	p := of(well())
	p.Probes = []sdk.Probe{{Name: "probe", Run: func(context.Context, sdk.Env) (string, error) { return says, nil }}}
	return p
}

// frobber is a tool that runs the program frob, which is installed nowhere.
func frobber(d command.Definition, needs ...sdk.Need) *command.Tool {
	d.Definition = sdk.Definition{Name: "Tool", Description: "A tool of the tests.", Needs: needs}
	d.Program, d.Target = command.Program{Name: "frob", Install: "apt-get install frob"}, command.OneHost
	return command.New(d)
}

// needing is a frobber that needs a capability.
func needing(without func(string, []int) string) sdk.Plugin {
	t := frobber(command.Definition{Without: without}, sdk.Need{Kind: sdk.NeedCapability, Name: "CAP_NET_RAW"})
	return of(t)
}

// reading is a frobber whose output is read.
func reading(r command.Reader) sdk.Plugin {
	if r.Data == nil {
		r.Data = func(sandbox.Outcome) (any, error) { return toolOut{}, nil }
	}
	return of(frobber(command.Definition{
		Output: toolOut{}, Open: func(*command.Job, func(sdk.Progress)) command.Reader { return r },
	}))
}

// forgiving is a frobber that takes an error of this kind for a result.
func forgiving(k sdk.Kind) sdk.Plugin {
	return change(frobber(command.Definition{}), func(t *changed) {
		call := t.call
		t.call = func(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
			res, err := call(ctx, env, r, emit)
			if sdk.KindOf(err) == k {
				err = nil
			}
			return res, err
		}
	})
}

// played are the options of a machine with frob, which prints a line, and waits when it is asked for 127.0.0.2.
var played = sdktest.Options{Programs: map[string]sdktest.Program{
	"frob": {Main: func(ctx context.Context, run *sdktest.Run) int {
		fmt.Fprintln(run.Stdout, aLine)
		if !slices.Contains(run.Argv, "127.0.0.2") {
			return 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(30 * time.Second):
		}
		return run.KilledBy(syscall.SIGTERM)
	}},
}}

// runsFrob runs a program without a word.
func runsFrob(env sdk.Env) error {
	_, err := env.Run(context.Background(), sandbox.Command{Path: "/sdktest/bin/frob"})
	return err
}

// deaf waits for time, and for its deadline if it hears that, and never for its context.
func deaf(hears bool) sdk.Tool {
	return sdk.Func(definition, func(_ context.Context, c *sdk.Call, in toolIn) (toolOut, error) {
		deadline, _ := c.Deadline()
		wait := time.Duration(in.Wait) * time.Second
		if left := time.Until(deadline); hears && left < wait {
			time.Sleep(left + time.Millisecond) // the context has ended by then
			return toolOut{}, context.DeadlineExceeded
		}
		time.Sleep(wait)
		return toolOut{}, nil
	})
}

type row struct {
	name    string
	plugin  sdk.Plugin
	samples []sdktest.Sample
	fails   []string // the checks
}

func quick(name string, p sdk.Plugin, fails ...string) row {
	return row{name, p, []sdktest.Sample{{Tool: "Tool", Quick: loopback, Options: played, FakeTime: true}}, fails}
}

func slow(name string, p sdk.Plugin, fails ...string) row {
	return row{name, p, []sdktest.Sample{{Tool: "Tool", Slow: longWait, FakeTime: true}}, fails}
}

func program(name string, p sdk.Plugin, rows ...string) row {
	for i := range rows {
		rows[i] = "copes with any program/" + rows[i]
	}
	return quick(name, p, rows...)
}

var turn atomic.Int64 // counts the plans of a tool that says something else each time

// broken are tools that pass all of the suite but some checks; the good ones, first, pass all.
var broken = []row{
	{"a good function", of(well()),
		[]sdktest.Sample{{Tool: "Tool", Quick: loopback, Slow: longWait, FakeTime: true}}, nil},
	{"a good function in real time", of(well()), []sdktest.Sample{{Tool: "Tool", Quick: loopback, Slow: longWait}}, nil},
	{"a good command", reading(command.Reader{}), []sdktest.Sample{{
		Tool: "Tool", Quick: loopback, Slow: `{"target": "127.0.0.2"}`, Options: played, FakeTime: true,
	}}, nil},
	{"a good gate", of(sdk.Func(sdk.Definition{Name: "Tool", Description: "x.", Intrusive: true},
		func(context.Context, *sdk.Call, gatedIn) (struct{}, error) { return struct{}{}, nil })),
		[]sdktest.Sample{{Tool: "Tool", Quick: `{}`, Intrusive: `{"wait": 1}`}}, nil},

	{"a schema that does not compile", change(well(), func(t *changed) {
		t.spec.OutputSchema = json.RawMessage(`{"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}`)
	}), nil, []string{"manifest", "copes with hostile arguments"}},
	{"an argument of the host", change(well(), func(t *changed) {
		t.spec.InputSchema = json.RawMessage(strings.Replace(string(t.spec.InputSchema), `"properties":{`,
			`"properties":{"timeout_sec":{"type":"integer"},`, 1))
	}), nil, []string{"manifest", "refuses bad arguments", "copes with hostile arguments"}},
	{"an argument of a prompt without description", prompting("Look at {{what}}.", ""), nil, []string{"manifest"}},
	{"a probe of two lines", probing("a\nb"), nil, []string{"health"}},
	{"a probe that says nothing", probing(""), nil, []string{"health"}},

	{"a plan that takes everything", change(well(), func(t *changed) {
		t.plan = func(sdk.Env, sdk.Request) (sdk.Plan, error) { return sdk.Plan{Verdict: sdk.Accept}, nil }
	}), nil, []string{"refuses bad arguments"}},
	{"a refusal of the wrong kind", change(well(), func(t *changed) {
		plan := t.plan
		t.plan = func(env sdk.Env, r sdk.Request) (p sdk.Plan, err error) {
			if p, err = plan(env, r); err != nil {
				err = sdk.Errorf(sdk.KindExecution, "no")
			}
			return p, err
		}
	}), nil, []string{"refuses bad arguments"}},
	{"a panic on long texts", answering(func(_ sdk.Env, r sdk.Request, _ func(sdk.Event), _ *sdk.Result) error {
		if len(r.Arguments) > 30_000 {
			panic("too long")
		}
		return nil
	}), nil, []string{"copes with hostile arguments"}},
	quick("a hang on half a character", of(sdk.Func(definition,
		func(_ context.Context, _ *sdk.Call, in toolIn) (toolOut, error) {
			if strings.Contains(in.Text, "\ufffd") {
				time.Sleep(15 * time.Second)
			}
			return toolOut{}, nil
		})), "copes with hostile arguments"),
	{"a call that its plan refuses", planning(func(_ sdk.Env, r sdk.Request, _ *sdk.Plan) error {
		if len(r.Arguments) > 30_000 {
			return sdk.Errorf(sdk.KindValidation, "too long")
		}
		return nil
	}), nil, []string{"copes with hostile arguments"}},

	quick("a target that needs no pin", asked(func(r *sdk.Request) {
		if string(r.Arguments) == loopback && len(r.Targets) == 0 {
			r.Arguments = json.RawMessage(`{}`)
		}
	}), "refuses a target without a pin"),
	quick("a pin that is believed", asked(func(r *sdk.Request) {
		if len(r.Targets) > 0 && r.Targets[0].Literal() == "192.0.2.1" {
			r.Arguments, r.Targets = json.RawMessage(`{}`), nil
		}
	}), "refuses a target out of scope"),

	quick("a plan that changes", planning(func(_ sdk.Env, _ sdk.Request, p *sdk.Plan) error {
		p.Notes = []string{fmt.Sprint(turn.Add(1))}
		return nil
	}), "plans what it does"),
	quick("a plan that runs a program", planning(func(env sdk.Env, _ sdk.Request, _ *sdk.Plan) error {
		return runsFrob(env)
	}), "plans what it does"),
	quick("a plan of another program", planning(func(_ sdk.Env, _ sdk.Request, p *sdk.Plan) error {
		p.Program, p.Argv = "/bin/true", []string{"/bin/true"}
		return nil
	}), "plans what it does"),

	quick("progress of 150 per cent", progressing(sdk.Progress{Percent: 150}), "answers"),
	quick("progress that is no number", progressing(sdk.Progress{Percent: math.NaN()}), "answers"),
	quick("more done than there is", progressing(sdk.Progress{Percent: -1, Done: 3, Total: 2}), "answers"),
	quick("metadata that is no JSON", resulting(func(res *sdk.Result) {
		res.Metadata = map[string]any{"f": func() {}}
	}), "answers"),
	quick("data that is not UTF-8", resulting(func(res *sdk.Result) {
		res.Data = json.RawMessage("{\"text\": \"\xff\"}")
	}), "answers"),
	quick("too much data", resulting(func(res *sdk.Result) {
		res.Data = json.RawMessage(`{"text": "` + strings.Repeat("A", 60_000) + `"}`)
	}), "answers"),
	quick("data that does not fit", resulting(func(res *sdk.Result) { res.Data = json.RawMessage(`{}`) }),
		"answers", "answers calls at the same time", "copes with hostile arguments", "keeps to the caps of output"),
	quick("a program that is not told of", answering(
		func(env sdk.Env, _ sdk.Request, _ func(sdk.Event), _ *sdk.Result) error { return runsFrob(env) }), "answers"),
	quick("one call at a time", oneAtATime(), "answers calls at the same time"),

	quick("a failure for want of room", answering(
		func(_ sdk.Env, r sdk.Request, _ func(sdk.Event), _ *sdk.Result) error {
			if r.MaxStdout < 100 {
				return sdk.Errorf(sdk.KindExecution, "there is no room")
			}
			return nil
		}), "keeps to the caps of output"),
	quick("data for who has room", answering(
		func(_ sdk.Env, r sdk.Request, _ func(sdk.Event), res *sdk.Result) error {
			if r.MaxStdout < 100 {
				res.Data = nil
			}
			return nil
		}), "keeps to the caps of output"),
	quick("whole output that is called truncated", resulting(func(res *sdk.Result) { res.TruncatedStderr = true }),
		"keeps to the caps of output"),

	program("a reader that panics", reading(command.Reader{Stdout: func(p []byte) {
		if p[0] == 'A' {
			panic("it does not end")
		}
	}}), "prints one endless line"),
	program("a reader that hangs", reading(command.Reader{Report: func(r io.Reader) error {
		if raw, err := io.ReadAll(r); err == nil && len(raw) > 100<<10 {
			time.Sleep(15 * time.Second)
		}
		return nil
	}}), "prints random bytes"),
	program("a panic without output", readingFirstByte(), "prints nothing"),
	program("data of a failure that does not fit", reading(command.Reader{Data: func(o sandbox.Outcome) (any, error) {
		if o.ExitCode == 1 {
			return map[string]any{"text": 1}, nil
		}
		return toolOut{}, nil
	}}), "fails"),
	program("a crash that is no error", forgiving(sdk.KindExecution), "crashes", "is lost"),
	program("a limit that is no error", forgiving(sdk.KindResourceExhausted), "meets a limit"),
	program("a missing program that is no error", forgiving(sdk.KindNotFound), "is not installed"),
	program("a panic for want of a capability", needing(func(string, []int) string { panic("not thought of") }),
		"has no capabilities"),
	program("a tool without its capability", needing(nil)),
	program("a tool that does without", needing(func(string, []int) string { return "by a setting" })),

	slow("a tool that is deaf to its caller", of(deaf(true)), "ends when it is cancelled", "ends with the plugin"),
	slow("a tool that is deaf to its deadline", asked(func(r *sdk.Request) { r.Deadline = time.Time{} }),
		"ends at its deadline"),
	slow("a timeout without its returncode", change(well(), func(t *changed) {
		call := t.call
		t.call = func(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
			res, err := call(ctx, env, r, emit)
			res.ReturnCode = 1
			return res, err
		}
	}), "ends at its deadline"),

	{"an intrusive call that is made", of(well()),
		[]sdktest.Sample{{Tool: "Tool", Intrusive: loopback, FakeTime: true}}, []string{"refuses what is intrusive"}},
}

func oneAtATime() sdk.Plugin {
	var busy sync.Mutex
	return of(sdk.Func(definition, func(context.Context, *sdk.Call, toolIn) (toolOut, error) {
		if !busy.TryLock() {
			return toolOut{}, sdk.Errorf(sdk.KindExecution, "somebody else is there")
		}
		defer busy.Unlock()
		time.Sleep(time.Second)
		return toolOut{}, nil
	}))
}

func readingFirstByte() sdk.Plugin {
	return of(frobber(command.Definition{Output: toolOut{}, Open: func(*command.Job, func(sdk.Progress)) command.Reader {
		var line []byte
		return command.Reader{
			Stdout: func(p []byte) { line = append(line, p[0]) },
			Data: func(o sandbox.Outcome) (any, error) {
				if o.ExitCode != 0 {
					return toolOut{}, nil
				}
				return toolOut{Text: fmt.Sprint(line[0])}, nil
			},
		}
	}}))
}
