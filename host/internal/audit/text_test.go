package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// hostile is what a caller may send to forge a line, or to steer the terminal of who reads it.
const hostile = "a\"}\n{\"seq\":1,\"prev\":\"" +
	"\x00\r\t\\\x1b[2J\x7f\u0085\u009b\u2028\u2029\u202e\u2066\u200f\ufeff\U000e0041\xff<é>"

func TestNoCallerForgesALine(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	e := typical(Refuse)
	arguments, err := json.Marshal(map[string]string{"target": hostile, hostile: "x"})
	if err != nil {
		t.Fatal(err)
	}
	e.ExecutionID, e.Tool, e.Target, e.Rule, e.Error = hostile, hostile, hostile, hostile, hostile
	e.Argv, e.Facts = []string{hostile}, map[string]string{hostile: hostile}
	e.Origin.Client = hostile
	e.Targets[0].Label = hostile
	for _, raw := range []string{string(arguments), `"` + "\u202e\u009b\x7f" + `"`, hostile, " [1 ,\n\t{}\r] "} {
		e.Arguments = json.RawMessage(raw)
		appendAll(t, trail, e)
	}
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Lines != 4 {
		t.Errorf("Verify = %+v, want 4 lines", r)
	}
	raw := read(t, dir, 1)
	for _, r := range string(raw) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("the file has the character %U, want it escaped", r)
		}
	}
	all := lines(t, dir)
	if want := strings.ToValidUTF8(hostile, "\ufffd"); all[0]["target"] != want {
		t.Errorf("target = %q, want %q", all[0]["target"], want)
	}
	if all[2]["arguments"] != nil || all[2]["arguments_text"] == nil {
		t.Errorf("arguments that are no JSON = %v, want a text", all[2])
	}
	if !bytes.Contains(raw, []byte(`"arguments":[1,{}],`)) {
		t.Errorf("arguments keep their blanks in %s", raw)
	}
}

func TestNoLineIsTooLong(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	long := strings.Repeat("\x7f", 300_000)
	list := make([]string, 100_000)
	for _, e := range []Entry{
		{Argv: []string{long, "x"}}, {Argv: list}, {Argv: append([]string{"nmap"}, strings.Split(long, "")...)},
	} {
		e.Event, e.ExecutionID, e.CorrelationID = Finish, long, long
		e.Tool, e.Plugin, e.PluginVersion = long, long, long
		e.Origin.Client, e.Origin.Remote, e.Origin.Door = long, long, "rest"
		e.Origin.Trace.ID, e.Origin.Trace.Parent = long, long
		e.Target, e.Verdict, e.Gate, e.Rule, e.Error, e.Program = long, tool.Verdict(long), long, long, long, long
		e.ErrorType, e.Actor, e.Action = tool.Kind(long), long, long
		e.Facts = map[string]string{"a": long[:600], "b": long[:600], "c": long[:600], "d": long[:600], "e": long}
		e.Arguments = json.RawMessage(`"` + long[:10_000] + `"`) // 60 KB when escaped
		for range 1000 {
			e.Targets = append(e.Targets, tool.Target{
				Argument: long, Label: long, Prefix: netip.MustParsePrefix("10.0.0.0/8"),
			})
			e.Files = append(e.Files, tool.File{Path: long, SHA256: long})
		}
		appendAll(t, trail, e)
	}
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Lines != 3 {
		t.Errorf("Verify = %+v, want 3 lines", r)
	}
	for i, l := range lines(t, dir) {
		cut, _ := json.Marshal(l["cut"])
		for _, name := range []string{"execution_id", "argv", "files", "targets", "facts", "rule"} {
			if !bytes.Contains(cut, []byte(`"`+name+`"`)) {
				t.Errorf("line %d: cut = %s, want %s in it", i+1, cut, name)
			}
		}
	}
}

func TestLargeArgumentsAreNamedByTheirDigest(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	raw := json.RawMessage(`{"a":"` + strings.Repeat("b", 30_000) + `"}`)
	appendAll(t, trail, Entry{Event: Accept, Arguments: raw}, Entry{Event: Refuse, Arguments: raw})
	closeTrail(t, trail)
	all := lines(t, dir)
	if all[0]["arguments"] == nil || all[0]["arguments_sha256"] != nil {
		t.Error("an accepted call has no arguments, want them whole")
	}
	if all[1]["arguments"] != nil || all[1]["arguments_bytes"] != 30_008.0 || all[1]["arguments_sha256"] == nil {
		t.Errorf("a refused call has %v, want length and digest of its arguments", all[1])
	}
}

func FuzzATextComesBack(f *testing.F) {
	f.Add(hostile, uint16(1000))
	f.Add("plain", uint16(3))
	f.Fuzz(func(t *testing.T, s string, limit uint16) {
		b, whole := appendText(nil, s, int(limit))
		var got string
		if err := json.Unmarshal(b, &got); err != nil || len(b) > int(limit)+2 {
			t.Fatalf("appendText(%q) = %s: %v", s, b, err)
		}
		want := strings.ToValidUTF8(s, "\ufffd")
		n := utf8.RuneCountInString(got)
		if whole && n != utf8.RuneCountInString(s) || !whole && len(b) < int(limit)-12 {
			t.Errorf("appendText(%q, %d) = %s, whole %v", s, limit, b, whole)
		}
		if utf8.ValidString(s) && (whole && got != want || !strings.HasPrefix(want, got)) {
			t.Errorf("appendText(%q) reads as %q", s, got)
		}
	})
}

func FuzzArgumentsComeBack(f *testing.F) {
	f.Add([]byte(`{"a": [1, "\u001b \\\" ` + "\u202e" + `"], "b": null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		b, whole := appendJSON(nil, raw, 1<<20)
		if !whole {
			return
		}
		var got, want any
		if err := json.Unmarshal(raw, &want); err != nil {
			return // a number too large for Go, which nobody reads here
		}
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("appendJSON(%s) = %s: %v", raw, b, err)
		}
		for _, r := range string(b) {
			if !unicode.IsPrint(r) {
				t.Errorf("appendJSON(%q) = %q has %U in it", raw, b, r)
			}
		}
	})
}

func FuzzALineIsReadAsItWasWritten(f *testing.F) {
	f.Add(uint64(0), []byte(`,"time":"2026-01-02T03:04:05.000000006Z","event":"accept"`))
	f.Fuzz(func(t *testing.T, seq uint64, members []byte) {
		if seq == ^uint64(0) || len(members) > 1000 {
			return
		}
		line, p := appendLine(nil, Point{Seq: seq}, members)
		r, err := parseLine(line[:len(line)-1])
		if err != nil || r.Point != p || !bytes.Equal(r.members, members) {
			t.Errorf("parseLine(%q) = %+v, %v, want %+v", line, r, err, p)
		}
		if _, err := parseLine(members); err == nil {
			t.Errorf("parseLine(%q) = nil, want an error", members)
		}
	})
}

func FuzzAHeadHasOneForm(f *testing.F) {
	f.Add(head{Point: Point{Seq: 12345678901234567890, Hash: Hash{1}}, file: 42}.append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, ok := parseHead(raw)
		if ok && !bytes.Equal(h.append(nil), raw) {
			t.Errorf("parseHead(%q) = %+v, which is written as %q", raw, h, h.append(nil))
		}
	})
}

func TestAHeadIsReadAsItWasWritten(t *testing.T) {
	for _, seq := range []uint64{0, 1, 9, 10, 99, 100, 1e18, 1e19, ^uint64(0)} {
		h := head{Point: Point{Seq: seq, Hash: Hash{1, 2}}, file: int(seq % 1e9)}
		if got, ok := parseHead(h.append(nil)); !ok || got != h {
			t.Errorf("parseHead(%q) = %+v, %v, want %+v", h.append(nil), got, ok, h)
		}
	}
}

// The rule of the package's doc, done again with nothing of the package.
func TestTheHashRuleIsAsDocumented(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept), typical(Finish))
	closeTrail(t, trail)
	raw, err := os.ReadFile(dir + "/audit-000001.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	prev := strings.Repeat("0", 64)
	for line := range strings.Lines(string(raw)) {
		body, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), `,"hash":"`)
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
		if rest != sum+`"}` || !strings.Contains(body, `,"prev":"`+prev+`",`) {
			t.Errorf("the line %s has not the hash %s after %s", line, sum, prev)
		}
		prev = sum
	}
}
