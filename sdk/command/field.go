package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
)

// field is a Field with what its declaration means.
type field struct {
	name  string
	flag  *Flag
	kind  string // the JSON Schema's type
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
	f := field{name: d.Name, flag: t.byName[d.Flag]}
	switch {
	case d.Name == "" || slices.Contains(hostArguments, d.Name):
		return f, fmt.Errorf("%q is not free; choose another name", d.Name)
	case f.flag == nil:
		return f, fmt.Errorf("flag %s is not in the table", d.Flag)
	case f.flag.Refused != "":
		return f, fmt.Errorf("flag %s is refused", d.Flag)
	}
	var keywords map[string]any
	if err := json.Unmarshal(d.Schema, &keywords); err != nil {
		return f, fmt.Errorf("not a JSON Schema: %w", err)
	}
	f.kind, _ = keywords["type"].(string)
	if err := f.checkKind(keywords); err != nil {
		return f, err
	}
	if about, _ := keywords["description"].(string); about == "" {
		keywords["description"] = f.help()
	}
	f.input = property(d.Name, false, keywords)
	return f, nil
}

// checkKind holds the type of the schema to what the flag can be made of.
func (f field) checkKind(keywords map[string]any) error {
	valued := f.flag.Value.Read != nil
	switch items, _ := keywords["items"].(map[string]any); {
	case f.kind == "boolean" && valued && !f.flag.Optional:
		return fmt.Errorf("it is a boolean, and flag %s has a value", f.flag.Name)
	case f.kind == "boolean":
		return nil
	case !slices.Contains([]string{"string", "integer", "number", "array"}, f.kind):
		return fmt.Errorf("type %q: allowed are string, integer, number, boolean, and array of strings",
			f.kind)
	case !valued:
		return fmt.Errorf("it is of type %s, and flag %s has no value", f.kind, f.flag.Name)
	case f.kind == "array" && items["type"] != "string":
		return fmt.Errorf("the items of an array must be of type string")
	}
	return nil
}

// help describes a field whose author did not.
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

// value reads what a caller sent, which fits the schema by now, as the flag's value would be written. There
// is none for a text or a list that is empty: that says nothing.
func (f field) value(raw json.RawMessage) (text string, on bool, err error) {
	switch f.kind {
	case "boolean":
		err = json.Unmarshal(raw, &on)
		return "", on, err
	case "string":
		err = json.Unmarshal(raw, &text)
	case "array":
		var items []string
		err = json.Unmarshal(raw, &items)
		text = strings.Join(items, ",")
		if text == "" && len(items) > 0 {
			text = "," // which no grammar takes
		}
	default:
		text, err = plain(string(raw))
	}
	return text, text != "", err
}

// plain writes a JSON number without an exponent and needless zeros.
func plain(number string) (string, error) {
	if strings.Trim(number, "0123456789") == "" {
		return number, nil
	}
	v, err := strconv.ParseFloat(number, 64)
	return strconv.FormatFloat(v, 'f', -1, 64), err
}

// checkText holds the text of a field to the bytes of extra_args. One that could be taken for a flag is
// refused whatever its grammar says; "-" alone is a value of its own, such as all ports.
func (f field) checkText(t *Tool, text string, p sdk.Policy) error {
	if f.kind != "string" && f.kind != "array" {
		return nil // digits, written here
	}
	if err := t.checkBytes("argument "+f.name, text, p); err != nil {
		return err.Suggest("allowed is %s", f.flag.Value.Want)
	}
	switch {
	case strings.Contains(text, " "):
		return sdk.Errorf(sdk.KindValidation, "argument %s: %s has a blank", f.name, quoted(text)).
			Suggest("allowed is %s", f.flag.Value.Want)
	case len(text) > 1 && text[0] == '-':
		return sdk.Errorf(sdk.KindValidation, "argument %s: %s begins with a hyphen, as flags do", f.name,
			quoted(text)).
			Suggest("give the value alone, without %s; allowed is %s", f.flag.Name, f.flag.Value.Want)
	}
	return nil
}

// readFields turns the fields that the caller gave into options, and notes those that are off.
func (j *Job) readFields(given []Option) ([]Option, error) {
	var options []Option
	for i := range j.tool.fieldList {
		f := &j.tool.fieldList[i]
		if _, ok := j.input[f.name]; !ok {
			continue
		}
		text, on, err := f.value(j.raw(f.name))
		if err != nil {
			return options, sdk.Errorf(sdk.KindValidation, "argument %s: %w", f.name, err).
				Suggest("allowed is %s", f.flag.Value.Want)
		}
		o := Option{Flag: f.flag, from: source{kind: fromField, name: f.name}}
		if !on && f.kind == "boolean" {
			err = j.switchOff(f, given)
		}
		if err != nil {
			return options, err
		}
		if !on {
			continue
		}
		if f.kind != "boolean" {
			if o.Value, err = j.fieldValue(f, text); err != nil {
				return options, err
			}
		}
		if err := rivals(o, given, options); err != nil {
			return options, err
		}
		options = append(options, o)
	}
	return options, nil
}

func (j *Job) fieldValue(f *field, text string) (Value, error) {
	if err := f.checkText(j.tool, text, j.Policy); err != nil {
		return Value{}, err
	}
	v, err := f.flag.Value.Read(text, j.Policy)
	if err != nil {
		return Value{}, badValue("argument "+f.name, text, err, f.flag)
	}
	return v, nil
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
