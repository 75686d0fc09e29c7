package nmap

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// through reads a text as encoding/xml does.
func through(t testing.TB, text string) string {
	t.Helper()
	b := newBounded(strings.NewReader(text))
	b.token = maxXML
	var out strings.Builder
	for {
		c, err := b.ReadByte()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatalf("ReadByte() = %v", err)
		}
		out.WriteByte(c)
	}
}

func TestLongValuesLoseTheirEnd(t *testing.T) {
	fill := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ name, in, want string }{
		{"an attribute", `<a b="` + fill(maxValue+9) + `" c="d">`, `<a b="` + fill(maxValue) + `" c="d">`},
		{"one in other quotes", `<a b='"` + fill(maxValue) + `'>`, `<a b='"` + fill(maxValue-1) + `'>`},
		{"a text", `<a>` + fill(maxValue+9) + `</a>`, `<a>` + fill(maxValue) + `</a>`},
		{"an entity at the end", `<a>` + fill(maxValue-2) + `&quot;yz</a>`, `<a>` + fill(maxValue-2) + `&quot;</a>`},
		{"an entity behind the end", `<a>` + fill(maxValue) + `&quot;</a>`, `<a>` + fill(maxValue) + `</a>`},
		{"a character at the end", `<a>` + fill(maxValue-1) + `€z</a>`, `<a>` + fill(maxValue-1) + `€</a>`},
		{"one that fits", `<a b="` + fill(maxValue) + `"/>`, `<a b="` + fill(maxValue) + `"/>`},
		{"a comment, which has no values", `<!-- "` + fill(maxValue+9) + ` --><a b="c"/>`,
			`<!-- "` + fill(maxValue+9) + ` --><a b="c"/>`},
		{"a section", `<a><![CDATA["` + fill(maxValue+9) + `]]>` + fill(9) + `</a>`,
			`<a><![CDATA["` + fill(maxValue+9) + `]]>` + fill(9) + `</a>`},
		{"declarations", `<?xml v='1'?><!DOCTYPE a><a b="` + fill(maxValue+1) + `"/>`,
			`<?xml v='1'?><!DOCTYPE a><a b="` + fill(maxValue) + `"/>`},
	} {
		if got := through(t, c.in); got != c.want {
			t.Errorf("%s: %d bytes become %d, want %d", c.name, len(c.in), len(got), len(c.want))
		}
	}
}

func TestOrdinaryDocumentsAreReadWhole(t *testing.T) {
	files, err := filepath.Glob("testdata/xml/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/xml has %d documents, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := through(t, string(raw)); got != string(raw) {
			t.Errorf("%s: %d bytes become %d", file, len(raw), len(got))
		}
	}
}

// What one machine makes a script print does not hide the machines behind it.
func TestOneHostDoesNotSpoilTheOthers(t *testing.T) {
	long := strings.Repeat("&lt;\\x1B\u20ac", 1<<19)
	r, _, err := parse(t, host(`<port protocol="tcp" portid="1"><state state="open"/><script id="x" output="`+long+`">`+
		`<elem>`+long+`</elem></script></port>`)+`<host><status state="up"/><address addr="127.0.0.2"/></host>`)
	if err != nil || len(r.Hosts) != 2 || r.Hosts[1].Address != "127.0.0.2" || !r.Truncated {
		t.Fatalf("read() = %d hosts, truncated %t, %v; want both, truncated", len(r.Hosts), r.Truncated, err)
	}
	s := r.Hosts[0].Ports[0].Scripts[0]
	if n := len(s.Output); n > maxScript || n < maxScript-8 || s.Data == nil {
		t.Errorf("output has %d bytes, data is %v; want %d, and the part", n, s.Data, maxScript)
	}
}

func TestWhatXMLHasNotIsWrittenOut(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a byte that is not UTF-8", "<a b=\"x\xffy\">\xe2\x82<", "<a b=\"x\\xFFy\">\\xE2\\x82<"},
		{"a character cut at the end", "<a>\xf0\x9f\x98", "<a>\\xF0\\x9F\\x98"},
		{"a control character", "<a b='\x1b[2J\x00'>\x07", "<a b='\\x1B[2J\\x00'>\\x07"},
		{"what is no character", "<a>\ufffe\uffff", "<a>\\u{FFFE}\\u{FFFF}"},
		{"a control character by its number", `<a b="&#x1b;&#27;&#0;">&#x7;`, `<a b="\x1B\x1B\x00">\x07`},
		{"a number that is no character", `<a>&#xd800;&#x110000;&#99999999;`, "<a>\ufffd\ufffd\ufffd"},
		{"line ends and tabs", "<a>\t\r\n&#9;&#xa;&#xd;", "<a>\t\r\n&#9;&#xa;&#xd;"},
		{"characters that XML has", "<a b='é€😀\u0085'>&#233;&#x1F600;\ufffd",
			"<a b='é€😀\u0085'>&#233;&#x1F600;\ufffd"},
		{"names of characters", `<a>&lt;&amp;#x1b;&quot;`, `<a>&lt;&amp;#x1b;&quot;`},
		{"what looks like a name", `<a>&#;&#x;&#xzz;&# x1b;&#x1b`, `<a>&#;&#x;&#xzz;&# x1b;&#x1b`},
		{"a comment, where a number names nothing", `<!-- &#x1b; --><![CDATA[&#x1b;]]>`,
			`<!-- &#x1b; --><![CDATA[&#x1b;]]>`},
	} {
		if got := through(t, c.in); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

// A byte that a scanned machine got into the document hides nothing that is behind it.
func TestAStrayByteDoesNotEndTheReport(t *testing.T) {
	const second = `<host><status state="up"/><address addr="127.0.0.2"/></host>`
	for _, c := range []struct{ in, want string }{
		{"\xff", `\xFF`}, {"\x1b", `\x1B`}, {"\x00", `\x00`}, {"&#x1b;", `\x1B`}, {"&#xffff;", `\u{FFFF}`},
	} {
		r, _, err := parse(t, host(`<port portid="1"><service name="x" product="a`+c.in+`b"/></port>`+
			`<script id="x" output="`+c.in+`"><elem>`+c.in+`</elem></script>`)+second)
		if err != nil || len(r.Hosts) != 2 || r.Hosts[1].Address != "127.0.0.2" {
			t.Errorf("%q: read() = %d hosts, %v; want both", c.in, len(r.Hosts), err)
			continue
		}
		h := r.Hosts[0]
		if got := string(h.Ports[0].Service.Product); got != "a"+c.want+"b" {
			t.Errorf("%q: product = %q, want %q", c.in, got, "a"+c.want+"b")
		}
		if got := string(h.Scripts[0].Output); got != c.want {
			t.Errorf("%q: output = %q, want %q", c.in, got, c.want)
		}
	}
}
