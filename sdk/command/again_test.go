package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

const here = `{"target": "127.0.0.1"}`

// asked is Definition.Again.
type asked = func(context.Context, *command.Job, sandbox.Outcome) (bool, error)

// fetcher is a tool that is sent on from host to host, by what its program prints.
func fetcher(script string, again asked) sdk.Plugin {
	return shell(script, func(d *command.Definition) {
		d.Target = command.OneHost
		d.Fixed = append(d.Fixed, "sh")
		d.Operands = func(j *command.Job) []string { return []string{"http://" + j.Target.Literal() + "/"} }
		d.Again = again
		d.Output = data{}
		d.Open = func(*command.Job, func(sdk.Progress)) command.Reader {
			var seen data
			return command.Reader{
				Stdout: command.Lines(80, func(l string) { seen.Lines = append(seen.Lines, l) }),
				Next:   func(run int) { seen.Lines = append(seen.Lines, fmt.Sprintf("run %d", run)) },
				Data: func(o sandbox.Outcome) (any, error) {
					seen.Text = fmt.Sprint(o.ExitCode, " ", o.StdoutBytes)
					return seen, nil
				},
			}
		}
	})
}

// hop goes on to the next address, n times.
func hop(n int) asked {
	return func(ctx context.Context, j *command.Job, _ sandbox.Outcome) (_ bool, err error) {
		if j.Runs() > n {
			return false, nil
		}
		j.Target, err = j.Pin(ctx, fmt.Sprintf("127.0.0.%d", j.Runs()+1))
		return err == nil, err
	}
}

func TestARunMayLeadToAnother(t *testing.T) {
	b := sdktest.New(t, fetcher(`echo "got $1"; exit 4`, hop(2)), sdktest.Options{})
	res, err := b.Call(t.Context(), "Sh", here)
	if err != nil || res.ReturnCode != 4 || res.Metadata["runs"] != 3 {
		t.Fatalf("Call() = %+v, %v; want three runs", res, err)
	}
	var got data
	if err := json.Unmarshal(res.Data, &got); err != nil {
		t.Fatal(err)
	}
	want := data{Text: "4 66", Lines: []string{
		"got http://127.0.0.1/", "run 2", "got http://127.0.0.2/", "run 3", "got http://127.0.0.3/",
	}}
	if got.Text != want.Text || !slices.Equal(got.Lines, want.Lines) {
		t.Errorf("data = %q, want one reader to see all runs: %q", got, want)
	}
	var ran []string
	for _, x := range b.Executed() {
		ran = append(ran, x.Argv[len(x.Argv)-1])
	}
	if want := "http://127.0.0.1/ http://127.0.0.2/ http://127.0.0.3/"; strings.Join(ran, " ") != want {
		t.Errorf("the host was told of %q, want each run: %s", ran, want)
	}
}

func TestARunThatWasEndedLeadsToNoOther(t *testing.T) {
	for _, c := range []struct {
		script  string
		timeout time.Duration // zero: long enough
		want    sdk.Kind
	}{
		{"kill -XCPU $$", 0, sdk.KindResourceExhausted},
		{"kill -SEGV $$", 0, sdk.KindExecution},
		{"sleep 60", 100 * time.Millisecond, sdk.KindTimeout},
	} {
		b := sdktest.New(t, fetcher(c.script, hop(2)), sdktest.Options{Timeout: c.timeout})
		if _, err := b.Call(t.Context(), "Sh", here); sdk.KindOf(err) != c.want || len(b.Executed()) != 1 {
			t.Errorf("%s: Call() = %v after %d runs, want a %s after one", c.script, err, len(b.Executed()), c.want)
		}
	}
}

// An author who takes the next host from the output, and forgets to pin it, does not leave the scope.
func TestAnotherRunStaysInScope(t *testing.T) {
	to := func(target sdk.Target) asked {
		return func(_ context.Context, j *command.Job, _ sandbox.Outcome) (bool, error) {
			j.Target = target
			return true, nil
		}
	}
	for name, c := range map[string]struct {
		again asked
		want  sdk.Kind
	}{
		"an address outside": {to(sdk.Target{Prefix: netip.MustParsePrefix("192.0.2.1/32")}), sdk.KindOutOfScope},
		"a network":          {to(sdk.Target{Prefix: netip.MustParsePrefix("10.0.0.0/24")}), sdk.KindValidation},
		"no address":         {to(sdk.Target{Label: "10.0.0.1"}), sdk.KindValidation},
		"what pinning refuses": {func(ctx context.Context, j *command.Job, _ sandbox.Outcome) (bool, error) {
			_, err := j.Pin(ctx, "192.0.2.1")
			return true, err
		}, sdk.KindOutOfScope},
	} {
		b := sdktest.New(t, fetcher(`echo "got $1"`, c.again), sdktest.Options{})
		res, err := b.Call(t.Context(), "Sh", here)
		if sdk.KindOf(err) != c.want || len(b.Executed()) != 1 {
			t.Errorf("%s: Call() = %v after %d runs, want a %s after one", name, err, len(b.Executed()), c.want)
		}
		if !strings.Contains(string(res.Data), "got http://127.0.0.1/") || res.Stdout == "" {
			t.Errorf("%s: data %s, stdout %q; want those of the first run kept", name, res.Data, res.Stdout)
		}
	}
}

func TestAnotherRunIsHeldToTheGate(t *testing.T) {
	p := shell("echo out", func(d *command.Definition) {
		table(d)
		d.Again = func(_ context.Context, j *command.Job, _ sandbox.Outcome) (bool, error) {
			j.Default("--danger")
			return j.Runs() < 2, nil
		}
	})
	b := sdktest.New(t, p, sdktest.Options{})
	_, err := b.Call(t.Context(), "Sh", `{}`)
	if sdk.KindOf(err) != sdk.KindIntrusiveDenied || len(b.Executed()) != 1 {
		t.Errorf("Call() = %v after %d runs, want a %s after one", err, len(b.Executed()), sdk.KindIntrusiveDenied)
	}
}

func TestAnErrorOfAgainIsLikeOneOfData(t *testing.T) {
	for _, c := range []struct {
		err      error
		wantKind sdk.Kind
		wantMeta string
	}{
		{errors.New("where to?"), "", "where to?"},
		{sdk.Errorf(sdk.KindExecution, "it goes in circles"), sdk.KindExecution, ""},
	} {
		b := sdktest.New(t, fetcher(`echo "got $1"`,
			func(context.Context, *command.Job, sandbox.Outcome) (bool, error) { return true, c.err }), sdktest.Options{})
		res, err := b.Call(t.Context(), "Sh", here)
		meta, _ := res.Metadata["parse_error"].(string)
		if sdk.KindOf(err) != c.wantKind || meta != c.wantMeta || !strings.Contains(string(res.Data), "got") {
			t.Errorf("Again fails with %v: Call() = data %s, parse_error %q, %v", c.err, res.Data, meta, err)
		}
	}
}

func TestACallHasTenRunsAtMost(t *testing.T) {
	b := sdktest.New(t, fetcher(`echo "got $1"`, hop(99)), sdktest.Options{})
	res, err := b.Call(t.Context(), "Sh", here)
	if err != nil || len(b.Executed()) != 10 || res.Metadata["runs"] != 10 {
		t.Fatalf("Call() = %+v, %v after %d runs, want 10", res.Metadata, err, len(b.Executed()))
	}
	if notes := fmt.Sprint(res.Metadata["notes"]); !strings.Contains(notes, "at most 10 runs") ||
		!strings.Contains(notes, "http://127.0.0.11/") {
		t.Errorf("notes = %s, want what was not done, and why", notes)
	}
}

func TestWhatAPersonAllowedIsOneRun(t *testing.T) {
	p := fetcher(`echo "got $1"`, hop(3))
	b := sdktest.New(t, p, sdktest.Options{})
	plan := b.Plan("Sh", here)
	var executed []string
	res, err := b.Handler().Call(t.Context(), sdk.Request{
		Tool: "Sh", Arguments: []byte(here), MaxStdout: 1 << 10, MaxStderr: 1 << 10,
		Targets: []sdk.Target{{Argument: "target", Prefix: netip.MustParsePrefix("127.0.0.1/32")}},
		Grant:   &sdk.Grant{Program: plan.Program, Argv: plan.Argv},
	}, func(ev sdk.Event) {
		if ev.Exec != nil {
			executed = append(executed, strings.Join(ev.Exec.Argv, " "))
		}
	})
	if notes := fmt.Sprint(res.Metadata["notes"]); err != nil || len(executed) != 1 ||
		!strings.Contains(notes, "a person allowed one command") || !strings.Contains(notes, "http://127.0.0.2/") {
		t.Errorf("Call() = notes %s, %v after %q; want one run, and what was not done", notes, err, executed)
	}
}

func TestRunsShareTheCaps(t *testing.T) {
	seen := 0
	p := shell("printf '%030d' 0; printf '%030d' 0 >&2", func(d *command.Definition) {
		parsed(command.Reader{Stdout: func(c []byte) { seen += len(c) }})(d)
		d.Again = func(_ context.Context, j *command.Job, out sandbox.Outcome) (bool, error) {
			if out.StdoutBytes != 30 {
				t.Errorf("after run %d Again sees %d bytes, want those of this run: 30", j.Runs(), out.StdoutBytes)
			}
			return j.Runs() < 3, nil
		}
	})
	res, err := sdktest.New(t, p, sdktest.Options{MaxStdout: 50, MaxStderr: 30}).Call(t.Context(), "Sh", `{}`)
	if err != nil || len(res.Stdout) != 50 || len(res.Stderr) != 30 || !res.TruncatedStdout ||
		!res.TruncatedStderr {
		t.Errorf("Call() = %d and %d bytes, truncated %t and %t, %v; want 50 and 30 of three runs", len(res.Stdout),
			len(res.Stderr), res.TruncatedStdout, res.TruncatedStderr, err)
	}
	if seen != 90 {
		t.Errorf("the reader saw %d bytes, want all 90", seen)
	}
}

// What is parsed is bounded for all runs together, too.
func TestAReaderSeesAsMuchOfEachRun(t *testing.T) {
	seen := 0
	p := shell("printf '%03000000d' 0", func(d *command.Definition) {
		parsed(command.Reader{Stdout: func(c []byte) { seen += len(c) }})(d)
		d.Again = func(_ context.Context, j *command.Job, _ sandbox.Outcome) (bool, error) {
			return j.Runs() < 3, nil
		}
	})
	res, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "Sh", `{}`)
	if err != nil || seen != 9000000 || !res.TruncatedStdout {
		t.Errorf("Call() = %v, truncated %t; the reader saw %d bytes, want all", err, res.TruncatedStdout, seen)
	}
}

// The second run has what the first has left of the deadline, and nothing more.
func TestRunsShareTheDeadline(t *testing.T) {
	p := fetcher(`case $1 in *127.0.0.1/) echo first;; *) echo second; sleep 60;; esac`, hop(5))
	b := sdktest.New(t, p, sdktest.Options{Timeout: 3 * time.Second})
	res, err := b.Call(t.Context(), "Sh", here)
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || res.ReturnCode != sdk.ReturnCodeTimeout ||
		len(b.Executed()) != 2 {
		t.Errorf("Call() = %d, %v after %d runs; want a %s in the second", res.ReturnCode, err, len(b.Executed()),
			sdk.KindTimeout)
	}
	if want := "first\nsecond\n"; res.Stdout != want || !strings.Contains(string(res.Data), "second") {
		t.Errorf("stdout %q, data %s; want %q kept", res.Stdout, res.Data, want)
	}
}

func TestNoRunBeginsBehindTheDeadline(t *testing.T) {
	b := sdktest.New(t, fetcher(`echo "got $1"`,
		func(ctx context.Context, _ *command.Job, _ sandbox.Outcome) (bool, error) {
			<-ctx.Done() // it carries the deadline of the call
			return true, nil
		}), sdktest.Options{Timeout: 300 * time.Millisecond})
	res, err := b.Call(t.Context(), "Sh", here)
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || len(b.Executed()) != 1 || res.Data == nil {
		t.Errorf("Call() = data %s, %v after %d runs; want a %s, and no second run", res.Data, err,
			len(b.Executed()), sdk.KindTimeout)
	}
}

func TestACallThatIsCancelledHasNoFurtherRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := sdktest.New(t, fetcher(`echo "got $1"`,
		func(context.Context, *command.Job, sandbox.Outcome) (bool, error) {
			cancel()
			return true, nil
		}), sdktest.Options{})
	if _, err := b.Call(ctx, "Sh", here); sdk.KindOf(err) != sdk.KindCancelled || len(b.Executed()) != 1 {
		t.Errorf("Call() = %v after %d runs, want a %s after one", err, len(b.Executed()), sdk.KindCancelled)
	}
}

// State is how what a reader learned comes to Again.
func TestAgainKnowsWhatTheReaderLearned(t *testing.T) {
	p := shell(`case $1 in *127.0.0.1/) echo 127.0.0.9;; esac`, func(d *command.Definition) {
		d.Target, d.Fixed, d.Output = command.OneHost, append(d.Fixed, "sh"), data{}
		d.Operands = func(j *command.Job) []string { return []string{"http://" + j.Target.Literal() + "/"} }
		d.Open = func(j *command.Job, _ func(sdk.Progress)) command.Reader {
			next := new(string)
			j.State = next
			return command.Reader{
				Stdout: command.Lines(80, func(l string) { *next = l }), Next: func(int) { *next = "" },
			}
		}
		d.Again = func(ctx context.Context, j *command.Job, _ sandbox.Outcome) (_ bool, err error) {
			next := *j.State.(*string)
			if next == "" {
				return false, nil
			}
			j.Target, err = j.Pin(ctx, next)
			return true, err
		}
	})
	b := sdktest.New(t, p, sdktest.Options{})
	if _, err := b.Call(t.Context(), "Sh", here); err != nil {
		t.Fatal(err)
	}
	if ran := b.Executed(); len(ran) != 2 || ran[1].Argv[len(ran[1].Argv)-1] != "http://127.0.0.9/" {
		t.Errorf("executed %+v, want a second run for what the first printed", ran)
	}
}
