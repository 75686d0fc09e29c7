package nmap

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// through reads a text as encoding/xml does.
func through(t testing.TB, text string) string {
	t.Helper()
	b := &bounded{Reader: bufio.NewReader(strings.NewReader(text)), total: maxXML, token: maxXML}
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
