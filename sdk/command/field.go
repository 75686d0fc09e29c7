package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
)

// field is a Field with what its declaration means.
type field struct {
	argument
	flag  *Flag
	input schema.Property
}

// fields reads the declarations.
func (t *Tool) fields() ([]field, error) {
	var all []field
	for _, d := range t.def.Fields {
		f, err := t.table.field(d)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", d.Name, err)
		}
		all = append(all, f)
	}
	return all, nil
}

func (t *table) field(d Field) (field, error) {
	f := field{flag: t.byName[d.Flag]}
	switch {
	case f.flag == nil:
		return f, fmt.Errorf("flag %s is not in the table", d.Flag)
	case f.flag.Refused != "":
		return f, fmt.Errorf("flag %s is refused", d.Flag)
	}
	f.argument = argument{name: d.Name, grammar: f.flag.Value, flag: f.flag.Name, list: f.flag.Repeatable}
	raw := d.Schema
	if raw == nil {
		raw = f.flag.schema()
	}
	keywords, err := f.declare(raw)
	if err != nil {
		return f, err
	}
	if err := f.checkKind(); err != nil {
		return f, err
	}
	if about, _ := keywords["description"].(string); about == "" && d.Schema != nil {
		keywords["description"] = f.help()
	} else if about == "" {
		keywords["description"] = f.flag.help()
	}
	f.input = property(d.Name, false, keywords)
	return f, nil
}

// schema is the JSON Schema of a flag as a field: what its grammar says, a list of that where the flag may be
// repeated, or whether it is given.
func (f *Flag) schema() json.RawMessage {
	switch {
	case f.Value.Read == nil:
		return json.RawMessage(`{"type": "boolean"}`)
	case f.Repeatable:
		return schemaOf(map[string]any{"type": "array", "items": f.Value.schema()})
	}
	return f.Value.schema()
}

// checkKind holds the type of the schema to what the flag can be made of.
func (f field) checkKind() error {
	valued := f.flag.Value.Read != nil
	switch {
	case f.kind == "boolean" && valued && !f.flag.Optional:
		return fmt.Errorf("it is a boolean, and flag %s has a value", f.flag.Name)
	case f.kind == "boolean":
		return nil
	case !valued:
		return fmt.Errorf("it is of type %s, and flag %s has no value", f.kind, f.flag.Name)
	}
	return f.checkBounds()
}

// help describes a field whose author wrote a schema without a description.
func (f field) help() string {
	help := fmt.Sprintf("The same as the flag %s", f.flag.usage())
	if f.flag.About != "" {
		help += ": " + f.flag.About
	}
	if f.flag.Gated != "" {
		help += ". Needs allow_intrusive: " + f.flag.Gated
	}
	return help + "."
}

// help describes a flag as an argument, by its declaration alone.
func (f *Flag) help() string {
	help := sentence(cmp.Or(f.About, "The same as the flag "+f.Name))
	if f.Value.Want != "" {
		help += ": " + f.Value.Want
	}
	help += "."
	switch {
	case f.Default == On && f.Value.Read == nil:
		help += " On unless false is given."
	case f.Default != "":
		help += " " + f.Default + " unless given."
	}
	if f.Gated != "" {
		help += " Needs allow_intrusive: " + f.Gated + "."
	}
	if f.Value.gated != "" {
		help += " Needs allow_intrusive " + f.Value.gated + "."
	}
	return help
}

// sentence begins a clause with a capital.
func sentence(clause string) string { return strings.ToUpper(clause[:1]) + clause[1:] }

// readFields turns the fields that the caller gave into options, and notes those that are off.
func (j *Job) readFields(given []Option) ([]Option, error) {
	var options []Option
	for i := range j.tool.fieldList {
		f := &j.tool.fieldList[i]
		if _, ok := j.input[f.name]; !ok {
			continue
		}
		mine, err := j.readField(f, given)
		if err != nil {
			return options, err
		}
		if len(mine) > 0 {
			if err := rivals(mine[0], given, options); err != nil {
				return options, err
			}
		}
		options = append(options, mine...)
	}
	return options, nil
}

// readField makes the options of one field.
func (j *Job) readField(f *field, given []Option) ([]Option, error) {
	o := Option{Flag: f.flag, from: source{kind: fromField, name: f.name}}
	if f.kind == "boolean" {
		if j.input[f.name] == true {
			return []Option{o}, nil
		}
		return nil, j.switchOff(f, given)
	}
	values, err := j.readArgument(&f.argument)
	var options []Option
	for _, v := range values {
		o.Value = v
		options = append(options, o)
	}
	return options, err
}

// switchOff keeps a flag out that a template or a default would bring in.
func (j *Job) switchOff(f *field, given []Option) error {
	if slices.ContainsFunc(given, func(o Option) bool { return o.Flag == f.flag }) {
		return sdk.Errorf(sdk.KindValidation, "%s is false, and %s is given in %s", f.name, f.flag.Name,
			argExtra).
			Suggest("choose one: leave out %s, or %s", f.name, f.flag.Name)
	}
	if j.off == nil {
		j.off = make(map[*Flag]string)
	}
	j.off[f.flag] = f.name
	return nil
}

// rivals refuses a field next to another option of the caller's that says the same, or excludes it.
func rivals(o Option, lists ...[]Option) error {
	for _, list := range lists {
		for _, have := range list {
			if have.Flag != o.Flag && !have.excludes(o) {
				continue
			}
			one, other := o.from.name, have.Flag.Name
			if have.from.kind == fromField {
				other = have.from.name
			}
			why := "they exclude each other"
			if have.Flag == o.Flag {
				why = "they say the same thing"
			}
			return sdk.Errorf(sdk.KindValidation, "%s and %s are both given: %s", one, other, why).
				Suggest("choose one: leave out %s, or %s", one, other)
		}
	}
	return nil
}

// excludes reports whether the table keeps two options of different flags apart.
func (o Option) excludes(other Option) bool {
	return o.Flag.Group != "" && o.Flag.Group == other.Flag.Group ||
		slices.Contains(o.Flag.conflicts, other.Flag) || slices.Contains(other.Flag.conflicts, o.Flag)
}
