package nmap

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Nothing here sends a packet to anything but 127.0.0.0/8.

func needNmap(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nmap"); err != nil {
		t.Fatal("nmap is not installed; make setup does it")
	}
}

// listen opens a TCP port on 127.0.0.1.
func listen(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func report(t *testing.T, res sdk.Result) Report {
	t.Helper()
	var r Report
	if err := json.Unmarshal(res.Data, &r); err != nil {
		t.Fatalf("data %q: %v; stderr: %s", res.Data, err, res.Stderr)
	}
	return r
}

func TestScanFindsOpenPort(t *testing.T) {
	needNmap(t)
	for _, scan := range []string{"", "-sT"} { // "" is a SYN scan for root, and a connect scan for others
		port := listen(t)
		b := sdktest.New(t, plugin(Probe()), sdktest.Options{})
		res, err := b.Call(t.Context(), "NmapTool", map[string]any{
			"target": "127.0.0.1", "extra_args": fmt.Sprintf("%s -p %d", scan, port),
		})
		if err != nil || res.ReturnCode != 0 {
			t.Fatalf("Call(%q) = %d, %v; stderr: %s", scan, res.ReturnCode, err, res.Stderr)
		}
		r := report(t, res)
		if !r.Complete || r.Totals.Up != 1 || len(r.Hosts) != 1 || len(r.Hosts[0].Ports) != 1 {
			t.Fatalf("report = %+v, want one host with one port", r)
		}
		if p := r.Hosts[0].Ports[0]; p.Port != port || p.State != "open" || p.Protocol != "tcp" {
			t.Errorf("port = %+v, want %d/tcp open", p, port)
		}
		if want := fmt.Sprintf("%d/tcp open", port); !strings.Contains(res.Stdout, want) {
			t.Errorf("stdout = %q, want the usual text with %q", res.Stdout, want)
		}
		if strings.Contains(res.Stdout, "<nmaprun") {
			t.Errorf("stdout = %q, want no XML", res.Stdout)
		}
	}
}

// The scan takes some seconds, in which nmap tells every two how far it is.
func TestAScanTellsHowFarItIs(t *testing.T) {
	needNmap(t)
	var told []sdk.Progress
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{Event: func(ev sdk.Event) {
		if ev.Progress != nil {
			told = append(told, *ev.Progress)
		}
	}})
	if _, err := b.Call(t.Context(), "NmapTool",
		`{"target": "127.0.0.1", "extra_args": "-sT --top-ports 100 --scan-delay 50ms"}`); err != nil {
		t.Fatal(err)
	}
	midway := func(p sdk.Progress) bool {
		return p.Task == "Connect Scan" && 0 < p.Percent && p.Percent < 100 && p.Total == 1 &&
			strings.Contains(p.Message, "s left")
	}
	if len(told) < 3 || told[0].Task != "nmap" || !slices.ContainsFunc(told, midway) || told[len(told)-1].Done != 1 {
		t.Errorf("progress = %+v, want the start, the task with the time that is left, and the end", told)
	}
}

func TestDeadlineKeepsWhatCame(t *testing.T) {
	needNmap(t)
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{Timeout: 2 * time.Second})
	res, err := b.Call(t.Context(), "NmapTool",
		`{"target": "127.0.0.1", "extra_args": "-sT -F --scan-delay 1s"}`)
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || res.ReturnCode != sdk.ReturnCodeTimeout {
		t.Fatalf("Call() = %d, timed out %t, %v; want %d and a %s", res.ReturnCode, res.TimedOut, err,
			sdk.ReturnCodeTimeout, sdk.KindTimeout)
	}
	if r := report(t, res); r.Complete || r.Version == "" || r.Error != "" {
		t.Errorf("report = %+v, want an incomplete one", r)
	}
	if !strings.Contains(res.Stdout, "Starting Nmap") {
		t.Errorf("stdout = %q, want what nmap had printed", res.Stdout)
	}
}

// The first of two hosts has no open port and is finished at once; on the second a service that never
// says a word holds up the detection of its version. The call is cancelled as soon as the first is told
// of.
func TestFinishedHostsAreKept(t *testing.T) {
	needNmap(t)
	l, err := net.Listen("tcp4", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{Event: func(ev sdk.Event) {
		if ev.Progress != nil && ev.Progress.Done > 0 {
			cancel()
		}
	}})
	res, err := b.Call(ctx, "NmapTool", map[string]any{
		"target":     "127.0.0.2/31",
		"extra_args": fmt.Sprintf("-sT -sV --max-hostgroup 1 -p %d", l.Addr().(*net.TCPAddr).Port),
	})
	if sdk.KindOf(err) != sdk.KindCancelled {
		t.Fatalf("Call() = %v, want a %s", err, sdk.KindCancelled)
	}
	r := report(t, res)
	if r.Complete || len(r.Hosts) != 1 || r.Hosts[0].Address != "127.0.0.2" || r.Totals.Total != 1 {
		t.Errorf("report = %+v, want 127.0.0.2 alone", r)
	}
}

func TestConformance(t *testing.T) {
	needNmap(t)
	sdktest.Conformance(t, plugin(Probe()), sdktest.Sample{
		Tool:  "NmapTool",
		Quick: `{"target": "127.0.0.1", "extra_args": "-sn"}`,
		Slow:  `{"target": "127.0.0.1", "extra_args": "-sT -F --scan-delay 1s"}`,
	})
}
