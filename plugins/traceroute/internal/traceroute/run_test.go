package traceroute

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Nothing here sends a packet to anything but 127.0.0.1.

func needTraceroute(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("traceroute", "-n", "127.0.0.1").CombinedOutput(); err != nil {
		t.Fatalf("traceroute does not work here; make setup installs it: %v: %s", err, out)
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

func TestTheWayToLoopbackIsOneHop(t *testing.T) {
	needTraceroute(t)
	var told []sdk.Progress
	b := sdktest.New(t, plugin(), sdktest.Options{
		Hosts: map[string][]string{"here.lab.internal": {"127.0.0.1"}},
		Event: func(ev sdk.Event) {
			if ev.Progress != nil {
				told = append(told, *ev.Progress)
			}
		},
	})
	res, err := b.Call(t.Context(), "TracerouteTool", `{"target": "here.lab.internal"}`)
	if err != nil || res.ReturnCode != 0 {
		t.Fatalf("Call() = %d, %v; stderr: %s", res.ReturnCode, err, res.Stderr)
	}
	r := report(t, res)
	if !r.Reached || r.Distance != 1 || len(r.Hops) != 1 || len(r.Hops[0].Probes) != 3 || !r.Complete ||
		r.Packet != 60 || r.Method != "default" || r.Hops[0].Probes[2].RTT <= 0 {
		t.Errorf("report = %+v, want one hop with three probes", r)
	}
	if len(told) != 1 || told[0].Done != 1 || told[0].Total != 30 {
		t.Errorf("progress = %+v, want one of 30 hops", told)
	}
	if !strings.Contains(res.Stdout, "traceroute to 127.0.0.1") {
		t.Errorf("stdout = %q, want the usual text", res.Stdout)
	}
}

// Each flag is taken by the program that is installed, in the sandbox and as whoever runs there. Where raw
// sockets are not to be had, the methods that need them say so.
func TestEveryFlagWorks(t *testing.T) {
	needTraceroute(t)
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for _, extra := range []string{
		"-M default -p 40000", "-M udp", "-U -p 53", "-M icmp", "-I -p 7", "-M tcp", "-T -p 9", "-f 3 -m 7", "-q 10",
		"-q 1 -w 0.1", "-N 1", "-z 0.01", "-t 255", "-F", "-e", "-F -e -t 16 -q 2 -N 2 -w 10 -m 20",
	} {
		res, err := b.Call(t.Context(), "TracerouteTool", map[string]any{"target": "127.0.0.1", "extra_args": extra})
		if sdk.KindOf(err) == sdk.KindNeedsPrivilege && !available(capNetRaw) {
			continue
		}
		if err != nil || res.ReturnCode != 0 {
			t.Errorf("Call(%q) = %d, %v; stderr: %s", extra, res.ReturnCode, err, res.Stderr)
			continue
		}
		r := report(t, res)
		if !r.Reached || !r.Complete || r.Truncated || len(r.Hops) != 1 || strings.Contains(extra, "-f 3") != (r.Distance == 3) {
			t.Errorf("Call(%q): report = %+v of %q, want one hop that reached", extra, r, res.Stdout)
		}
	}
}

func TestDeadlineKeepsTheHops(t *testing.T) {
	needTraceroute(t)
	b := sdktest.New(t, plugin(), sdktest.Options{Timeout: time.Second})
	res, err := b.Call(t.Context(), "TracerouteTool",
		`{"target": "127.0.0.1", "probes": 10, "max_hops": 1, "extra_args": "-z 5 -N 1"}`)
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut {
		t.Fatalf("Call() = %v, timed out %t; want a %s", err, res.TimedOut, sdk.KindTimeout)
	}
	if r := report(t, res); r.Complete || len(r.Hops) != 1 || len(r.Hops[0].Probes) != 1 || !r.Reached {
		t.Errorf("report = %+v, want the probe that came", r)
	}
}

func TestConformance(t *testing.T) {
	needTraceroute(t)
	sdktest.Conformance(t, plugin(), sdktest.Sample{
		Tool:  "TracerouteTool",
		Quick: `{"target": "127.0.0.1", "probes": 1}`,
		Slow:  `{"target": "127.0.0.1", "probes": 10, "max_hops": 1, "extra_args": "-z 5 -N 1"}`,
	})
}
