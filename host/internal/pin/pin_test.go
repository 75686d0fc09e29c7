package pin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sum = strings.Repeat("0123456789abcdef", 4)

const whole = `{
  "version": 1,
  "plugins": [
    {
      "file": "below/ping",
      "sha256": "SUM",
      "name": "ping",
      "version": "1.0 <beta>",
      "tools": []
    },
    {
      "file": "nmap",
      "sha256": "SUM",
      "name": "nmap",
      "version": "1.2.3",
      "tools": [
        "NmapTool",
        "ScanTool"
      ]
    }
  ]
}
`

func pins() []Pin {
	return []Pin{
		{File: "nmap", SHA256: sum, Name: "nmap", Version: "1.2.3", Tools: []string{"NmapTool", "ScanTool"}},
		{File: "below/ping", SHA256: sum, Name: "ping", Version: "1.0 <beta>"},
	}
}

func write(t *testing.T, dir string, l Lock) {
	t.Helper()
	if err := Write(dir, l); err != nil {
		t.Fatalf("Write() = %v", err)
	}
}

func TestTheFileIsIndentedAndSorted(t *testing.T) {
	dir, given := t.TempDir(), pins()
	write(t, dir, Lock{Pins: given})
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if want := strings.ReplaceAll(whole, "SUM", sum); err != nil || string(raw) != want {
		t.Errorf("Write() left, %v:\n%s\nwant\n%s", err, raw, want)
	}
	if given[0].File != "nmap" {
		t.Errorf("Write() sorted the caller's pins: %v", given)
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the lock file has mode %v, %v; want 0644 whatever the umask", info.Mode(), err)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, Lock{Pins: pins()[:1]})
	write(t, dir, Lock{Pins: pins()})
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse(raw)
	if err != nil || len(l.Pins) != 2 {
		t.Fatalf("Parse() = %+v, %v, want two pins", l, err)
	}
	for _, want := range pins() {
		if got, ok := l.Find(want.File); !ok || !got.Same(want) {
			t.Errorf("Find(%q) = %+v, %v, want %+v", want.File, got, ok, want)
		}
	}
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	for name, l := range map[string]*Lock{"nil": nil, "empty": {}, "others": {Pins: pins()}} {
		if got, ok := l.Find("other"); ok || !got.Same(Pin{}) {
			t.Errorf("Find() in a lock that is %s = %+v, %v, want nothing", name, got, ok)
		}
	}
}

func TestEachFieldTellsPinsApart(t *testing.T) {
	for name, spoil := range map[string]func(*Pin){
		"file":    func(p *Pin) { p.File = "x" },
		"sha256":  func(p *Pin) { p.SHA256 = "x" },
		"name":    func(p *Pin) { p.Name = "x" },
		"version": func(p *Pin) { p.Version = "x" },
		"tools":   func(p *Pin) { p.Tools = []string{"NmapTool"} },
	} {
		a, b := pins()[0], pins()[0]
		if !a.Same(b) {
			t.Fatalf("Same() of equal pins is false")
		}
		if spoil(&b); a.Same(b) {
			t.Errorf("Same() is true, though the %s is another one", name)
		}
	}
}

// entry is a lock file with one entry, in which old is replaced.
func entry(old, replacement string) string {
	text := `{"version":1,"plugins":[{"file":"a","sha256":"` + sum +
		`","name":"n","version":"v","tools":["T"]}]}`
	return strings.Replace(text, old, replacement, 1)
}

func TestParseRefuses(t *testing.T) {
	if _, err := Parse([]byte(entry("", ""))); err != nil {
		t.Fatalf("Parse() of the row that is spoilt below = %v", err)
	}
	for name, row := range map[string]struct{ text, want string }{
		"nothing":                   {"", "not JSON"},
		"text":                      {"plugins", "not JSON at byte 0"},
		"half of it":                {whole[:40], "not JSON"},
		"something behind it":       {entry("", "") + "{}", "not JSON"},
		"a list":                    {"[]", "kind"},
		"null":                      {"null", "version is 0"},
		"no version":                {entry(`"version":1,`, ""), "version is 0"},
		"another version":           {entry(`"version":1`, `"version":2`), "version is 2; this Gatehouse knows 1"},
		"an unknown member":         {entry(`"plugins"`, `"x":1,"plugins"`), `"/x"`},
		"an unknown member inside":  {entry(`"name"`, `"mode":1,"name"`), `"/plugins/0/mode", stands a member`},
		"a member in capitals":      {entry(`"sha256"`, `"SHA256"`), "does not know"},
		"a member twice":            {entry(`"name"`, `"sha256":"","name"`), "duplicate"},
		"a number for a name":       {entry(`"n"`, `1`), `"/plugins/0/name"`},
		"no file":                   {entry(`"file":"a",`, ""), `file ""`},
		"an absolute file":          {entry(`"a"`, `"/a"`), `file "/a"`},
		"a file outside":            {entry(`"a"`, `"../a"`), `file "../a"`},
		"a file by another way":     {entry(`"a"`, `"b/../a"`), `file "b/../a"`},
		"a file with an empty part": {entry(`"a"`, `"b//a"`), `file "b//a"`},
		"the directory":             {entry(`"a"`, `"."`), `file "."`},
		"no hash":                   {entry(sum, ""), `file "a": sha256 ""`},
		"a short hash":              {entry(sum, sum[1:]), "64 lower-case hex digits"},
		"a hash in capitals":        {entry(sum, strings.ToUpper(sum)), "64 lower-case hex digits"},
		"a hash that is none":       {entry(sum, "g"+sum[1:]), "64 lower-case hex digits"},
		"bytes that are no text":    {entry(`"n"`, "\"\xff\""), "UTF-8"},
		"a file twice": {
			entry(`[{`, `[{"file":"a","sha256":"`+sum+`"},{"file":"b","sha256":"`+sum+`"},{`), `"a" stands twice`},
		"too much": {entry("", "") + strings.Repeat(" ", MaxSize), "bytes; allowed are 1048576"},
	} {
		l, err := Parse([]byte(row.text))
		if l != nil || err == nil || !strings.Contains(err.Error(), row.want) ||
			!strings.Contains(err.Error(), "gatehouse plugins pin writes a new one") {
			t.Errorf("Parse() of %s = %+v, %v, want an error that says %s", name, l, err, row.want)
		}
		if err != nil && errors.Unwrap(err) == nil {
			t.Errorf("Parse() of %s = %v, want a cause", name, err)
		}
	}
}

func TestWriteRefusesWhatCouldNotBeRead(t *testing.T) {
	many := make([]string, MaxSize/64)
	for i := range many {
		many[i] = strings.Repeat("x", 64)
	}
	good := Pin{File: "a", SHA256: sum}
	for name, pins := range map[string][]Pin{
		"a file twice":    {good, {File: "b", SHA256: sum}, good},
		"a bad hash":      {{File: "a"}},
		"a file outside":  {{File: "../a", SHA256: sum}},
		"no text at all":  {{File: "a\xff", SHA256: sum}},
		"a broken name":   {{File: "a", SHA256: sum, Name: "\xff"}},
		"far too much":    {{File: "a", SHA256: sum, Tools: many}},
		"the lock's path": {{File: "/" + FileName, SHA256: sum}},
	} {
		dir := t.TempDir()
		if err := Write(dir, Lock{Pins: pins}); err == nil {
			t.Errorf("Write() of %s = nil, want an error", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("Write() of %s left %v", name, left)
		}
	}
}

func TestAFailedWriteLeavesNoTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, FileName, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, Lock{}); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, FileName)) {
		t.Errorf("Write() over a directory = %v, want an error that names it", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("Write() left %v, want the directory alone", left)
	}
	if err := Write(filepath.Join(dir, "gone"), Lock{}); err == nil {
		t.Error("Write() into a directory that is not there = nil, want an error")
	}
}

// Whatever is in the file: no panic, no error without advice; what is accepted is the same when written.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "[]", strings.ReplaceAll(whole, "SUM", sum), whole, entry("", ""), entry(`"a"`, `"../a"`),
		entry(`"a"`, `"\ud800"`), entry(`"T"`, `null,"","\u0000"`), entry(`["T"]`, "null"), entry("1", "1e0"),
		entry(`"a"`, `"\\"`), `{"version":1,"plugins":null}`, `{"version":1,"plugins":[null,{},{}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := Parse(raw)
		if err != nil {
			if l != nil || !strings.Contains(err.Error(), "gatehouse plugins pin") {
				t.Fatalf("Parse() = %v, %v, want no lock, and advice", l, err)
			}
			return
		}
		written, err := encode(*l)
		if err != nil {
			if len(raw) < MaxSize/16 { // an indented one may be too large
				t.Fatalf("what Parse() gave cannot be written: %v", err)
			}
			return
		}
		again, err := Parse(written)
		if err != nil || len(again.Pins) != len(l.Pins) {
			t.Fatalf("Parse() of what was written = %+v, %v, want %+v", again, err, l)
		}
		for i, p := range l.Pins {
			if found, ok := again.Find(p.File); !ok || !found.Same(p) || !again.Pins[i].Same(p) {
				t.Errorf("Find(%q) after it was written = %+v, %v, want %+v", p.File, found, ok, p)
			}
		}
	})
}
