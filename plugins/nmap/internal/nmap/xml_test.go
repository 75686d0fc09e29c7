package nmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// read reads a document as a run does.
func read(t testing.TB, in io.Reader) (Report, []sdk.Progress, error) {
	t.Helper()
	var told []sdk.Progress
	d := &document{total: 4, progress: func(p sdk.Progress) { told = append(told, p) }}
	err := d.read(in)
	v, dataErr := d.data(sandbox.Outcome{})
	if err == nil {
		err = dataErr
	}
	r, _ := v.(Report) // nil, and so a zero Report, when the document never began
	return r, told, err
}

func parse(t testing.TB, text string) (Report, []sdk.Progress, error) {
	t.Helper()
	return read(t, strings.NewReader(text))
}

// sample is a report that nmap wrote about two hosts on loopback, one of them with two ports and scripts.
func sample(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/report.xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// reporter is a bench of a tool whose data is a Report; it runs nothing.
func reporter(t testing.TB) *sdktest.Bench {
	t.Helper()
	tool := command.New(command.Definition{
		Definition: sdk.Definition{Name: "NmapTool", Description: "a report"},
		Program:    command.Program{Name: "nmap"}, Target: command.HostOrNetwork, Output: Report{}, Open: open,
	})
	return sdktest.New(t, sdk.Plugin{Name: "nmap", Version: "test", Tools: []sdk.Tool{tool}}, sdktest.Options{})
}

func TestReport(t *testing.T) {
	r, told, err := parse(t, sample(t))
	if err != nil {
		t.Fatalf("read() = %v", err)
	}
	if r.Version != "7.93" || r.Started != "2026-11-22T19:00:00Z" || r.Elapsed != 6.25 || !r.Complete {
		t.Errorf("report = %+v, want version, start, duration and completeness", r)
	}
	if want := (Totals{Up: 2, Down: 2, Total: 4}); r.Totals != want {
		t.Errorf("totals = %+v, want %+v", r.Totals, want)
	}
	if len(r.Hosts) != 2 || len(r.Hosts[0].Ports) != 2 {
		t.Fatalf("hosts = %+v, want two, the first with two ports", r.Hosts)
	}
	h := r.Hosts[0]
	if h.Address != "127.0.0.1" || h.Status != "up" || h.MAC != "00:11:22:33:44:55" || len(h.Hostnames) != 1 ||
		h.Hostnames[0] != (Hostname{Name: "localhost", Type: "PTR"}) {
		t.Errorf("host = %+v, want its names and addresses", h)
	}
	p := h.Ports[0]
	if p.Port != 8080 || p.Protocol != "tcp" || p.State != "open" || p.Reason != "syn-ack" {
		t.Errorf("port = %+v, want 8080/tcp open (syn-ack)", p)
	}
	s := p.Service
	if s == nil || s.Product != "nginx" || s.Version != "1.22.1" || s.Method != "probed" ||
		s.CPE[0] != "cpe:/a:igor_sysoev:nginx:1.22.1" {
		t.Errorf("service = %+v, want nginx 1.22.1", s)
	}
	title := Script{
		ID: "http-title", Output: "Welcome <here>", Data: []byte(`{"title":"Welcome \u003chere\u003e"}`),
	}
	if len(p.Scripts) != 1 || !reflect.DeepEqual(p.Scripts[0], title) {
		t.Errorf("scripts = %+v, want %+v", p.Scripts, title)
	}
	if len(h.OS) != 1 || h.OS[0].Accuracy != 98 || len(h.Scripts) != 1 || h.Other[0].Count != 98 {
		t.Errorf("host = %+v, want a guess at its system, a script and 98 closed ports", h)
	}
	if h.RTT == nil || *h.RTT != (RTT{Smoothed: 0.052, Variance: 5, Timeout: 100}) {
		t.Errorf("round-trip times = %+v, want microseconds as milliseconds", h.RTT)
	}
	if len(told) != 5 || told[1].Percent != 19.67 || told[3].Done != 2 || told[4].Done != 4 || told[4].Percent != 100 {
		t.Errorf("progress = %+v, want the start, one percentage, two hosts, and the end with all four", told)
	}
}

func TestProgressSaysHowLongItTakes(t *testing.T) {
	_, told, err := parse(t, begin+`<taskbegin task="Connect Scan" time="1"/>`+
		`<taskprogress task="Connect Scan" time="2" percent="0.00"/>`+
		`<taskprogress task="Connect Scan" time="3" percent="25.40" remaining="75" etc="78"/>`+
		`<taskprogress task="Connect Scan" time="4" percent="50" remaining="1e99" etc="78"/>`+
		`<taskprogress task="Connect Scan" time="4" percent="50" remaining="-5" etc="78"/>`+
		`<taskend task="Connect Scan" time="9" extrainfo="100 total ports"/>`)
	if err != nil {
		t.Fatal(err)
	}
	want := []sdk.Progress{
		{Task: "nmap", Percent: -1, Message: "nmap has started; 0 of 4 hosts finished"},
		{Task: "Connect Scan", Percent: 0, Message: "Connect Scan: 0%, 0 of 4 hosts finished"},
		{Task: "Connect Scan", Percent: 0, Message: "Connect Scan: 0%, 0 of 4 hosts finished"},
		{Task: "Connect Scan", Percent: 25.4, Message: "Connect Scan: 25%, about 1m15s left; 0 of 4 hosts finished"},
		{Task: "Connect Scan", Percent: 50, Message: "Connect Scan: 50%, about 168h0m0s left; 0 of 4 hosts finished"},
		{Task: "Connect Scan", Percent: 50, Message: "Connect Scan: 50%, 0 of 4 hosts finished"},
		{Task: "Connect Scan", Percent: 100, Message: "Connect Scan: 100%, 100 total ports; 0 of 4 hosts finished"},
	}
	for i := range want {
		want[i].Total = 4
	}
	if !slices.Equal(told, want) {
		t.Errorf("progress = %+v\nwant %+v", told, want)
	}
}

var update = flag.Bool("update", false, "write what the reports are now for what they should be")

// The documents are real ones, of scans of loopback and of network namespaces, but for hostile.xml: that is what
// a scanned machine would have nmap write, and more than it would.
func TestGoldenReports(t *testing.T) {
	files, err := filepath.Glob("testdata/xml/*.xml")
	if err != nil || len(files) < 9 {
		t.Fatalf("testdata/xml has %d documents, %v; want 9", len(files), err)
	}
	b := reporter(t)
	for _, file := range files {
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := read(t, in)
		in.Close() // only read
		if err != nil {
			t.Errorf("%s: read() = %v", file, err)
		}
		raw := checkFits(t, b, r)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden := strings.TrimSuffix(file, ".xml") + ".json"
		if *update {
			if err := os.WriteFile(golden, append(pretty.Bytes(), '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got := pretty.String() + "\n"; got != string(want) {
			t.Errorf("%s:\n%s\nwant %s", file, got, golden)
		}
	}
}

// A scan that is ended leaves its document open, anywhere.
func TestCutAtEveryByte(t *testing.T) {
	text := sample(t)
	b := reporter(t)
	first := strings.Index(text, "</host>") + len("</host>")
	for n := range len(text) {
		r, _, err := parse(t, text[:n])
		if err != nil {
			t.Fatalf("read of the first %d bytes = %v", n, err)
		}
		if want := min(n/first, 1); len(r.Hosts) < want {
			t.Fatalf("after %d bytes there are %d hosts, want %d", n, len(r.Hosts), want)
		}
		if n%211 == 0 {
			checkFits(t, b, r)
		}
	}
}

// checkFits holds a report to the output schema and to the limit of its size, and returns it as a caller gets it.
func checkFits(t testing.TB, b *sdktest.Bench, r Report) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("Marshal() = %v", err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("Unmarshal(%s) = %v", raw, err)
	}
	if raw, err = json.Marshal(filled(v)); err != nil {
		t.Fatal(err)
	}
	if len(raw) > 3<<20 {
		t.Errorf("the report has %d bytes, more than can be carried", len(raw))
	}
	if err := b.CheckData("NmapTool", raw); err != nil {
		t.Errorf("CheckData() = %v", err)
	}
	return raw
}

// filled writes an empty array for a nil slice, as the handler does. A report has no other nulls.
func filled(v any) any {
	switch v := v.(type) {
	case nil:
		return []any{}
	case []any:
		for i := range v {
			v[i] = filled(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = filled(v[k])
		}
	}
	return v
}

const begin = `<nmaprun version="7.93" start="1">`

func host(inside string) string {
	return begin + `<host><status state="up"/><address addr="127.0.0.1" addrtype="ipv4"/>` + inside + `</host>`
}

func TestDocumentsThatAreNoneAreErrors(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"an entity", begin + `<host>&lol;</host>`},
		{"entities that grow",
			`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + begin + `<host>&b;</host>`},
		{"an external entity",
			`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + begin + `<host>&a;</host>`},
		{"elements closed wrongly", begin + `<host></port></host>`},
		{"deep nesting", begin + strings.Repeat("<host>", 100000)},
		{"not XML", "\x00\xff<\x00"},
		{"a name that is not UTF-8", begin + "<host\xff/>"},
		{"a comment that never ends", begin + `<!--` + strings.Repeat("x", maxToken)},
		{"a name that never ends", begin + `<` + strings.Repeat("x", maxToken)},
		{"a tag that never ends", begin + `<host` + strings.Repeat(` a="b"`, maxToken/6)},
		{"an entity that never ends", begin + `<host a="&` + strings.Repeat("x", maxToken)},
	} {
		if _, _, err := parse(t, c.text); err == nil {
			t.Errorf("%s: read() succeeded, want an error", c.name)
		}
	}
}

func TestWhatIsReadIsBounded(t *testing.T) {
	b := reporter(t)
	long := strings.Repeat("&lt;", 100<<10)
	for _, c := range []struct{ name, text string }{
		{"very many ports",
			host(strings.Repeat(`<port protocol="tcp" portid="1"><state state="open"/></port>`, 20000))},
		{"very long output", host(`<port protocol="tcp" portid="1"><script id="x" output="` + long + `"/></port>`)},
		{"very many scripts",
			host(strings.Repeat(`<script id="x" output="`+strings.Repeat("x", maxScript+1)+`"/>`, 210))},
		{"very many hosts", begin + strings.Repeat(strings.TrimPrefix(host(""), begin), 20000)},
		{"very many parts of a script",
			host(`<script id="x" output="">` + strings.Repeat(`<elem key="k">v</elem>`, 10000) + `</script>`)},
		{"a very long part of a script", host(`<script id="x" output=""><elem>` + long + `</elem></script>`)},
		{"tables in tables", host(`<script id="x" output="">` + strings.Repeat(`<table key="t">`, 20) + `<elem>v</elem>` +
			strings.Repeat(`</table>`, 20) + `</script>`)},
		{"very many hops", host(`<trace>` + strings.Repeat(`<hop ttl="1" rtt="1"/>`, 1000) + `</trace>`)},
		{"very many systems", host(`<os>` + strings.Repeat(`<osmatch name="x"/>`, 1000) + `</os>`)},
		{"very many kinds of a system", host(`<osmatch name="x">` +
			strings.Repeat(`<osclass vendor="x"/>`, 1000) + `</osmatch>`)},
		{"very many scripts of the scan", begin + `<postscript>` +
			strings.Repeat(`<script id="x" output="`+strings.Repeat("x", maxScript+1)+`"/>`, 210) + `</postscript>`},
	} {
		r, _, err := parse(t, c.text)
		if err != nil || !r.Truncated {
			t.Errorf("%s: read() = truncated %t, %v; want true and no error", c.name, r.Truncated, err)
		}
		checkFits(t, b, r)
	}
}

func TestNumbersAreThoseOfJSON(t *testing.T) {
	r, told, _ := parse(t,
		begin+`<taskprogress percent="NaN"/><runstats><finished time="-1" elapsed="1e999" exit="success"/>`+
			`<hosts up="-1" total="99999999999999999999"/></runstats></nmaprun>`)
	if math.IsNaN(r.Elapsed) || math.IsInf(r.Elapsed, 0) || r.Totals.Up < 0 || r.Finished != "" {
		t.Errorf("report = %+v, want numbers that JSON has", r)
	}
	if len(told) < 2 || told[1].Percent != 0 {
		t.Errorf("progress = %+v, want 0 percent for what is no number", told)
	}
	r, _, _ = parse(t, host(`<uptime seconds="9999999999999999"/><trace><hop ttl="1" rtt="--"/></trace>`))
	if h := r.Hosts[0]; h.Uptime.LastBoot != "" || h.Trace.Hops[0].RTT != nil {
		t.Errorf("host = %+v, want no time of a start, and none of a hop", h)
	}
}

// What a script says in parts has the form that its keys give it.
func TestPartsOfScripts(t *testing.T) {
	for _, c := range []struct{ name, parts, want string }{
		{"no parts", ``, `null`},
		{"texts without keys", `<elem>a</elem><elem>b</elem>`, `["a","b"]`},
		{"texts with keys", `<elem key="x">a</elem><elem key="y">b</elem>`, `{"x":"a","y":"b"}`},
		{"some with keys", `<elem>a</elem><elem key="y">b</elem>`, `{"#1":"a","y":"b"}`},
		{"a key twice", `<elem key="x">a</elem><elem key="x">b</elem>`, `{"x":"a","x#2":"b"}`},
		{"a key that looks like a number's", `<elem key="#2">a</elem><elem>b</elem>`, `{"#2":"a","#2#2":"b"}`},
		{"an empty table", `<table key="t"></table>`, `{"t":[]}`},
		{"tables", `<table><elem key="x">a</elem></table><table><elem>b</elem></table>`, `[{"x":"a"},["b"]]`},
		{"text between the parts", `x<elem>a</elem>y`, `["a"]`},
		{"parts in a text", `<elem>a<elem>b</elem>c</elem>`, `["ac"]`},
		{"other elements", `<b>a</b><elem>c</elem>`, `["c"]`},
		{"a key that cannot be seen", `<elem key="&#x202e;k">&#x9b;</elem>`, `{"\\u{202E}k":"\\x9B"}`},
		{"a section as it is", `<elem><![CDATA[<a>]]></elem>`, `["\u003ca\u003e"]`},
	} {
		r, _, err := parse(t, host(`<script id="x" output="">`+c.parts+`</script>`))
		if err != nil || len(r.Hosts) != 1 || len(r.Hosts[0].Scripts) != 1 {
			t.Errorf("%s: read() = %+v, %v; want a script", c.name, r, err)
			continue
		}
		if got, _ := json.Marshal(r.Hosts[0].Scripts[0].Data); string(got) != c.want {
			t.Errorf("%s: data = %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNobodyScannedIsAnError(t *testing.T) {
	_, _, err := parse(t, `<nmaprun version="7.93" start="1"><runstats><finished elapsed="0.1" exit="success"/>`+
		`<hosts up="0" down="0" total="0"/></runstats></nmaprun>`)
	if sdk.KindOf(err) != sdk.KindExecution {
		t.Errorf("a scan of nobody = %v, want an %s", err, sdk.KindExecution)
	}
}

// A complaint on stderr fails the run, whatever the report says of itself, and keeps the report.
func TestComplaintsFailTheRun(t *testing.T) {
	d := &document{progress: func(sdk.Progress) {}, complaints: newComplaints()}
	d.complaints.chunk([]byte("NSOCK ERROR [0.1s] socket_create(): Too many open files\n"))
	if err := d.read(strings.NewReader(sample(t))); err != nil {
		t.Fatalf("read() = %v", err)
	}
	v, err := d.data(sandbox.Outcome{})
	if r, ok := v.(Report); sdk.KindOf(err) != sdk.KindResourceExhausted || !ok || len(r.Hosts) != 2 {
		t.Errorf("data() = %+v, %v; want the report and a %s", v, err, sdk.KindResourceExhausted)
	}
}

// Every number of the output has a unit, or counts something.
func TestNumbersHaveUnits(t *testing.T) {
	units := []string{
		"seconds", "milliseconds", "percent", "hops", "count of", "port number", "without unit",
	}
	var schema any
	if err := json.Unmarshal(reporter(t).Manifest().Tools[0].OutputSchema, &schema); err != nil {
		t.Fatal(err)
	}
	if n := numbers(t, "data", schema, units); n < 20 {
		t.Errorf("the output schema has %d numbers, want more: the test looked in the wrong place", n)
	}
}

// numbers counts the numbers below a schema.
func numbers(t *testing.T, path string, v any, units []string) (n int) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += numbers(t, path, x, units)
		}
	case map[string]any:
		if kind := fmt.Sprint(v["type"]); strings.Contains(kind, "integer") || strings.Contains(kind, "number") {
			n++
			about, _ := v["description"].(string)
			has := false
			for _, u := range units {
				has = has || strings.Contains(about, u)
			}
			if !has {
				t.Errorf("%s: description %q, want one of %q in it", path, about, units)
			}
		}
		for k, x := range v {
			n += numbers(t, path+"."+k, x, units)
		}
	}
	return n
}

// In whatever pieces a document comes, and wherever it is cut, the report is the same.
func FuzzReport(f *testing.F) {
	files, err := filepath.Glob("testdata/xml/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/report.xml") {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range 4 {
			f.Add(string(raw), uint(len(raw)*(i+1)/4))
		}
	}
	f.Add("<nmaprun>"+strings.Repeat("<host><port><cpe>x", 20), uint(100))
	f.Add(host(`<script id="x" output=""><table key="a"><elem>b</elem></table></script>`), uint(1000))
	f.Add(host("<script id=\"x\" output=\"\xff\x1b&#x1b;&#99999999;&#x\"><elem>"+
		"\xf0\x9f&#0;\ufffe</elem></script>"), uint(1000))
	b := reporter(f)
	f.Fuzz(func(t *testing.T, text string, n uint) {
		text = text[:min(n, uint(len(text)))]
		r, told, err := parse(t, text)
		checkFits(t, b, r)
		for _, p := range told {
			if math.IsNaN(p.Percent) || p.Percent > 100 || p.Done > p.Total {
				t.Errorf("progress = %+v, want at most 100 percent, and at most all hosts", p)
			}
		}
		for name, in := range map[string]io.Reader{
			"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
			"by halves":    iotest.HalfReader(strings.NewReader(text)),
			"with the end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			again, toldAgain, errAgain := read(t, in)
			if !reflect.DeepEqual(again, r) || !reflect.DeepEqual(toldAgain, told) || !same(err, errAgain) {
				t.Errorf("%s: report = %+v, %v; want %+v, %v", name, again, errAgain, r, err)
			}
		}
	})
}

// same reports whether two errors say the same.
func same(a, b error) bool {
	return errors.Is(a, b) || a != nil && b != nil && a.Error() == b.Error()
}
