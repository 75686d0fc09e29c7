package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

type data struct {
	Text  string   `json:"text"`
	Lines []string `json:"lines"`
}

// shell is a tool that runs a script of the test's own with sh.
func shell(script string, change func(*command.Definition)) sdk.Plugin {
	d := command.Definition{
		Definition: sdk.Definition{Name: "Sh", Description: "A tool of the tests."},
		Program:    command.Program{Name: "sh", Install: "apt-get install dash"},
		Fixed:      []string{"-c", script},
		Executes:   []string{"/bin", "/usr/bin"},
	}
	if change != nil {
		change(&d)
	}
	return sdk.Plugin{Name: "sh", Version: "1", Tools: []sdk.Tool{command.New(d)}}
}

// parsed gives a tool a reader.
func parsed(r command.Reader) func(*command.Definition) {
	return func(d *command.Definition) {
		d.Output = data{}
		d.Open = func(*command.Job, func(sdk.Progress)) command.Reader { return r }
	}
}

func TestRun(t *testing.T) {
	var report []byte
	var lines []string
	p := shell("echo out; echo err >&2; echo report >&3; exit 3", parsed(command.Reader{
		Stdout: command.Lines(80, func(l string) { lines = append(lines, l) }),
		Report: func(r io.Reader) (err error) { report, err = io.ReadAll(r); return err },
		Data:   func(o sandbox.Outcome) (any, error) { return data{Text: fmt.Sprint(o.ExitCode)}, nil },
	}))
	res, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "Sh", `{}`)
	if err != nil || res.ReturnCode != 3 || res.Stdout != "out\n" || res.Stderr != "err\n" {
		t.Errorf("Call() = %+v, %v; want an ordinary result with returncode 3", res, err)
	}
	if string(report) != "report\n" || !slices.Equal(lines, []string{"out"}) {
		t.Errorf("the reader got report %q, lines %q", report, lines)
	}
	if want := `{"lines":[],"text":"3"}`; string(res.Data) != want {
		t.Errorf("data = %s, want %s", res.Data, want)
	}
}

func TestACallTellsWhatItExecutes(t *testing.T) {
	var first sdk.Event
	b := sdktest.New(t, shell("echo out", nil), sdktest.Options{Event: func(ev sdk.Event) {
		if first == (sdk.Event{}) {
			first = ev
		}
	}})
	if _, err := b.Call(t.Context(), "Sh", `{}`); err != nil {
		t.Fatal(err)
	}
	want := b.Plan("Sh", `{}`)
	if first.Exec == nil || first.Exec.Program != want.Program || !slices.Equal(first.Exec.Argv, want.Argv) {
		t.Errorf("the first event is %+v, want the execution of %q", first, want.Argv)
	}
	if got := b.Executed(); len(got) != 1 {
		t.Errorf("Executed() = %+v, want one program", got)
	}
}

func TestReaderFailures(t *testing.T) {
	for _, c := range []struct {
		name     string
		reader   command.Reader
		wantKind sdk.Kind
		wantMeta string
		wantData bool
	}{
		{"the report cannot be read",
			command.Reader{Report: func(io.Reader) error { return errors.New("bad XML") }}, "", "bad XML", false},
		{"the data cannot be made",
			command.Reader{Data: func(sandbox.Outcome) (any, error) {
				return nil, errors.New("no idea")
			}}, "", "no idea", false},
		{"the data says that the run failed",
			command.Reader{Data: func(sandbox.Outcome) (any, error) {
				return data{Text: "x"}, sdk.Errorf(sdk.KindExecution, "nothing done")
			}}, sdk.KindExecution, "", true},
		{"the data is too large",
			command.Reader{Data: func(sandbox.Outcome) (any, error) {
				return data{Text: strings.Repeat("x", 4<<20)}, nil
			}}, "", "at most", false},
	} {
		res, err := sdktest.New(t, shell("echo out", parsed(c.reader)), sdktest.Options{}).Call(t.Context(),
			"Sh", `{}`)
		meta, _ := res.Metadata["parse_error"].(string)
		if sdk.KindOf(err) != c.wantKind || !strings.Contains(meta, c.wantMeta) || (res.Data != nil) != c.wantData {
			t.Errorf("%s: Call() = data %t, parse_error %q, %v", c.name, res.Data != nil, meta, err)
		}
		if res.Stdout != "out\n" {
			t.Errorf("%s: stdout = %q, want it kept", c.name, res.Stdout)
		}
	}
}

func TestEndings(t *testing.T) {
	t.Run("the deadline keeps what came", func(t *testing.T) {
		p := shell("echo begun; sleep 60", parsed(command.Reader{
			Data: func(sandbox.Outcome) (any, error) { return data{Text: "partial"}, nil },
		}))
		res, err := sdktest.New(t, p, sdktest.Options{Timeout: time.Second}).Call(t.Context(), "Sh", `{}`)
		if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || res.ReturnCode != sdk.ReturnCodeTimeout {
			t.Errorf("Call() = %d, timed out %t, %v", res.ReturnCode, res.TimedOut, err)
		}
		if res.Stdout != "begun\n" || !strings.Contains(string(res.Data), "partial") {
			t.Errorf("stdout %q, data %s; want both kept", res.Stdout, res.Data)
		}
	})
	t.Run("a limit", func(t *testing.T) {
		_, err := sdktest.New(t, shell("kill -XCPU $$", nil), sdktest.Options{}).Call(t.Context(), "Sh", `{}`)
		if sdk.KindOf(err) != sdk.KindResourceExhausted {
			t.Errorf("Call() = %v, want %s", err, sdk.KindResourceExhausted)
		}
	})
	t.Run("a crash", func(t *testing.T) {
		_, err := sdktest.New(t, shell("kill -SEGV $$", nil), sdktest.Options{}).Call(t.Context(), "Sh", `{}`)
		if sdk.KindOf(err) != sdk.KindExecution {
			t.Errorf("Call() = %v, want %s", err, sdk.KindExecution)
		}
	})
	t.Run("limits of the policy", func(t *testing.T) {
		b := sdktest.New(t, shell("ulimit -n; ulimit -v", nil), sdktest.Options{})
		b.Configure(sdk.Policy{MaxOpenFiles: 77, MaxMemory: 100 << 20})
		res, err := b.Call(t.Context(), "Sh", `{}`)
		if want := "77\n102400\n"; err != nil || res.Stdout != want {
			t.Errorf("Call() = %q, %v; want %q", res.Stdout, err, want)
		}
	})
	t.Run("output beyond the caps is parsed all the same", func(t *testing.T) {
		seen := 0
		p := shell("printf '%01000d' 0; printf %010d 0 >&2",
			parsed(command.Reader{Stdout: func(p []byte) { seen += len(p) }}))
		res, err := sdktest.New(t, p, sdktest.Options{MaxStdout: 10, MaxStderr: 10}).Call(t.Context(), "Sh", `{}`)
		if err != nil || len(res.Stdout) != 10 || !res.TruncatedStdout || res.TruncatedStderr || seen != 1000 {
			t.Errorf("Call() = %d bytes, truncated %t and %t, parsed %d, %v", len(res.Stdout), res.TruncatedStdout,
				res.TruncatedStderr, seen, err)
		}
	})
}

func TestMissingProgram(t *testing.T) {
	p := shell("", func(d *command.Definition) {
		d.Program.Name, d.Program.Install = "no-such-program", "apt-get install it"
	})
	b := sdktest.New(t, p, sdktest.Options{})
	_, err := b.Call(t.Context(), "Sh", `{}`)
	if sdk.KindOf(err) != sdk.KindNotFound || !strings.Contains(sdk.AsError(err).Suggestion,
		"apt-get install it") {
		t.Errorf("Call() = %v, want %s and what to install", err, sdk.KindNotFound)
	}
	plan := b.Plan("Sh", `{}`)
	if plan.Verdict != sdk.Accept || plan.Argv[0] != "no-such-program" || len(plan.Notes) != 1 {
		t.Errorf("Plan() = %+v, want argv with the bare name, and a note", plan)
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		min  string
		want sdk.Kind
	}{{"1.2.10", ""}, {"1.3", sdk.KindNotFound}, {"2", sdk.KindNotFound}, {"1.2", ""}} {
		p := shell("true", func(d *command.Definition) {
			d.Program.MinVersion, d.Program.VersionArgs = c.min, []string{"-c", "echo Version 1.2.10 '(2026)'"}
		})
		_, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "Sh", `{}`)
		if sdk.KindOf(err) != c.want {
			t.Errorf("with at least %s: Call() = %v, want %q", c.min, err, c.want)
		}
	}
}

func TestUnpinnedTargetIsRefused(t *testing.T) {
	p := shell("true", func(d *command.Definition) { d.Target = command.OneHost })
	h, err := sdk.NewHandler(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Call(context.Background(),
		sdk.Request{Tool: "Sh", Arguments: json.RawMessage(`{"target": "localhost"}`)}, nil)
	if sdk.KindOf(err) != sdk.KindValidation {
		t.Errorf("Call() = %v, want a %s", err, sdk.KindValidation)
	}
}

func TestMain(m *testing.M) {
	// What the environment says must not reach a program.
	os.Setenv("PATH", "/nowhere")
	os.Exit(m.Run())
}

func TestARunIsRecordedWithTheHashesOfItsFiles(t *testing.T) {
	b := sdktest.New(t, shell("true", func(d *command.Definition) {
		d.DataFiles = func(program string) []string {
			return []string{"/etc/passwd", "/no/such/file", program + "x"}
		}
	}), sdktest.Options{})
	if _, err := b.Call(t.Context(), "Sh", `{}`); err != nil {
		t.Fatal(err)
	}
	got := b.Executed()[0]
	if len(got.Files) != 2 || got.Files[0].Path != got.Program || got.Files[1].Path != "/etc/passwd" ||
		len(got.Files[0].SHA256) != 64 || got.Files[0].SHA256 == got.Files[1].SHA256 {
		t.Errorf("Executed() = %+v, want the hashes of the program and of the data file that exists", got)
	}
}

func TestOutputOfStrangersIsCalledThat(t *testing.T) {
	for _, open := range []bool{true, false} {
		p := shell("true", func(d *command.Definition) { d.Annotations.OpenWorld = open })
		res, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "Sh", `{}`)
		said, _ := res.Metadata["untrusted"].(string)
		if err != nil || strings.Contains(said, "never instructions") != open {
			t.Errorf("open world %t: untrusted = %q, %v", open, said, err)
		}
	}
}

func TestAProgramRunsAsThePolicySays(t *testing.T) {
	own := fmt.Sprintf("%d %d\n", os.Getuid(), os.Getgid())
	for _, row := range []struct{ runAs, asRoot string }{
		{"none", own}, {"1234:567", "1234 567\n"}, {"auto", "65534 65534\n"}, {"", "65534 65534\n"},
	} {
		b := sdktest.New(t, shell("echo $(id -u) $(id -g)", nil), sdktest.Options{RunAs: row.runAs})
		res, err := b.Call(t.Context(), "Sh", `{}`)
		want := row.asRoot
		if os.Geteuid() != 0 {
			want = own // only root can become another user
		}
		if err != nil || res.Stdout != want {
			t.Errorf("run_as %q: Call() = %q, stderr %q, %v; want %q", row.runAs, res.Stdout, res.Stderr, err,
				want)
		}
	}
}

func TestAUserThatIsNotThereRefusesTheRun(t *testing.T) {
	b := sdktest.New(t, shell("true", nil), sdktest.Options{RunAs: "no-such-user-here"})
	_, err := b.Call(t.Context(), "Sh", `{}`)
	if os.Geteuid() != 0 {
		if err != nil {
			t.Errorf("Call() = %v, want an ordinary user to run programs as himself", err)
		}
		return
	}
	if sdk.KindOf(err) != sdk.KindExecution || !strings.Contains(err.Error(), "no-such-user-here") {
		t.Errorf("Call() = %v, want a %s about the user", err, sdk.KindExecution)
	}
}

func TestAMissingLayerRefusesTheRun(t *testing.T) {
	b := sdktest.New(t, shell("true", nil), sdktest.Options{Require: []string{"moat"}})
	_, err := b.Call(t.Context(), "Sh", `{}`)
	if sdk.KindOf(err) != sdk.KindExecution || !strings.Contains(err.Error(), `"moat"`) {
		t.Errorf("Call() = %v, want a %s about the layer", err, sdk.KindExecution)
	}
	if p := b.Plan("Sh", `{}`); !strings.Contains(strings.Join(p.Notes, "\n"), `"moat"`) {
		t.Errorf("Plan().Notes = %q, want a word about the layer", p.Notes)
	}
	for _, c := range b.CheckHealth(t.Context()) {
		if c.Name == "sh" && !strings.Contains(c.Message, `"moat"`) {
			t.Errorf("CheckHealth() = %+v, want a word about the layer", c)
		}
	}
	if told := b.Executed(); len(told) != 0 {
		t.Errorf("Executed() = %+v, want nothing: it did not run", told)
	}
}

func TestTheManifestTellsOfTheLayers(t *testing.T) {
	got := sdktest.New(t, shell("true", nil), sdktest.Options{}).Manifest().Layers
	if len(got) != len(sandbox.Layers()) || got[0].Name == "" || got[0].Detail == "" {
		t.Errorf("Manifest().Layers = %+v, want those of the sandbox", got)
	}
}
