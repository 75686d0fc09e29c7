package nmap

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// plugin is the plugin of the tests: root, or not root, whoever runs them.
func plugin(p Privileges) sdk.Plugin {
	made, err := New(p)
	if err != nil {
		panic(err) // this machine's nmap is broken
	}
	return sdk.Plugin{Name: "nmap", Version: "test", Tools: []sdk.Tool{made}, Prompts: Prompts()}
}

var root = Privileges{Raw: true}

// table is the tool's table of flags.
func table() []command.Flag { return (&tool{library: new(library)}).flags() }

func object(t testing.TB, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// line is one line of the corpus: what somebody asks for, and what has to come of it.
type line struct {
	Target    string   `json:"target"`
	ExtraArgs string   `json:"extra_args"`
	Verdict   string   `json:"verdict"`
	Why       string   `json:"why"`
	Resolves  []string `json:"resolves"`
}

func corpus(t testing.TB) []line {
	t.Helper()
	f, err := os.Open("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []line
	for s := bufio.NewScanner(f); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		t.Fatal("the corpus is empty")
	}
	return lines
}

var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

func TestCorpusVerdicts(t *testing.T) {
	needNmap(t)
	checks := newPlanner(t, root, sdktest.Options{})
	off := sdktest.New(t, plugin(root), sdktest.Options{Networks: private})
	on := sdktest.New(t, plugin(root), sdktest.Options{AllowIntrusive: true})
	for _, l := range corpus(t) {
		args := map[string]any{"target": l.Target, "extra_args": l.ExtraArgs}
		wantOff, wantOn := sdk.Verdict(l.Verdict), sdk.Accept
		if l.Verdict == "reject" {
			wantOn = sdk.Reject
		}
		if strings.HasPrefix(l.Target, "127.") {
			wantOff = sdk.Reject // out of scope without loopback
		}
		if p := off.Plan("NmapTool", args); p.Verdict != wantOff {
			t.Errorf("Plan(%s %q) = %s (%s), want %s: %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule, wantOff,
				l.Why)
		}
		p := on.Plan("NmapTool", args)
		if p.Verdict != wantOn {
			t.Errorf("Plan(%s %q), intrusive = %s (%s), want %s: %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule,
				wantOn, l.Why)
		}
		checks.check(t, p, l.Target)
	}
}

// Whatever somebody writes: nmap reads the pinned target and nothing else out of what comes of it, and what
// is accepted without allow_intrusive is accepted with it.
func FuzzParseArgs(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.ExtraArgs)
	}
	off := newPlanner(f, root, sdktest.Options{})
	on := newPlanner(f, root, sdktest.Options{AllowIntrusive: true})
	f.Fuzz(func(t *testing.T, extra string) {
		args := map[string]any{"extra_args": extra}
		without, with := off.plan(t, "10.0.0.0/28", args), on.plan(t, "10.0.0.0/28", args)
		if without.Verdict == sdk.Gated && with.Verdict == sdk.Gated {
			t.Errorf("Plan(%q) is gated with allow_intrusive", extra)
		}
		if without.Verdict == sdk.Accept && !slices.Equal(without.Argv, with.Argv) {
			t.Errorf("Plan(%q).Argv = %q, with allow_intrusive %q", extra, without.Argv, with.Argv)
		}
		if without.Verdict == sdk.Reject && with.Verdict != sdk.Reject {
			t.Errorf("Plan(%q) is rejected, and with allow_intrusive it is %s", extra, with.Verdict)
		}
	})
}

// What is true of flags is true of the arguments that stand for them.
func FuzzFields(f *testing.F) {
	f.Add("22,80", "ssl-cert,default", 4, true, false, "")
	f.Add("-", "", 0, false, true, "-sS")
	f.Add("--script=vuln", "../x", -1, true, true, "-p 80")
	f.Add("80 10.0.0.9", "(all)", 1<<40, false, false, "-O -T3")
	on := newPlanner(f, root, sdktest.Options{AllowIntrusive: true})
	f.Fuzz(func(t *testing.T, ports, scripts string, timing int, services, system bool, extra string) {
		p := on.plan(t, "10.0.0.1", map[string]any{
			"ports": ports, "scripts": strings.Split(scripts, ","), "timing": timing,
			"service_detection": services, "os_detection": system, "extra_args": extra,
		})
		if p.Verdict == sdk.Accept && (timing < 0 || timing > 5) {
			t.Errorf("Plan(timing %d) = %s", timing, p.Verdict)
		}
	})
}

func TestTemplatesAreAccepted(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{})
	for _, tpl := range templates() {
		p := pl.plan(t, "10.0.0.1", map[string]any{"template": tpl.Name})
		if p.Verdict != sdk.Accept {
			t.Errorf("Plan(template %s) = %s: %s", tpl.Name, p.Verdict, p.Rule)
		}
	}
}
