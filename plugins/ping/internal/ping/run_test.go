package ping

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Nothing here sends a packet to anything but 127.0.0.0/8.

func needPing(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("ping", "-c", "1", "-w", "5", "127.0.0.1").CombinedOutput(); err != nil {
		t.Fatalf("ping does not work here; make setup installs it: %v: %s", err, out)
	}
}

func report(t *testing.T, res sdk.Result) Report {
	t.Helper()
	var r Report
	if err := json.Unmarshal(res.Data, &r); err != nil {
		t.Fatalf("data %q: %v; stderr: %s", res.Data, err, res.Stderr)
	}
	return r
}

func TestPingLoopback(t *testing.T) {
	needPing(t)
	var told []sdk.Progress
	b := sdktest.New(t, plugin(), sdktest.Options{
		Hosts: map[string][]string{"here.lab.internal": {"127.0.0.1"}},
		Event: func(ev sdk.Event) {
			if ev.Progress != nil {
				told = append(told, *ev.Progress)
			}
		},
	})
	res, err := b.Call(t.Context(), "PingTool", `{"target": "here.lab.internal", "extra_args": "-c 2 -i 0.2"}`)
	if err != nil || res.ReturnCode != 0 {
		t.Fatalf("Call() = %d, %v; stderr: %s", res.ReturnCode, err, res.Stderr)
	}
	r := report(t, res)
	if r.Address != "127.0.0.1" || r.Received != 2 || len(r.Replies) != 2 || r.RTT == nil || !r.Complete {
		t.Errorf("report = %+v, want two replies of 127.0.0.1", r)
	}
	if len(told) != 2 || told[1].Done != 2 || told[1].Total != 2 || told[1].Percent != 100 {
		t.Errorf("progress = %+v, want one for each reply", told)
	}
	if !strings.Contains(res.Stdout, "2 packets transmitted") {
		t.Errorf("stdout = %q, want the usual text", res.Stdout)
	}
}

// Each flag does what the report says of it, in the sandbox and as whoever runs there.
func TestEveryFlagWorks(t *testing.T) {
	needPing(t)
	b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	whole := func(r Report) bool { return len(r.Replies) == r.Received && r.RTT != nil }
	for _, c := range []struct {
		extra string
		want  string
		ok    func(Report) bool
	}{
		{"-n -4 -v -O -M do", "replies", whole},
		{"-D", "the time of each reply", func(r Report) bool {
			at, err := time.Parse(time.RFC3339Nano, r.Replies[0].At)
			return whole(r) && err == nil && at.Year() > 2000
		}},
		{"-s 100 -t 3 -M dont", "108 bytes and a time to live of 64", func(r Report) bool {
			return whole(r) && r.Replies[0].Bytes == 108 && r.Replies[0].TTL == 64
		}},
		{"-s 0 -W 0.1 -w 3", "replies without a time", func(r Report) bool {
			return len(r.Replies) == 2 && r.Replies[0].Time == 0 && r.RTT == nil
		}},
		{"-q", "no replies", func(r Report) bool { return len(r.Replies) == 0 && r.RTT != nil && len(r.Lost) == 0 }},
		{"-s 2000 -i 0.01", "replies in fragments", whole},
		{"-f", "no replies", func(r Report) bool { return len(r.Replies) == 0 && r.RTT != nil }},
		{"-A", "replies", whole},
		{"-l 2", "two at a time", func(r Report) bool { return whole(r) && r.Pipe == 2 }},
		{"-p ff00", "replies", whole},
		{"-R", "replies", whole},
		{"-T tsonly", "replies", whole},
		{"-T tsandaddr", "replies", whole},
	} {
		if !strings.Contains(c.extra, "-i") && !strings.Contains(c.extra, "-f") {
			c.extra += " -i 0.2"
		}
		res, err := b.Call(t.Context(), "PingTool", map[string]any{
			"target": "127.0.0.1", "extra_args": c.extra, "count": 2,
		})
		if err != nil || res.ReturnCode != 0 {
			t.Errorf("Call(%q) = %d, %v; stderr: %s", c.extra, res.ReturnCode, err, res.Stderr)
			continue
		}
		if r := report(t, res); r.Received != 2 || !r.Complete || r.Truncated || len(r.Lost) != 0 || !c.ok(r) {
			t.Errorf("Call(%q): report = %+v of %q, want %s", c.extra, r, res.Stdout, c.want)
		}
	}
}

func TestDeadlineKeepsReplies(t *testing.T) {
	needPing(t)
	b := sdktest.New(t, plugin(), sdktest.Options{Timeout: time.Second})
	res, err := b.Call(t.Context(), "PingTool", `{"target": "127.0.0.1", "extra_args": "-c 100"}`)
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || res.ReturnCode != sdk.ReturnCodeTimeout {
		t.Fatalf("Call() = %d, timed out %t, %v; want a %s", res.ReturnCode, res.TimedOut, err, sdk.KindTimeout)
	}
	if r := report(t, res); r.Received == 0 || r.Transmitted < r.Received {
		t.Errorf("report = %+v, want the replies that came", r)
	}
}

func TestConformance(t *testing.T) {
	needPing(t)
	sdktest.Conformance(t, plugin(), sdktest.Sample{
		Tool:  "PingTool",
		Quick: `{"target": "127.0.0.1", "extra_args": "-c 1"}`,
		Slow:  `{"target": "127.0.0.1", "extra_args": "-c 100"}`,
	})
}
