package strictjson

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode"
)

func TestCheckTakesWhatAllParsersReadAlike(t *testing.T) {
	for says, doc := range map[string]string{
		"a plain call":                        `{"target":"127.0.0.1","extra_args":"-sn"}`,
		"blanks around":                       " \r\n\t{\"target\":\"127.0.0.1\"}\n ",
		"a string alone":                      `"10.0.0.1"`,
		"null alone":                          `null`,
		"one name in two objects":             `[{"a":1},{"a":1,"b":{"a":{"a":2}}},{"A":1}]`,
		"a value that is equal to a name":     `{"a":"a","b":["a","a"]}`,
		"names that differ in an accent":      `{"e":1,"é":2}`,
		"names that differ in a dash":         `{"extra_args":1,"extra-args":2,"extraargs":3}`,
		"a pair of surrogates":                `"\ud83d\ude00"`,
		"the largest number":                  `1.7976931348623157e308`,
		"a number below the smallest is zero": `-1e-999`,
		"308 digits":                          strings.Repeat("9", 308),
		"the deepest that is allowed":         `[[[{}]]]`,
		"a name with nothing in it":           `{"":1}`,
		"a NUL in a name":                     `{"a\u0000":1,"a":2}`,
	} {
		if err := Check([]byte(doc), Limits{Depth: 4}); err != nil {
			t.Errorf("%s: Check(%.80q) = %v, want it taken", says, doc, err)
		}
	}
}

var many = func() string { // names, more than are compared one by one
	var b strings.Builder
	for r := 'a'; r < 'z'; r++ {
		b.WriteString(`"` + string(r) + `":0,`)
	}
	return b.String()
}()

func TestCheckSaysWhereADocumentIsWrong(t *testing.T) {
	for _, row := range []struct {
		says, doc, pointer, reason string
		offset                     int64
	}{
		{"no document", "", "", "it is empty", 0},
		{"blanks alone", " \r\n", "", "it is empty", 3},
		{"a byte order mark", "\uFEFF{}", "", "byte order mark", 0},
		{"the end is missing", `{"target":"10.0.0.1"`, "", "it ends too early", 20},
		{"half a string", `{"target":"10.`, "/target", "it ends too early", 14},
		{"two documents", `{} {}`, "", "something follows the value", 3},
		{"junk behind", `{"a":1}x`, "", "something follows the value", 7},
		{"a NUL behind", "{}\x00", "", "something follows the value", 2},
		{"a name twice", `{"target":"10.0.0.1","target":"8.8.8.8"}`, "/target", "stands twice", 21},
		{"a name twice, once escaped", `{"a":[{"b":1,"\u0062":2}]}`, "/a/0/b", "stands twice", 13},
		{"a name twice among many", `{` + many + `"b":0}`, "/b", "stands twice", 151},
		{"a name twice around an object", `{"a":{"b":{"a":1}},"a":2}`, "/a", "stands twice", 19},
		{"an empty name twice", `{"":1,"":2}`, "/", "stands twice", 6},
		{"capitals", `{"target":1,"TARGET":2}`, "/TARGET", "this name and target are equal but for case", 12},
		{"capitals among many", `{` + many + `"Y":0}`, "/Y", "this name and y are equal but for case", 151},
		{"a long s", `{"extra_args":1,"extra_argſ":2}`, "/extra_argſ", "this name and extra_args are equal", 16},
		{"the Kelvin sign, escaped", `{"k":1,"\u212a":2}`, "/\u212a", "this name and k are equal", 7},
		{"a final sigma", `{"σ":1,"ς":2}`, "/ς", "this name and σ are equal", 8},
		{"a name that is to be escaped", `{"a/b~c":[1,{"x":1,"x":1}]}`, "/a~1b~0c/1/x", "stands twice", 19},
		{"half a surrogate pair", `{"a":"\ud800"}`, "/a", "surrogate", 6},
		{"the other half", `{"a":"x\udc00y"}`, "/a", "surrogate", 7},
		{"half a surrogate pair in a name", `{"\ud800":1}`, "", "surrogate", 2},
		{"bytes that are no UTF-8", "{\"a\":\"\xff\xfe\"}", "/a", "invalid UTF-8", 6},
		{"an overlong slash", "{\"a\":\"\xc0\xaf\"}", "/a", "invalid UTF-8", 6},
		{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "/a", "invalid UTF-8", 6},
		{"a control byte", "{\"a\":\"\n\"}", "/a", "invalid character", 6},
		{"a number without end", `{"a":1e999}`, "/a", "the number is too large", 5},
		{"the same, negative, in capitals", `[0,-1E+309]`, "/1", "the number is too large", 3},
		{"309 digits", `[` + strings.Repeat("9", 309) + `]`, "/0", "the number is too large", 1},
		{"no number", `{"a":NaN}`, "/a", "invalid character 'N'", 5},
		{"a number with a leading zero", `{"a":01}`, "", "invalid character '1'", 6},
		{"a comma too many", `{"a":1,}`, "", "invalid character ','", 6},
		{"a comment", `{"a":1/**/}`, "", "invalid character '/'", 6},
		{"single quotes", `{'a':1}`, "", `invalid character '\''`, 1},
		{"arrays in one another", `{"a":[[[[]]]]}`, "/a/0/0/0", "allowed are 4 levels", 8},
		{"objects in one another", `{"a":{"a":{"a":{"a":{}}}}}`, "/a/a/a/a", "allowed are 4 levels", 20},
	} {
		err := Check([]byte(row.doc), Limits{Depth: 4})
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("%s: Check(%.80q) = %v, want an *Error", row.says, row.doc, err)
			continue
		}
		if bad.Pointer != row.pointer || !strings.Contains(bad.Reason, row.reason) || bad.Offset != row.offset {
			t.Errorf("%s: Check(%.80q) = %v, want %q at byte %d in %q",
				row.says, row.doc, err, row.reason, row.offset, row.pointer)
		}
	}
}

func TestCheckCountsNamesAndValuesOfTheWholeDocument(t *testing.T) {
	for _, row := range []struct {
		says, doc string
		count     int
	}{
		{"a value alone", `"10.0.0.1"`, 1},
		{"an object with nothing in it", `{}`, 1},
		{"two members", `{"target":"127.0.0.1","ports":null}`, 5},
		{"an array in an array", `[[1,2],[],3]`, 6},
		{"small objects", `[{"a":{}},{"a":{}}]`, 7},
		{"a call", `{"target":"127.0.0.1","ports":[80,443],"scope":{"hosts":{"a":"b"}}}`, 13},
	} {
		if err := Check([]byte(row.doc), Limits{Depth: 4, Values: row.count}); err != nil {
			t.Errorf("%s: Check(%q) = %v, want %d values taken", row.says, row.doc, err, row.count)
		}
		if row.count == 1 {
			continue // the limit below it is none
		}
		if err := Check([]byte(row.doc), Limits{Depth: 4, Values: row.count - 1}); err == nil {
			t.Errorf("%s: Check(%q) = nil, want %d values refused", row.says, row.doc, row.count)
		}
	}
}

func TestTooManyValuesAreRefusedWhereTheyBegin(t *testing.T) {
	for doc, want := range map[string]string{
		`{"a":[1,2,3]}`:     "/a/1: too many names and values; allowed are 4 in the whole document (at byte 8)",
		`{"a":1,"b":2,"c"`:  "/b: too many names and values; allowed are 4 in the whole document (at byte 11)",
		`[{},{},{},{}]`:     "/3: too many names and values; allowed are 4 in the whole document (at byte 10)",
		`[1,2,3,[[[[[[[[[[`: "/3: too many names and values; allowed are 4 in the whole document (at byte 7)",
	} {
		err := Check([]byte(doc), Limits{Depth: 9, Values: 4})
		if err == nil || err.Error() != want {
			t.Errorf("Check(%q) = %v, want %v", doc, err, want)
		}
		if other := Object([]byte(doc), Limits{Depth: 9, Values: 4}); other == nil || other.Error() != want {
			t.Errorf("Object(%q) = %v, want %v", doc, other, want)
		}
	}
}

func TestObjectTakesNothingElse(t *testing.T) {
	for doc, want := range map[string]string{
		"":              "the document: it is empty; wanted is one JSON value (at byte 0)",
		" null":         "the document: it is null; wanted is an object (at byte 1)",
		`"10.0.0.1"`:    "the document: it is a string; wanted is an object (at byte 0)",
		`[{}]`:          "the document: it is an array; wanted is an object (at byte 0)",
		`-1`:            "the document: it is a number; wanted is an object (at byte 0)",
		`true`:          "the document: it is true or false; wanted is an object (at byte 0)",
		`{"a":1,"a":2}`: "/a: this member stands twice; send each once (at byte 7)",
	} {
		if err := Object([]byte(doc), Limits{Depth: 4}); err == nil || err.Error() != want {
			t.Errorf("Object(%q) = %v, want %v", doc, err, want)
		}
	}
	if err := Object([]byte(" {}\n"), Limits{Depth: 4}); err != nil {
		t.Errorf("Object = %v, want an object taken", err)
	}
}

type call struct {
	Target  string     `json:"target"`
	Timeout *float64   `json:"timeout_sec"`
	Retries int8       `json:"retries"`
	Ports   []uint16   `json:"ports"`
	Quiet   bool       `json:"quiet"`
	From    netip.Addr `json:"from"`
	Key     []byte     `json:"key"`
	Scope   struct {
		Hosts map[string]string `json:"hosts"`
	} `json:"scope"`
	secret int
}

func TestDecodeReadsIntoAStruct(t *testing.T) {
	c, err := Decode[call]([]byte(`{"target":"127.0.0.1","timeout_sec":1.5e1,"ports":[80],"quiet":true,` +
		`"from":"::1","key":"AQ==","scope":{"hosts":{"a":"b"}}}`))
	if err != nil || c.Target != "127.0.0.1" || *c.Timeout != 15 || c.Ports[0] != 80 || !c.Quiet ||
		c.From != netip.IPv6Loopback() || c.Key[0] != 1 || c.Scope.Hosts["a"] != "b" {
		t.Errorf("Decode = %+v, %v, want every member", c, err)
	}
	c, err = Decode[call]([]byte(`{"target":"127.0.0.1","timeout_sec":null,"ports":null,"retries":null}`))
	if err != nil || c.Target != "127.0.0.1" || c.Timeout != nil || c.Ports != nil || c.Retries != 0 {
		t.Errorf("Decode = %+v, %v, want null to equal absent", c, err)
	}
}

func TestDecodeSaysWhatIsWanted(t *testing.T) {
	for _, row := range []struct{ doc, want string }{
		{`{"TARGET":"10.0.0.1"}`, "/TARGET: no such member; did you mean target? (at byte 1)"},
		{`{"timeout_ſec":1}`, "/timeout_ſec: no such member; did you mean timeout_sec? (at byte 1)"},
		{`{"Timeout":1}`, "/Timeout: no such member; allowed are target, timeout_sec, retries, ports,"},
		{`{"secret":1}`, "/secret: no such member; allowed are target,"},
		{`{"scope":{"host":{}}}`, "/scope/host: no such member; allowed are hosts (at byte 10)"},
		{`{"target":1}`, "/target: it is a number; wanted is a string (at byte 10)"},
		{`{"target":["10.0.0.1"]}`, "/target: it is an array; wanted is a string (at byte 10)"},
		{`{"timeout_sec":"5"}`, "/timeout_sec: it is a string; wanted is a number (at byte 15)"},
		{`{"timeout_sec":true}`, "/timeout_sec: it is true or false; wanted is a number (at byte 15)"},
		{`{"quiet":"false"}`, "/quiet: it is a string; wanted is true or false (at byte 9)"},
		{`{"quiet":0}`, "/quiet: it is a number; wanted is true or false (at byte 9)"},
		{`{"retries":128}`, "/retries: 128 does not fit; wanted is a whole number of 8 bits (at byte 11)"},
		{`{"retries":1.5}`, "/retries: 1.5 does not fit; wanted is a whole number of 8 bits (at byte 11)"},
		{`{"ports":[80,-1]}`, "/ports/1: -1 does not fit; wanted is a whole number of 16 bits, not below 0"},
		{`{"ports":{}}`, "/ports: it is an object; wanted is an array (at byte 9)"},
		{`{"from":"x"}`, "/from: wanted is a string: "},
		{`{"key":"!"}`, "/key: wanted is a string in base64: "},
		{`{"scope":[]}`, "/scope: it is an array; wanted is an object (at byte 9)"},
		{`{"scope":{"hosts":{"a":1}}}`, "/scope/hosts/a: it is a number; wanted is a string (at byte 23)"},
		{`{"ports":[80,null]}`, "/ports/1: it is null; an array takes values alone, leave it out (at byte 13)"},
		{`{"ports":[` + strings.Repeat("80,", 5000) + `80]}`, "allowed are 4096 in the whole document"},
		{`null`, "the document: it is null; wanted is an object (at byte 0)"},
		{`{"ports":` + strings.Repeat("[", 40), "allowed are 32 levels"},
	} {
		c, err := Decode[call]([]byte(row.doc))
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("Decode(%q) = %v, want %v", row.doc, err, row.want)
		}
		if c.Target != "" || c.secret != 0 || c.Ports != nil {
			t.Errorf("Decode(%q) = %+v, want nothing beside the error", row.doc, c)
		}
	}
}

func TestAnErrorIsShortAndPrintableWhateverTheDocument(t *testing.T) {
	long, odd := strings.Repeat("ſx", 60<<10/3), `\u001b[31m\u2028\r\n\ufffd`
	for says, doc := range map[string]string{
		"an unknown long name":        `{"` + long + `":1}`,
		"a long name twice":           `{"a` + long + `":1,"a` + long + `":2}`,
		"two long names of two cases": `{"a` + long + `":1,"A` + long + `":2}`,
		"a long number":               `{"retries":` + strings.Repeat("9", 60<<10) + `}`,
		"a long fraction":             `{"retries":0.` + strings.Repeat("9", 60<<10) + `}`,
		"an odd name":                 `{"` + odd + `":1}`,
		"odd names twice":             `{"a` + odd + `":1,"A` + odd + `":1}`,
		"an odd address":              `{"from":"` + odd + long + `"}`,
		"a control byte":              "{\"a\":\"\x1b\"}",
		"many levels of long names":   strings.Repeat(`{"`+long[:3000]+`":`, 20) + `"\x"`,
	} {
		_, err := Decode[call]([]byte(doc))
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("%s: Decode = %v, want an *Error", says, err)
			continue
		}
		checkError(t, doc, bad)
	}
}

// checkError holds an error to its own promises.
func checkError(t *testing.T, doc string, err *Error) {
	t.Helper()
	if len(err.Pointer) > maxPointer || len(err.Reason) > maxReason || err.Reason == "" {
		t.Errorf("%.80q: the error has %d + %d bytes, want some, and at most %d + %d",
			doc, len(err.Pointer), len(err.Reason), maxPointer, maxReason)
	}
	if s := err.Error(); strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%.80q: Error = %q, want it printable", doc, s)
	}
	if err.Offset < 0 || err.Offset > int64(len(doc)) {
		t.Errorf("%.80q: the offset is %d, want a place in %d bytes", doc, err.Offset, len(doc))
	}
}

// Up to some number names are compared one by one, beyond that by an index: nothing falls between.
func TestEveryNameIsFoundAgain(t *testing.T) {
	for count := range 3 * few {
		doc := "{"
		for i := range count {
			doc += fmt.Sprintf(`"k%d":0,`, i)
		}
		for i := range count {
			again := fmt.Sprintf(`%s"K%d":0}`, doc, i)
			if err := Check([]byte(again), Limits{Depth: 4}); err == nil {
				t.Errorf("Check(%q) = nil, want name %d of %d found again", again, i, count)
			}
		}
		if err := Check([]byte(doc+`"other":0}`), Limits{Depth: 4}); err != nil {
			t.Errorf("Check = %v, want %d names and another taken", err, count)
		}
	}
}

// Folding is what strings.EqualFold has: all of Unicode is tried.
func TestNamesFoldAsEqualFoldHasIt(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if one, other := foldRune(r), foldRune(f); one != other || one > min(r, f) {
				t.Fatalf("foldRune(%q) = %q, foldRune(%q) = %q, want the first of all", r, one, f, other)
			}
		}
	}
	for _, s := range []string{"abcxyz", "`{@[_-", "kſé\u212a"} {
		quoted := []byte(`"` + s + `"`)
		got := string(fold(nil, quoted))
		if again := string(fold(nil, []byte(`"`+got+`"`))); !strings.EqualFold(got, s) || again != got {
			t.Errorf("fold(%q) = %q, then %q, want it equal but for case, and settled", s, got, again)
		}
	}
}

func TestAScannerKeepsNothingOfADocument(t *testing.T) {
	s := borrow([]byte(`{"a":{"`+strings.Repeat("b", keepRoom+1)+`":1,"c":[1,`), rules{Limits: Limits{Depth: 9}})
	if err := s.value(); err == nil {
		t.Error("value = nil, want half a document refused")
	}
	s.giveBack()
	if s.raw != nil || s.input.Len() != 0 || len(s.dec.UnreadBuffer()) != 0 ||
		len(s.names.list)+len(s.names.levels)+len(s.names.folded) != 0 {
		t.Errorf("%+v, want nothing left", s)
	}
	if s.names.reset() {
		t.Errorf("reset = true with room for %d bytes, want the scanner given up", cap(s.names.folded))
	}
}

func TestTheSameScannerReadsTheNextDocumentAfresh(t *testing.T) {
	for range 3 {
		bad := Check([]byte(`{"a":{"b":[{"c":1,"c":`), Limits{Depth: 9}) // leaves four levels open
		if bad == nil {
			t.Fatal("Check = nil, want the name refused")
		}
		if err := Check([]byte(`{"c":1,"a":2,"b":1e308}`), Limits{Depth: 9}); err != nil {
			t.Errorf("Check = %v after %v, want nothing left of it", err, bad)
		}
	}
}
