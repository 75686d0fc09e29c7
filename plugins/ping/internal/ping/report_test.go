package ping

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

const (
	answered = `PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.
64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.040 ms
[1795374000.123456] 64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.050 ms
64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.061 ms (DUP!)

--- 127.0.0.1 ping statistics ---
2 packets transmitted, 2 received, +1 duplicates, 0% packet loss, time 1001ms
rtt min/avg/max/mdev = 0.040/0.050/0.061/0.008 ms
`
	unreachable = `PING 10.0.0.9 (10.0.0.9) 56(84) bytes of data.
From 10.0.0.1 icmp_seq=1 Destination Host Unreachable
no answer yet for icmp_seq=2

--- 10.0.0.9 ping statistics ---
3 packets transmitted, 0 received, +1 errors, 100% packet loss, time 2030ms
pipe 3
`
)

const strange = `PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.
64 bytes from 127.0.0.1: icmp_seq=1 ident=25320 ttl=64 time=0.040 ms
64 bytes from 127.0.0.2: icmp_seq=3 ttl=64 time=0.050 ms (DIFFERENT ADDRESS!)
64 bytes from 127.0.0.1: icmp_seq=4 ttl=64 time=0.050 ms (DUP!) (BAD CHECKSUM!)
12 bytes from 127.0.0.1: icmp_seq=5 ttl=64
60 bytes from 127.0.0.1: icmp_seq=6 ttl=64 (truncated)
64 bytes from 127.0.0.1: icmp_seq=7 ttl=64 time=0.050 ms
wrong data byte #20 should be 0x14 but was 0x0
#16\t10 11 12 13 0 15 16 17
From 10.0.0.1: icmp_seq=8 Redirect Host(New nexthop: 10.0.0.9)
From 10.0.0.1 icmp_seq=9 Frag needed and DF set (mtu = 600)
From 10.0.0.1 icmp_seq=10 ` + "\x1b[2Jevil\xff" + `
no answer yet for icmp_seq=11

--- 127.0.0.1 ping statistics ---
11 packets transmitted, 5 received, +1 duplicates, +3 corrupted, +3 errors, 54.5455% packet loss, time 2030ms
rtt min/avg/max/mdev = 0.040/0.050/0.061/0.008 ms, pipe 3, ipg/ewma 0.017/0.007 ms
64 bytes from 127.0.0.1: icmp_seq=11 ttl=64 time=0.050 ms
`

func parse(t testing.TB, text string, chunk int) Report {
	t.Helper()
	r, _ := told(t, text, chunk, false)
	return r
}

func told(t testing.TB, text string, chunk int, silent bool) (Report, []sdk.Progress) {
	t.Helper()
	var all []sdk.Progress
	r := newReader("127.0.0.1", func(p sdk.Progress) { all = append(all, p) })
	r.count, r.silent = 2, silent
	write := command.Lines(maxLine, r.line)
	for len(text) > 0 {
		n := min(chunk, len(text))
		write([]byte(text[:n]))
		text = text[n:]
	}
	v, err := r.data(sandbox.Outcome{})
	if err != nil {
		t.Fatalf("data() = %v", err)
	}
	return v.(Report), all
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Report
	}{
		{"replies, one of them twice", answered, Report{
			Address: "127.0.0.1", Transmitted: 2, Received: 2, Duplicates: 1, Complete: true, Elapsed: 1001,
			RTT: &RTT{Min: 0.04, Avg: 0.05, Max: 0.061, Mdev: 0.008},
			Replies: []Reply{
				{Seq: 1, TTL: 64, Time: 0.04, Bytes: 64},
				{Seq: 2, TTL: 64, Time: 0.05, Bytes: 64, At: "2026-11-22T19:00:00.123456Z"},
				{Seq: 2, TTL: 64, Time: 0.061, Bytes: 64, Duplicate: true},
			},
		}},
		{"nobody answers", unreachable, Report{
			Address: "127.0.0.1", Transmitted: 3, LossPercent: 100, Complete: true, ErrorCount: 1, Elapsed: 2030, Pipe: 3,
			Errors: []Error{{From: "10.0.0.1", Seq: 1, Message: "Destination Host Unreachable"}}, Lost: []int{1, 2, 3},
		}},
		{"cut short", answered[:strings.Index(answered, "[179")], Report{
			Address: "127.0.0.1", Transmitted: 1, Received: 1,
			Replies: []Reply{{Seq: 1, TTL: 64, Time: 0.04, Bytes: 64}},
		}},
		{"cut short, with nobody answering", unreachable[:strings.Index(unreachable, "\n---")], Report{
			Address: "127.0.0.1", Transmitted: 2, LossPercent: 100, ErrorCount: 1, Lost: []int{1, 2},
			Errors: []Error{{From: "10.0.0.1", Seq: 1, Message: "Destination Host Unreachable"}},
		}},
		{"everything that can go wrong", strange, Report{
			Address: "127.0.0.1", Transmitted: 11, Received: 5, Duplicates: 1, Corrupted: 3, ErrorCount: 3,
			LossPercent: 54.5455, Elapsed: 2030, Pipe: 3, Complete: true,
			RTT: &RTT{Min: 0.04, Avg: 0.05, Max: 0.061, Mdev: 0.008},
			Replies: []Reply{
				{Seq: 1, TTL: 64, Time: 0.04, Bytes: 64},
				{Seq: 3, TTL: 64, Time: 0.05, Bytes: 64, From: "127.0.0.2"},
				{Seq: 4, TTL: 64, Time: 0.05, Bytes: 64, Duplicate: true, Corrupted: true},
				{Seq: 5, TTL: 64, Bytes: 12},
				{Seq: 6, TTL: 64, Bytes: 60, Corrupted: true},
				{Seq: 7, TTL: 64, Time: 0.05, Bytes: 64, Corrupted: true},
			},
			Errors: []Error{
				{From: "10.0.0.1", Seq: 8, Message: "Redirect Host(New nexthop: 10.0.0.9)"},
				{From: "10.0.0.1", Seq: 9, Message: "Frag needed and DF set (mtu = 600)"},
				{From: "10.0.0.1", Seq: 10, Message: "\x1b[2Jevil\xff"},
			},
			Lost: []int{2, 8, 9, 10, 11},
		}},
	} {
		for _, chunk := range []int{1, 7, 1 << 20} {
			if got := parse(t, c.text, chunk); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, in chunks of %d: report = %+v, want %+v", c.name, chunk, got, c.want)
			}
		}
	}
}

func TestProgressIsToldOfEachRequest(t *testing.T) {
	_, all := told(t, unreachable+answered, 9, false)
	var messages []string
	for _, p := range all {
		messages = append(messages, p.Message)
	}
	want := []string{"error to request 1 (0 of 2 answered)", "no answer yet to request 2 (0 of 2 answered)"}
	if !reflect.DeepEqual(messages, want) {
		t.Errorf("progress = %q, want %q, and nothing behind a summary", messages, want)
	}
	_, all = told(t, answered, 9, false)
	if len(all) != 3 || all[0].Percent != 50 || all[1].Percent != 100 || all[2].Done != 2 ||
		all[0].Message != "reply to request 1 after 0.040 ms (1 of 2 answered)" {
		t.Errorf("progress = %+v, want one for each reply", all)
	}
}

// Where ping prints no replies, nobody can say which are missing.
func TestNothingIsLostInSilence(t *testing.T) {
	r, _ := told(t, answered[strings.Index(answered, "\n---"):], 9, true)
	if !r.Complete || r.Received != 2 || len(r.Lost) != 0 || r.Truncated {
		t.Errorf("report = %+v, want two replies and none known to be lost", r)
	}
}

// A ping that did not begin has failed, and says why; one that did has a result, whatever it ended with.
func TestOnlyAPingThatNeverBeganHasFailed(t *testing.T) {
	const (
		lacking = "ping: socktype: SOCK_RAW\nping: socket: Operation not permitted\n" +
			"ping: => missing cap_net_raw+p capability or setuid?\n"
		noRoute = "ping: connect: Network is unreachable\n"
		summary = "\n--- 127.0.0.1 ping statistics ---\n" +
			"1 packets transmitted, 0 received, 100% packet loss, time 0ms\n"
	)
	header := answered[:strings.Index(answered, "\n")+1]
	for _, c := range []struct {
		name, out, err string
		o              sandbox.Outcome
		kind           sdk.Kind
		says           string
	}{
		{"nobody replies", header + summary, "", sandbox.Outcome{ExitCode: 1}, "", ""},
		{"nobody replies, in silence", "", "", sandbox.Outcome{ExitCode: 1}, "", ""},
		{"nothing can be sent", header + summary, "ping: sendmsg: Operation not permitted\n",
			sandbox.Outcome{ExitCode: 2}, "", ""},
		{"the route goes away", header + summary, noRoute, sandbox.Outcome{ExitCode: 2}, "", ""},
		{"it fails on the way", answered[:strings.Index(answered, "[179")], "ping: recvmsg: Bad address\n",
			sandbox.Outcome{ExitCode: 2}, "", ""},
		{"there is no route", "", noRoute, sandbox.Outcome{ExitCode: 2}, sdk.KindExecution,
			"with 2 before it sent anything: ping: connect: Network is unreachable"},
		{"it fails behind its first line", header, "\nping: no\x1b[2J\xff\nping: more\n",
			sandbox.Outcome{ExitCode: 2}, sdk.KindExecution, `anything: ping: no\x1B[2J\xFF`},
		{"its line has no end", "", "ping: half", sandbox.Outcome{ExitCode: 127}, sdk.KindExecution, ": ping: half"},
		{"it does not say why", "", "", sandbox.Outcome{ExitCode: 2}, sdk.KindExecution, "it does not say why"},
		{"it may not", "", lacking, sandbox.Outcome{ExitCode: 2}, sdk.KindNeedsPrivilege, "=> missing cap_net_raw+p"},
		{"it is ended at its deadline", "", "", sandbox.Outcome{ExitCode: 124, TimedOut: true}, "", ""},
		{"it is cancelled", "", "", sandbox.Outcome{ExitCode: 130, Cancelled: true}, "", ""},
		{"it is killed", "", "", sandbox.Outcome{ExitCode: 137, Signal: 9}, "", ""},
	} {
		r := newReader("127.0.0.1", func(sdk.Progress) {})
		command.Lines(maxLine, r.line)([]byte(c.out))
		for _, b := range []byte(c.err) {
			r.complain([]byte{b})
		}
		v, err := r.data(c.o)
		if _, ok := v.(Report); ok != (c.kind == "") || sdk.KindOf(err) != c.kind {
			t.Errorf("%s: data() = %v, %v; want an error of kind %q, or a report", c.name, v, err, c.kind)
		}
		if err != nil && (!strings.Contains(err.Error(), c.says) || sdk.AsError(err).Suggestion == "") {
			t.Errorf("%s: data() = %v, want %q in it, and what to do", c.name, err, c.says)
		}
	}
}

func TestComplaintsAreBounded(t *testing.T) {
	r := newReader("127.0.0.1", func(sdk.Progress) {})
	r.complain([]byte(strings.Repeat("é", 1<<20)))
	_, err := r.data(sandbox.Outcome{ExitCode: 2})
	if err == nil || len(err.Error()) > 400 || strings.ContainsRune(err.Error(), '\ufffd') {
		t.Errorf("data() = %v, want at most 300 bytes of what ping said, in whole characters", err)
	}
}

func TestListsAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"replies": strings.Repeat("64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.050 ms (DUP!)\n", maxReplies+1),
		"errors":  strings.Repeat("From 10.0.0.1 icmp_seq=1 No\n", maxErrors+1),
		"lost":    "no answer yet for icmp_seq=2000\n",
		"numbers": "99999 packets transmitted, 0 received, 100% packet loss, time 1ms\n",
	} {
		r := parse(t, text, 1<<20)
		if !r.Truncated || len(r.Replies) > maxReplies || len(r.Errors) > maxErrors || len(r.Lost) > maxLost {
			t.Errorf("%s: report has %d replies, %d errors, %d lost, truncated %t; want true, and bounds", name,
				len(r.Replies), len(r.Errors), len(r.Lost), r.Truncated)
		}
	}
}

func TestNumbersHaveUnits(t *testing.T) {
	var schema any
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for _, raw := range []json.RawMessage{b.Manifest().Tools[0].OutputSchema, b.Manifest().Tools[0].InputSchema} {
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		if n := numbers(t, "data", "", schema); n < 5 {
			t.Errorf("the schema has %d numbers, want more: the test looked in the wrong place", n)
		}
	}
}

// numbers counts the numbers below a schema, and holds each to having a unit, or being a count. What the items of
// an array are, the array says.
func numbers(t *testing.T, path, about string, v any) (n int) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += numbers(t, path, "", x)
		}
	case map[string]any:
		if own, ok := v["description"].(string); ok {
			about = own
		}
		if kind := fmt.Sprint(v["type"]); strings.Contains(kind, "integer") || strings.Contains(kind, "number") {
			n++
			if !unitRE.MatchString(about) {
				t.Errorf("%s: description %q, want a unit in it", path, about)
			}
		}
		for k, x := range v {
			inherited := ""
			if k == "items" {
				inherited = about
			}
			n += numbers(t, path+"."+k, inherited, x)
		}
	}
	return n
}

var unitRE = regexp.MustCompile(`(?i)seconds|percent|hops|bytes|\bcount of`)

func FuzzReport(f *testing.F) {
	for _, text := range []string{answered, unreachable, strange} {
		f.Add(text, 13)
		f.Add(text[:len(text)/2], 1)
	}
	b := sdktest.New(f, plugin(), sdktest.Options{})
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		r := parse(t, text, 1<<20)
		if again := parse(t, text, 1+min(max(chunk, 0), 1<<10)); !reflect.DeepEqual(again, r) {
			t.Errorf("in chunks of %d: report = %+v, want %+v", chunk, again, r)
		}
		if len(r.Replies) > maxReplies || len(r.Errors) > maxErrors || len(r.Lost) > maxLost ||
			!(r.LossPercent >= 0 && r.LossPercent <= 100) {
			t.Errorf("report has %d replies, %d errors, %d lost, loss %v", len(r.Replies), len(r.Errors), len(r.Lost),
				r.LossPercent)
		}
		if r.Replies == nil {
			r.Replies = []Reply{}
		}
		if r.Errors == nil {
			r.Errors = []Error{}
		}
		if r.Lost == nil {
			r.Lost = []int{}
		}
		raw, err := json.Marshal(r)
		if err != nil || len(raw) > 3<<20 {
			t.Errorf("Marshal() = %d bytes, %v", len(raw), err)
		}
		if err := b.CheckData("PingTool", raw); err != nil {
			t.Errorf("CheckData(%s) = %v", raw, err)
		}
	})
}
