package dig

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// line is one line of the corpus: what somebody asks for, and what has to come of it.
type line struct {
	Target   string         `json:"target"`
	Args     map[string]any `json:"args"`
	Verdict  string         `json:"verdict"`
	Why      string         `json:"why"`
	Resolves []string       `json:"resolves"`
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

// words are those that may ever stand in argv, each once, in this order.
var words = []*regexp.Regexp{
	regexp.MustCompile(`\A-r\z`), regexp.MustCompile(`\A-4\z`), regexp.MustCompile(`\A-u\z`),
	regexp.MustCompile(`\A\+nocmd\z`), regexp.MustCompile(`\A\+noidnin\z`), regexp.MustCompile(`\A\+noidnout\z`),
	regexp.MustCompile(`\A\+nosplit\z`), regexp.MustCompile(`\A\+nosearch\z`),
	regexp.MustCompile(`\A\+(no)?tcp\z`), regexp.MustCompile(`\A\+(no)?recurse\z`),
	regexp.MustCompile(`\A\+(no)?dnssec\z`), regexp.MustCompile(`\A\+timeout=([1-9]|10)\z`),
	regexp.MustCompile(`\A\+tries=[1-5]\z`),
}

var nameRE = regexp.MustCompile(`\A(?:\.|(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+)\z`)

// checkArgv holds an argv to what dig may ever be given: one question, to one server.
func checkArgv(t testing.TB, argv []string, server string) {
	t.Helper()
	if len(argv) < len(words)+2 {
		t.Errorf("argv = %q, want more", argv)
		return
	}
	for i, re := range words {
		if !re.MatchString(argv[i+1]) {
			t.Errorf("argv[%d] of %q = %q, want what matches %v", i+1, argv, argv[i+1], re)
		}
	}
	rest := argv[1+len(words):]
	if last := rest[len(rest)-1]; last != "@"+server {
		t.Errorf("argv = %q, want it to end with the server %s", argv, server)
	}
	given := make(map[string]string)
	for rest = rest[:len(rest)-1]; len(rest) > 1; rest = rest[2:] {
		if _, twice := given[rest[0]]; twice {
			t.Errorf("argv = %q has %s twice", argv, rest[0])
		}
		given[rest[0]] = rest[1]
	}
	a, errAddr := netip.ParseAddr(given["-x"])
	named := slices.Contains(types, given["-t"]) && given["-q"] != "" && nameRE.MatchString(given["-q"])
	reverse := errAddr == nil && a.Is4() && a.IsPrivate() || a.IsLoopback()
	if len(rest) != 0 || given["-p"] == "" || named == reverse || len(given) != map[bool]int{true: 3, false: 2}[named] {
		t.Errorf("argv = %q, want -p with either -q and -t, or -x, and nothing else", argv)
	}
}

func TestCorpusVerdicts(t *testing.T) {
	lines, hosts := corpus(t), make(map[string][]string)
	for _, l := range lines {
		hosts[l.Target] = l.Resolves
	}
	for _, intrusive := range []bool{false, true} {
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: intrusive, Hosts: hosts})
		for _, l := range lines {
			args := map[string]any{"target": l.Target}
			maps.Copy(args, l.Args)
			want := sdk.Verdict(l.Verdict)
			if intrusive && want == sdk.Gated {
				want = sdk.Accept
			}
			p := b.Plan("DigTool", args)
			if p.Verdict != want {
				t.Errorf("Plan(%v), intrusive %t = %s (%s), want %s: %s", args, intrusive, p.Verdict, p.Rule, want, l.Why)
			}
			if p.Verdict == sdk.Accept {
				checkArgv(t, p.Argv, append(l.Resolves, l.Target)[0])
			}
		}
	}
}

func FuzzArguments(f *testing.F) {
	for _, l := range corpus(f) {
		name, _ := l.Args["name"].(string)
		extra, _ := l.Args["extra_args"].(string)
		reverse, _ := l.Args["reverse"].(string)
		f.Add(name, extra, reverse)
	}
	f.Fuzz(func(t *testing.T, name, extra, reverse string) {
		args := map[string]any{"target": "10.0.0.53", "extra_args": extra}
		for k, v := range map[string]string{"name": name, "reverse": reverse} {
			if v != "" {
				args[k] = v
			}
		}
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
		if p := b.Plan("DigTool", args); p.Verdict == sdk.Accept {
			checkArgv(t, p.Argv, "10.0.0.53")
		}
	})
}

func TestArgv(t *testing.T) {
	const always = "-r -4 -u +nocmd +noidnin +noidnout +nosplit +nosearch "
	for args, want := range map[string]string{
		`"name": "a.lab.internal"`: "+notcp +recurse +nodnssec +timeout=5 +tries=2 -q a.lab.internal. -t A -p 53",
		`"name": "a.lab.internal.", "type": "TXT", "port": 5353, "tcp": true, "recursion": false, "dnssec": true,
			"wait_sec": 2, "tries": 1`: "+tcp +norecurse +dnssec +timeout=2 +tries=1 -q a.lab.internal. -t TXT -p 5353",
		`"reverse": "10.0.3.7"`:                             "+notcp +recurse +nodnssec +timeout=5 +tries=2 -x 10.0.3.7 -p 53",
		`"extra_args": "-p 99 -t mx -q lab.internal -r -4"`: "+notcp +recurse +nodnssec +timeout=5 +tries=2 -p 99 -t MX -q lab.internal.",
	} {
		p := sdktest.New(t, plugin(), sdktest.Options{}).Plan("DigTool", `{"target": "10.0.0.53", `+args+`}`)
		if got := strings.Join(p.Argv[min(1, len(p.Argv)):], " "); got != always+want+" @10.0.0.53" {
			t.Errorf("Plan(%s).Argv = %s (%s), want %s%s @10.0.0.53", args, got, p.Rule, always, want)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for args, want := range map[string]string{
		`"name": "www.example.com"`:               "lab.internal",
		`"extra_args": "-q lab.internal -t AXFR"`: "zone transfer",
		`"port": 53`: "nothing to look up",
		`"name": "a.lab.internal", "extra_args": "-f x"`: "file",
		`"reverse": "8.8.8.8"`:                           "outside",
		`"name": "a..lab.internal"`:                      "a dot too many",
		`"reverse": "10.0.0.0/24"`:                       "one address is wanted",
	} {
		if p := b.Plan("DigTool", `{"target": "10.0.0.53", `+args+`}`); !strings.Contains(p.Rule, want) {
			t.Errorf("Plan(%s) = %s (%s), want a rule with %q", args, p.Verdict, p.Rule, want)
		}
	}
}

// No byte gets into a name that is not of one, wherever it stands.
func TestEveryByteInEveryPlaceOfAName(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	const name = "db.lab.internal"
	for place := range len(name) + 1 {
		for c := range rune(256) {
			changed := name[:place] + string(c) + name[place:]
			p := b.Plan("DigTool", map[string]any{"target": "10.0.0.53", "name": changed})
			if p.Verdict == sdk.Accept {
				checkArgv(t, p.Argv, "10.0.0.53")
			}
			if want := nameRE.MatchString(strings.ToLower(strings.TrimSuffix(changed, ".")) + "."); (p.Verdict == sdk.Accept) != want {
				t.Errorf("Plan(%q) = %s (%s), want it accepted: %t", changed, p.Verdict, p.Rule, want)
			}
		}
	}
}

func TestReverseNamesAreHeldToTheNetworks(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.3.0/24")}})
	for name, want := range map[string]sdk.Verdict{
		"7.3.0.10.in-addr.arpa": sdk.Accept, "3.0.10.in-addr.arpa": sdk.Accept, "x.7.3.0.10.in-addr.arpa": sdk.Gated,
		"0.10.in-addr.arpa": sdk.Gated, "10.in-addr.arpa": sdk.Gated, "4.0.10.in-addr.arpa": sdk.Gated,
		"7.03.0.10.in-addr.arpa": sdk.Gated, "7.3.0.10.ip6.arpa": sdk.Gated, "256.3.0.10.in-addr.arpa": sdk.Gated,
	} {
		p := b.Plan("DigTool", map[string]any{"target": "10.0.3.53", "name": name, "type": "PTR"})
		if p.Verdict != want {
			t.Errorf("Plan(%s) = %s (%s), want %s", name, p.Verdict, p.Rule, want)
		}
	}
}
