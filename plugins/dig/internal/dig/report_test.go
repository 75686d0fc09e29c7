package dig

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

const complete = `;; Truncated, retrying in TCP mode.
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 39018
;; flags: qr rd ra ad; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1
;; WARNING: recursion requested but not available

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags: do; udp: 1232
; COOKIE: 0102030405060708 (good)
; EDE: 22 (No Reachable Authority): (at delegation lab.internal)
; EDE: 49999
;; QUESTION SECTION:
;a.lab.				IN	A

;; ANSWER SECTION:
a.lab.			300	IN	TXT	"one" "two;  three"
a\032b\;.lab.		0	CH	TYPE65280	\# 0

;; Query time: 294 usec
;; SERVER: 127.0.0.1#5300(127.0.0.1) (TCP)
;; WHEN: Sat Nov 28 13:55:30 UTC 2026
;; MSG SIZE  rcvd: 111

`

func parse(t testing.TB, text string, chunk int, o sandbox.Outcome) (Report, error) {
	t.Helper()
	r := newReader(manner{Wait: 2, Tries: 3}, func(sdk.Progress) {})
	write := command.Lines(maxLine, r.line)
	for len(text) > 0 {
		n := min(chunk, len(text))
		write([]byte(text[:n]))
		text = text[n:]
	}
	v, err := r.data(o)
	p, _ := v.(Report)
	return p, err
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Report
	}{
		{"all there can be", complete, Report{
			Status: "NOERROR", Flags: []string{"qr", "rd", "ra", "ad"}, Transport: "TCP", Retried: true, QueryTime: 0.294,
			Size: 111, Counts: Counts{Answer: 2, Additional: 1},
			EDNS: &EDNS{
				Flags: []string{"do"}, UDP: 1232,
				Errors: []Extended{
					{22, "No Reachable Authority", "at delegation lab.internal"}, {49999, "", ""},
				},
				Options: []sdk.Untrusted{"COOKIE: 0102030405060708 (good)"},
			},
			Answers: []Record{
				{"a.lab.", 300, "IN", "TXT", `"one" "two;  three"`}, {`a\032b\;.lab.`, 0, "CH", "TYPE65280", `\# 0`},
			},
			Remarks: []sdk.Untrusted{
				"Truncated, retrying in TCP mode.", "WARNING: recursion requested but not available",
			},
		}},
		{"cut short", complete[:strings.Index(complete, "two")], Report{
			Status: "NOERROR", Flags: []string{"qr", "rd", "ra", "ad"}, Retried: true,
			Counts: Counts{Answer: 2, Additional: 1},
			EDNS: &EDNS{
				Flags: []string{"do"}, UDP: 1232,
				Errors: []Extended{
					{22, "No Reachable Authority", "at delegation lab.internal"}, {49999, "", ""},
				},
				Options: []sdk.Untrusted{"COOKIE: 0102030405060708 (good)"},
			},
			Remarks: []sdk.Untrusted{
				"Truncated, retrying in TCP mode.", "WARNING: recursion requested but not available",
			},
		}},
		{"a second header is not believed", ";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1\n" +
			";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 2\n", Report{Status: "NXDOMAIN"}},
		{"a record outside of a section is none", "a.lab. 1 IN A 10.0.0.7\n", Report{
			Failure: "no answer came, and dig does not say why",
		}},
		{"what is no record is a remark", ";; ANSWER SECTION:\n;a.lab. 1 IN A 10.0.0.7\na.lab. 1 IN\n", Report{
			Failure: "no answer came, and dig does not say why",
			Remarks: []sdk.Untrusted{"a.lab. 1 IN A 10.0.0.7", "a.lab. 1 IN"},
		}},
		{"silence", ";; communications error to 127.0.0.1#5301: timed out\n;; no servers could be reached\n", Report{
			Failure: "no answer came in time: 3 tries of 2 s; the server may be down, drop packets, or not be a name server",
			Remarks: []sdk.Untrusted{"communications error to 127.0.0.1#5301: timed out"},
		}},
		{"no way", ";; UDP setup with 10.9.9.9#53(10.9.9.9) for x. failed: network unreachable.\n", Report{
			Failure: "there is no way to the server",
			Remarks: []sdk.Untrusted{"UDP setup with 10.9.9.9#53(10.9.9.9) for x. failed: network unreachable."},
		}},
	} {
		for _, chunk := range []int{1, 7, 1 << 20} {
			got, err := parse(t, c.text, chunk, sandbox.Outcome{})
			if want := filled(c.want); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, in chunks of %d: report = %+v, %v; want %+v", c.name, chunk, got, err, want)
			}
		}
	}
}

func TestADigThatBreaksIsAnError(t *testing.T) {
	r := newReader(manner{}, func(sdk.Progress) {})
	r.complain([]byte("dig: isc_mem\x1b out of \xff memory\nmore"))
	v, err := r.data(sandbox.Outcome{ExitCode: 10})
	if v != nil || sdk.KindOf(err) != sdk.KindExecution || !strings.Contains(err.Error(), `isc_mem\x1B out of \xFF memory`) {
		t.Errorf("data() = %v, %v; want an error with what dig said", v, err)
	}
	for name, o := range map[string]sandbox.Outcome{
		"its deadline": {ExitCode: 124, TimedOut: true}, "a cancel": {ExitCode: 130, Cancelled: true},
		"a signal": {ExitCode: 137, Signal: 9},
	} {
		if p, err := parse(t, "", 1, o); err != nil || p.Failure != "" {
			t.Errorf("ended by %s: data() = %+v, %v; want no word about the server", name, p, err)
		}
	}
}

func TestListsAreBounded(t *testing.T) {
	big := strings.Repeat("x", maxData)
	for name, text := range map[string]string{
		"records": strings.Repeat("a. 1 IN A 10.0.0.7\n", maxRecords+1),
		"text":    strings.Repeat("a. 1 IN TXT "+big+"\n", maxText/maxData+1),
		"data":    "a. 1 IN TXT " + big + "x\n",
		"names":   strings.Repeat("n", maxName+1) + " 1 IN A 10.0.0.7\n",
		"options": ";; OPT PSEUDOSECTION:\n" + strings.Repeat("; EDE: 1\n; NSID: 1\n", maxOptions),
		"texts":   ";; OPT PSEUDOSECTION:\n; EDE: 1 (a): (" + strings.Repeat("x", maxRemark+1) + ")\n",
	} {
		p, err := parse(t, ";; ANSWER SECTION:\n"+text+"\n"+strings.Repeat(";; what\n", maxRemarks+1), 1<<20,
			sandbox.Outcome{})
		bounded(t, p)
		if err != nil || !p.Truncated || len(p.Remarks) != maxRemarks {
			t.Errorf("%s: %d answers, truncated %t, %d remarks, %v; want bounds", name, len(p.Answers), p.Truncated,
				len(p.Remarks), err)
		}
	}
}

func bounded(t testing.TB, p Report) {
	t.Helper()
	n, text := 0, 0
	for _, section := range [][]Record{p.Answers, p.Authority, p.Additional} {
		for _, r := range section {
			n++
			text += len(r.Name) + len(r.Data)
		}
	}
	if n > maxRecords || text > maxText || len(p.Remarks) > maxRemarks ||
		p.EDNS != nil && len(p.EDNS.Errors)+len(p.EDNS.Options) > maxOptions {
		t.Errorf("report has %d records of %d bytes, %d remarks, EDNS %+v", n, text, len(p.Remarks), p.EDNS)
	}
}

func FuzzReport(f *testing.F) {
	for _, text := range []string{complete, complete[100:], ";; Got bad packet: x\n", strings.ReplaceAll(complete, ";", "")} {
		f.Add(text, 13)
	}
	b := sdktest.New(f, plugin(), sdktest.Options{})
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		p, err := parse(t, text, 1<<20, sandbox.Outcome{})
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := parse(t, text, 1+min(max(chunk, 0), 1<<10), sandbox.Outcome{}); !reflect.DeepEqual(again, p) {
			t.Errorf("in chunks of %d: report = %+v, want %+v", chunk, again, p)
		}
		bounded(t, p)
		raw, err := json.Marshal(p)
		if err != nil || len(raw) > 3<<20 {
			t.Errorf("Marshal() = %d bytes, %v", len(raw), err)
		}
		if err := b.CheckData("DigTool", raw); err != nil {
			t.Errorf("CheckData(%s) = %v", raw, err)
		}
	})
}

// filled puts empty lists where there are none, as the reader does.
func filled(p Report) Report {
	p.Flags = append([]string{}, p.Flags...)
	p.Remarks = append([]sdk.Untrusted{}, p.Remarks...)
	for _, section := range []*[]Record{&p.Answers, &p.Authority, &p.Additional} {
		*section = append([]Record{}, *section...)
	}
	if p.EDNS != nil {
		e := *p.EDNS
		e.Flags, e.Errors = append([]string{}, e.Flags...), append([]Extended{}, e.Errors...)
		e.Options = append([]sdk.Untrusted{}, e.Options...)
		p.EDNS = &e
	}
	return p
}

func TestNumbersHaveUnits(t *testing.T) {
	var schema any
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for _, raw := range []json.RawMessage{b.Manifest().Tools[0].OutputSchema, b.Manifest().Tools[0].InputSchema} {
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		if n := numbers(t, "data", schema); n < 3 {
			t.Errorf("the schema has %d numbers, want more: the test looked in the wrong place", n)
		}
	}
}

var unitRE = regexp.MustCompile(`(?i)seconds|bytes|\bcount of|port|number from`)

// numbers counts the numbers below a schema, and holds each to having a unit, or being a count.
func numbers(t *testing.T, path string, v any) (n int) {
	t.Helper()
	object, _ := v.(map[string]any)
	if kind := fmt.Sprint(object["type"]); strings.Contains(kind, "integer") || strings.Contains(kind, "number") {
		n++
		if about, _ := object["description"].(string); !unitRE.MatchString(about) {
			t.Errorf("%s: description %q, want a unit in it", path, about)
		}
	}
	for k, x := range object {
		n += numbers(t, path+"."+k, x)
	}
	return n
}
