package ping

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "ping", Version: "test", Tools: []sdk.Tool{Tool()}}
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
		checkArgv(t, p, literal)
	}
}

// checkArgv reads an accepted argv as getopt(3) would with ping's letters: one positional argument,
// behind "--", each flag once, and always -w.
func checkArgv(t testing.TB, p sdk.Plan, literal string) {
	t.Helper()
	if p.Verdict != sdk.Accept {
		return
	}
	n := len(p.Argv)
	if n < 3 || p.Argv[n-2] != "--" || p.Argv[n-1] != literal {
		t.Fatalf("argv = %q, want -- %s at its end", p.Argv, literal)
	}
	var seen []string
	for i := 1; i < n-2; i++ {
		word := p.Argv[i]
		if len(word) != 2 || word[0] != '-' || slices.Contains(seen, word) {
			t.Fatalf("argv = %q: %q is no flag of one letter, or comes twice", p.Argv, word)
		}
		seen = append(seen, word)
		if strings.Contains("cisWwtMlpT", word[1:]) {
			if i++; i == n-2 || p.Argv[i] == "" || p.Argv[i][0] == '-' {
				t.Fatalf("argv = %q: %s has no value", p.Argv, word)
			}
		}
	}
	if !slices.Contains(seen, "-w") {
		t.Errorf("argv = %q has no -w", p.Argv)
	}
}

func FuzzParseArgs(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.ExtraArgs, false)
	}
	f.Fuzz(func(t *testing.T, extra string, intrusive bool) {
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: intrusive})
		p := b.Plan("PingTool", map[string]any{"target": "10.0.0.1", "extra_args": extra})
		checkArgv(t, p, "10.0.0.1")
	})
}

func TestArgv(t *testing.T) {
	for _, c := range []struct{ extra, want string }{
		{"", "-4 -n -c 4 -w 14 -- 10.0.0.1"},
		{"-c2 -n -4", "-4 -n -c 2 -w 12 -- 10.0.0.1"},
		{"-c 3 -i 0.200 -W 2.50", "-4 -n -c 3 -i 0.2 -W 2.5 -w 4 -- 10.0.0.1"},
		{"-w 7", "-4 -n -w 7 -c 4 -- 10.0.0.1"},
	} {
		p := sdktest.New(t, plugin(), sdktest.Options{}).Plan("PingTool", map[string]any{
			"target": "10.0.0.1", "extra_args": c.extra,
		})
		if got := strings.Join(p.Argv[1:], " "); got != c.want {
			t.Errorf("Plan(%q).Argv = %s, want %s", c.extra, got, c.want)
		}
	}
}
