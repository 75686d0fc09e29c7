package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
)

// written is what a log wrote: do logs, then the log is closed.
func written(t testing.TB, cfg Config, do func(l *Logs)) string {
	t.Helper()
	var out bytes.Buffer
	cfg.Output = &out
	l, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	do(l)
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return out.String()
}

// fields is the one JSON line that do logs.
func fields(t testing.TB, do func(l *slog.Logger)) map[string]any {
	t.Helper()
	line := written(t, Config{}, func(l *Logs) { do(l.Logger()) })
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("the line is no JSON: %v\n%s", err, line)
	}
	return got
}

func TestTheHandlerDoesWhatSlogAsksOfHandlers(t *testing.T) {
	var out *bytes.Buffer
	var l *Logs
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		var err error
		out = new(bytes.Buffer)
		if l, err = New(Config{Output: out}); err != nil {
			t.Fatal(err)
		}
		return l.Logger().Handler()
	}, func(t *testing.T) map[string]any {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]any)
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("the line is no JSON: %v\n%s", err, out)
		}
		for ours, theirs := range map[string]string{
			"@timestamp": slog.TimeKey, "@level": slog.LevelKey, "@message": slog.MessageKey,
		} {
			if v, ok := got[ours]; ok {
				got[theirs] = v
			}
		}
		return got
	})
}

func TestTheKeysAreThoseOfHclog(t *testing.T) {
	line := written(t, Config{Level: slog.LevelDebug}, func(l *Logs) {
		l.Named("fleet").Debug("plugin ready", "plugin", "nmap", "pid", 42)
	})
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339, got["@timestamp"].(string)); err != nil {
		t.Errorf("@timestamp = %v, want RFC 3339", got["@timestamp"])
	}
	delete(got, "@timestamp")
	want := map[string]any{"@level": "debug", "@message": "plugin ready", "@module": "gatehouse.fleet",
		"plugin": "nmap", "pid": 42.0}
	if a, b := mustJSON(got), mustJSON(want); a != b {
		t.Errorf("line = %s, want %s", a, b)
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestTextIsForPeople(t *testing.T) {
	line := written(t, Config{Format: Simple}, func(l *Logs) {
		l.Named("call").WithGroup("g").Warn("call finished: it's ü", "tool", "NmapTool", "target", "a b",
			"n", 1.5, "empty", "", slog.Group("in", "took", time.Second))
	})
	_, line, _ = strings.Cut(line, " ")
	want := "[WARN]  gatehouse.call: call finished: it's ü: g.tool=NmapTool g.target=\"a b\" g.n=1.5 " +
		"g.empty=\"\" g.in.took=1s\n"
	if line != want {
		t.Errorf("line = %q, want %q", line, want)
	}
}

func TestTheLevelCanBeChangedForAllLoggersAtOnce(t *testing.T) {
	lines := written(t, Config{Level: slog.LevelWarn, Format: Simple}, func(l *Logs) {
		part := l.Named("part").With("a", 1)
		part.Info("one")
		l.SetLevel(slog.LevelInfo)
		part.Info("two")
		l.HCLog().Debug("three")
		l.SetLevel(slog.LevelDebug - 4)
		part.Log(t.Context(), slog.LevelDebug-4, "four")
		l.SetLevel(slog.LevelError)
		part.Warn("five")
		l.HCLog().Error("six", "b", 2, "odd")
	})
	for _, word := range []string{"two", "[TRACE] gatehouse.part: four: a=1",
		"six: b=2 EXTRA_VALUE_AT_END=odd\n"} {
		if !strings.Contains(lines, word) {
			t.Errorf("the log lacks %s:\n%s", word, lines)
		}
	}
	if n := strings.Count(lines, "\n"); n != 3 {
		t.Errorf("the log has %d lines, want 3:\n%s", n, lines)
	}
}

// rude has methods that fail.
type rude struct{}

func (rude) MarshalJSON() ([]byte, error) { panic("rude") }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestEachKindOfValueHasItsForm(t *testing.T) {
	var null *nilError
	cyclic := map[string]any{}
	cyclic["me"] = cyclic
	for name, test := range map[string]struct{ value, json any }{
		"duration in ns": {time.Second, 1e9},
		"error":          {errors.New("broken"), "broken"},
		"nil error": {null,
			"[panic: runtime error: invalid memory address or nil pointer dereference]"},
		"marshaler that panics": {rude{}, "[panic: rude]"},
		"raw JSON on two lines": {json.RawMessage("{\n\"a\":\n1}"), map[string]any{"a": 1.0}},
		"raw JSON that is none": {json.RawMessage("{"), "[json: error calling MarshalJSON for type " +
			"json.RawMessage: unexpected end of JSON input]"},
		"raw JSON with bidi":  {json.RawMessage("\"a\u202eb\""), "a\u202eb"},
		"raw JSON with waste": {json.RawMessage("\"a\xffb\""), "a\uFFFDb"},
		"not a number":        {math.NaN(), "NaN"},
		"infinite":            {math.Inf(1), "+Inf"},
		"large":               {1e300, 1e300},
		"list":                {[]string{"a", "b"}, []any{"a", "b"}},
		"marshaler in a list": {[]any{rude{}}, "[panic: rude]"},
		"nothing":             {nil, nil},
		"bool":                {true, true},
		"time":                {time.Unix(0, 0).UTC(), "1970-01-01T00:00:00Z"},
	} {
		got, ok := fields(t, func(l *slog.Logger) { l.Info("m", "v", test.value) })["v"]
		if mustJSON(got) != mustJSON(test.json) || !ok {
			t.Errorf("%s: v = %#v, want %#v", name, got, test.json)
		}
		text := written(t, Config{Format: Simple}, func(l *Logs) { l.Logger().Info("m", "v", test.value) })
		if strings.Count(text, "\n") != 1 || !strings.Contains(text, " v=") {
			t.Errorf("%s: text = %q, want one line with v", name, text)
		}
	}
	got := fields(t, func(l *slog.Logger) { l.Info("m", "v", cyclic) })["v"]
	if s, _ := got.(string); !strings.Contains(s, "cycle") {
		t.Errorf("v = %v, want a word about the cycle", got)
	}
}

func TestAVeryLongValueIsCutAndMarked(t *testing.T) {
	long := strings.Repeat("é", 20_000)
	got := fields(t, func(l *slog.Logger) { l.Info(long, "v", long, long, 1, "list", []string{long}) })
	want := strings.Repeat("é", maxValue/2) + "... [cut, 40000 bytes in all]"
	if got["@message"] != want || got["v"] != want {
		t.Errorf("message has %d bytes, v %d, want %d with a mark", len(got["@message"].(string)),
			len(got["v"].(string)), len(want))
	}
	if s, _ := got["list"].(string); !strings.HasSuffix(s, "... [cut, 40004 bytes in all]") {
		t.Errorf("list = %.40q..., want it cut and marked", got["list"])
	}
	for key := range got {
		if len(key) > maxKey+40 {
			t.Errorf("a key has %d bytes, want at most about %d", len(key), maxKey)
		}
	}
}

func TestALineDoesNotGrowWithoutEnd(t *testing.T) {
	var many []any
	for i := range 100 {
		many = append(many, slog.String(strings.Repeat("k", i+1), strings.Repeat("\x00", maxValue)))
	}
	line := written(t, Config{}, func(l *Logs) { l.Logger().Info("m", many...) })
	if len(line) > maxLine+7*maxValue {
		t.Errorf("the line has %d bytes, want at most %d and one value", len(line), maxLine)
	}
	if !strings.Contains(line, leftOut) || !strings.Contains(line, `"_left_out":36`) {
		t.Error("the line does not say that something was left out")
	}
	nested := slog.Int("n", 1)
	for range 20 {
		nested = slog.Attr{Key: "g", Value: slog.GroupValue(nested)}
	}
	got := mustJSON(fields(t, func(l *slog.Logger) { l.Info("m", nested) }))
	if !strings.Contains(got, "too many") {
		t.Errorf("line = %s, want the innermost groups left out", got)
	}
}

func TestTheHostsOwnKeysCannotBeForged(t *testing.T) {
	got := fields(t, func(l *slog.Logger) {
		l.Info("true", "@message", "false", "@level", "error", "a", 1, "a", 2, slog.Group("", "@module", "x"),
			slog.Group("g", "@level", "fine here"))
	})
	delete(got, "@timestamp")
	want := `{"@level":"info","@message":"true","@module":"gatehouse","_@level":"error",` +
		`"_@message":"false","_@module":"x","a":2,"g":{"@level":"fine here"}}`
	if mustJSON(got) != want {
		t.Errorf("line = %s, want %s", mustJSON(got), want)
	}
}

// A LogValuer may log: were it asked under a lock of the log, this would never end.
type talker struct{ l *slog.Logger }

func (v talker) LogValue() slog.Value {
	v.l.Info("inner")
	return slog.StringValue("value")
}

func TestAValueMayLog(t *testing.T) {
	lines := written(t, Config{}, func(l *Logs) { l.Logger().Info("outer", "v", talker{l.Logger()}) })
	if strings.Count(lines, "\n") != 2 {
		t.Errorf("log = %q, want two lines", lines)
	}
}

func TestManyMayLogAtOnce(t *testing.T) {
	lines := written(t, Config{}, func(l *Logs) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				log := l.Named("part").With("i", i)
				for j := range 100 {
					log.Info("m", "j", j)
				}
			})
		}
		wg.Wait()
	})
	for line := range strings.Lines(lines) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("%q is no JSON", line)
		}
	}
	if n := strings.Count(lines, "\n"); n != 800 {
		t.Errorf("the log has %d lines, want 800", n)
	}
}

func TestWhatCannotBeALogIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, cfg := range map[string]Config{
		"no output":     {},
		"format":        {Output: io.Discard, Format: "xml"},
		"negative size": {File: filepath.Join(dir, "a"), MaxFileSize: -1},
		"directory":     {File: dir},
		"not there":     {File: filepath.Join(dir, "no", "log")},
		"device":        {File: "/dev/null"},
	} {
		if l, err := New(cfg); err == nil {
			l.Close()
			t.Errorf("New with %s = nil error, want one", name)
		}
	}
}

// The test binary runs itself with a standard error that nobody reads any more.
func TestMain(m *testing.M) {
	if os.Getenv("LOGS_TEST_BROKEN") == "" {
		os.Exit(m.Run())
	}
	l, err := New(Config{Output: os.Stderr})
	if err != nil {
		os.Exit(3)
	}
	for range 100 {
		l.Logger().Info("nobody reads this")
	}
	l.Close()
	os.Exit(7)
}

func TestABrokenStderrDoesNotEndTheHost(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), "LOGS_TEST_BROKEN=1"), w
	err = cmd.Run()
	w.Close()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("the process ended with %d (%v), want 7", code, err)
	}
}

// The way of a call writes such a line; aim below 6 µs.
func BenchmarkALineOfACall(b *testing.B) {
	for _, format := range []string{Structured, Simple} {
		b.Run(format, func(b *testing.B) {
			l, err := New(Config{Output: io.Discard, Format: format})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			log := l.Named("call")
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(b.Context(), slog.LevelInfo, "call finished",
					slog.String("execution_id", "019a0b5e-7c3a-7b60-9d58-6a3f4a7b2c11"),
					slog.String("correlation_id", "019a0b5e-7c3a-7b60-9d58-6a3f4a7b2c11"),
					slog.String("client", "alice"), slog.String("door", "rest"),
					slog.String("remote", "10.0.0.9"), slog.String("tool", "NmapTool"),
					slog.String("plugin", "nmap"), slog.String("target", "10.0.0.0/24"),
					slog.String("error_type", "timeout"), slog.Duration("elapsed", time.Second),
					slog.Int("returncode", 124), slog.Bool("truncated", false))
			}
		})
	}
}
