package nmap

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// parse reads a document as a run does.
func parse(t testing.TB, text string) (Report, []sdk.Progress, error) {
	t.Helper()
	var told []sdk.Progress
	d := &document{total: 4, progress: func(p sdk.Progress) { told = append(told, p) }}
	err := d.read(strings.NewReader(text))
	v, dataErr := d.data(sandbox.Outcome{})
	if err == nil {
		err = dataErr
	}
	r, _ := v.(Report) // nil, and so a zero Report, when the document never began
	return r, told, err
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
	if h.Address != "127.0.0.1" || h.Status != "up" ||
		h.Hostnames[0] != "localhost" || h.MAC != "00:11:22:33:44:55" {
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
	if len(p.Scripts) != 1 || p.Scripts[0] != (Script{ID: "http-title", Output: "Welcome <here>"}) {
		t.Errorf("scripts = %+v, want the output of http-title alone, without its table", p.Scripts)
	}
	if len(h.OS) != 1 || h.OS[0].Accuracy != 98 || len(h.Scripts) != 1 ||
		h.Other[0] != (Other{State: "closed", Count: 98}) {
		t.Errorf("host = %+v, want a guess at its system, a script and 98 closed ports", h)
	}
	if len(told) != 3 || told[0].Percent != 19.67 || told[2].Done != 2 {
		t.Errorf("progress = %+v, want one percentage and two hosts", told)
	}
}

// A scan that is ended leaves its document open, anywhere.
func TestCutAtEveryByte(t *testing.T) {
	text := sample(t)
	b := sdktest.New(t, plugin(root), sdktest.Options{})
	first := strings.Index(text, "</host>") + len("</host>")
	for n := range len(text) {
		r, _, err := parse(t, text[:n])
		if err != nil {
			t.Fatalf("read of the first %d bytes = %v", n, err)
		}
		if want := min(n/first, 1); len(r.Hosts) < want {
			t.Fatalf("after %d bytes there are %d hosts, want %d", n, len(r.Hosts), want)
		}
		if n%97 == 0 {
			checkFits(t, b, r)
		}
	}
}

// checkFits holds a report to the output schema and to the limit of its size.
func checkFits(t testing.TB, b *sdktest.Bench, r Report) {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("Marshal() = %v", err)
	}
	if len(raw) > 3<<20 {
		t.Errorf("the report has %d bytes, more than can be carried", len(raw))
	}
	if strings.Contains(string(raw), "null") {
		return // the handler writes arrays for nil slices; the schema wants them
	}
	if err := b.CheckData("NmapTool", raw); err != nil {
		t.Errorf("CheckData() = %v", err)
	}
}

func TestHostileDocuments(t *testing.T) {
	const begin = `<nmaprun version="7.93" start="1">`
	host := func(inside string) string {
		return begin + `<host><status state="up"/><address addr="127.0.0.1" addrtype="ipv4"/>` + inside + `</host>`
	}
	for _, c := range []struct{ name, text string }{
		{"an entity", begin + `<host>&lol;</host>`},
		{"entities that grow",
			`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + begin + `<host>&b;</host>`},
		{"an external entity",
			`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + begin + `<host>&a;</host>`},
		{"elements closed wrongly", begin + `<host></port></host>`},
		{"deep nesting", begin + strings.Repeat("<host>", 100000)},
		{"not XML", "\x00\xff<"},
		{"invalid UTF-8", host("<script id=\"x\" output=\"\xff\"/>")},
	} {
		if _, _, err := parse(t, c.text); err == nil {
			t.Errorf("%s: read() succeeded, want an error", c.name)
		}
	}
	for _, c := range []struct{ name, text string }{
		{"very many ports",
			host(strings.Repeat(`<port protocol="tcp" portid="1"><state state="open"/></port>`, 70000))},
		{"very long output",
			host(`<port protocol="tcp" portid="1"><script id="x" output="` + strings.Repeat("&lt;",
				1<<20) + `"/></port>`)},
		{"very many scripts",
			host(strings.Repeat(`<script id="x" output="`+strings.Repeat("&lt;", 20000)+`"/>`, 300))},
		{"very many hosts", strings.Repeat(strings.TrimPrefix(host(""), begin), 100000)},
	} {
		r, _, err := parse(t, begin+strings.TrimPrefix(c.text, begin))
		if err != nil || !r.Truncated {
			t.Errorf("%s: read() = truncated %t, %v; want true and no error", c.name, r.Truncated, err)
		}
		checkFits(t, nil, r)
	}
	r, _, _ := parse(t,
		begin+`<taskprogress percent="NaN"/><runstats><finished elapsed="1e999" exit="success"/>`+
			`<hosts up="-1" total="99999999999999999999"/></runstats></nmaprun>`)
	if math.IsNaN(r.Elapsed) || math.IsInf(r.Elapsed, 0) || r.Totals.Up < 0 {
		t.Errorf("report = %+v, want numbers that JSON has", r)
	}
}

func TestNobodyScannedIsAnError(t *testing.T) {
	_, _, err := parse(t, `<nmaprun version="7.93" start="1"><runstats><finished elapsed="0.1" exit="success"/>`+
		`<hosts up="0" down="0" total="0"/></runstats></nmaprun>`)
	if sdk.KindOf(err) != sdk.KindExecution {
		t.Errorf("a scan of nobody = %v, want an %s", err, sdk.KindExecution)
	}
}

func FuzzXML(f *testing.F) {
	text := sample(f)
	f.Add(text)
	for n := 0; n < len(text); n += 211 {
		f.Add(text[:n])
	}
	f.Add(fmt.Sprintf("<nmaprun>%s", strings.Repeat("<host><port><cpe>x", 20)))
	b := sdktest.New(f, plugin(root), sdktest.Options{})
	f.Fuzz(func(t *testing.T, text string) {
		r, told, _ := parse(t, text)
		checkFits(t, b, r)
		for _, p := range told {
			if math.IsNaN(p.Percent) || p.Percent > 100 {
				t.Errorf("progress = %+v, want at most 100 percent", p)
			}
		}
	})
}
