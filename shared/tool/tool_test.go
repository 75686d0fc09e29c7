package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func output(s string) Event { return Event{Output: &Output{Data: []byte(s)}} }

func TestCollectorKeepsTheBeginning(t *testing.T) {
	var passed strings.Builder
	c := NewCollector(Request{MaxStdout: 5}, func(ev Event) { passed.Write(ev.Output.Data) })
	for _, chunk := range []string{"ab", "", "cdef", "gh"} {
		c.Event(output(chunk))
	}
	var r Result
	c.Fill(&r)
	if r.Stdout != "abcde" || !r.TruncatedStdout || r.TruncatedStderr || passed.String() != "abcde" {
		t.Errorf("result = %+v, passed on %q; want abcde, truncated", r, passed.String())
	}
}

func TestCollectorNeverSplitsACharacter(t *testing.T) {
	for limit := range int64(8) {
		c := NewCollector(Request{MaxStdout: limit}, nil)
		c.Event(output("a\u20ac\u00fcb"))
		var r Result
		c.Fill(&r)
		if !utf8.ValidString(r.Stdout) || int64(len(r.Stdout)) > limit || r.TruncatedStdout != (limit < 7) {
			t.Errorf("with %d bytes: %q, truncated %t", limit, r.Stdout, r.TruncatedStdout)
		}
	}
}

func TestCollectorKeepsStreamsApart(t *testing.T) {
	c := NewCollector(Request{MaxStdout: 9, MaxStderr: 9}, nil)
	c.Event(output("out"))
	c.Event(Event{Output: &Output{Stream: Stderr, Data: []byte("err")}})
	c.Event(Event{Progress: &Progress{Percent: 1}})
	r := Result{TruncatedStderr: true}
	c.Fill(&r)
	if r.Stdout != "out" || r.Stderr != "err" || !r.TruncatedStderr {
		t.Errorf("result = %+v", r)
	}
}

func TestAsErrorFindsTheKind(t *testing.T) {
	ours := Errorf(KindOutOfScope, "out")
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{nil, ""},
		{ours, KindOutOfScope},
		{fmt.Errorf("call: %w", ours), KindOutOfScope},
		{context.Canceled, KindCancelled},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), KindTimeout},
		{errors.New("?"), KindUnknown},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("KindOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestAboutDoesNotTouchTheOriginal(t *testing.T) {
	e := Errorf(KindValidation, "bad").With("a", 1)
	e.About("T", "10.0.0.1").With("b", 2)
	if e.Tool != "" || len(e.Metadata) != 1 {
		t.Errorf("the original is %+v now", e)
	}
}

func TestReportHasEveryFieldOfTheContract(t *testing.T) {
	e := Errorf(KindRateLimited, "slow down").Suggest("wait").With("k", "v")
	e.RetryAfter = 1500500 * time.Microsecond
	for name, rep := range map[string]Report{
		"success": NewReport(Result{Stdout: "x", Data: json.RawMessage(`{"a":1}`)}, nil),
		"failure": NewReport(Result{}, e),
	} {
		raw, err := json.Marshal(rep)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{
			"stdout", "stderr", "returncode", "truncated_stdout", "truncated_stderr", "timed_out", "error", "error_type",
			"execution_time", "correlation_id", "execution_id", "metadata",
		} {
			if _, ok := fields[f]; !ok {
				t.Errorf("%s: %s lacks %s", name, raw, f)
			}
		}
		if name == "failure" && (fields["error_type"] != "rate_limited" || fields["retry_after"] != 1.501) {
			t.Errorf("failure = %s, want rate_limited and a retry_after that is long enough", raw)
		}
	}
}

func TestManifestValidate(t *testing.T) {
	good := func() Manifest {
		return Manifest{Name: "p", Tools: []Spec{{
			Name: "T", Description: "d", InputSchema: json.RawMessage(`{"type":"object","properties":{"target":{}}}`),
			Targets: []TargetArgument{{Argument: "target"}},
		}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatalf("a good manifest is refused: %v", err)
	}
	for why, spoil := range map[string]func(*Manifest){
		"a plugin name with a path":       func(m *Manifest) { m.Name = "../p" },
		"no tools":                        func(m *Manifest) { m.Tools = nil },
		"a tool name with a blank":        func(m *Manifest) { m.Tools[0].Name = "a b" },
		"a tool name of 65 characters":    func(m *Manifest) { m.Tools[0].Name = strings.Repeat("x", 65) },
		"a line end in a name":            func(m *Manifest) { m.Tools[0].Name = "T\n" },
		"no description":                  func(m *Manifest) { m.Tools[0].Description = "" },
		"two tools of one name":           func(m *Manifest) { m.Tools = append(m.Tools, m.Tools[0]) },
		"a schema that is no JSON":        func(m *Manifest) { m.Tools[0].InputSchema = json.RawMessage(`{`) },
		"a schema that is no object":      func(m *Manifest) { m.Tools[0].InputSchema = json.RawMessage(`true`) },
		"a schema of another type":        func(m *Manifest) { m.Tools[0].InputSchema = json.RawMessage(`{"type":"array"}`) },
		"a bad output schema":             func(m *Manifest) { m.Tools[0].OutputSchema = json.RawMessage(`[]`) },
		"a target that is no argument":    func(m *Manifest) { m.Tools[0].Targets[0].Argument = "host" },
		"a negative concurrency":          func(m *Manifest) { m.Tools[0].Concurrency = -1 },
		"a negative timeout":              func(m *Manifest) { m.Tools[0].MaxTimeout = -1 },
		"a description that is too large": func(m *Manifest) { m.Tools[0].Description = strings.Repeat("x", MaxDescription+1) },
	} {
		m := good()
		spoil(&m)
		if err := m.Validate(); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
}
