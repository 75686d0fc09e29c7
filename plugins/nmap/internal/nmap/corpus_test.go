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
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// plugin is the plugin of the tests: root, or not root, whoever runs them.
func plugin(p Privileges) sdk.Plugin {
	return sdk.Plugin{Name: "nmap", Version: "test", Tools: []sdk.Tool{Tool(p)}}
}

var root = Privileges{Raw: true}

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

// unknownScripts are scripts that the corpus knows from nmap's script database, which is not read yet:
// scripts by name are the short list of safeScripts. They are rejected where they could be gated, which
// errs on the safe side.
var unknownScripts = []string{
	"--script=docker-version", "--script=oracle-sid-brute", "--script=dns-brute", "--script=smb-enum-services",
	"--script=metasploit-info", "--script=dns-zone-transfer", "--script=http-slowloris", "--script=http-git",
	"--script=clamav-exec",
}

func TestCorpusVerdicts(t *testing.T) {
	private := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
	off := sdktest.New(t, plugin(root), sdktest.Options{Networks: private})
	on := sdktest.New(t, plugin(root), sdktest.Options{AllowIntrusive: true})
	for _, l := range corpus(t) {
		args := map[string]any{"target": l.Target, "extra_args": l.ExtraArgs}
		wantOff, wantOn := sdk.Verdict(l.Verdict), sdk.Accept
		if l.Verdict == "reject" || slices.Contains(unknownScripts, l.ExtraArgs) {
			wantOff, wantOn = sdk.Reject, sdk.Reject
		}
		if strings.HasPrefix(l.Target, "127.") {
			wantOff = sdk.Reject // out of scope without loopback
		}
		if p := off.Plan("NmapTool", args); p.Verdict != wantOff {
			t.Errorf("Plan(%s %q) = %s (%s), want %s: %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule, wantOff, l.Why)
		}
		p := on.Plan("NmapTool", args)
		if p.Verdict != wantOn {
			t.Errorf("Plan(%s %q), intrusive = %s (%s), want %s: %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule,
				wantOn, l.Why)
		}
		checkArgv(t, p, l.Target)
	}
}

// checkArgv holds what every accepted plan must fulfil: "--" and one literal at the end, no other word
// that nmap could take for a target, and no flag that is not in the table.
func checkArgv(t testing.TB, p sdk.Plan, literal string) {
	t.Helper()
	if p.Verdict != sdk.Accept {
		if p.Argv != nil {
			t.Errorf("a plan that is refused has argv %q", p.Argv)
		}
		return
	}
	n := len(p.Argv)
	if n < 3 || p.Argv[n-2] != "--" || p.Argv[n-1] != literal {
		t.Fatalf("argv = %q, want -- %s at its end", p.Argv, literal)
	}
	words := p.Argv[1+len(root.fixed()) : n-2]
	for i := 0; i < len(words); i++ {
		f := tableFlag(words[i])
		switch {
		case f == "":
			t.Errorf("argv = %q: %q is no flag of the table", p.Argv, words[i])
		case takesNext[f]:
			i++
			if i == len(words) || words[i] == "" || words[i][0] == '-' || strings.ContainsAny(words[i], "\x00\n") {
				t.Fatalf("argv = %q: %s has no value of its own", p.Argv, f)
			}
		}
	}
}

// takesNext are the flags of the table whose value is the next word, attachedTo those whose value is
// glued to them.
var takesNext, attachedTo = func() (map[string]bool, []string) {
	next, glued := make(map[string]bool), []string{"-T", "-PS", "-PA", "-PU", "-PY"}
	for _, f := range flags() {
		if f.Value.Read != nil && !slices.Contains(glued, f.Name) {
			next[f.Name] = true
		}
	}
	return next, glued
}()

func tableFlag(word string) string {
	for _, f := range flags() {
		if f.Name == word && f.Refused == "" {
			return f.Name
		}
	}
	for _, name := range attachedTo {
		if rest, ok := strings.CutPrefix(word, name); ok && strings.Trim(rest, "0123456789,-") == "" {
			return name
		}
	}
	return ""
}

func FuzzParseArgs(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.ExtraArgs, false)
	}
	f.Fuzz(func(t *testing.T, extra string, intrusive bool) {
		b := sdktest.New(t, plugin(root), sdktest.Options{AllowIntrusive: intrusive})
		p := b.Plan("NmapTool", map[string]any{"target": "10.0.0.0/28", "extra_args": extra})
		checkArgv(t, p, "10.0.0.0/28")
	})
}

func TestTemplatesAreAccepted(t *testing.T) {
	b := sdktest.New(t, plugin(root), sdktest.Options{})
	for _, tpl := range templates() {
		p := b.Plan("NmapTool", map[string]any{"target": "10.0.0.1", "template": tpl.Name})
		if p.Verdict != sdk.Accept {
			t.Errorf("Plan(template %s) = %s: %s", tpl.Name, p.Verdict, p.Rule)
		}
		checkArgv(t, p, "10.0.0.1")
	}
}

func TestArgv(t *testing.T) {
	safe := expression("default")
	for _, c := range []struct {
		name, extra, template string
		privileges            Privileges
		want                  []string
	}{
		{"nothing", "", "", root, []string{"-T4", "--max-parallelism", "10", "-Pn", "--top-ports", "1000"}},
		{"nothing, without raw sockets", "", "", Privileges{}, []string{
			"-T4", "--max-parallelism", "10", "-Pn", "--top-ports", "1000", "-sT",
		}},
		{"discovery adds no ports", "-sn", "", root, []string{"-sn", "-T4", "--max-parallelism", "10"}},
		{"joined letters are taken apart", "-sSV -p80", "", root, []string{
			"-sS", "-sV", "-p", "80", "-T4", "--max-parallelism", "10", "-Pn",
		}},
		{"all ports in one form", "-p- -T2 -PS22,80", "", root, []string{
			"-p", "1-65535", "-T2", "-PS22,80", "--max-parallelism", "10",
		}},
		{"-sC becomes the safe part of default", "-sC -F", "", root, []string{
			"-F", "-T4", "--max-parallelism", "10", "-Pn", "--script", safe,
		}},
		{"the union of -sC and --script", "-sC -F --script ssl-cert", "", root, []string{
			"-F", "-T4", "--max-parallelism", "10", "-Pn", "--script", safe + ",ssl-cert",
		}},
		{"flags win over the template", "-p 22 -T3", "standard", root, []string{
			"-Pn", "-sV", "-p", "22", "-T3", "--max-parallelism", "10",
		}},
		{"a high minimum keeps the default maximum away", "-F --min-parallelism 50", "", root, []string{
			"-F", "--min-parallelism", "50", "-T4", "-Pn",
		}},
		{"seconds are written out", "-F --host-timeout 90", "", root, []string{
			"-F", "--host-timeout", "90s", "-T4", "--max-parallelism", "10", "-Pn",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := map[string]any{"target": "10.0.0.1", "extra_args": c.extra}
			if c.template != "" {
				args["template"] = c.template
			}
			p := sdktest.New(t, plugin(c.privileges), sdktest.Options{}).Plan("NmapTool", args)
			want := slices.Concat([]string{"/usr/bin/nmap"}, c.privileges.fixed(), c.want, []string{"--", "10.0.0.1"})
			if !slices.Equal(p.Argv, want) {
				t.Errorf("Plan(%q).Argv =\n%q, want\n%q (%s)", c.extra, p.Argv, want, p.Rule)
			}
		})
	}
}

func TestEverythingBecomesItsParts(t *testing.T) {
	b := sdktest.New(t, plugin(root), sdktest.Options{AllowIntrusive: true})
	p := b.Plan("NmapTool", `{"target": "10.0.0.1", "extra_args": "-A -sV -F"}`)
	if slices.Contains(p.Argv, "-A") || !slices.Contains(p.Argv, "-O") || !slices.Contains(p.Argv,
		expression("default")) {
		t.Errorf("argv of -A = %q, want its parts", p.Argv)
	}
}

func TestRawSocketsAreNotReplacedSilently(t *testing.T) {
	b := sdktest.New(t, plugin(Privileges{}), sdktest.Options{AllowIntrusive: true})
	for _, extra := range rawFlags {
		switch extra {
		case "--mtu":
			extra = "--mtu 16"
		case "--source-port", "--data-length", "--ttl", "--scanflags":
			extra += " 20"
		}
		p := b.Plan("NmapTool", map[string]any{"target": "10.0.0.1", "extra_args": extra})
		if p.Error == nil || p.Error.Metadata["needs"] != "CAP_NET_RAW" {
			t.Errorf("Plan(%s), without raw sockets = %s (%s), want a word about CAP_NET_RAW", extra, p.Verdict,
				p.Rule)
		}
	}
}

func TestPrivileges(t *testing.T) {
	const status = "Name:\tx\nCapEff:\t%\nCapBnd:\t0\nCapAmb:\t@\n"
	for _, c := range []struct {
		name     string
		euid     int
		eff, amb string
		want     Privileges
	}{
		{"root", 0, "000001fffeffffff", "0", Privileges{Raw: true}},
		{"root in a tight container", 0, "00000000a80405fb", "0", Privileges{}},
		{"a user", 1000, "0", "0", Privileges{}},
		{"a user whose capability would not reach nmap", 1000, "2000", "0", Privileges{}},
		{"a user with an ambient capability", 1000, "2000", "2000", Privileges{Raw: true, Ambient: true}},
	} {
		text := strings.NewReplacer("%", c.eff, "@", c.amb).Replace(status)
		if got := privileges(c.euid, bufio.NewScanner(strings.NewReader(text))); got != c.want {
			t.Errorf("%s: privileges() = %+v, want %+v", c.name, got, c.want)
		}
	}
}
