package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
)

// schemas are those of a tool, compiled.
type schemas struct {
	input, output *schema.Checker // output is nil for a tool without data
}

// hostArguments are added to every tool's schema by the host.
var hostArguments = []string{"timeout_sec", "correlation_id"}

// build checks the declaration, and makes the table, the schemas and the spec of it.
func (t *Tool) build() (err error) {
	d := t.def
	defer func() {
		if err != nil {
			err = fmt.Errorf("tool %s: %w", d.Name, err)
		}
	}()
	if d.Program.Name == "" || strings.ContainsAny(d.Program.Name, "/ ") {
		return fmt.Errorf("program %q: name a program as it lies in one of %s", d.Program.Name,
			strings.Join(searchPath, ":"))
	}
	if (d.Output == nil) != (d.Open == nil) {
		return errors.New("of Output and Open, which belong together, only one is set")
	}
	if t.table, err = newTable(d.Flags, d.Joined); err != nil {
		return err
	}
	if err := t.adoptGetopt(); err != nil {
		return err
	}
	if err := t.checkTemplates(); err != nil {
		return err
	}
	if t.fieldList, err = t.fields(); err != nil {
		return err
	}
	if t.schemas.input, err = t.inputSchema(); err != nil {
		return fmt.Errorf("input schema: %w", err)
	}
	if d.Output != nil {
		if t.schemas.output, err = schema.Of(reflect.TypeOf(d.Output)); err != nil {
			return fmt.Errorf("output type: %w", err)
		}
	}
	t.spec = t.describe()
	return nil
}

// checkTemplates reads each template, and each example, as a caller's words would be read.
func (t *Tool) checkTemplates() error {
	for _, tpl := range t.def.Templates {
		p := parser{table: &t.table, policy: sdk.DefaultPolicy()}
		if p.parse(strings.Fields(tpl.Flags)); p.rejected != nil {
			return fmt.Errorf("template %s: %w", tpl.Name, p.rejected)
		}
	}
	for _, text := range t.def.Examples {
		p := parser{table: &t.table, policy: sdk.DefaultPolicy()}
		if p.parse(strings.Fields(text)); p.rejected != nil {
			return fmt.Errorf("example %q: %w", text, p.rejected)
		}
	}
	return nil
}

func (t *Tool) inputSchema() (*schema.Checker, error) {
	d := t.def
	var props []schema.Property
	if d.Target != NoTarget {
		what := "Host: an IPv4 address (10.0.3.7) or a name below an allowed suffix (db.lab.internal)."
		examples := []string{"10.0.3.7", "db.lab.internal"}
		if d.Target == HostOrNetwork {
			examples = []string{"10.0.3.7", "10.0.3.0/24", "db.lab.internal"}
			what = "Host or network: an IPv4 address (10.0.3.7), a network (10.0.3.0/24) or a name below an allowed " +
				"suffix (db.lab.internal). Only private networks are in scope."
		}
		props = append(props, property(argTarget, true, map[string]any{
			"type": "string", "minLength": 1, "maxLength": 253, "description": what, "examples": examples,
		}))
	}
	if names := t.templateNames(); len(names) > 0 {
		props = append(props, property(argTemplate, false, map[string]any{
			"type": "string", "enum": names, "description": t.templateHelp(),
		}))
	}
	for _, f := range t.fieldList {
		props = append(props, f.input)
	}
	extra := map[string]any{"type": "string", "description": t.flagHelp()}
	if len(d.Examples) > 0 {
		extra["examples"] = d.Examples
	}
	props = append(props, property(argExtra, false, extra))
	inputs, all, err := t.properties()
	if err != nil {
		return nil, err
	}
	t.inputs = inputs
	for _, p := range all {
		props = append(props, schema.Property{Name: p.Name, Schema: p.Schema, Required: p.Required})
	}
	t.arguments = props
	return schema.Object(props)
}

func property(name string, required bool, s map[string]any) schema.Property {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return schema.Property{Name: name, Schema: raw, Required: required}
}

func (t *Tool) templateNames() []string {
	var names []string
	for _, tpl := range t.def.Templates {
		names = append(names, tpl.Name)
	}
	return names
}

func (t *Tool) templateHelp() string {
	var b strings.Builder
	b.WriteString("A set of flags under a name; flags in extra_args, and arguments that stand for flags, win over " +
		"it.")
	for _, tpl := range t.def.Templates {
		fmt.Fprintf(&b, " %s: %s", tpl.Name, tpl.Flags)
		if tpl.About != "" {
			fmt.Fprintf(&b, " (%s)", tpl.About)
		}
		b.WriteString(";")
	}
	return strings.TrimSuffix(b.String(), ";") + "."
}

// flagHelp tells a model what it may write; it is the one text that saves it from guessing.
func (t *Tool) flagHelp() string {
	allowed, gated := t.table.usages()
	help := fmt.Sprintf("Flags of %s, separated by blanks, without quoting; no targets here. Allowed: %s.",
		t.def.Program.Name, strings.Join(allowed, " "))
	if defaults := t.table.defaultNames(); len(defaults) > 0 {
		help += " Unless given: " + strings.Join(defaults, ", ") + "."
	}
	if t.table.getopt != nil {
		help += " Spelled as the program itself takes them: long ones may be abbreviated, letters joined."
	}
	if len(gated) > 0 {
		help += " Only where the operator has set allow_intrusive: " + strings.Join(gated, " ") + "."
	}
	return help
}

func (t *Tool) describe() sdk.Spec {
	d, s := t.def, t.def.Definition
	s.InputSchema = t.schemas.input.JSON
	if t.schemas.output != nil {
		s.OutputSchema = t.schemas.output.JSON
	}
	if d.Target != NoTarget {
		s.Targets = []sdk.TargetArgument{{Argument: argTarget, Network: d.Target == HostOrNetwork}}
	}
	s.Needs = append([]sdk.Need{{
		Kind: sdk.NeedCommand, Name: d.Program.Name, MinVersion: d.Program.MinVersion, Install: d.Program.Install,
	}}, d.Needs...)
	s.Facts.Command = d.Program.Name
	s.Facts.AllowedFlags, s.Facts.GatedFlags = t.table.usages()
	s.Facts.Templates = make(map[string]string, len(d.Templates))
	for _, tpl := range d.Templates {
		s.Facts.Templates[tpl.Name] = tpl.Flags
	}
	s.Intrusive = s.Intrusive || len(s.Facts.GatedFlags) > 0
	return s
}
