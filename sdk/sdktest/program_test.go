package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// runner is a tool written by hand that runs one command, and keeps what came of it.
type runner struct {
	command sandbox.Command
	out     sandbox.Outcome
	err     error
}

func (r *runner) Spec() sdk.Spec {
	return sdk.Spec{Name: "Tool", Description: "x.", InputSchema: []byte(`{"type": "object"}`)}
}

func (r *runner) Plan(context.Context, sdk.Env, sdk.Request) (sdk.Plan, error) {
	return sdk.Plan{Verdict: sdk.Accept}, nil
}

func (r *runner) Call(ctx context.Context, env sdk.Env, _ sdk.Request, _ func(sdk.Event)) (sdk.Result, error) {
	r.out, r.err = env.Run(ctx, r.command)
	return sdk.Result{}, nil
}

// output is what a command delivered.
type output struct{ stdout, stderr string }

// execute runs a command in the plugin's sandbox.
func execute(ctx context.Context, t *testing.T, o sdktest.Options, c sandbox.Command) (output, sandbox.Outcome, error) {
	t.Helper()
	var got output
	c.Stdout = func(p []byte) { got.stdout += string(p) }
	c.Stderr = func(p []byte) { got.stderr += string(p) }
	r := &runner{command: c}
	if _, err := sdktest.New(t, of(r), o).Call(ctx, "Tool", `{}`); err != nil {
		t.Fatal(err)
	}
	return got, r.out, r.err
}

// TestAProgramThatIsPlayedComesOutAsARealOne runs the same program really, and in play.
func TestAProgramThatIsPlayedComesOutAsARealOne(t *testing.T) {
	for _, c := range []struct {
		name, script string
		main         func(context.Context, *sdktest.Run) int
		change       func(*sandbox.Command)
	}{
		{name: "output and an exit code", script: "echo out; echo err >&2; exit 3",
			main: func(_ context.Context, run *sdktest.Run) int {
				fmt.Fprintln(run.Stdout, "out")
				fmt.Fprintln(run.Stderr, "err")
				return 3
			}},
		{name: "more output than is wanted", script: "printf 123456789; printf abcdef >&2",
			change: func(c *sandbox.Command) { c.StdoutLimit, c.StderrLimit = 4, -1 },
			main: func(_ context.Context, run *sdktest.Run) int {
				fmt.Fprint(run.Stdout, "123456789")
				fmt.Fprint(run.Stderr, "abcdef")
				return 0
			}},
		{name: "output to the last byte of a limit", script: "printf 1234",
			change: func(c *sandbox.Command) { c.StdoutLimit = 4 },
			main: func(_ context.Context, run *sdktest.Run) int {
				fmt.Fprint(run.Stdout, "1234")
				return 0
			}},
		{name: "more than the usual limits", script: "head -c 1048577 /dev/zero; head -c 262145 /dev/zero >&2",
			main: func(_ context.Context, run *sdktest.Run) int {
				_, _ = run.Stdout.Write(make([]byte, 1<<20+1))
				_, _ = run.Stderr.Write(make([]byte, 256<<10+1))
				return 0
			}},
		{name: "a report", script: "echo report >&3",
			change: func(c *sandbox.Command) {
				c.Report = func(r io.Reader) error {
					raw, err := io.ReadAll(r)
					return errors.Join(err, fmt.Errorf("read %q", raw))
				}
			},
			main: func(_ context.Context, run *sdktest.Run) int {
				fmt.Fprintln(run.Report, "report")
				return 0
			}},
		{name: "a report that is left unread", script: "head -c 200000 /dev/zero >&3",
			change: func(c *sandbox.Command) { c.Report = func(io.Reader) error { return nil } },
			main: func(_ context.Context, run *sdktest.Run) int {
				_, _ = run.Report.Write(make([]byte, 200_000))
				return 0
			}},
		{name: "arguments and an environment", script: `echo "$0,$1,$2" "FROB=$FROB"`,
			change: func(c *sandbox.Command) { c.Args, c.Env = append(c.Args, "a", "b c", "d"), []string{"FROB=1"} },
			main: func(_ context.Context, run *sdktest.Run) int {
				fmt.Fprintln(run.Stdout, strings.Join(run.Argv[3:], ","), strings.Join(run.Env, " "))
				return 0
			}},
		{name: "the usual environment", script: `echo "PATH=$PATH" "LANG=$LANG" "LC_ALL=$LC_ALL"`,
			main: func(_ context.Context, run *sdktest.Run) int {
				fmt.Fprintln(run.Stdout, strings.Join(run.Env, " "))
				return 0
			}},
		{name: "a crash", script: "kill -SEGV $$",
			main: func(_ context.Context, run *sdktest.Run) int { return run.KilledBy(syscall.SIGSEGV) }},
		{name: "the limit on CPU time", script: "kill -XCPU $$",
			main: func(_ context.Context, run *sdktest.Run) int { return run.KilledBy(syscall.SIGXCPU) }},
		{name: "the limit on files", script: "kill -XFSZ $$",
			main: func(_ context.Context, run *sdktest.Run) int { return run.KilledBy(syscall.SIGXFSZ) }},
		{name: "want of memory", script: "kill -KILL $$",
			main: func(_ context.Context, run *sdktest.Run) int { return run.KilledBy(syscall.SIGKILL) }},
		{name: "a large exit code", script: "exit 255",
			main: func(context.Context, *sdktest.Run) int { return -1 }},
		{name: "the deadline", script: "exec sleep 60",
			change: func(c *sandbox.Command) { c.Deadline = time.Now().Add(time.Second) },
			main: func(ctx context.Context, run *sdktest.Run) int {
				<-ctx.Done()
				return run.KilledBy(syscall.SIGTERM)
			}},
		{name: "a deadline that is past", script: "echo begun",
			change: func(c *sandbox.Command) { c.Deadline = time.Now().Add(-time.Second) },
			main:   func(context.Context, *sdktest.Run) int { panic("it was run") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := sdktest.Options{RunAs: "none", Programs: map[string]sdktest.Program{"frob": {Main: c.main}}}
			var text [2]output
			var came [2]string
			for i, path := range []string{"/bin/sh", "/sdktest/bin/frob"} {
				cmd := sandbox.Command{Path: path, Args: []string{"-c", c.script}}
				if c.change != nil {
					c.change(&cmd)
				}
				var out sandbox.Outcome
				var err error
				text[i], out, err = execute(t.Context(), t, o, cmd)
				out.Elapsed, out.CPU, out.MaxRSS = 0, 0, 0 // what a machine measures
				came[i] = fmt.Sprintf("%+v, %v", out, err)
			}
			if text[0] != text[1] || came[0] != came[1] {
				t.Errorf("really: %s with %.300q\nplayed: %s with %.300q", came[0], fmt.Sprint(text[0]), came[1],
					fmt.Sprint(text[1]))
			}
		})
	}
}

func TestACancelledRunIsPlayedAsTheSandboxHasIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := sdktest.Options{Programs: map[string]sdktest.Program{"frob": {
		Main: func(ctx context.Context, run *sdktest.Run) int {
			cancel()
			<-ctx.Done()
			return run.KilledBy(syscall.SIGKILL)
		},
	}}}
	_, out, err := execute(ctx, t, o, sandbox.Command{Path: "/sdktest/bin/frob"})
	want := sandbox.Outcome{Cancelled: true, Signal: syscall.SIGKILL, ExitCode: 137, Elapsed: out.Elapsed}
	if err != nil || !reflect.DeepEqual(out, want) {
		t.Errorf("Run = %+v, %v, want %+v", out, err, want)
	}
}

func TestARunThatIsLostSaysSo(t *testing.T) {
	o := sdktest.Options{Programs: map[string]sdktest.Program{"frob": {
		Main: func(_ context.Context, run *sdktest.Run) int {
			fmt.Fprint(run.Stdout, "so far")
			return run.Lose()
		},
	}}}
	text, out, err := execute(t.Context(), t, o, sandbox.Command{Path: "/sdktest/bin/frob"})
	if !errors.Is(err, sandbox.ErrLost) || text.stdout != "so far" || out.StdoutBytes != 6 {
		t.Errorf("Run = %+v, %v with %q, want %v and what came so far", out, err, text.stdout, sandbox.ErrLost)
	}
}

func TestAPanicOfAProgramIsThatOfItsCall(t *testing.T) {
	o := sdktest.Options{Programs: map[string]sdktest.Program{"frob": {
		Main: func(context.Context, *sdktest.Run) int { panic("not thought of") },
	}}}
	b := sdktest.New(t, reading(command.Reader{}), o)
	_, err := b.Call(t.Context(), "Tool", loopback)
	if sdk.KindOf(err) != sdk.KindUnknown || !strings.Contains(err.Error(), "not thought of") {
		t.Errorf("Call = %v, want the panic as a %s", err, sdk.KindUnknown)
	}
}

func TestAPlayedProgramNeedsNothingOfThisMachine(t *testing.T) {
	before := os.Getpid()
	o := sdktest.Options{Require: []string{"landlock", "no new privileges", "cgroup"}, // the last no machine has
		Programs: map[string]sdktest.Program{"frob": {
			Main: func(_ context.Context, run *sdktest.Run) int {
				if os.Getpid() != before || !run.Command.NoNewPrivileges || run.Command.Files == nil ||
					!slices.Equal(run.Command.Capabilities, []string{"CAP_NET_RAW"}) {
					return 1
				}
				return 0
			},
		}}}
	b := sdktest.New(t, needing(nil), o)
	res, err := b.Call(t.Context(), "Tool", loopback)
	if err != nil || res.ReturnCode != 0 {
		t.Errorf("Call = %+v, %v; want it run in this process, with all that the tool asks for", res, err)
	}
	if p := b.Plan("Tool", loopback); p.Error != nil || p.Program != "/sdktest/bin/frob" {
		t.Errorf("Plan = %+v, want no reason why it cannot run", p)
	}
	executed := b.Executed()
	if len(executed) != 1 || executed[0].Program != "/sdktest/bin/frob" || len(executed[0].Files) > 0 {
		t.Errorf("Executed() = %+v, want the one program, without a hash", executed)
	}
}

func TestARequiredLayerThatATheToolDoesNotAskForIsRefusedInPlay(t *testing.T) {
	o := sdktest.Options{Require: []string{"landlock"}, Programs: map[string]sdktest.Program{"frob": {
		Main: func(context.Context, *sdktest.Run) int { return 0 },
	}}}
	_, _, err := execute(t.Context(), t, o, sandbox.Command{Path: "/sdktest/bin/frob"})
	if sdk.KindOf(err) != sdk.KindExecution || !strings.Contains(err.Error(), "landlock") {
		t.Errorf("Run = %v, want a %s about landlock", err, sdk.KindExecution)
	}
}

func TestWhatAProgramOfATestIsLike(t *testing.T) {
	ends := func(context.Context, *sdktest.Run) int { return 0 }
	plugin := func() sdk.Plugin {
		return of(command.New(command.Definition{
			Definition: sdk.Definition{Name: "Tool", Description: "x.", Needs: []sdk.Need{
				{Kind: sdk.NeedCapability, Name: "CAP_NET_RAW"},
			}},
			Program: command.Program{Name: "frob", MinVersion: "7.80", Install: "apt-get install frob"},
		}))
	}
	for _, c := range []struct {
		name    string
		program sdktest.Program
		want    sdk.Kind // of a call; empty: it succeeds
		health  string   // what the probe of the program says
	}{
		{"one that is there", sdktest.Program{Main: ends}, "", "/sdktest/bin/frob, version unknown"},
		{"one that is new enough", sdktest.Program{Main: ends, Version: "7.93"}, "", "/sdktest/bin/frob, version 7.93"},
		{"one that is too old", sdktest.Program{Main: ends, Version: "7.40"}, sdk.KindNotFound,
			"/sdktest/bin/frob 7.40 is too old; Tool needs 7.80"},
		{"one that is not installed", sdktest.Program{}, sdk.KindNotFound, "the program frob is not installed; looked in"},
		{"one without a right", sdktest.Program{Main: ends, Lacks: []string{"CAP_NET_RAW"}}, sdk.KindNeedsPrivilege,
			"/sdktest/bin/frob, version unknown"},
	} {
		b := sdktest.New(t, plugin(), sdktest.Options{Programs: map[string]sdktest.Program{"frob": c.program}})
		if _, err := b.Call(t.Context(), "Tool", `{}`); sdk.KindOf(err) != c.want {
			t.Errorf("%s: Call = %v, want %q", c.name, err, c.want)
		}
		says := ""
		for _, check := range b.CheckHealth(t.Context()) {
			if check.Name == "frob" {
				says = check.Message
			}
		}
		if !strings.HasPrefix(says, c.health) {
			t.Errorf("%s: its probe says %q, want %q", c.name, says, c.health)
		}
	}
}

func TestAProgramThatIsNotPlayedIsTheMachines(t *testing.T) {
	o := sdktest.Options{Programs: map[string]sdktest.Program{"frob": {}}, RunAs: "none"}
	text, out, err := execute(t.Context(), t, o, sandbox.Command{Path: "/bin/echo", Args: []string{"really"}})
	if err != nil || out.ExitCode != 0 || text.stdout != "really\n" {
		t.Errorf("Run = %q, %+v, %v", text.stdout, out, err)
	}
}

func TestTenMinutesPassAtOnceInABubble(t *testing.T) {
	const tenMinutes = 10 * time.Minute
	waits := sdk.Func(definition, func(ctx context.Context, _ *sdk.Call, _ toolIn) (toolOut, error) {
		select {
		case <-ctx.Done():
			return toolOut{}, ctx.Err()
		case <-time.After(tenMinutes):
			return toolOut{Text: "done"}, nil
		}
	})
	runs := reading(command.Reader{})
	o := sdktest.Options{Programs: map[string]sdktest.Program{"frob": {
		Main: func(ctx context.Context, run *sdktest.Run) int {
			select {
			case <-ctx.Done():
				return run.KilledBy(syscall.SIGTERM)
			case <-time.After(tenMinutes):
				return 0
			}
		},
	}}}
	for _, c := range []struct {
		name    string
		plugin  sdk.Plugin
		timeout time.Duration
		want    sdk.Kind
		takes   time.Duration
	}{
		{"a function", of(waits), time.Hour, "", tenMinutes},
		{"a function past its deadline", of(waits), time.Minute, sdk.KindTimeout, time.Minute},
		{"a program", runs, time.Hour, "", tenMinutes},
		{"a program past its deadline", runs, time.Minute, sdk.KindTimeout, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := o
			o.Timeout = c.timeout
			b := sdktest.New(t, c.plugin, o)
			begun := time.Now()
			_, err := b.Call(t.Context(), "Tool", loopback)
			if took := time.Since(begun); sdk.KindOf(err) != c.want || took != c.takes {
				t.Errorf("%s: Call = %v after %v, want %q after %v", c.name, err, took, c.want, c.takes)
			}
		})
	}
}

func TestAToolByHandFindsWhatStandsIn(t *testing.T) {
	var found, missing, real string
	o := sdktest.Options{Programs: map[string]sdktest.Program{
		"frob": {Main: func(context.Context, *sdktest.Run) int { return 0 }}, "sh": {},
	}}
	b := sdktest.New(t, planning(func(env sdk.Env, _ sdk.Request, _ *sdk.Plan) error {
		found, _ = env.Find("frob")
		missing, _ = env.Find("sh") // which each machine has
		real, _ = env.Find("env")
		return nil
	}), o)
	b.Plan("Tool", loopback)
	if found != "/sdktest/bin/frob" || missing != "" || !strings.HasSuffix(real, "bin/env") {
		t.Errorf("Find = %q, %q and %q, want what stands in, nothing, and the machine's", found, missing, real)
	}
}
