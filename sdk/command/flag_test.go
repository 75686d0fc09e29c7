package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// table is a tool with a flag of every sort.
func table(d *command.Definition) {
	d.Joined = []string{"-s"}
	d.Flags = []command.Flag{
		{Name: "-sA"}, {Name: "-sB", Group: "scan"}, {Name: "-sC", Group: "scan"},
		{Name: "-p", Value: command.Ports(5, "U:")},
		{Name: "-P", Value: command.Ports(5), Optional: true},
		{Name: "-T", Value: command.Enum("1", "2"), Write: command.Attached},
		{Name: "--count", Aliases: []string{"-c"}, Value: command.Int(0, 10)},
		{Name: "--rate", Value: command.Int(1, 100).GatedOutside(1, 10, "too fast")},
		{Name: "--wait", Value: command.Duration(time.Millisecond, time.Hour)},
		{Name: "--factor", Value: command.Decimal(0.1, 5)},
		{Name: "--except", Value: command.Addresses(2)},
		{Name: "--bits", Value: command.Hex(4)},
		{Name: "--even",
			Value: command.Int(0, 8).Where("even", func(v command.Value) bool { return v.Int%2 == 0 })},
		{Name: "--danger", Gated: "it is dangerous"},
		{Name: "--needy", Requires: []string{"-sA"}},
		{Name: "--loner", Conflicts: []string{"-sA"}},
		{Name: "--many", Value: command.Int(1, 9), Repeatable: true},
		{Name: "-n", Implied: true},
		{Name: "-o", Value: command.Enum("x"), Refused: "files are the host's"},
	}
	d.Templates = []command.Template{{Name: "slow", Flags: "-T1 -sB --count 3"}}
	d.Fixed = []string{"-c", "true"}
}

func TestFlags(t *testing.T) {
	b := sdktest.New(t, shell("", table), sdktest.Options{})
	for _, c := range []struct{ extra, want string }{
		{"", ""},
		{"  -sA   -n ", "-sA"},
		{"-sAB", "-sA -sB"},
		{"-p 80", "-p 80"}, {"-p80,U:53-60", "-p 80,U:53-60"}, {"-p-", "-p 1-65535"},
		{"-P", "-P"}, {"-P22", "-P22"},
		{"-T2", "-T2"},
		{"--count 0", "--count 0"}, {"--count=10", "--count 10"}, {"-c 3", "--count 3"},
		{"--rate 10", "--rate 10"},
		{"--wait 5", "--wait 5s"}, {"--wait 10ms", "--wait 10ms"}, {"--wait=60m", "--wait 60m"},
		{"--factor 0.50", "--factor 0.5"}, {"--factor 5", "--factor 5"},
		{"--except 10.0.0.1,10.1.2.3/22", "--except 10.0.0.1,10.1.0.0/22"},
		{"--bits fF0", "--bits fF0"}, {"--even 8", "--even 8"},
		{"--needy -sA", "--needy -sA"},
		{"--many 1 --many 2", "--many 1 --many 2"},
	} {
		p := b.Plan("Sh", map[string]any{"extra_args": c.extra})
		if p.Verdict != sdk.Accept {
			t.Errorf("Plan(%q) = %s: %s", c.extra, p.Verdict, p.Rule)
			continue
		}
		if got := strings.Join(p.Argv[3:], " "); got != c.want {
			t.Errorf("Plan(%q).Argv = %s, want %s", c.extra, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := sdktest.New(t, shell("", table), sdktest.Options{})
	const invalid, outside = sdk.KindValidation, sdk.KindOutOfScope
	for _, c := range []struct {
		extra string
		kind  sdk.Kind
		says  string
	}{
		{"word", invalid, "no flag"}, {"-", invalid, "no flag"}, {"--", invalid, "no flag"},
		{"-x", invalid, "unknown"}, {"--cou 3", invalid, "unknown"}, {"-count 3", invalid, "unknown"},
		{"-sAX", invalid, "unknown"}, {"-s", invalid, "unknown"}, {"-nn", invalid, "unknown"},
		{"-sAA", invalid, "twice"}, {"-sA -sA", invalid, "twice"}, {"--count 1 -c 2", invalid, "twice"},
		{"-sBC", invalid, "exclude each other"},
		{"-sA=1", invalid, "equals"}, {"-p=80", invalid, "equals"}, {"-T=1", invalid, "equals"},
		{"-T 1", invalid, "no value"}, {"--count", invalid, "no value"}, {"--count -1", invalid, "no value"},
		{"-P 22", invalid, "no flag"},
		{"--count=", invalid, "--count"}, {"--count 11", invalid, "range"}, {"--count 01", invalid, "leading"},
		{"--count +1", invalid, "not allowed"}, {"--count 1e1", invalid, "digits"},
		{"--wait 0", invalid, "above zero"}, {"--wait 1d", invalid, "unit"}, {"--wait 61m", invalid, "range"},
		{"--factor .5", invalid, "digits"}, {"--factor 1.", invalid, "decimals"}, {"--factor 1.2345", invalid,
			"decimals"},
		{"--factor 5.001", invalid, "range"}, {"--factor 1.+5", invalid, "not allowed"},
		{"-p 0", invalid, "65535"}, {"-p 80,", invalid, "empty item"}, {"-p 9-8", invalid, "backwards"},
		{"-p 1,2,3,4,5,6", invalid, "items"}, {"-p 1-2-3", invalid, "port"}, {"-p u:1", invalid, "port"},
		{"--bits g", invalid, "hexadecimal"}, {"--bits 12345", invalid, "hexadecimal"}, {"--even 3", invalid,
			"even"},
		{"--except 8.8.8.8", outside, "8.8.8.8"}, {"--except 10.0.0.0/7", outside, "10.0.0.0/7"},
		{"--except a.lab.internal", invalid, "no name"}, {"--except 10.0.0.1,10.0.0.2,10.0.0.3", invalid, "items"},
		{"-o x", invalid, "files are the host's"}, {"-o=x", invalid, "files are the host's"}, {"-ox", invalid,
			"files are the host's"},
		{"--needy", invalid, "needs -sA"}, {"--loner -sA", invalid, "cannot stand together"},
		{"-sA\t-n", invalid, "not allowed"}, {"-sA\n", invalid, "not allowed"}, {"-sA;", invalid, "not allowed"},
		{"-p ８０", invalid, "not allowed"}, {"-sA\u00a0", invalid, "not allowed"},
		{"\x00", invalid, "not allowed"},
		{strings.Repeat("-n ", 1000), invalid, "bytes"},
		{"--danger", sdk.KindIntrusiveDenied, "dangerous"}, {"--rate 11", sdk.KindIntrusiveDenied, "too fast"},
		{"--danger --nonsense", invalid, "unknown"}, {"--danger --loner -sA", invalid, "cannot stand together"},
	} {
		p := b.Plan("Sh", map[string]any{"extra_args": c.extra})
		if p.Error == nil || p.Error.Kind != c.kind || !strings.Contains(p.Error.Message, c.says) {
			t.Errorf("Plan(%q) = %s (%s), want a %s that says %q", c.extra, p.Verdict, p.Rule, c.kind, c.says)
			continue
		}
		if p.Error.Suggestion == "" {
			t.Errorf("Plan(%q): %q has no suggestion", c.extra, p.Error.Message)
		}
		if _, err := b.Call(t.Context(), "Sh", map[string]any{"extra_args": c.extra}); sdk.KindOf(err) != c.kind {
			t.Errorf("Call(%q) = %v, want the %s that its plan says", c.extra, err, c.kind)
		}
	}
}

func TestIntrusiveIsAllowedWhereItIsOn(t *testing.T) {
	b := sdktest.New(t, shell("", table), sdktest.Options{AllowIntrusive: true})
	p := b.Plan("Sh", `{"extra_args": "--danger --rate 100"}`)
	if p.Verdict != sdk.Accept || len(p.Tokens) != 3 || !strings.Contains(p.Tokens[1].Why,
		"intrusive, and allowed: it is dangerous") {
		t.Errorf("Plan() = %s, tokens %+v", p.Verdict, p.Tokens)
	}
}

func TestEveryTokenHasItsVerdict(t *testing.T) {
	p := sdktest.New(t, shell("", table), sdktest.Options{}).Plan("Sh",
		`{"extra_args": "--count 3 --danger -x -sA"}`)
	var got []string
	for _, tok := range p.Tokens {
		got = append(got, tok.Text+": "+string(tok.Verdict))
	}
	want := "--count 3: accept, --danger: gated, -x: reject, -sA: accept"
	if strings.Join(got, ", ") != want || p.Verdict != sdk.Reject {
		t.Errorf("tokens = %q (%s), want %s", got, p.Verdict, want)
	}
}

func TestTemplates(t *testing.T) {
	b := sdktest.New(t, shell("", table), sdktest.Options{})
	for _, c := range []struct{ extra, want string }{
		{"", "-T1 -sB --count 3"},
		{"-T2", "-sB --count 3 -T2"},
		{"-sC -c 1", "-T1 -sC --count 1"},
	} {
		p := b.Plan("Sh", map[string]any{"template": "slow", "extra_args": c.extra})
		if got := strings.Join(p.Argv[3:], " "); got != c.want || len(p.Notes) == 0 {
			t.Errorf("Plan(template slow, %q).Argv = %s, notes %q; want %s", c.extra, got, p.Notes, c.want)
		}
	}
	if p := b.Plan("Sh", `{"template": "fast"}`); p.Error == nil || !strings.Contains(p.Rule, "template") {
		t.Errorf("Plan(template fast) = %s (%s), want a refusal that names the argument", p.Verdict, p.Rule)
	}
}

func TestDeclarationMistakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*command.Definition)
		says   string
	}{
		{"no program", func(d *command.Definition) { d.Program.Name = "" }, "program"},
		{"a path", func(d *command.Definition) { d.Program.Name = "/bin/sh" }, "program"},
		{"a flag twice", func(d *command.Definition) {
			d.Flags = []command.Flag{{Name: "-a"}, {Name: "-b", Aliases: []string{"-a"}}}
		}, "twice"},
		{"a flag without hyphen", func(d *command.Definition) { d.Flags = []command.Flag{{Name: "a"}} }, "hyphen"},
		{"a conflict with nobody",
			func(d *command.Definition) { d.Flags = []command.Flag{{Name: "-a", Conflicts: []string{"-b"}}} }, "-b"},
		{"a template that is refused",
			func(d *command.Definition) { d.Templates = []command.Template{{Name: "x", Flags: "-z"}} }, "-z"},
		{"output without reader", func(d *command.Definition) { d.Output = data{} }, "Open"},
		{"an argument of the host's", func(d *command.Definition) {
			d.Input = []command.Property{{Name: "timeout_sec", Schema: []byte(`{}`)}}
		}, "timeout_sec"},
		{"an argument that is there", func(d *command.Definition) {
			d.Input = []command.Property{{Name: "extra_args", Schema: []byte(`{}`)}}
		}, "extra_args"},
	} {
		if _, err := sdk.NewHandler(shell("", c.change)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: NewHandler() = %v, want an error about %q", c.name, err, c.says)
		}
	}
}

func TestFurtherInput(t *testing.T) {
	p := shell("true", func(d *command.Definition) {
		d.Input = []command.Property{{Name: "size", Schema: []byte(`{"type": "integer", "minimum": 1}`),
			Required: true}}
		d.Argv = func(j *command.Job) []string {
			var n int
			if ok, err := j.Input("size", &n); !ok || err != nil || n != 7 {
				t.Errorf("Input(size) = %d, %t, %v", n, ok, err)
			}
			return nil
		}
	})
	b := sdktest.New(t, p, sdktest.Options{})
	if plan := b.Plan("Sh", `{"size": 7}`); plan.Verdict != sdk.Accept {
		t.Errorf("Plan() = %s: %s", plan.Verdict, plan.Rule)
	}
	for _, args := range []string{`{}`, `{"size": 0}`, `{"size": "7"}`} {
		if plan := b.Plan("Sh", args); plan.Error == nil || !strings.Contains(plan.Rule, "size") {
			t.Errorf("Plan(%s) = %s (%s), want a refusal that names size", args, plan.Verdict, plan.Rule)
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	write := command.Lines(4, func(l string) { got = append(got, l) })
	for _, chunk := range []string{"a", "b\n\nlong", " line\nend"} {
		write([]byte(chunk))
	}
	if strings.Join(got, "|") != "ab||long" {
		t.Errorf("lines = %q, want ab, an empty one, and the beginning of the long one", got)
	}
}
