package traceroute

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// tool is declared once: that takes longer than most of what is done with it.
var tool = sync.OnceValue(Tool)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "traceroute", Version: "test", Tools: []sdk.Tool{tool()}, Prompts: Prompts()}
}

// allowed stands in for a sandbox that has the right to raw sockets, or has not.
func allowed(t testing.TB, raw bool) {
	before := available
	available = func(string) bool { return raw }
	t.Cleanup(func() { available = before })
}

// line is one line of the corpus: what somebody asks for, and what has to come of it.
type line struct {
	Target    string         `json:"target"`
	ExtraArgs string         `json:"extra_args"`
	Args      map[string]any `json:"args"`
	Verdict   string         `json:"verdict"`
	Why       string         `json:"why"`
	Resolves  []string       `json:"resolves"`
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

// valued and bare are the options that traceroute may ever be given.
var (
	valued = map[string]*regexp.Regexp{
		"-q": regexp.MustCompile(`\A([1-9]|10)\z`), "-m": regexp.MustCompile(`\A([1-9]|[1-5]\d|6[0-4])\z`),
		"-f": regexp.MustCompile(`\A([1-9]|[1-5]\d|6[0-4])\z`), "-w": regexp.MustCompile(`\A\d{1,2}(\.\d{1,3})?\z`),
		"-z": regexp.MustCompile(`\A[0-5](\.\d{1,3})?\z`), "-N": regexp.MustCompile(`\A([1-9]|1[0-6])\z`),
		"-p": regexp.MustCompile(`\A[1-9]\d{0,4}\z`), "-t": regexp.MustCompile(`\A\d{1,3}\z`),
		"-M": regexp.MustCompile(`\A(default|icmp|tcp|udp)\z`),
	}
	bare = []string{"-I", "-T", "-U", "-F", "-e"}
)

// checkArgv holds an argv to what traceroute may ever be given: one host, no option twice, each of them allowed
// and with a value where it takes one.
func checkArgv(t testing.TB, argv []string, target string) {
	t.Helper()
	if len(argv) < 5 || argv[1] != "-4" || argv[2] != "-n" ||
		!slices.Equal(argv[len(argv)-2:], []string{"--", target}) {
		t.Errorf("argv = %q, want -4 -n first and the target last", argv)
		return
	}
	seen := make(map[string]bool)
	for rest := argv[3 : len(argv)-2]; len(rest) > 0; rest = rest[1:] {
		name := rest[0]
		if seen[name] {
			t.Errorf("argv = %q has %s twice", argv, name)
		}
		seen[name] = true
		if re := valued[name]; re != nil && len(rest) > 1 {
			if rest = rest[1:]; !re.MatchString(rest[0]) {
				t.Errorf("argv = %q has %s %s, want %v", argv, name, rest[0], re)
			}
		} else if !slices.Contains(bare, name) {
			t.Errorf("argv = %q has %q, which is not allowed there", argv, name)
		}
	}
	methods := 0
	for _, m := range []string{"-M", "-I", "-T", "-U"} {
		if seen[m] {
			methods++
		}
	}
	if !seen["-q"] || !seen["-m"] || !seen["-w"] || !seen["-N"] || methods > 1 {
		t.Errorf("argv = %q, want bounds, and one method at most", argv)
	}
}

func TestCorpusVerdicts(t *testing.T) {
	allowed(t, true)
	lines, hosts := corpus(t), make(map[string][]string)
	for _, l := range lines {
		hosts[l.Target] = l.Resolves
	}
	for _, intrusive := range []bool{false, true} {
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: intrusive, Hosts: hosts})
		for _, l := range lines {
			args := map[string]any{"target": l.Target, "extra_args": l.ExtraArgs}
			maps.Copy(args, l.Args)
			p := b.Plan("TracerouteTool", args)
			if p.Verdict != sdk.Verdict(l.Verdict) {
				t.Errorf("Plan(%v), intrusive %t = %s (%s), want %s: %s", args, intrusive, p.Verdict, p.Rule, l.Verdict, l.Why)
			}
			if p.Verdict == sdk.Accept {
				checkArgv(t, p.Argv, append(l.Resolves, l.Target)[0])
			}
		}
	}
}

func FuzzArguments(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.ExtraArgs)
	}
	f.Fuzz(func(t *testing.T, extra string) {
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
		p := b.Plan("TracerouteTool", map[string]any{"target": "10.0.0.1", "extra_args": extra})
		if p.Verdict == sdk.Accept {
			checkArgv(t, p.Argv, "10.0.0.1")
		}
	})
}

func TestArgv(t *testing.T) {
	allowed(t, true)
	for args, want := range map[string]string{
		`"extra_args": ""`:                              "-m 30 -q 3 -w 3 -N 16",
		`"extra_args": "-q1 -m 5 -w 0.50 -N 2 -n"`:      "-q 1 -m 5 -w 0.5 -N 2",
		`"method": "tcp", "port": 443`:                  "-M tcp -p 443 -m 30 -q 3 -w 3 -N 16",
		`"extra_args": "-I -F -e -t 16 -z 0.1"`:         "-I -F -e -t 16 -z 0.1 -m 30 -q 3 -w 3 -N 16",
		`"first_hop": 2, "max_hops": 3, "wait_sec": 10`: "-f 2 -m 3 -w 10 -q 3 -N 16",
	} {
		p := sdktest.New(t, plugin(), sdktest.Options{}).Plan("TracerouteTool", `{"target": "10.0.0.1", `+args+`}`)
		if got := strings.Join(p.Argv[min(1, len(p.Argv)):], " "); got != "-4 -n "+want+" -- 10.0.0.1" {
			t.Errorf("Plan(%s).Argv = %s (%s), want -4 -n %s -- 10.0.0.1", args, got, p.Rule, want)
		}
	}
}

// Whatever letter there is, alone, with a value or behind another flag, only those of the table are taken.
func TestNoOtherLetter(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	for c := '!'; c <= '~'; c++ {
		known := strings.ContainsRune("MITUpfmqwNztFen4", c)
		for _, form := range []string{"-%", "-% 1", "-%1", "-F -%", "-F%", "-%F", "--%", "-q 1 -% tcp"} {
			text := strings.ReplaceAll(form, "%", string(c))
			p := b.Plan("TracerouteTool", map[string]any{"target": "10.0.0.1", "extra_args": text})
			if p.Verdict == sdk.Accept && !known {
				t.Errorf("Plan(%q) = %s, want %s", text, p.Verdict, sdk.Reject)
			}
			if p.Verdict == sdk.Accept {
				checkArgv(t, p.Argv, "10.0.0.1")
			}
		}
	}
}

func TestLongNamesAreToldInShort(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for extra, want := range map[string]string{
		"--max-hops=20": "write -m", "--queries 1": "write -q", "--tcp": "write -T", "--mtu": "PingTool",
		"--gateway=10.0.0.2": "source routes", "-A": "registries",
	} {
		p := b.Plan("TracerouteTool", map[string]any{"target": "10.0.0.1", "extra_args": extra})
		if p.Verdict != sdk.Reject || !strings.Contains(p.Rule, want) {
			t.Errorf("Plan(%q) = %s (%s), want a rule with %q", extra, p.Verdict, p.Rule, want)
		}
	}
}

func TestTCPNeedsRawSockets(t *testing.T) {
	for _, raw := range []bool{true, false} {
		allowed(t, raw)
		b := sdktest.New(t, plugin(), sdktest.Options{})
		for _, args := range []string{`"method": "tcp"`, `"extra_args": "-T"`, `"method": "udp"`, `"method": "icmp"`} {
			p := b.Plan("TracerouteTool", `{"target": "127.0.0.1", `+args+`}`)
			refused := !raw && strings.Contains(args, "t") && (strings.Contains(args, "tcp") || strings.Contains(args, "-T"))
			if p.Verdict != sdk.Accept || (sdk.KindOf(errorOf(p)) == sdk.KindNeedsPrivilege) != refused {
				t.Errorf("Plan(%s), raw sockets %t = %s, %v; want needs_privilege beside it: %t", args, raw, p.Verdict,
					p.Error, refused)
			}
		}
		checks := b.CheckHealth(t.Context())
		i := slices.IndexFunc(checks, func(c sdk.HealthCheck) bool { return c.Name == capNetRaw })
		if i < 0 || (checks[i].Fix == "") != raw {
			t.Errorf("CheckHealth() with raw sockets %t = %+v", raw, checks)
		}
	}
}

// errorOf is the error of a plan as an error.
func errorOf(p sdk.Plan) error {
	if p.Error == nil {
		return nil
	}
	return p.Error
}
