package clientconfig

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var gate = jsontext.Value(`{"command":"/g","args":[]}`)

// Each row is a file, and what it becomes when an entry is added; the entry taken out again leaves back,
// which is the file as it was when it is empty.
var edits = []struct{ says, file, with, back string }{
	{"a file with nothing in it gets an object", "", `{
  "s": {
    "gate": {
      "command": "/g",
      "args": []
    }
  }
}
`, "{\n  \"s\": {}\n}\n"},
	{"comments alone stay", "// mine", `// mine
{
  "s": {
    "gate": {
      "command": "/g",
      "args": []
    }
  }
}
`, "// mine\n{\n  \"s\": {}\n}\n"},
	{"an empty object is filled", "{}", `{
  "s": {
    "gate": {
      "command": "/g",
      "args": []
    }
  }
}`, "{\n  \"s\": {}\n}"},
	{"indentation by tabs, order and unknown members stay", "{\n\t\"z\": 1.50,\n\t\"a\": [ 1,2 ]\n}\n", `{
	"z": 1.50,
	"a": [ 1,2 ],
	"s": {
		"gate": {
			"command": "/g",
			"args": []
		}
	}
}
`, "{\n\t\"z\": 1.50,\n\t\"a\": [ 1,2 ],\n\t\"s\": {}\n}\n"},
	{"an entry comes behind the last one", `{
    "s": {
        "one": {"command": "x"}
    },
    "more": {}
}
`, `{
    "s": {
        "one": {"command": "x"},
        "gate": {
            "command": "/g",
            "args": []
        }
    },
    "more": {}
}
`, ""},
	{"an object that is empty over two lines keeps its end", "{\n  \"s\": {\n  }\n}", `{
  "s": {
    "gate": {
      "command": "/g",
      "args": []
    }
  }
}`, "{\n  \"s\": {}\n}"},
	{"one line stays one line", `{"s":{"one":{"command":"x"}},"n":1}`,
		`{"s":{"one":{"command":"x"},"gate":{"command":"/g","args":[]}},"n":1}`, ""},
	{"one line with spaces stays one with spaces", `{"s": {"one": {"command": "x"}}, "n": 1}`,
		`{"s": {"one": {"command": "x"}, "gate": {"command": "/g", "args": []}}, "n": 1}`, ""},
	{"one line gets its first entry", `{"s":{}}`, `{"s":{"gate":{"command":"/g","args":[]}}}`, ""},
	{"line ends of Windows stay", "{\r\n  \"s\": {\r\n    \"one\": 1\r\n  }\r\n}\r\n",
		"{\r\n  \"s\": {\r\n    \"one\": 1,\r\n    \"gate\": {\r\n      \"command\": \"/g\",\r\n" +
			"      \"args\": []\r\n    }\r\n  }\r\n}\r\n", ""},
	{"and in an object that is empty over two lines", "{\r\n  \"s\": {\r\n  }\r\n}",
		"{\r\n  \"s\": {\r\n    \"gate\": {\r\n      \"command\": \"/g\",\r\n      \"args\": []\r\n    }\r\n  }\r\n}",
		"{\r\n  \"s\": {}\r\n}"},
	{"a mark of byte order stays", "\xef\xbb\xbf{\"s\":{}}", "\xef\xbb\xbf{\"s\":{\"gate\":{\"command\":\"/g\",\"args\":[]}}}", ""},
	{"a comment stays with the entry that it stands behind", `{
  "s": {
    "one": 1 // mine, "s": {
  }
}
`, `{
  "s": {
    "one": 1, // mine, "s": {
    "gate": {
      "command": "/g",
      "args": []
    }
  }
}
`, ""},
	{"trailing commas go on", `{
  "s": {
    "one": 1, /* a */ // b
  },
}
`, `{
  "s": {
    "one": 1, /* a */ // b
    "gate": {
      "command": "/g",
      "args": []
    },
  },
}
`, ""},
	{"a comment over lines does not swallow the entry", "{\"s\": {\n  \"one\": 1 /* a\n b */\n}}", `{"s": {
  "one": 1, /* a
 b */
  "gate": {
    "command": "/g",
    "args": []
  }
}}`, ""},
	{"a comment in an empty object stays first", "{\n  \"s\": { // none yet\n  }\n}", `{
  "s": { // none yet
    "gate": {
      "command": "/g",
      "args": []
    }
  }
}`, ""},
	{"names are compared as they mean", `{"\u0073":{"one":"//","two":"\"/*"}}`,
		`{"\u0073":{"one":"//","two":"\"/*","gate":{"command":"/g","args":[]}}}`, ""},
}

func TestAnEntryComesAndGoesAndAllElseStaysByteForByte(t *testing.T) {
	for _, row := range edits {
		t.Run(row.says, func(t *testing.T) {
			d := mustParse(t, row.file)
			raw, err := d.set(gate, "s", "gate")
			if err != nil || string(raw) != row.with {
				t.Fatalf("set() = %v:\n%q\nwant\n%q", err, raw, row.with)
			}
			back := row.back
			if back == "" {
				back = row.file
			}
			raw, err = mustParse(t, row.with).remove("s", "gate")
			if err != nil || string(raw) != back {
				t.Errorf("remove() = %v:\n%q\nwant\n%q", err, raw, back)
			}
		})
	}
}

func mustParse(t *testing.T, raw string) document {
	t.Helper()
	d, err := parse([]byte(raw), true)
	if err != nil {
		t.Fatalf("parse(%q) = %v", raw, err)
	}
	return d
}

func TestAMemberIsTakenOutWithoutWhatStandsAroundIt(t *testing.T) {
	for _, row := range []struct{ says, file, want string }{
		{"the first", "{\"s\": {\n  \"gate\": 1,\n  \"b\": 2\n}}", "{\"s\": {\n  \"b\": 2\n}}"},
		{"the first of one line", `{"s":{"gate":1, "b":2}}`, `{"s":{"b":2}}`},
		{"one in the middle of one line", `{"s":{"a":0, "gate":1, "b":2}}`, `{"s":{"a":0, "b":2}}`},
		{"the last with a trailing comma", `{"s":{"a":0, "gate":1,}}`, `{"s":{"a":0,}}`},
		{"the only one with a trailing comma", `{"s":{ "gate":1, }}`, `{"s":{}}`},
		{"comments above and behind stay", "{\"s\": {\n  // up\n  \"gate\": 1, // behind\n  \"b\": 2\n}}",
			"{\"s\": {\n  // up\n  // behind\n  \"b\": 2\n}}"},
		{"a comment is not made to swallow what comes next", "{\"s\": { // x\n  \"gate\": 1, \"b\": 2\n}}",
			"{\"s\": { // x\n  \"b\": 2\n}}"},
		{"the line stays where another begins in it", "{\"s\": {\n  \"a\": 0,\n  \"gate\": 1, \"b\": 2\n}}",
			"{\"s\": {\n  \"a\": 0,\n  \"b\": 2\n}}"},
		{"nor the closing bracket", "{\"s\": { // x\n  \"gate\": 1 }}", "{\"s\": { // x\n  }}"},
		{"a comment between value and comma", "{\"s\": {\"gate\": 1 /* x */, \"b\": 2}}", "{\"s\": {/* x */ \"b\": 2}}"},
		{"the last, behind a comment", "{\"s\": {\n  \"a\": 0, // note\n  \"gate\": 1\n}}", "{\"s\": {\n  \"a\": 0 // note\n}}"},
		{"what is not there", `{"s":{"a":0}}`, `{"s":{"a":0}}`},
		{"without the object", `{"a":0}`, `{"a":0}`},
	} {
		t.Run(row.says, func(t *testing.T) {
			raw, err := mustParse(t, row.file).remove("s", "gate")
			if err != nil || string(raw) != row.want {
				t.Errorf("remove() = %v:\n%q\nwant\n%q", err, raw, row.want)
			}
			mustParse(t, string(raw))
		})
	}
}

func TestAValueIsExchangedInThePlaceWhereItStands(t *testing.T) {
	d := mustParse(t, "{\n  \"s\": {\n    \"gate\": {\"command\": 1}, // mine\n    \"b\": 2\n  }\n}")
	raw, err := d.set(gate, "s", "gate")
	want := "{\n  \"s\": {\n    \"gate\": {\n      \"command\": \"/g\",\n      \"args\": []\n    }, // mine\n    \"b\": 2\n  }\n}"
	if err != nil || string(raw) != want {
		t.Errorf("set() = %v:\n%s\nwant\n%s", err, raw, want)
	}
	raw, err = mustParse(t, `{"s": {"gate": 1}}`).set(gate, "s", "gate")
	if want := `{"s": {"gate": {"command": "/g", "args": []}}}`; err != nil || string(raw) != want {
		t.Errorf("set() = %v: %s, want %s", err, raw, want)
	}
}

func TestWhatCannotBeEditedSafelyIsRefusedWithItsLine(t *testing.T) {
	for _, row := range []struct {
		says, file string
		comments   bool
		want       string
	}{
		{"no JSON", "{\n\n  servers: {}\n}", true, "line 3: it is not JSON"},
		{"another value", `[1]`, true, "holds no JSON object"},
		{"the half of one", `{"s":{`, true, "ends too early"},
		{"two values", "{}\n{}", true, "line 2: something stands after the end"},
		{"a name that stands twice", "{\"s\":{},\n\"s\":{}}", true, `line 2: the name "s" stands twice`},
		{"one that stands twice deep down", "{\"a\":[{\"b\":1,\n\"b\":2}]}", true, `line 2: the name "b" stands twice`},
		{"servers that are no object", "{\n\"s\":[]}", true, `line 2: "s": it is not an object`},
		{"servers that are null", `{"s":null}`, true, "not an object"},
		{"a comment where none is read", "{\n// x\n}", false, "line 2: a comment, which this client does not read"},
		{"a trailing comma where none is read", "{\"a\":1,\n}", false, "line 1: a comma before the closing bracket"},
		{"a comment without an end", `{/* }`, true, "not JSON"},
		{"a comma after nothing", `{,}`, true, "not JSON"},
		{"two commas", `{"a":1,,}`, true, "not JSON"},
		{"bytes that are no UTF-8", "{\"a\":\"\xff\"}", true, "not JSON"},
		{"a tower of brackets", strings.Repeat("[", 1_000_000), true, "not JSON"},
	} {
		t.Run(row.says, func(t *testing.T) {
			d, err := parse([]byte(row.file), row.comments)
			if err == nil {
				_, err = d.set(gate, "s", "gate")
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the edit of %.40q = %v, want %q", row.file, err, row.want)
			}
		})
	}
}

// FuzzEdit: a document that can be read can be edited; the edit says what it should, changes the meaning of
// nothing else, keeps every byte in order, and is undone by taking the entry out.
func FuzzEdit(f *testing.F) {
	for _, row := range edits {
		f.Add([]byte(row.file))
		f.Add([]byte(row.with))
	}
	f.Add([]byte("{\"s\":{\"gate\":1,// x\r\"b\":2}}"))
	f.Add([]byte("{/**/\n\"s\"/**/:/*\n*/{//\n}//\n,}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := parse(raw, true)
		if err != nil {
			return
		}
		if _, _, err := d.at("s"); err != nil {
			return
		}
		had, _ := d.value("s", "gate")
		with, err := d.set(gate, "s", "gate")
		if err != nil {
			t.Fatalf("set(%q) = %v", raw, err)
		}
		edited := mustParse(t, string(with))
		if got, err := edited.value("s", "gate"); err != nil || !same(got, gate) {
			t.Fatalf("set(%q) = %q, whose entry is %s, %v", raw, with, got, err)
		}
		if had == nil && !subsequence(d.raw, with) {
			t.Fatalf("set(%q) = %q, which lost something", raw, with)
		}
		without, err := edited.remove("s", "gate")
		if err != nil {
			t.Fatalf("remove(%q) = %v", with, err)
		}
		if got, want := meaning(t, without), meaning(t, d.raw); got != want {
			t.Fatalf("set and remove made %q (%s) of %q (%s)", without, got, raw, want)
		}
	})
}

// subsequence reports whether all bytes of part stand in whole, in their order.
func subsequence(part, whole []byte) bool {
	for _, b := range part {
		n := bytes.IndexByte(whole, b)
		if n < 0 {
			return false
		}
		whole = whole[n+1:]
	}
	return true
}

// meaning is what a document says besides the entry, in one form.
func meaning(t *testing.T, raw []byte) string {
	t.Helper()
	d := mustParse(t, string(raw))
	all := map[string]jsontext.Value{}
	for _, m := range d.top.members {
		all[m.name] = d.plain[m.value.start:m.value.end]
	}
	servers := map[string]jsontext.Value{}
	if err := json.Unmarshal(all["s"], &servers); all["s"] != nil && err != nil {
		t.Fatalf("the servers of %q: %v", raw, err)
	}
	delete(servers, "gate")
	var err error
	if all["s"], err = json.Marshal(servers); err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	v := jsontext.Value(whole)
	if err := v.Canonicalize(); err != nil {
		return string(whole)
	}
	return string(v)
}
