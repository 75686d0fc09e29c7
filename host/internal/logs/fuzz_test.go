package logs

import (
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// nasty are strings that end a line somewhere, or turn it, or are no strings.
var nasty = []string{
	"", "plain", "a\nb", "\r\n{\"@level\":\"error\"}", "\x1b[2J", "a\u2028b\u2029c", "\u202eevil", "\xff\xfe",
	"\u0085", "\x00\x7f", "@message", "\u2066x\u2069", "key=value \"q\" \\",
	"\U000e0001", "\ufffd", "日本語",
}

// Whatever strings somebody makes the host log, a record is one line in which everything can be seen, and the
// JSON line has the same strings in it.
func FuzzARecordIsOneLine(f *testing.F) {
	for i, s := range nasty {
		f.Add(s, nasty[(i+5)%len(nasty)], nasty[(i+11)%len(nasty)], s)
	}
	f.Fuzz(func(t *testing.T, msg, key, value, name string) {
		record := func(l *Logs) {
			l.Named(name).With(key, value).WithGroup("g").Info(msg, key, value, "list", []string{value})
		}
		line := written(t, Config{}, record)
		oneLine(t, line)
		var got map[string]any // names that stand twice and invalid UTF-8 are errors here
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("the line is no JSON: %v\n%q", err, line)
		}
		g, _ := got["g"].(map[string]any)
		if key == "g" || key == "list" || key == "" && value == "" {
			return // one takes the other's place, or there is none
		}
		want := func(what string, got any, want string) {
			if got != cut(want, maxValue) {
				t.Errorf("%s = %q, want %q", what, got, want)
			}
		}
		want("message", got["@message"], msg)
		want("value", got[keyOf(key, 0)], value)
		want("value in a group", g[keyOf(key, 1)], value)
		oneLine(t, written(t, Config{Format: Simple}, record))
	})
}

func oneLine(t *testing.T, line string) {
	t.Helper()
	text, ended := strings.CutSuffix(line, "\n")
	if !ended || !utf8.ValidString(text) {
		t.Fatalf("%q is no line of valid UTF-8", line)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Fatalf("the line has %U in it: %q", r, line)
		}
	}
}

// The words of a text line cannot be mistaken for others: each value stands behind its own key.
func TestAMessageCannotPassForAttributes(t *testing.T) {
	line := written(t, Config{Format: Simple}, func(l *Logs) {
		l.Logger().Info("done: client=admin", "client", "mallory role=admin", slog.String("a=b", "c"))
	})
	_, line, _ = strings.Cut(line, " ")
	want := `[INFO]  gatehouse: "done: client=admin": client="mallory role=admin" "a=b"=c` + "\n"
	if line != want {
		t.Errorf("line = %q, want %q", line, want)
	}
}
