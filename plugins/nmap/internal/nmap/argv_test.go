package nmap

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestArgv(t *testing.T) {
	needNmap(t)
	safe := expressions["default"]
	for _, c := range []struct {
		name, extra string
		more        map[string]any // further arguments
		privileges  Privileges
		want        []string
	}{
		{"nothing", "", nil, root, []string{"-T4", "--max-parallelism", "10", "-Pn", "--top-ports", "1000"}},
		{"nothing, without raw sockets", "", nil, Privileges{}, []string{
			"-T4", "--max-parallelism", "10", "-Pn", "-sT", "--top-ports", "1000",
		}},
		{"discovery adds no ports", "-sn", nil, root, []string{"-sn", "-T4", "--max-parallelism", "10"}},
		{"a list adds no ports", "-sL", nil, root, []string{"-sL", "-T4", "--max-parallelism", "10"}},
		{"a scan of protocols adds no ports", "-sO", nil, root, []string{
			"-sO", "-T4", "--max-parallelism", "10", "-Pn",
		}},
		{"UDP gets ports as well", "-sU", nil, root, []string{
			"-sU", "-T4", "--max-parallelism", "10", "-Pn", "--top-ports", "1000",
		}},
		{"joined letters are taken apart", "-sSV -p80", nil, root, []string{
			"-sS", "-sV", "-p", "80", "-T4", "--max-parallelism", "10", "-Pn",
		}},
		{"all ports in one form, discovery keeps -Pn away", "-p- -T2 -PS22,80", nil, root, []string{
			"-p", "1-65535", "-T2", "-PS22,80", "--max-parallelism", "10",
		}},
		{"-sC becomes the safe part of default", "-sC -F", nil, root, []string{
			"-F", "-T4", "--max-parallelism", "10", "-Pn", "--script", safe,
		}},
		{"the union of -sC and --script", "-sC -F --script ssl-cert", nil, root, []string{
			"-F", "-T4", "--max-parallelism", "10", "-Pn", "--script", safe + ",ssl-cert",
		}},
		{"flags win over the template", "-p 22 -T3", map[string]any{"template": "standard"}, root, []string{
			"-Pn", "-sV", "-p", "22", "-T3", "--max-parallelism", "10",
		}},
		{"a high minimum keeps the default maximum away", "-F --min-parallelism 50", nil, root, []string{
			"-F", "--min-parallelism", "50", "-T4", "-Pn",
		}},
		{"seconds are written out", "-F --host-timeout 90", nil, root, []string{
			"-F", "--host-timeout", "90s", "-T4", "--max-parallelism", "10", "-Pn",
		}},
		{"-A becomes its parts", "-A -sV -F", nil, root, []string{
			"-sV", "-F", "-T4", "--max-parallelism", "10", "-Pn", "-O", "--traceroute", "--script", safe,
		}},
		{"arguments that stand for flags", "-sU", map[string]any{
			"ports": "U:53,T:22", "scripts": []string{"ssl-cert", "default"}, "timing": 2,
			"service_detection": true, "os_detection": true,
		}, root, []string{
			"-p", "U:53,T:22", "-T2", "-sV", "-O", "-sU", "--max-parallelism", "10", "-Pn", "--script",
			"ssl-cert," + safe,
		}},
		{"all ports by argument, detection off in a template", "", map[string]any{
			"template": "version", "ports": "-", "service_detection": false,
		}, root, []string{
			"--version-intensity", "5", "-T4", "-Pn", "-p", "1-65535", "--max-parallelism", "10",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := map[string]any{"extra_args": c.extra}
			maps.Copy(args, c.more)
			p := newPlanner(t, c.privileges, sdktest.Options{AllowIntrusive: true}).plan(t, "10.0.0.1", args)
			path, _ := command.Find("nmap")
			want := slices.Concat([]string{path}, c.privileges.fixed(), c.want, []string{"--", "10.0.0.1"})
			if !slices.Equal(p.Argv, want) {
				t.Errorf("Plan(%v).Argv =\n%q, want\n%q (%s)", args, p.Argv, want, p.Rule)
			}
		})
	}
}

// What was added to a request stands in its plan: each word of argv, and what to know of it.
func TestThePlanSaysWhatWasAdded(t *testing.T) {
	needNmap(t)
	for _, c := range []struct {
		extra      string
		privileges Privileges
		token      string // a piece of argv
		why        string // in what is said of it, or in the notes when token is empty
	}{
		{"-sU", root, "--top-ports 1000", "default"},
		{"-sU", root, "", "UDP is slow"},
		{"", Privileges{}, "-sT", "default"},
		{"", Privileges{}, "", "may not open raw sockets"},
		{"-sn", Privileges{}, "", "TCP connections to ports 80 and 443"},
		{"-sC -F", root, "--script " + expressions["default"], "-sC and -A mean category default"},
	} {
		p := newPlanner(t, c.privileges, sdktest.Options{}).ask(t, c.extra)
		var said []string
		if c.token == "" {
			said = p.Notes
		}
		for _, token := range p.Tokens {
			if c.token != "" && token.Text == c.token {
				said = append(said, token.Why)
			}
		}
		if !strings.Contains(strings.Join(said, "\n"), c.why) {
			t.Errorf("Plan(%q) says of %q %q, want a word about %q", c.extra, c.token, said, c.why)
		}
	}
}

func TestTooMuchWorkIsRefusedWithWhatFits(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	for _, c := range []struct {
		name, target, extra string
		ports               int64 // of each host; 0: it is accepted
	}{
		{"all ports of 64 hosts", "10.0.0.0/26", "-p-", 0},
		{"all ports of 128 hosts", "10.0.0.0/25", "-p-", 65535},
		{"4096 ports of 1024 hosts", "10.0.0.0/22", "-p 1-4096", 0},
		{"ports named twice count twice", "10.0.0.0/22", "-p 1-4096,4096", 4097},
		{"TCP and UDP of one port are one", "10.0.0.0/22", "-sS -sU -p 1-4096", 0},
		{"those named for each count each", "10.0.0.0/22", "-sS -sU -p T:1-2048,U:1-2049", 4097},
		{"the most common ports", "10.0.0.0/22", "--top-ports 4097", 4097},
		{"what is excluded counts", "10.0.0.0/22", "-p 1-4097 --exclude-ports 1-4000", 4097},
		{"hosts of which no port is scanned", "10.0.0.0/22", "-sn", 0},
		{"protocols of hosts", "10.0.0.0/22", "-sO", 0},
		{"ports for discovery", "10.0.0.0/22", "-sn -PS1-4097", 4097},
		{"a few ports for discovery", "10.0.0.0/22", "-p 1-4096 -PS22,80 -PA443", 0},
	} {
		p := pl.plan(t, c.target, map[string]any{"extra_args": c.extra})
		switch {
		case c.ports == 0 && p.Verdict != sdk.Accept:
			t.Errorf("%s: Plan(%s %s) = %s (%s), want it accepted", c.name, c.target, c.extra, p.Verdict, p.Rule)
		case c.ports != 0 && (p.Error == nil || p.Error.Metadata["ports"] != c.ports):
			t.Errorf("%s: Plan(%s %s) = %s, %+v, want %d ports too many", c.name, c.target, c.extra, p.Verdict,
				p.Error, c.ports)
		}
	}
	p := pl.plan(t, "10.0.4.0/24", map[string]any{"extra_args": "-p-"})
	const want = "name at most 16384 ports, or at most 64 addresses: a /26 such as 10.0.4.0/26"
	if p.Error == nil || p.Error.Suggestion != want {
		t.Errorf("Plan(10.0.4.0/24 -p-) suggests %+v, want %q", p.Error, want)
	}
}

func TestAllAndAnArgumentThatSwitchesAPartOffClash(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	for _, field := range []string{"os_detection", "service_detection"} {
		p := pl.plan(t, "10.0.0.1", map[string]any{"extra_args": "-A", field: false})
		if p.Error == nil || p.Error.Kind != sdk.KindValidation || !strings.Contains(p.Rule, field+" is false") {
			t.Errorf("Plan(-A, %s false) = %s (%s), want a clash", field, p.Verdict, p.Rule)
		}
	}
}

func TestATemplateYieldsToWhatItCannotStandWith(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{})
	for _, c := range []struct {
		template string
		args     map[string]any
		without  string
		with     []string
	}{
		{"quick", map[string]any{"extra_args": "-PS22"}, "-Pn", []string{"-PS22", "--top-ports"}},
		{"quick", map[string]any{"extra_args": "-sn"}, "--top-ports", []string{"-sn", "-Pn"}},
		{"discovery", map[string]any{"ports": "22"}, "-sn", []string{"-p", "22"}},
		{"thorough", map[string]any{"extra_args": "-sL"}, "-sV", []string{"-sL"}},
	} {
		args := map[string]any{"template": c.template}
		maps.Copy(args, c.args)
		p := pl.plan(t, "10.0.0.1", args)
		if p.Verdict != sdk.Accept || slices.Contains(p.Argv, c.without) ||
			slices.ContainsFunc(c.with, func(w string) bool { return !slices.Contains(p.Argv, w) }) {
			t.Errorf("Plan(template %s, %v) = %s %q (%s), want %q in and %s out", c.template, c.args, p.Verdict, p.Argv,
				p.Rule, c.with, c.without)
		}
		if !strings.Contains(strings.Join(p.Notes, "\n"), c.without+" left out") &&
			!strings.Contains(strings.Join(p.Notes, "\n"), c.without+" 100 left out") {
			t.Errorf("Plan(template %s, %v) notes %q, want that %s is left out", c.template, c.args, p.Notes, c.without)
		}
	}
}

// The host holds targets to the scope; the plugin does so again, whoever it is that asks.
func TestATargetBeyondThePolicyIsRefusedHereToo(t *testing.T) {
	h := sdktest.New(t, plugin(root), sdktest.Options{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}).
		Handler()
	for target, want := range map[string]sdk.Kind{
		"10.1.2.3/32": "", "10.1.2.0/24": "", "8.8.8.8/32": sdk.KindOutOfScope, "::1/128": sdk.KindOutOfScope,
		"10.2.0.1/32": sdk.KindOutOfScope, "10.0.0.0/8": sdk.KindOutOfScope, "127.0.0.1/32": sdk.KindOutOfScope,
		"10.1.0.0/16": sdk.KindValidation, "10.1.2.3/24": sdk.KindValidation, "255.255.255.255/32": sdk.KindOutOfScope,
	} {
		p, err := h.Plan(t.Context(), sdk.Request{ID: "1", Tool: "NmapTool", Arguments: []byte(`{"target": "x"}`),
			Targets: []sdk.Target{{Argument: "target", Label: "x", Prefix: netip.MustParsePrefix(target)}}})
		switch {
		case err != nil:
			t.Errorf("Plan(%s) = %v", target, err)
		case want == "" && p.Verdict != sdk.Accept, want != "" && (p.Error == nil || p.Error.Kind != want):
			t.Errorf("Plan(%s) = %s (%s), want %q", target, p.Verdict, p.Rule, want)
		}
	}
}
