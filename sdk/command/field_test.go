package command_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// fielded is the table with a field of every sort.
func fielded(d *command.Definition) {
	table(d)
	d.Templates = append(d.Templates, command.Template{Name: "deep", Flags: "-sA -p 1-10"})
	d.Defaults = func(j *command.Job) { j.Default("-sC") }
	for _, f := range []struct{ name, flag, schema string }{
		{"ports", "-p", `{"type": "string"}`},
		{"except", "--except", `{"type": "array", "items": {"type": "string"}}`},
		{"count", "-c", `{"type": "integer"}`},
		{"rate", "--rate", `{"type": "integer"}`},
		{"factor", "--factor", `{"type": "number"}`},
		{"a", "-sA", `{"type": "boolean"}`},
		{"b", "-sB", `{"type": "boolean"}`},
		{"c", "-sC", `{"type": "boolean"}`},
		{"danger", "--danger", `{"type": "boolean", "description": "It is dangerous."}`},
		{"loner", "--loner", `{"type": "boolean"}`},
		{"speed", "-T", `{"type": "string"}`},
	} {
		d.Fields = append(d.Fields, command.Field{Name: f.name, Flag: f.flag, Schema: []byte(f.schema)})
	}
}

func TestAFieldIsItsFlag(t *testing.T) {
	b := sdktest.New(t, shell("", fielded), sdktest.Options{})
	for _, c := range []struct{ args, want string }{
		{`{"ports": "22,U:53"}`, "-p 22,U:53 -sC"},
		{`{"ports": "-"}`, "-p 1-65535 -sC"},
		{`{"ports": ""}`, "-sC"},
		{`{"except": ["10.0.0.1", "10.0.1.0/24"]}`, "--except 10.0.0.1,10.0.1.0/24 -sC"},
		{`{"except": []}`, "-sC"},
		{`{"count": 3}`, "--count 3 -sC"},
		{`{"count": 3.0}`, "--count 3 -sC"},
		{`{"count": 1e1}`, "--count 10 -sC"},
		{`{"count": 0}`, "--count 0 -sC"},
		{`{"factor": 0.5}`, "--factor 0.5 -sC"},
		{`{"factor": 50e-2}`, "--factor 0.5 -sC"},
		{`{"factor": 2}`, "--factor 2 -sC"},
		{`{"a": true}`, "-sA -sC"},
		{`{"b": true}`, "-sB"},
		{`{"b": false}`, "-sC"},
		{`{"c": false}`, ""},
		{`{"speed": "2"}`, "-T2 -sC"},
		{`{"template": "deep"}`, "-sA -p 1-10 -sC"},
		{`{"template": "deep", "a": false}`, "-p 1-10 -sC"},
		{`{"template": "deep", "ports": "80"}`, "-sA -p 80 -sC"},
		{`{"template": "deep", "loner": true}`, "-p 1-10 --loner -sC"},
		{`{"template": "slow", "c": true, "count": 1}`, "-T1 --count 1 -sC"},
		{`{"ports": "80", "extra_args": "-sA"}`, "-p 80 -sA -sC"},
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

func TestAFieldIsRefused(t *testing.T) {
	b := sdktest.New(t, shell("", fielded), sdktest.Options{})
	const invalid = sdk.KindValidation
	for _, c := range []struct {
		args string
		kind sdk.Kind
		says []string
	}{
		{`{"ports": "22", "extra_args": "-p 80"}`, invalid,
			[]string{"ports and -p are both given", "choose one"}},
		{`{"count": 1, "extra_args": "-c 2"}`, invalid, []string{"count and --count are both given"}},
		{`{"b": true, "extra_args": "-sC"}`, invalid, []string{"b and -sC are both given", "exclude"}},
		{`{"loner": true, "extra_args": "-sA"}`, invalid, []string{"loner and -sA are both given"}},
		{`{"a": true, "extra_args": "--loner"}`, invalid, []string{"a and --loner are both given"}},
		{`{"b": true, "c": true}`, invalid, []string{"both given", "exclude", "b", "c"}},
		{`{"a": false, "extra_args": "-sA"}`, invalid,
			[]string{"a is false, and -sA is given", "choose one"}},
		{`{"ports": "22 -o x"}`, invalid, []string{"ports", "blank"}},
		{`{"ports": "-o"}`, invalid, []string{"ports", "hyphen", "without -p"}},
		{`{"ports": "22\n"}`, invalid, []string{"ports", "not allowed"}},
		{`{"ports": "８０"}`, invalid, []string{"ports", "not allowed"}},
		{`{"ports": "0"}`, invalid, []string{"argument ports", "65535"}},
		{`{"ports": "` + strings.Repeat("1,", 1100) + `1"}`, invalid, []string{"ports", "bytes"}},
		{`{"except": ["10.0.0.1", ""]}`, invalid, []string{"except"}},
		{`{"except": [""]}`, invalid, []string{"except"}},
		{`{"except": ["10.0.0.1 --danger"]}`, invalid, []string{"except", "blank"}},
		{`{"except": ["8.8.8.8"]}`, sdk.KindOutOfScope, []string{"except", "8.8.8.8"}},
		{`{"except": [1]}`, invalid, []string{"except"}},
		{`{"count": -1}`, invalid, []string{"argument count", "digits"}},
		{`{"count": 1.5}`, invalid, []string{"count"}},
		{`{"count": "1"}`, invalid, []string{"count"}},
		{`{"count": 1e300}`, invalid, []string{"count"}},
		{`{"count": null}`, invalid, []string{"count"}},
		{`{"factor": 0.0001}`, invalid, []string{"argument factor", "three decimals"}},
		{`{"factor": -0.0}`, invalid, []string{"argument factor"}},
		{`{"a": "true"}`, invalid, []string{"a"}},
		{`{"danger": true}`, sdk.KindIntrusiveDenied, []string{"danger", "dangerous"}},
		{`{"rate": 50}`, sdk.KindIntrusiveDenied, []string{"rate", "too fast"}},
	} {
		p := b.Plan("Sh", c.args)
		if p.Error == nil || p.Error.Kind != c.kind || p.Error.Suggestion == "" {
			t.Errorf("Plan(%.80s) = %s (%s), want a %s with a suggestion", c.args, p.Verdict, p.Rule, c.kind)
			continue
		}
		for _, want := range c.says {
			if text := p.Error.Message + "; " + p.Error.Suggestion; !strings.Contains(text, want) {
				t.Errorf("Plan(%.80s) says %q, want it to contain %q", c.args, text, want)
			}
		}
	}
}

func TestAGatedFieldIsAllowedWhereTheGateIsOpen(t *testing.T) {
	b := sdktest.New(t, shell("", fielded), sdktest.Options{AllowIntrusive: true})
	for _, args := range []string{`{"danger": true}`, `{"rate": 50}`} {
		if p := b.Plan("Sh", args); p.Verdict != sdk.Accept {
			t.Errorf("Plan(%s) = %s: %s", args, p.Verdict, p.Rule)
		}
	}
}

func TestAFieldIsInTheSchema(t *testing.T) {
	var s struct {
		Properties map[string]struct{ Type, Description string }
	}
	raw := sdktest.New(t, shell("", fielded), sdktest.Options{}).Manifest().Tools[0].InputSchema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ports": "The same as the flag -p", "danger": "It is dangerous.",
	} {
		if got := s.Properties[name].Description; !strings.HasPrefix(got, want) {
			t.Errorf("the description of %s is %q, want it to begin with %q", name, got, want)
		}
	}
	if got := s.Properties["factor"].Type; got != "number" {
		t.Errorf("the type of factor is %q, want number", got)
	}
}

func TestFieldsDeclaredWrongly(t *testing.T) {
	for _, c := range []struct{ name, flag, schema, says string }{
		{"x", "-z", `{"type": "string"}`, "not in the table"},
		{"x", "-o", `{"type": "string"}`, "refused"},
		{"x", "-sA", `{"type": "string"}`, "has no value"},
		{"x", "-p", `{"type": "boolean"}`, "has a value"},
		{"x", "-p", `{"type": "object"}`, "allowed are"},
		{"x", "-p", `{"type": ["string", "null"]}`, "allowed are"},
		{"x", "-p", `{"type": "array"}`, "items"},
		{"x", "-p", `nonsense`, "JSON Schema"},
		{"", "-p", `{"type": "string"}`, "not free"},
		{"timeout_sec", "-p", `{"type": "string"}`, "not free"},
		{"extra_args", "-p", `{"type": "string"}`, "twice"},
	} {
		_, err := sdk.NewHandler(shell("", func(d *command.Definition) {
			table(d)
			d.Fields = []command.Field{{Name: c.name, Flag: c.flag, Schema: []byte(c.schema)}}
		}))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("field %q for %s, %s: NewHandler() = %v, want an error about %q", c.name, c.flag, c.schema,
				err, c.says)
		}
	}
}

func TestAPlanExplainsEachPieceOfArgv(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		fielded(d)
		d.Target = command.OneHost
		d.Argv = func(j *command.Job) []string {
			var args []string
			for _, o := range j.Options() {
				if o.Flag.Name == "-sA" {
					continue
				}
				args = append(args, o.Args()...)
			}
			j.Explain("-sA, in the words of the program", "--all", "yes")
			return append(args, "--all", "yes", "-z", "9")
		}
	}), sdktest.Options{})
	p := b.Plan("Sh",
		`{"target": "127.0.0.1", "template": "slow", "ports": "80", "extra_args": "-sA --count=2 -n"}`)
	want := []string{
		"-c true: always there",
		"-T1: template slow: -T is in the table",
		"-sB: template slow: -sB is in the table",
		"-p 80: argument ports: -p is in the table",
		"--count 2: extra_args: --count is in the table",
		"--all yes: -sA, in the words of the program",
		"-z 9: added by Sh",
		"-sA: extra_args: -sA is in the table; written in another form",
		"-n: extra_args: -n is in the table; it is among what is always there",
		"-- 127.0.0.1: argument target",
	}
	var got []string
	for _, tok := range p.Tokens {
		got = append(got, tok.Text+": "+tok.Why)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Plan() = %s (%s), tokens\n%s\nwant\n%s", p.Verdict, p.Rule, strings.Join(got, "\n"),
			strings.Join(want, "\n"))
	}
}

func TestAReaderSeesComplaints(t *testing.T) {
	var seen strings.Builder
	p := shell("printf '%0100d' 0 >&2", parsed(command.Reader{Stderr: func(p []byte) { seen.Write(p) }}))
	res, err := sdktest.New(t, p, sdktest.Options{MaxStderr: 10}).Call(t.Context(), "Sh", `{}`)
	if err != nil || len(res.Stderr) != 10 || !res.TruncatedStderr || seen.Len() != 100 {
		t.Errorf("Call() = stderr %q, truncated %t, the reader saw %d bytes, %v; want 10, true, 100",
			res.Stderr, res.TruncatedStderr, seen.Len(), err)
	}
}
