package command_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestGrammars(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := strings.Join([]string{label, label, label, strings.Repeat("b", 61)}, ".") // 253 bytes
	for _, c := range []struct {
		name    string
		grammar command.Grammar
		takes   map[string]string // what is written -> what goes into argv
		refuses []string
	}{
		{"address", command.Address(), map[string]string{"10.0.3.7": "10.0.3.7", "127.0.0.1": "127.0.0.1"},
			[]string{"", "10.0.3.0/24", "10.0.3.7/32", "8.8.8.8", "10.0.3.7,10.0.3.8", "db.lab.internal", "010.0.0.1", "::1"}},
		{"name", command.Name(), map[string]string{
			"localhost": "localhost", "DB.Lab.internal": "db.lab.internal", "a": "a", "xn--bcher-kva.test": "xn--bcher-kva.test",
			"1.2.3.test": "1.2.3.test", long: long, "7.0.0.10.in-addr.arpa": "7.0.0.10.in-addr.arpa",
		}, []string{"", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a.-b", "_dmarc.test", "bücher.test", "a b", "a/b", "@a", "+short",
			"10.0.0.1", "10.1", "0x7f.1", "1", "a.0x1F", "a." + label + "x", long + "c", "a.b:53"}},
		{"name of the DNS", command.Name(command.Underscores, command.FinalDot), map[string]string{
			"_dmarc.Test.": "_dmarc.test.", "_ldap._tcp.test": "_ldap._tcp.test", ".": ".", long + ".": long + ".",
		}, []string{"", "..", "a..", "-a", "a b", "10.0.0.1", "10.0.0.1."}},
		{"text", command.Text(command.Alphanumeric+"._- ", 8), map[string]string{"a": "a", "a b-c_d.": "a b-c_d."},
			[]string{"", "123456789", "-a", " a", "a ", "a/b", "a\n", "é"}},
		{"header", command.Header(40), map[string]string{
			"Accept: text/html": "Accept: text/html", "A:b": "A: b", "X-Y:  a b  ": "X-Y: a b",
		}, []string{"", "Accept", "Accept:", ": a", "-A: b", "A B: c", "A: b\r\nC: d", "@file", "A:\tb", "A: é", "A;",
			strings.Repeat("a", 40) + ":b"}},
	} {
		for text, want := range c.takes {
			if v, err := c.grammar.Read(text, sdk.DefaultPolicy()); err != nil || v.Text != want {
				t.Errorf("%s: Read(%q) = %q, %v; want %q", c.name, text, v.Text, err, want)
			}
		}
		for _, text := range c.refuses {
			if v, err := c.grammar.Read(text, sdk.DefaultPolicy()); err == nil {
				t.Errorf("%s: Read(%q) = %q, want it refused", c.name, text, v.Text)
			}
		}
	}
}

// What a grammar takes its schema takes, so that nobody in front of it refuses what is right.
func TestTheSchemaOfAGrammarIsNoNarrower(t *testing.T) {
	for _, c := range []struct {
		grammar command.Grammar
		keyword string
		values  []any
	}{
		{command.Int(1, 9), `"minimum":1`, []any{1, 9}},
		{command.Decimal(0.1, 9), `"maximum":9`, []any{0.1, 9}},
		{command.Duration(time.Second, time.Hour), `"pattern"`, []any{"5", "500ms", "1h", ""}},
		{command.Enum("a", "b"), `"enum":["a","b"]`, []any{"a"}},
		{command.Hex(4), `"maxLength":4`, []any{"fF0", ""}},
		{command.Ports(3, "U:", "T:"), `"pattern"`, []any{"22,U:53-60,T:1", "-", ""}},
		{command.Addresses(2), `"pattern"`, []any{"10.0.0.1,192.168.100.100/32", ""}},
		{command.Address(), `"maxLength":15`, []any{"192.168.100.100"}},
		{command.Name(), `"maxLength":254`, []any{"DB-1.lab.internal"}},
		{command.Name(command.Underscores), `"pattern"`, []any{"_a.b"}},
		{command.Text("]^\\-a[.$ ", 9), `"pattern"`, []any{"]^\\-a[.$"}},
		{command.Header(40), `"pattern"`, []any{"Accept: text/html;q=0.5, */*", `X: "a\b[c]^-~`}},
	} {
		var s jsonschema.Schema
		if err := json.Unmarshal(c.grammar.Schema, &s); err != nil {
			t.Fatalf("%s: %v", c.grammar.Schema, err)
		}
		r, err := s.Resolve(nil)
		if err != nil {
			t.Fatalf("%s: %v", c.grammar.Schema, err)
		}
		for _, v := range c.values {
			if err := r.Validate(v); err != nil {
				t.Errorf("%s refuses %v: %v", c.grammar.Schema, v, err)
			}
		}
		if s.Pattern != "" && r.Validate("a\nb") == nil {
			t.Errorf("%s takes a line break", c.grammar.Schema)
		}
		if !strings.Contains(string(c.grammar.Schema), c.keyword) {
			t.Errorf("the schema is %s, want it to have %s", c.grammar.Schema, c.keyword)
		}
	}
}

// derived is a tool whose arguments have no schemas of their own.
func derived(d *command.Definition) {
	d.Fixed = []string{"-c", "true"}
	d.Flags = []command.Flag{
		{Name: "--count", Value: command.Int(1, 9).GatedOutside(1, 5, "too many"), Default: "4", About: "how often"},
		{Name: "-H", Value: command.Header(64), Repeatable: true, About: "a header"},
		{Name: "--level", Value: command.Int(1, 9), Repeatable: true},
		{Name: "-v", About: "more words"},
		{Name: "--own", Value: command.Grammar{
			Want: "anything",
			Read: func(text string, _ sdk.Policy) (command.Value, error) { return command.Value{Text: text}, nil },
		}, Gated: "it is not read"},
	}
	for _, name := range []string{"--count", "-H", "--level", "-v", "--own"} {
		d.Fields = append(d.Fields, command.Field{Name: strings.TrimLeft(name, "-"), Flag: name})
	}
	d.Input = []command.Property{
		{Name: "path", Value: command.Text(command.Alphanumeric+"/._-% ", 64), Required: true},
		{Name: "words", Value: command.Enum("a", "b"), Schema: []byte(`{"type": "array", "items": {"type": "string"}}`)},
		{Name: "rate", Value: command.Int(1, 9).GatedOutside(1, 5, "too fast")},
	}
	d.Operands = func(j *command.Job) []string {
		path, _ := j.Value("path")
		operands := []string{path.Text}
		for _, v := range j.Values("words") {
			operands = append(operands, v.Text)
		}
		return operands
	}
}

func TestArgumentsGetTheirSchemasFromTheirGrammars(t *testing.T) {
	var s struct {
		Properties map[string]struct {
			Type, Description string
			Minimum, Maximum  float64
			Items             struct{ Type, Pattern string }
		}
		Required []string
	}
	raw := sdktest.New(t, shell("", derived), sdktest.Options{}).Manifest().Tools[0].InputSchema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"count": "integer: How often: a whole number from 1 to 9. 4 unless given. Needs allow_intrusive outside of 1 to 5: too many.",
		"H":     "array: A header: a header such as Accept: text/html, at most 64 bytes.",
		"level": "array: The same as the flag --level: a whole number from 1 to 9.",
		"v":     "boolean: More words.",
		"own":   "string: The same as the flag --own: anything. Needs allow_intrusive: it is not read.",
		"path":  "string: A text of 1 to 64 of the characters A-Z a-z 0-9 /._-% and blank.",
		"words": "array: A|b.",
		"rate":  "integer: A whole number from 1 to 9.",
	} {
		p := s.Properties[name]
		if got := p.Type + ": " + p.Description; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if p := s.Properties["count"]; p.Minimum != 1 || p.Maximum != 9 {
		t.Errorf("count is from %v to %v, want 1 to 9", p.Minimum, p.Maximum)
	}
	if p := s.Properties["H"]; p.Items.Type != "string" || p.Items.Pattern == "" ||
		s.Properties["level"].Items.Type != "integer" {
		t.Errorf("the items of H are %+v, want those of its grammar", p.Items)
	}
}

func TestArgumentsWithAGrammar(t *testing.T) {
	b := sdktest.New(t, shell("", derived), sdktest.Options{})
	for _, c := range []struct{ args, want string }{
		{`{"path": "a b"}`, "--count 4|a b"},
		{`{"path": "a", "words": ["b", "a"]}`, "--count 4|a|b|a"},
		{`{"path": "a", "H": ["Accept: text/html; q=1", "X:y"]}`, "-H|Accept: text/html; q=1|-H|X: y|--count 4|a"},
		{`{"path": "a", "level": [3, 1e0], "v": true}`, "--level 3 --level 1 -v --count 4|a"},
		{`{"path": "a", "H": [], "words": []}`, "--count 4|a"},
	} {
		p := b.Plan("Sh", c.args)
		if p.Verdict != sdk.Accept {
			t.Errorf("Plan(%s) = %s: %s", c.args, p.Verdict, p.Rule)
			continue
		}
		got := strings.Join(p.Argv[3:], "|")
		if want := strings.NewReplacer("--count 4", "--count|4", "--level 3 --level 1 -v ", "--level|3|--level|1|-v|").
			Replace(c.want); got != want {
			t.Errorf("Plan(%s).Argv = %s, want %s", c.args, got, want)
		}
	}
	for args, want := range map[string]sdk.Kind{
		`{"path": "-a"}`: sdk.KindValidation, `{"path": " a"}`: sdk.KindValidation, `{"path": "a;b"}`: sdk.KindValidation,
		`{"path": "a\nb"}`: sdk.KindValidation, `{"path": "a", "words": ["c"]}`: sdk.KindValidation,
		`{"path": "a", "words": [""]}`: sdk.KindValidation, `{"path": "a", "H": ["X: a\r\nY: b"]}`: sdk.KindValidation,
		`{"path": "a", "H": ["X: y", "X"]}`: sdk.KindValidation, `{"path": "a", "level": [10]}`: sdk.KindValidation,
		`{"path": "a", "H": ["X: y"], "extra_args": "-HX:y"}`: sdk.KindValidation,
		`{"path": "a", "count": 6}`:                           sdk.KindIntrusiveDenied, `{"path": "a", "rate": 6}`: sdk.KindIntrusiveDenied,
		`{"path": "a", "own": "a b"}`: sdk.KindValidation,
	} {
		if p := b.Plan("Sh", args); p.Error == nil || p.Error.Kind != want {
			t.Errorf("Plan(%s) = %s (%s) %q, want a %s", args, p.Verdict, p.Rule, p.Argv, want)
		}
	}
}

func TestArgumentsDeclaredWrongly(t *testing.T) {
	for says, change := range map[string]func(*command.Definition){
		"wider bounds": func(d *command.Definition) {
			d.Fields[0].Schema = []byte(`{"type": "integer", "maximum": 10}`)
		},
		"which takes a whole number from 1 to 9": func(d *command.Definition) {
			d.Fields[0].Schema = []byte(`{"type": "integer", "minimum": 0, "maximum": 9}`)
		},
		"which its grammar does not take": func(d *command.Definition) {
			d.Input[1].Schema = []byte(`{"type": "string", "enum": ["a", "c"]}`)
		},
		"it is a boolean, and has a grammar": func(d *command.Definition) { d.Input[1].Schema = []byte(`{"type": "boolean"}`) },
		"not free":                           func(d *command.Definition) { d.Input[0].Name = "" },
		"host's":                             func(d *command.Definition) { d.Input[0].Name = "timeout_sec" },
		"text of any form": func(d *command.Definition) {
			d.Input[0] = command.Property{Name: "path", Schema: []byte(`{"type": "string"}`)}
		},
		"argument list is a text of any form": func(d *command.Definition) {
			d.Input = append(d.Input, command.Property{Name: "list",
				Schema: []byte(`{"type": "array", "items": {"type": "string"}}`)})
		},
		"not printable": func(d *command.Definition) { d.Flags[1].Value = command.Text("a\n", 9) },
	} {
		_, err := sdk.NewHandler(shell("", func(d *command.Definition) {
			derived(d)
			change(d)
		}))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("NewHandler() = %v, want an error that says %q", err, says)
		}
	}
	bound := []byte(`{"type": "string", "pattern": "^[a-z]+$"}`)
	if _, err := sdk.NewHandler(shell("", func(d *command.Definition) {
		derived(d)
		d.Input = []command.Property{{Name: "path", Schema: bound}}
	})); err != nil {
		t.Errorf("a text with a pattern: NewHandler() = %v", err)
	}
}
