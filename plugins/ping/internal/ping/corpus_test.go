package ping

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "ping", Version: "test", Tools: []sdk.Tool{Tool()}, Prompts: Prompts()}
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
	return lines
}

func TestCorpusVerdicts(t *testing.T) {
	g := newGetopt(t)
	private := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
	for _, l := range corpus(t) {
		args := map[string]any{"target": l.Target, "extra_args": l.ExtraArgs}
		hosts := map[string][]string{l.Target: l.Resolves}
		literal := l.Target
		if len(l.Resolves) > 0 {
			literal = l.Resolves[0]
		}
		wantOff, wantOn := sdk.Verdict(l.Verdict), sdk.Accept
		if l.Verdict == "reject" {
			wantOn = sdk.Reject
		}
		if strings.HasPrefix(l.Target, "127.") {
			wantOff = sdk.Reject // out of scope without loopback
		}
		off := sdktest.New(t, plugin(), sdktest.Options{Networks: private, Hosts: hosts})
		if p := off.Plan("PingTool", args); p.Verdict != wantOff {
			t.Errorf("Plan(%s %q) = %s (%s), want %s: %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule, wantOff, l.Why)
		}
		on := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true, Hosts: hosts})
		p := on.Plan("PingTool", args)
		if p.Verdict != wantOn {
			t.Errorf("Plan(%s %q), intrusive = %s (%s), want %s: %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule,
				wantOn, l.Why)
		}
		if p.Verdict == sdk.Accept {
			g.check(t, p.Argv, literal)
		}
	}
}

func FuzzParseArgs(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.ExtraArgs, false)
		f.Add(l.ExtraArgs, true)
	}
	for r := rand.New(rand.NewPCG(3, 4)); r.IntN(100) > 0; {
		text, _ := request(r)
		f.Add(text, true)
	}
	g := newGetopt(f)
	f.Fuzz(func(t *testing.T, extra string, intrusive bool) {
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: intrusive})
		p := b.Plan("PingTool", map[string]any{"target": "10.0.0.1", "extra_args": extra})
		if p.Verdict == sdk.Accept {
			g.check(t, p.Argv, "10.0.0.1")
		}
	})
}

func TestArgv(t *testing.T) {
	for _, c := range []struct{ extra, want string }{
		{"", "-4 -n -c 4 -i 1 -W 10 -O -w 14"},
		{"-c2 -n -4", "-4 -n -c 2 -i 1 -W 10 -O -w 12"},
		{"-c 3 -i 0.200 -W 2.50", "-4 -n -c 3 -i 0.2 -W 2.5 -O -w 4"},
		{"-w 7", "-4 -n -w 7 -c 4 -i 1 -W 10 -O"},
		{"-O -q", "-4 -n -O -q -c 4 -i 1 -W 10 -w 14"},
		{"-q", "-4 -n -q -c 4 -i 1 -W 10 -w 14"},
		{"-A", "-4 -n -A -c 4 -i 1 -W 10 -O -w 14"},
		{"-f -c 100", "-4 -n -f -c 100 -i 0.002 -W 10 -w 12"},
		{"-c 100 -i 2.700 -W 30", "-4 -n -c 100 -i 2.7 -W 30 -O -w 299"},
		{"-c 100 -i 2.727 -W 30", "-4 -n -c 100 -i 2.727 -W 30 -O -w 300"},
	} {
		p := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true}).Plan("PingTool", map[string]any{
			"target": "10.0.0.1", "extra_args": c.extra,
		})
		if got := strings.Join(p.Argv[min(1, len(p.Argv)):], " "); got != c.want+" -- 10.0.0.1" {
			t.Errorf("Plan(%q).Argv = %s (%s), want %s", c.extra, got, p.Rule, c.want)
		}
	}
}
