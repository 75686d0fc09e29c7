package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Key describes one key for people.
type Key struct {
	Name        string   // dotted, such as server.port, tools.*.concurrency, auth.tokens[].name
	Default     string   // as the file has it; empty: none
	Allowed     string   // range, values or form; empty: whatever the type takes
	Environment []string // names of variables, the one that wins last; none: in the file only
	Reload      bool     // whether a change takes effect without a restart
	About       string   // one line
}

// form is how a value is written. Those before list hold other keys.
type form int

const (
	section  form = iota // a mapping of known keys
	named                // a mapping whose keys the operator chooses
	sections             // a list of sections
	list                 // a list of texts
	free                 // a mapping that is handed on as it is
	text
	whole
	number
	truth
	choice // false, true, or a text beside them
)

// words name a form in errors.
var words = map[form]string{
	section: "a section of keys", named: "a section, name by name", sections: "a list of sections",
	list: "a list of texts", free: "a section", text: "a text", whole: "a whole number", number: "a number",
	truth: "true or false",
}

// field is one key, or one kind of element, of the tree that [Config] is.
type field struct {
	name    string // in its section
	key     string // dotted, as in Key
	typ     reflect.Type
	form    form
	bounds  *bounds // of a number; nil: whatever the type holds
	enum    []string
	letters bool // the enum is known in any case of letters
	restart bool
	unset   bool     // a zero says that it is not set, and is not shown
	commas  bool     // a list whose elements may hold colons, so that only commas separate them
	fields  []*field // of a section
	elem    *field   // of named and sections
}

// bounds are a least and a most, both allowed.
type bounds struct {
	least, most float64
	clamp       bool // what lies beyond is moved to the bound, else it is an error
}

func (b bounds) String() string { return plainNumber(b.least) + " to " + plainNumber(b.most) }

// tree is the whole configuration.
func tree() *field { return newField("", "", reflect.TypeFor[Config](), "") }

func newField(name, key string, t reflect.Type, tag reflect.StructTag) *field {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	f := &field{
		name: name, key: key, typ: t, form: formOf(t), letters: tag.Get("letters") == "any",
		restart: tag.Get("reload") == "no", bounds: boundsOf(tag), unset: tag.Get("zero") == "unset",
		commas: tag.Get("split") == "commas",
	}
	if values := tag.Get("enum"); values != "" {
		f.enum = strings.Split(values, ",")
	}
	if tag.Get("form") == "switch" {
		f.form = choice
	}
	switch f.form {
	case section:
		for sf := range t.Fields() {
			name := sf.Tag.Get("koanf")
			f.fields = append(f.fields, newField(name, join(key, name), sf.Type, sf.Tag))
		}
	case named:
		f.elem = newField("*", key+".*", t.Elem(), "")
	case sections:
		f.elem = newField("[]", key+"[]", t.Elem(), "")
	}
	return f
}

func formOf(t reflect.Type) form {
	switch t.Kind() {
	case reflect.Struct:
		return section
	case reflect.Map:
		if t.Elem().Kind() == reflect.Interface {
			return free
		}
		return named
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return sections
		}
		return list
	case reflect.Bool:
		return truth
	case reflect.Int, reflect.Int64:
		return whole
	case reflect.Float64:
		return number
	default:
		return text
	}
}

func boundsOf(tag reflect.StructTag) *bounds {
	word, clamp := tag.Lookup("range")
	if !clamp {
		word = tag.Get("must")
	}
	least, most, ok := strings.Cut(word, "..")
	if !ok {
		return nil
	}
	b := &bounds{clamp: clamp}
	var errs [2]error
	b.least, errs[0] = strconv.ParseFloat(least, 64)
	b.most, errs[1] = strconv.ParseFloat(most, 64)
	if errs[0] != nil || errs[1] != nil {
		panic(fmt.Sprintf("config: tag %q has no bounds", word)) // a mistake of ours, which every test shows
	}
	return b
}

func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// child is the key of that name in a section.
func (f *field) child(name string) *field {
	for _, c := range f.fields {
		if c.name == name {
			return c
		}
	}
	return nil
}

// names of the keys of a section.
func (f *field) names() []string {
	var all []string
	for _, c := range f.fields {
		all = append(all, c.name)
	}
	return all
}

// leaves are the keys that hold values, in the order of the documentation, those of elements included.
func (f *field) leaves() []*field {
	var all []*field
	for _, c := range f.fields {
		switch c.form {
		case section:
			all = append(all, c.leaves()...)
		case sections:
			all = append(append(all, c), c.elem.leaves()...)
		case named:
			all = append(all, c)
			if c.elem.form == section {
				all = append(all, c.elem.leaves()...)
			}
		default:
			all = append(all, c)
		}
	}
	return all
}

// variable says whether one variable of the environment, or one flag, can hold it.
func (f *field) variable() bool {
	return f.form >= list && f.form != free && !strings.ContainsAny(f.key, "*[")
}

// variables are the fields of a tree that a variable or a flag can hold, by key.
func (f *field) variables() map[string]*field {
	found := make(map[string]*field)
	for _, leaf := range f.leaves() {
		if leaf.variable() {
			found[leaf.key] = leaf
		}
	}
	return found
}

// allowed says what may stand there.
func (f *field) allowed() string {
	switch {
	case f.bounds != nil:
		return words[f.form] + ", " + f.bounds.String()
	case len(f.enum) > 0:
		return strings.Join(f.enum, ", ")
	}
	return words[f.form]
}

// Keys lists all keys in the order of the documentation.
func Keys() []Key {
	var all []Key
	values := leafValues(reflect.ValueOf(Default()))
	for _, f := range tree().leaves() {
		k := Key{Name: f.key, Allowed: f.allowed(), Reload: !f.restart, About: about[f.key]}
		if v, ok := values[f.key]; ok {
			k.Default = flow(redact(v, f))
		}
		if f.variable() {
			k.Environment = namesOf(f.key)
		}
		all = append(all, k)
	}
	return all
}

// leafValues are the sections' own keys, by dotted key; they can be set when the configuration can.
func leafValues(c reflect.Value) map[string]reflect.Value {
	values := make(map[string]reflect.Value)
	for i, s := range tree().fields {
		v := c.Field(i)
		if s.form != section {
			values[s.key] = v
			continue
		}
		for j, f := range s.fields {
			values[f.key] = v.Field(j)
		}
	}
	return values
}
