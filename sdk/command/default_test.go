package command_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// settled is a tool with defaults, and with flags that must stand last.
func settled(d *command.Definition) {
	d.Fixed = []string{"-c", "true"}
	d.Flags = []command.Flag{
		{Name: "--end", Value: command.Int(1, 9), Last: true},
		{Name: "--count", Value: command.Int(1, 9), Default: "4", About: "how often"},
		{Name: "--fast", Conflicts: []string{"--wait"}},
		{Name: "--wait", Value: command.Decimal(0.1, 9), Default: "1.0"},
		{Name: "--udp", Group: "how", Default: command.On},
		{Name: "--tcp", Group: "how"},
		{Name: "--port", Value: command.Int(1, 99), Default: "80", Requires: []string{"--tcp"}},
		{Name: "--close", Last: true},
		{Name: "-v"},
	}
	d.Fields = []command.Field{{Name: "udp", Flag: "--udp"}}
	d.Templates = []command.Template{{Name: "more", Flags: "--count 9"}}
}

func TestADefaultIsAddedWhereNothingOfItsKindIsGiven(t *testing.T) {
	b := sdktest.New(t, shell("", settled), sdktest.Options{})
	for _, c := range []struct{ args, want string }{
		{`{}`, "--count 4 --wait 1 --udp"},
		{`{"extra_args": "--count 2"}`, "--count 2 --wait 1 --udp"},
		{`{"extra_args": "--tcp"}`, "--tcp --count 4 --wait 1 --port 80"},
		{`{"extra_args": "--fast"}`, "--fast --count 4 --udp"},
		{`{"udp": false}`, "--count 4 --wait 1"},
		{`{"template": "more"}`, "--count 9 --wait 1 --udp"},
		{`{"extra_args": "--close -v --end 3"}`, "-v --count 4 --wait 1 --udp --close --end 3"},
	} {
		p := b.Plan("Sh", c.args)
		if p.Verdict != sdk.Accept {
			t.Errorf("Plan(%s) = %s: %s", c.args, p.Verdict, p.Rule)
			continue
		}
		if got := strings.Join(p.Argv[3:], " "); got != c.want {
			t.Errorf("Plan(%s).Argv = %s, want %s", c.args, got, c.want)
		}
	}
}

func TestADefaultOfARepeatableFlagGivesWay(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		d.Fixed = []string{"-c", "true"}
		d.Flags = []command.Flag{
			{Name: "-r", Value: command.Enum("x", "y", "z"), Repeatable: true, Default: "x"},
			{Name: "-s", Value: command.Enum("x", "y", "z"), Repeatable: true},
		}
		d.Defaults = func(j *command.Job) { j.Default("-s", "y", "-s", "z") }
	}), sdktest.Options{})
	for args, want := range map[string]string{
		`{}`:                               "-r x -s y -s z",
		`{"extra_args": "-r y"}`:           "-r y -s y -s z",
		`{"extra_args": "-r y -r z -s x"}`: "-r y -r z -s x",
	} {
		if p := b.Plan("Sh", args); p.Verdict != sdk.Accept || strings.Join(p.Argv[3:], " ") != want {
			t.Errorf("Plan(%s) = %s: %s, %q; want %s", args, p.Verdict, p.Rule, p.Argv, want)
		}
	}
}

func TestADefaultIsWhatAnotherFlagRequires(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		d.Fixed = []string{"-c", "true"}
		d.Flags = []command.Flag{
			{Name: "-a", Requires: []string{"-b"}}, {Name: "-b", Value: command.Int(1, 9), Default: "5"},
			{Name: "-e", Requires: []string{"-f"}}, {Name: "-f"},
		}
	}), sdktest.Options{})
	if p := b.Plan("Sh", `{"extra_args": "-a"}`); p.Verdict != sdk.Accept {
		t.Errorf("Plan(-a) = %s: %s; want it accepted, as -b is there by default", p.Verdict, p.Rule)
	}
	if p := b.Plan("Sh", `{"extra_args": "-e"}`); p.Verdict != sdk.Reject || !strings.Contains(p.Rule, "-e needs -f") {
		t.Errorf("Plan(-e) = %s: %s; want it refused", p.Verdict, p.Rule)
	}
}

func TestTimesThatAreTaughtAreTaken(t *testing.T) {
	for _, lo := range []time.Duration{90 * time.Second, 1500 * time.Millisecond, time.Minute, 2 * time.Hour, time.Second} {
		g := command.Duration(lo, 3*lo)
		_, example, _ := strings.Cut(g.Want, "such as ")
		for _, text := range strings.FieldsFunc(example, func(r rune) bool { return r == ' ' || r == ',' }) {
			if _, err := g.Read(text, sdk.DefaultPolicy()); err != nil && text != "or" {
				t.Errorf("%q is taught, and %s is refused: %v", g.Want, text, err)
			}
		}
	}
}

func TestAPlanTellsOfDefaultsAndOrder(t *testing.T) {
	p := sdktest.New(t, shell("", settled), sdktest.Options{}).Plan("Sh", `{"extra_args": "--end 3 --fast"}`)
	var got []string
	for _, tok := range p.Tokens {
		got = append(got, tok.Text+": "+tok.Why)
	}
	want := []string{
		"-c true: always there",
		"--fast: extra_args: --fast is in the table",
		"--count 4: default: how often",
		"--udp: default: --udp is in the table",
		"--end 3: extra_args: --end is in the table; it stands behind all others",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Plan() tokens\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if notes := strings.Join(p.Notes, "; "); !strings.Contains(notes, "added --count 4") {
		t.Errorf("Plan().Notes = %s, want the defaults", notes)
	}
}

func TestAHookLeavesTheLastLast(t *testing.T) {
	for _, c := range []struct {
		argv func(*command.Job) []string
		kind sdk.Kind
	}{
		{func(j *command.Job) []string { return append([]string{"-x"}, j.Args()...) }, ""},
		{func(j *command.Job) []string { return j.Args("--close") }, ""}, // written in no form at all
		{func(j *command.Job) []string { return append(j.Args(), "-x") }, sdk.KindUnknown},
	} {
		p := sdktest.New(t, shell("", func(d *command.Definition) {
			settled(d)
			d.Argv = c.argv
		}), sdktest.Options{}).Plan("Sh", `{"extra_args": "--close -v --end 3"}`)
		if p.Error == nil && c.kind != "" || p.Error != nil && p.Error.Kind != c.kind {
			t.Errorf("Plan() = %s (%s) %q, want %q", p.Verdict, p.Rule, p.Argv, c.kind)
		}
	}
}

// What Again adds is put into its place as well.
func TestAnotherRunIsInOrder(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		settled(d)
		d.Again = func(_ context.Context, j *command.Job, _ sandbox.Outcome) (bool, error) {
			j.Default("-v")
			return j.Runs() < 2, nil
		}
	}), sdktest.Options{})
	if _, err := b.Call(t.Context(), "Sh", `{"extra_args": "--close"}`); err != nil {
		t.Fatal(err)
	}
	if ran := b.Executed(); len(ran) != 2 || ran[1].Argv[len(ran[1].Argv)-1] != "--close" {
		t.Errorf("executed %+v, want --close at the end of both", ran)
	}
}

func TestDefaultsDeclaredWrongly(t *testing.T) {
	for says, flags := range map[string][]command.Flag{
		"the default of -a":       {{Name: "-a", Value: command.Int(1, 9), Default: "10"}},
		"write command.On":        {{Name: "-a", Default: "yes"}},
		"needs allow_intrusive":   {{Name: "-a", Default: command.On, Gated: "it floods"}},
		"4 needs allow_intrusive": {{Name: "-a", Default: "4", Value: command.Int(1, 9).GatedOutside(1, 3, "fast")}},
		"is refused":              {{Name: "-a", Default: command.On, Refused: "no"}},
		"always on":               {{Name: "-a", Default: command.On, Implied: true}},
		"both have a default": {{Name: "-a", Default: command.On, Group: "g"},
			{Name: "-b", Default: command.On, Group: "g"}},
	} {
		_, err := sdk.NewHandler(shell("", func(d *command.Definition) { d.Flags = flags }))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: NewHandler() = %v, want an error that says %q", flags[0], err, says)
		}
	}
}

// A default that depends on the scope is held to the policy of the call.
func TestADefaultOutOfScopeIsRefused(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		d.Flags = []command.Flag{{Name: "--server", Value: command.Address(), Default: "10.0.0.53"}}
	}), sdktest.Options{})
	policy := sdk.DefaultPolicy()
	if p := b.Plan("Sh", `{}`); p.Verdict != sdk.Accept {
		t.Fatalf("Plan() = %s: %s", p.Verdict, p.Rule)
	}
	policy.Networks = sdk.DefaultPolicy().Networks[1:] // without 10.0.0.0/8
	if err := b.Handler().Configure(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	if p := b.Plan("Sh", `{}`); p.Error == nil || p.Error.Kind != sdk.KindOutOfScope {
		t.Errorf("Plan() = %s (%s), want a %s", p.Verdict, p.Rule, sdk.KindOutOfScope)
	}
}

func TestTheDescriptionOfTheFlagsTellsOfDefaults(t *testing.T) {
	spec := sdktest.New(t, shell("", settled), sdktest.Options{}).Manifest().Tools[0]
	if want := "Unless given: --count 4, --wait 1.0, --udp, --port 80."; !strings.Contains(string(spec.InputSchema), want) {
		t.Errorf("the input schema is %s, want it to say %s", spec.InputSchema, want)
	}
	if slices.ContainsFunc(spec.Facts.AllowedFlags, func(f string) bool { return strings.Contains(f, "4") }) {
		t.Errorf("AllowedFlags = %q, want the flags alone", spec.Facts.AllowedFlags)
	}
}
