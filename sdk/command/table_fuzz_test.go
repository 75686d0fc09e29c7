package command

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// flag makes a flag of the table for an option of the program.
func (c chance) flag(name string, t takes) Flag {
	f := Flag{Name: name, Repeatable: c.IntN(4) == 0, Last: c.IntN(4) == 0}
	if t != takesNone {
		f.Value = pick(c, Int(0, 9), Decimal(0.5, 20), Duration(time.Millisecond, time.Hour),
			Enum("x", "5", "-", "=5"), Ports(3, "U:"), Addresses(2), Hex(4), Address(), Name(), Text("abcv15=-:", 4))
	}
	f.Optional = t == takesOptional
	if t == takesValue && strings.HasPrefix(name, "--") {
		f.Write = pick(c, 0, Equals, Next)
	} else if t == takesValue {
		f.Write = pick(c, 0, Attached, Next)
	}
	switch c.IntN(6) {
	case 0:
		f.Gated = "it is loud"
	case 1:
		f.Refused = "it is the host's"
	case 2:
		f.Group = "one"
	}
	return f
}

// declaration makes a tool by chance, of which about half read as getopt does.
func (c chance) declaration() Definition {
	d := Definition{
		Definition: sdk.Definition{Name: "True", Description: "A tool of the tests."},
		Program:    Program{Name: "true", Install: "apt-get install coreutils"},
		Target:     OneHost,
	}
	g := c.grammar()
	g.Same = nil
	if c.IntN(2) == 0 {
		d.Getopt = &g
	}
	known, err := newGetopt(g)
	if err != nil {
		panic(err)
	}
	for i := range 256 {
		if t := known.short[i]; t != unknownOption && c.IntN(4) > 0 {
			d.Flags = append(d.Flags, c.flag("-"+string(rune(i)), t))
		}
	}
	for _, o := range known.long {
		if c.IntN(4) > 0 {
			d.Flags = append(d.Flags, c.flag("--"+o.name, o.takes))
		}
	}
	if len(d.Flags) > 0 && d.Getopt == nil {
		d.Fixed = []string{"-z", "fixed"}
	}
	return d
}

// tables is how many declarations the fuzz test begins with.
const tables = 300

func declared(seed uint64) Definition { return chance{rand.New(rand.NewPCG(seed, 7))}.declaration() }

// text is extra_args that have much to do with the table.
func (c chance) text(d Definition) string {
	var words []string
	for _, flag := range d.Flags {
		if c.IntN(3) > 0 {
			continue
		}
		values := []string{"5", "x", "5s", "-", "=5", "10.0.0.1", "22,U:53", "ff", "a.b"}
		if c.IntN(5) > 0 { // as a rule one that the flag takes, in a way in which it takes it
			values = slices.DeleteFunc(values, func(v string) bool {
				return flag.Value.Read == nil || !flag.reads(v, sdk.DefaultPolicy())
			})
			switch {
			case flag.Refused != "":
			case len(values) == 0 || flag.Optional:
				words = append(words, flag.Name)
			default:
				words = append(words, flag.with(pick(c, values...)))
			}
			continue
		}
		value := pick(c, values...)
		words = append(words, pick(c, flag.Name, flag.Name+"="+value, flag.Name+value, flag.Name+" "+value))
	}
	return strings.Join(words, " ")
}

// Tables that refuse everything would prove nothing.
func TestTablesByChanceAcceptAndRefuse(t *testing.T) {
	verdicts := make(map[sdk.Verdict]int)
	for seed := range uint64(tables) {
		d := declared(seed)
		h, err := sdk.NewHandler(sdk.Plugin{Name: "true", Version: "1", Tools: []sdk.Tool{New(d)}})
		if err != nil {
			t.Fatalf("NewHandler(%+v) = %v", d, err)
		}
		p, err := h.Plan(t.Context(), textRequest(t, chance{rand.New(rand.NewPCG(seed, 2))}.text(d)))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Argv) > 4 || p.Verdict != sdk.Accept {
			verdicts[p.Verdict]++
		}
		_ = h.Close()
	}
	if verdicts[sdk.Accept] < 50 || verdicts[sdk.Reject] < 30 || verdicts[sdk.Gated] < 5 {
		t.Errorf("of %d tables: %v, want many of each", tables, verdicts)
	}
}

// FuzzAnyTable holds, for any table and any text, that argv is Fixed, options of the table in their canonical
// form with values that their grammars have read, and the target; that it is read as the same argv again; and
// that it is run as it was planned, or not at all.
func FuzzAnyTable(f *testing.F) {
	for seed := range uint64(tables) {
		d := declared(seed)
		f.Add(seed, seed%2 == 0, chance{rand.New(rand.NewPCG(seed, 2))}.text(d))
	}
	f.Fuzz(func(t *testing.T, seed uint64, open bool, extra string) {
		d := declared(seed)
		tool := New(d)
		h, err := sdk.NewHandler(sdk.Plugin{Name: "true", Version: "1", Tools: []sdk.Tool{tool}})
		if err != nil {
			t.Fatalf("NewHandler(%+v) = %v", d, err)
		}
		defer h.Close()
		policy := sdk.DefaultPolicy()
		policy.AllowIntrusive = open
		if err := h.Configure(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
		r := textRequest(t, extra)
		p, err := h.Plan(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		ran := executed(t, h, r)
		if p.Verdict != sdk.Accept {
			if ran != nil || p.Error == nil || p.Error.Kind == sdk.KindUnknown {
				t.Fatalf("Plan(%q) = %s (%s), and the call ran %q", extra, p.Verdict, p.Rule, ran)
			}
			return
		}
		if !slices.Equal(ran, p.Argv) {
			t.Fatalf("Plan(%q) = %q, and the call ran %q", extra, p.Argv, ran)
		}
		checkCanonical(t, tool, extra, p, open)
		again, err := h.Plan(t.Context(), textRequest(t, strings.Join(p.Argv[1+len(d.Fixed):len(p.Argv)-2], " ")))
		if err != nil || !slices.Equal(again.Argv, p.Argv) {
			t.Fatalf("Plan(%q) = %q, which is read as %q (%s)", extra, p.Argv, again.Argv, again.Rule)
		}
	})
}

func textRequest(t *testing.T, extra string) sdk.Request {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"target": "127.0.0.1", "extra_args": extra})
	if err != nil {
		t.Fatal(err)
	}
	return sdk.Request{Tool: "True", Arguments: raw, MaxStdout: 1, MaxStderr: 1, Targets: []sdk.Target{
		{Argument: "target", Label: "127.0.0.1", Prefix: netip.MustParsePrefix("127.0.0.1/32")},
	}}
}

// executed is the argv of the one program that a call ran; nil: it ran none.
func executed(t *testing.T, h *sdk.Handler, r sdk.Request) (argv []string) {
	t.Helper()
	_, _ = h.Call(t.Context(), r, func(ev sdk.Event) { // the plan has the error
		if ev.Exec != nil && argv != nil {
			t.Errorf("a second program was run: %q", ev.Exec.Argv)
		}
		if ev.Exec != nil {
			argv = ev.Exec.Argv
		}
	})
	return argv
}

// checkCanonical reads argv by the table alone.
func checkCanonical(t *testing.T, tool *Tool, extra string, p sdk.Plan, open bool) {
	t.Helper()
	words, d := p.Argv[1:], tool.def
	if n := len(words); !slices.Equal(words[:len(d.Fixed)], d.Fixed) ||
		!slices.Equal(words[n-2:], []string{"--", "127.0.0.1"}) {
		t.Fatalf("Plan(%q) = %q, want Fixed in front and the target at the end", extra, p.Argv)
	}
	words = words[len(d.Fixed) : len(words)-2]
	last := false
	for len(words) > 0 {
		i := slices.IndexFunc(d.Flags, func(f Flag) bool { return startsWith(words, f, open) > 0 })
		if i < 0 {
			t.Fatalf("Plan(%q) = %q, where nothing of the table begins with %q", extra, p.Argv, words)
		}
		if last && !d.Flags[i].Last {
			t.Fatalf("Plan(%q) = %q, where %s stands behind one that must be last", extra, p.Argv, d.Flags[i].Name)
		}
		last = d.Flags[i].Last
		words = words[startsWith(words, d.Flags[i], open):]
	}
	var told []string
	for _, tok := range p.Tokens {
		told = append(told, tok.Text)
	}
	if got, want := strings.Join(told, " "), strings.Join(p.Argv[1:], " "); got != want {
		t.Fatalf("Plan(%q) tells of %s, and runs %s", extra, got, want)
	}
}

// startsWith counts the words that are the flag, in its canonical form, with a value that its grammar reads
// as itself.
func startsWith(words []string, f Flag, open bool) int {
	itself := func(text string) bool {
		v, err := f.Value.Read(text, sdk.DefaultPolicy())
		return err == nil && v.Text == text && (v.Gated == "" || open)
	}
	rest, mine := strings.CutPrefix(words[0], f.Name)
	switch {
	case !mine || f.Refused != "" || f.Gated != "" && !open:
	case rest == "" && (f.Value.Read == nil || f.Optional):
		return 1
	case f.Value.Read == nil:
	case rest == "" && f.glue() == " ":
		if len(words) > 1 && itself(words[1]) {
			return 2
		}
	case f.glue() != " " && strings.HasPrefix(rest, f.glue()) && itself(rest[len(f.glue()):]):
		return 1
	}
	return 0
}
