package command_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// operated is a tool whose operands are these.
func operated(operands ...string) sdk.Plugin {
	return shell("", func(d *command.Definition) {
		d.Operands = func(*command.Job) []string { return operands }
	})
}

func TestAnOperandIsNeverAnOption(t *testing.T) {
	for _, c := range []struct {
		operands []string
		says     string // "": it is run
	}{
		{[]string{"http://127.0.0.1/"}, ""},
		{[]string{"--", "-x"}, ""},
		{[]string{"a", "--", "--danger"}, ""},
		{nil, ""},
		{[]string{"-x"}, `the operand "-x" begins with a hyphen`},
		{[]string{"a", "--danger"}, `the operand "--danger" begins with a hyphen`},
		{[]string{"-"}, "begins with a hyphen"},
		{[]string{"-x", "--", "a"}, "begins with a hyphen"},
		{[]string{""}, "an operand is empty"},
		{[]string{"--", ""}, "an operand is empty"},
		{[]string{"a\x00b"}, "zero byte"},
	} {
		b := sdktest.New(t, operated(c.operands...), sdktest.Options{})
		_, err := b.Call(t.Context(), "Sh", `{}`)
		p := b.Plan("Sh", `{}`)
		if c.says == "" {
			if err != nil || p.Verdict != sdk.Accept {
				t.Errorf("operands %q: Call() = %v, Plan() = %s", c.operands, err, p.Rule)
			}
			continue
		}
		if sdk.KindOf(err) != sdk.KindUnknown || !strings.Contains(err.Error(), c.says) || len(b.Executed()) > 0 {
			t.Errorf("operands %q: Call() = %v after %d runs; want a %s that says %q, and none", c.operands, err,
				len(b.Executed()), sdk.KindUnknown, c.says)
		}
		if p.Error == nil || p.Error.Kind != sdk.KindUnknown {
			t.Errorf("operands %q: Plan() = %s (%s), want it to say what Call does", c.operands, p.Verdict, p.Rule)
		}
	}
}

func TestAPlanExplainsEachOperand(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		table(d)
		d.Target = command.OneHost
		d.Operands = func(j *command.Job) []string {
			j.Explain("the type that is asked for", "-t", "A")
			j.Explain("what is asked for", "example.test")
			return []string{"--", "@" + j.Target.Literal(), "-t", "A", "example.test", "in"}
		}
	}), sdktest.Options{Hosts: map[string][]string{"ns.lab.internal": {"127.0.0.1"}}})
	p := b.Plan("Sh", `{"target": "ns.lab.internal", "extra_args": "-sA"}`)
	var got []string
	for _, tok := range p.Tokens {
		got = append(got, tok.Text+": "+tok.Why)
	}
	want := []string{
		"-c true: always there",
		"-sA: extra_args: -sA is in the table",
		"--: what follows is no option",
		"@127.0.0.1: argument target: ns.lab.internal is pinned to this",
		"-t A: the type that is asked for",
		"example.test: what is asked for",
		"in: operand, written by Sh",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Plan() = %s (%s), tokens\n%s\nwant\n%s", p.Verdict, p.Rule, strings.Join(got, "\n"),
			strings.Join(want, "\n"))
	}
}
