package dig

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Nothing here sends a packet to anything but 127.0.0.1.

// tool is declared once: that takes longer than most of what is done with it.
var tool = sync.OnceValue(Tool)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "dig", Version: "test", Tools: []sdk.Tool{tool()}, Prompts: Prompts()}
}

func needDig(t testing.TB) {
	t.Helper()
	if out, err := exec.Command("dig", "-v").CombinedOutput(); err != nil {
		t.Fatalf("dig does not work here; make setup installs it: %v: %s", err, out)
	}
}

// call asks a server. arguments is a JSON object without target and port.
func call(t *testing.T, s *server, arguments string, o sdktest.Options) (Report, sdk.Result, error) {
	t.Helper()
	needDig(t)
	args := fmt.Sprintf(`{"target": "127.0.0.1", "port": %d, %s`, s.port, strings.TrimPrefix(arguments, "{"))
	res, err := sdktest.New(t, plugin(), o).Call(t.Context(), "DigTool", args)
	var r Report
	if res.Data != nil {
		if e := json.Unmarshal(res.Data, &r); e != nil {
			t.Fatalf("data %q: %v", res.Data, e)
		}
	}
	return r, res, err
}

// lookup is a call that must not fail.
func lookup(t *testing.T, s *server, arguments string) Report {
	t.Helper()
	r, res, err := call(t, s, arguments, sdktest.Options{AllowIntrusive: true})
	if err != nil || res.Data == nil {
		t.Fatalf("Call(%s) = %v; stdout: %s; stderr: %s; metadata: %v", arguments, err, res.Stdout, res.Stderr,
			res.Metadata)
	}
	if r.Server != "127.0.0.1" || r.Port != s.port || (r.Status == "") != (r.Failure != "") {
		t.Errorf("Call(%s): report = %+v, want the server, and a status or a failure", arguments, r)
	}
	return r
}

func TestEveryTypeIsRead(t *testing.T) {
	soa := append(labels("ns", "lab"), labels("root", "lab")...)
	soa = append(soa, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5)
	s := newServer(t, each(message{
		flags: answered,
		answer: [][]byte{
			record(asked, typeCNAME, 60, labels("b", "lab")),
			record(labels("b", "lab"), typeA, 4294967295, []byte{10, 0, 0, 7}),
			record(asked, typeAAAA, 1, slices.Concat([]byte{0xfd}, make([]byte, 14), []byte{1})),
			record(asked, typeMX, 2, append([]byte{0, 10}, labels("mx", "lab")...)),
			record(asked, typeSRV, 3, append([]byte{0, 1, 0, 2, 1, 0x85}, labels("ldap", "lab")...)),
			record(asked, typeTXT, 4, append(texts("v=spf1 -all"), texts("")...)),
			record(asked, typeCAA, 5, []byte("\x00\x05issueca.lab")),
			record(asked, 65280, 6, []byte("abc")),
		},
		authority:  [][]byte{record(labels("lab"), typeSOA, 7, soa)},
		additional: [][]byte{record(labels("ns", "lab"), typeA, 8, []byte{127, 0, 0, 2})},
	}))
	r := lookup(t, s, `{"name": "a.lab.internal", "type": "ANY"}`)
	want := []Record{
		{"a.lab.internal.", 60, "IN", "CNAME", "b.lab."},
		{"b.lab.", 4294967295, "IN", "A", "10.0.0.7"},
		{"a.lab.internal.", 1, "IN", "AAAA", "fd00::1"},
		{"a.lab.internal.", 2, "IN", "MX", "10 mx.lab."},
		{"a.lab.internal.", 3, "IN", "SRV", "1 2 389 ldap.lab."},
		{"a.lab.internal.", 4, "IN", "TXT", `"v=spf1 -all" ""`},
		{"a.lab.internal.", 5, "IN", "CAA", `0 issue "ca.lab"`},
		{"a.lab.internal.", 6, "IN", "TYPE65280", `\# 3 616263`},
	}
	if !reflect.DeepEqual(r.Answers, want) {
		t.Errorf("answers = %+v, want %+v", r.Answers, want)
	}
	if len(r.Authority) != 1 || r.Authority[0].Type != "SOA" || r.Authority[0].Data != "ns.lab. root.lab. 1 2 3 4 5" ||
		len(r.Additional) != 1 || r.Additional[0].Name != "ns.lab." {
		t.Errorf("authority = %+v, additional = %+v", r.Authority, r.Additional)
	}
	if r.Counts != (Counts{8, 1, 1}) || r.Size == 0 || r.QueryTime <= 0 || r.Transport != "UDP" || r.Truncated ||
		!slices.Equal(r.Flags, []string{"qr", "aa", "rd", "ra"}) || len(r.Remarks) != 0 {
		t.Errorf("report = %+v, want the counts, a size, a time, UDP", r)
	}
}

// What a call asks for is what reaches the server: one question, in the way that was asked for.
func TestTheQuestionIsTheOneOfTheCall(t *testing.T) {
	for _, c := range []struct {
		args string
		name string
		kind uint16
		rd   bool
		do   bool
		tcp  bool
	}{
		{`{"name": "db.lab.internal"}`, "db.lab.internal.", typeA, true, false, false},
		{`{"name": "DB.lab.internal.", "type": "TXT"}`, "db.lab.internal.", typeTXT, true, false, false},
		{`{"name": "a", "type": "MX", "recursion": false}`, "a.", typeMX, false, false, false},
		{`{"name": "any", "type": "NS"}`, "any.", typeNS, true, false, false},
		{`{"name": ".", "type": "NS", "dnssec": true}`, ".", typeNS, true, true, false},
		{`{"name": "x_.lab.internal", "tcp": true, "recursion": true}`, "x_.lab.internal.", typeA, true, false, true},
		{`{"reverse": "10.0.3.7"}`, "7.3.0.10.in-addr.arpa.", typePTR, true, false, false},
		{`{"name": "x.lab.internal", "type": "ANY"}`, "x.lab.internal.", 255, true, false, false},
		{`{"extra_args": "-q _sip._udp.lab.internal -t srv"}`, "_sip._udp.lab.internal.", typeSRV, true, false, false},
		{`{"name": "lab.internal", "type": "NAPTR", "dnssec": false, "tcp": false}`, "lab.internal.", typeNAPTR, true,
			false, false},
	} {
		s := newServer(t, each(message{flags: answered}))
		r := lookup(t, s, c.args)
		got := s.questions()
		if len(got) != 1 {
			t.Errorf("Call(%s) asked %d questions, want one: %+v", c.args, len(got), got)
			continue
		}
		q := got[0]
		if q.name != c.name || q.kind != c.kind || q.flags&0x100 != 0 != c.rd || q.dnssec != c.do || q.tcp != c.tcp {
			t.Errorf("Call(%s) asked %+v, want %+v", c.args, q, c)
		}
		if r.Name != c.name || (r.Transport == "TCP") != c.tcp {
			t.Errorf("Call(%s): name %s over %s, want %s", c.args, r.Name, r.Transport, c.name)
		}
	}
}

func TestStatusesAreResults(t *testing.T) {
	for code, want := range map[uint16]string{
		0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH", 12: "RESERVED12",
	} {
		r := lookup(t, newServer(t, each(message{flags: answered | code})), `{"name": "a.lab.internal"}`)
		if r.Status != want || r.Failure != "" || len(r.Answers) != 0 {
			t.Errorf("code %d: report = %+v, want %s", code, r, want)
		}
	}
}

func TestExtensionsAreRead(t *testing.T) {
	s := newServer(t, each(message{flags: answered | 2, additional: [][]byte{
		options(0, []uint16{15, 3, 4242}, "\x00\x0fblocked by (policy)", "ns1", "\n\x1b["),
	}}))
	r := lookup(t, s, `{"name": "a.lab.internal"}`)
	want := &EDNS{
		Flags: []string{}, UDP: 1232,
		Errors:  []Extended{{15, "Blocked", "blocked by (policy)"}},
		Options: []sdk.Untrusted{`NSID: 6e 73 31 ("ns1")`, `OPT=4242: 0a 1b 5b ("..[")`},
	}
	if !reflect.DeepEqual(r.EDNS, want) || r.Status != "SERVFAIL" {
		t.Errorf("EDNS = %+v, want %+v", r.EDNS, want)
	}
}

func TestWhatDoesNotFitIsAskedOverTCP(t *testing.T) {
	s := newServer(t, func(q question) [][]byte {
		m := message{flags: answered | truncated}
		if q.tcp {
			m = message{flags: answered, answer: [][]byte{record(asked, typeA, 60, []byte{10, 0, 0, 7})}}
		}
		return [][]byte{m.to(q)}
	})
	r := lookup(t, s, `{"name": "a.lab.internal"}`)
	if !r.Retried || r.Transport != "TCP" || len(r.Answers) != 1 || len(s.questions()) != 2 {
		t.Errorf("report = %+v after %d questions, want an answer over TCP to the second", r, len(s.questions()))
	}
}

func TestNobodyListensThere(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	for _, args := range []string{`{"name": "a.lab.internal"}`, `{"name": "a.lab.internal", "tcp": true}`} {
		r, res, err := call(t, s, args, sdktest.Options{})
		if err != nil || res.ReturnCode != noReply || r.Status != "" || !strings.Contains(r.Failure, "nothing listens") {
			t.Errorf("Call(%s) = %d, %v, %+v; want code %d and a failure", args, res.ReturnCode, err, r, noReply)
		}
	}
}

func TestNoAnswerIsAResult(t *testing.T) {
	s := newServer(t, silence)
	for _, args := range []string{
		`{"name": "a.lab.internal", "wait_sec": 1, "tries": 1}`,
		`{"name": "a.lab.internal", "wait_sec": 1, "tries": 1, "tcp": true}`,
	} {
		r, res, err := call(t, s, args, sdktest.Options{})
		if err != nil || res.ReturnCode != noReply || !strings.Contains(r.Failure, "1 tries of 1 s") {
			t.Errorf("Call(%s) = %d, %v, %+v; want code %d and a failure", args, res.ReturnCode, err, r, noReply)
		}
	}
	if got := len(s.questions()); got != 2 {
		t.Errorf("%d questions came, want one a call", got)
	}
}

func TestProgressSaysWhatIsAsked(t *testing.T) {
	var told []string
	s := newServer(t, each(message{flags: answered | 3}))
	_, _, err := call(t, s, `{"name": "a.lab.internal"}`, sdktest.Options{Event: func(ev sdk.Event) {
		if ev.Progress != nil {
			told = append(told, ev.Progress.Message)
		}
	}})
	want := []string{"asking 127.0.0.1 for a.lab.internal. A", "answered with NXDOMAIN"}
	if err != nil || !slices.Equal(told, want) {
		t.Errorf("progress = %q, %v; want %q", told, err, want)
	}
}

func TestTheDeadlineEndsDig(t *testing.T) {
	s := newServer(t, silence)
	_, res, err := call(t, s, `{"name": "a.lab.internal", "wait_sec": 10, "tries": 5}`,
		sdktest.Options{Timeout: time.Second})
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut {
		t.Errorf("Call() = %v, timed out %t; want a %s", err, res.TimedOut, sdk.KindTimeout)
	}
}

func TestConformance(t *testing.T) {
	needDig(t)
	s := newServer(t, silence)
	sdktest.Conformance(t, plugin(), sdktest.Sample{
		Tool:  "DigTool",
		Quick: `{"target": "127.0.0.1", "name": "db.lab.internal", "port": 1, "wait_sec": 1, "tries": 1}`,
		Slow: fmt.Sprintf(`{"target": "127.0.0.1", "name": "db.lab.internal", "port": %d, "wait_sec": 10, "tries": 5}`,
			s.port),
	})
}
