package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// argument is an argument of the tool whose values a grammar reads: a [Field], or a [Property] with a Value.
type argument struct {
	name    string
	kind    string // the JSON Schema's type
	grammar Grammar
	flag    string // whose value it is; "" for a Property
	list    bool   // each item of an array is a value; otherwise the items are one, joined with commas
	texts   bool   // its values are texts, and not numbers

	keywords map[string]any // of the schema
}

// schema is that of a value.
func (g Grammar) schema() json.RawMessage {
	if g.Schema == nil {
		return json.RawMessage(`{"type": "string"}`)
	}
	return g.Schema
}

// declare reads the argument's JSON Schema.
func (a *argument) declare(raw json.RawMessage) (map[string]any, error) {
	if a.name == "" || slices.Contains(hostArguments, a.name) {
		return nil, fmt.Errorf("%q is not free; choose another name", a.name)
	}
	if err := json.Unmarshal(raw, &a.keywords); err != nil {
		return nil, fmt.Errorf("not a JSON Schema: %w", err)
	}
	a.kind, _ = a.keywords["type"].(string)
	items, _ := a.keywords["items"].(map[string]any)
	switch {
	case !slices.Contains([]string{"string", "integer", "number", "boolean", "array"}, a.kind):
		return nil, fmt.Errorf("type %q: allowed are string, integer, number, boolean, and array of strings",
			a.kind)
	case a.kind != "array" || items["type"] == "string":
	case !a.list || items["type"] != "integer" && items["type"] != "number":
		return nil, fmt.Errorf("the items of an array must be of type string")
	}
	a.texts = a.kind == "string" || items["type"] == "string"
	return a.keywords, nil
}

// checkBounds refuses a schema that promises more than the grammar takes, as far as numbers and lists of
// words tell.
func (a *argument) checkBounds() error {
	var mine struct{ Minimum, Maximum *float64 }
	if json.Unmarshal(a.grammar.schema(), &mine) != nil {
		return fmt.Errorf("the schema of its grammar is none: %s", a.grammar.Schema)
	}
	low, isLow := a.keywords["minimum"].(float64)
	high, isHigh := a.keywords["maximum"].(float64)
	if mine.Minimum != nil && isLow && low < *mine.Minimum ||
		mine.Maximum != nil && isHigh && high > *mine.Maximum {
		return fmt.Errorf("its schema has wider bounds than its grammar, which takes %s", a.grammar.Want)
	}
	words, _ := a.keywords["enum"].([]any)
	for _, w := range words {
		if text, ok := w.(string); ok && text != "" {
			if _, err := a.grammar.Read(text, sdk.DefaultPolicy()); err != nil {
				return fmt.Errorf("its schema has the word %q, which its grammar does not take: %w", text, err)
			}
		}
	}
	return nil
}

// written are the values of what a caller sent, which fits the schema by now, as they would be written behind
// a flag. There is none for a text or a list that is empty: that says nothing.
func (a *argument) written(raw json.RawMessage) ([]string, error) {
	if a.kind != "array" {
		text, err := scalar(raw)
		if text == "" {
			return nil, err
		}
		return []string{text}, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	var texts []string
	for _, item := range items {
		text, err := scalar(item)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	if a.list || len(texts) == 0 {
		return texts, nil
	}
	text := strings.Join(texts, ",")
	if text == "" {
		text = "," // which no grammar takes
	}
	return []string{text}, nil
}

// scalar is a JSON text or number as it is written behind a flag.
func scalar(raw json.RawMessage) (text string, err error) {
	if len(raw) > 0 && raw[0] != '"' {
		return plain(string(raw))
	}
	err = json.Unmarshal(raw, &text)
	return text, err
}

// plain writes a JSON number without an exponent and needless zeros.
func plain(number string) (string, error) {
	if strings.Trim(number, "0123456789") == "" {
		return number, nil
	}
	v, err := strconv.ParseFloat(number, 64)
	return strconv.FormatFloat(v, 'f', -1, 64), err
}

// checkText holds a text to the bytes of extra_args and of the grammar. One that could be taken for a flag is
// refused whatever its grammar says; "-" alone is a value of its own, such as all ports.
func (a *argument) checkText(t *Tool, text string, p sdk.Policy) error {
	if !a.texts {
		return nil // digits, written here
	}
	if err := t.checkBytes("argument "+a.name, text, a.grammar.Bytes, p); err != nil {
		return err.Suggest("allowed is %s", a.grammar.Want)
	}
	switch {
	case strings.Contains(text, " ") && !strings.Contains(a.grammar.Bytes, " "):
		return sdk.Errorf(sdk.KindValidation, "argument %s: %s has a blank", a.name, quoted(text)).
			Suggest("allowed is %s", a.grammar.Want)
	case len(text) > 1 && text[0] == '-':
		return sdk.Errorf(sdk.KindValidation, "argument %s: %s begins with a hyphen, as flags do", a.name,
			quoted(text)).
			Suggest("give the value alone, without %s; allowed is %s", cmp.Or(a.flag, "a hyphen"), a.grammar.Want)
	}
	return nil
}

// readArgument reads what a caller sent.
func (j *Job) readArgument(a *argument) ([]Value, error) {
	texts, err := a.written(j.raw(a.name))
	if err != nil {
		return nil, sdk.Errorf(sdk.KindValidation, "argument %s: %w", a.name, err).
			Suggest("allowed is %s", a.grammar.Want)
	}
	var values []Value
	for _, text := range texts {
		if err := a.checkText(j.tool, text, j.Policy); err != nil {
			return nil, err
		}
		v, err := a.grammar.Read(text, j.Policy)
		if err != nil {
			return nil, badValue("argument "+a.name, text, err, a.grammar)
		}
		values = append(values, v)
	}
	return values, nil
}

// properties reads the declarations of further arguments: those that have a grammar, or none of which
// Operands could write something that nobody has read.
func (t *Tool) properties() ([]argument, []Property, error) {
	var read []argument
	all := slices.Clone(t.def.Input)
	for i := range all {
		p := &all[i]
		if slices.Contains(hostArguments, p.Name) {
			return nil, nil, fmt.Errorf("%s is an argument of the host's; choose another name", p.Name)
		}
		if p.Value.Read == nil {
			if err := t.checkUnread(*p); err != nil {
				return nil, nil, err
			}
			continue
		}
		a, err := p.argument()
		if err != nil {
			return nil, nil, fmt.Errorf("argument %s: %w", p.Name, err)
		}
		p.Schema = schemaOf(a.keywords)
		read = append(read, a)
	}
	return read, all, nil
}

// argument is a Property with a Value, with what its declaration means.
func (p Property) argument() (argument, error) {
	a := argument{name: p.Name, grammar: p.Value, list: true}
	if why := p.Value.check(); why != "" {
		return a, fmt.Errorf("%s", why)
	}
	raw := p.Schema
	if raw == nil {
		raw = p.Value.schema()
	}
	keywords, err := a.declare(raw)
	if err == nil && a.kind == "boolean" {
		err = fmt.Errorf("it is a boolean, and has a grammar")
	}
	if err != nil {
		return a, err
	}
	if about, _ := keywords["description"].(string); about == "" {
		keywords["description"] = sentence(p.Value.Want) + "."
	}
	return a, a.checkBounds()
}

// checkUnread refuses a text that nothing holds to a form, where it could become an operand.
func (t *Tool) checkUnread(p Property) error {
	if t.def.Operands == nil {
		return nil
	}
	var s, items map[string]any
	_ = json.Unmarshal(p.Schema, &s) // what is no schema is found with all others
	items, _ = s["items"].(map[string]any)
	for _, one := range []map[string]any{s, items} {
		bound := one["enum"] != nil || one["const"] != nil || one["pattern"] != nil
		if one["type"] == "string" && !bound {
			return fmt.Errorf("argument %s is a text of any form, and could become an operand: give it a grammar "+
				"(Value), or a pattern", p.Name)
		}
	}
	return nil
}

// readInput reads the further arguments that have a grammar.
func (j *Job) readInput() error {
	for i := range j.tool.inputs {
		a := &j.tool.inputs[i]
		if _, ok := j.input[a.name]; !ok {
			continue
		}
		values, err := j.readArgument(a)
		if err != nil {
			return err
		}
		if j.values == nil {
			j.values = make(map[string][]Value)
		}
		j.values[a.name] = values
	}
	return nil
}

// Value is what a further argument with a grammar (Property.Value) means; false: the caller did not give it,
// or gave an empty one.
func (j *Job) Value(name string) (Value, bool) {
	values := j.values[name]
	if len(values) == 0 {
		return Value{}, false
	}
	return values[0], true
}

// Values are those of a further argument that is an array, one for each item.
func (j *Job) Values(name string) []Value { return slices.Clone(j.values[name]) }
