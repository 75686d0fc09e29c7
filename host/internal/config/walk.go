package config

import (
	"fmt"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth is how deep the section of a plugin may be nested.
const maxDepth = 64

// node returns the value of a node as merging and decoding want it, and whether it says anything. A key
// without a value says nothing, as an empty variable does: a section of which every line is a comment leaves
// the defaults alone.
func (l *loader) node(n *yaml.Node, f *field, key string) (any, bool) {
	l.marks[key] = position{n.Line, n.Column}
	if why := notPlain(n); why != "" {
		l.wrong(key, "%s", why)
		return nil, false
	}
	switch {
	case n.ShortTag() == "!!null":
		return nil, false
	case n.Kind == yaml.MappingNode && f.form == section:
		return l.section(n, f, key)
	case n.Kind == yaml.MappingNode && f.form == named:
		return l.named(n, f, key)
	case n.Kind == yaml.SequenceNode && f.form == sections:
		return l.items(n, f.elem, key)
	case n.Kind == yaml.SequenceNode && f.form == list:
		return l.items(n, &field{key: f.key, typ: f.typ.Elem(), form: text}, key)
	case n.Kind == yaml.MappingNode && f.form == free:
		return l.free(n, key, 0)
	case n.Kind == yaml.ScalarNode && f.form >= text:
		return l.scalar(n, f, key)
	}
	l.wrong(key, "is %s; allowed: %s", describe(n, f), f.allowed())
	return nil, false
}

// notPlain says why a node is refused that YAML can express and a configuration does not need.
func notPlain(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return "anchors and aliases (& and *) are not read; write the value out"
	case n.Style&yaml.TaggedStyle != 0:
		return "tags (!) are not read; write the plain value"
	}
	return ""
}

// entries calls yield with each key and value of a mapping, each key once.
func (l *loader) entries(n *yaml.Node, key string, yield func(name, value *yaml.Node, key string)) {
	lines := make(map[string]int) // name -> where it stands first
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		below := join(key, name.Value)
		place := l.at(position{name.Line, name.Column}) + ": " + printable(below)
		switch why := notPlain(name); {
		case name.Kind == yaml.ScalarNode && name.ShortTag() == "!!merge":
			l.add(place, below, "merge keys are not read; write the values out")
		case why != "":
			l.add(place, below, "%s", why)
		case name.Kind != yaml.ScalarNode || name.Value == "":
			l.add(place, below, "a key must be a text")
		case lines[name.Value] > 0:
			l.add(place, below, "stands on line %d and again on line %d; keep one of them", lines[name.Value],
				name.Line)
		default:
			lines[name.Value] = name.Line
			yield(name, value, below)
		}
	}
}

func (l *loader) section(n *yaml.Node, f *field, key string) (any, bool) {
	values := make(map[string]any)
	l.entries(n, key, func(name, value *yaml.Node, below string) {
		child := f.child(name.Value)
		if child == nil {
			l.add(l.at(position{name.Line, name.Column})+": "+printable(below), below, "%s",
				l.unknown(f, key, name.Value))
			return
		}
		l.entry(values, name, value, child, below)
	})
	return values, true
}

// entry puts what a key says into values, and notes where it came from.
func (l *loader) entry(values map[string]any, name, value *yaml.Node, f *field, key string) {
	v, ok := l.node(value, f, key)
	if !ok {
		return
	}
	values[name.Value] = v
	if n := len(value.Content); f.form == section || n > 0 && (f.form == named || f.form == sections) {
		return // its leaves are noted
	}
	l.from[key] = Origin{Kind: FromFile, File: l.file, Line: name.Line}
}

// unknown says what may stand in a section, and what was probably meant.
func (l *loader) unknown(f *field, key, name string) string {
	kind := "key"
	if key == "" {
		kind = "section"
	}
	why := fmt.Sprintf("is an unknown %s; allowed: %s", kind, strings.Join(f.names(), ", "))
	meant := f.meant(l.root, name)
	if len(meant) == 0 {
		return why
	}
	if meant[0] == name {
		s, k, _ := cutLast(name)
		return why + fmt.Sprintf("; write it as %s: {%s: ...}", s, k)
	}
	for i, m := range meant {
		if below, ok := strings.CutPrefix(m, f.key+"."); ok && f.key != "" {
			m = join(key, below)
		}
		meant[i] = quote(m)
	}
	return why + "; did you mean " + strings.Join(meant, " or ") + "?"
}

func (l *loader) named(n *yaml.Node, f *field, key string) (any, bool) {
	values := make(map[string]any)
	l.entries(n, key, func(name, value *yaml.Node, below string) {
		l.entry(values, name, value, f.elem, below)
	})
	return values, true
}

func (l *loader) items(n *yaml.Node, f *field, key string) (any, bool) {
	values, good := make([]any, 0, len(n.Content)), true
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", key, i)
		v, ok := l.node(item, f, at)
		if !ok && !l.seen[at] {
			l.wrong(at, "is empty; allowed: %s", f.allowed())
		}
		values, good = append(values, v), good && ok
	}
	return values, good
}

// free is a value of a form that only a plugin knows; JSON must be able to hold it.
func (l *loader) free(n *yaml.Node, key string, depth int) (any, bool) {
	l.marks[key] = position{n.Line, n.Column}
	why := notPlain(n)
	if depth > maxDepth {
		why = fmt.Sprintf("is nested too deeply; at most %d levels are read", maxDepth)
	}
	if why != "" {
		l.wrong(key, "%s", why)
		return nil, false
	}
	switch n.Kind {
	case yaml.MappingNode:
		values := make(map[string]any)
		l.entries(n, key, func(name, value *yaml.Node, below string) {
			values[name.Value], _ = l.free(value, below, depth+1)
		})
		return values, true
	case yaml.SequenceNode:
		values := make([]any, len(n.Content))
		for i, item := range n.Content {
			values[i], _ = l.free(item, fmt.Sprintf("%s[%d]", key, i), depth+1)
		}
		return values, true
	}
	v, err := scalar(n)
	if x, ok := v.(float64); ok && err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = errNotFinite
	}
	if err != nil {
		l.wrong(key, "%v", err)
		return nil, false
	}
	return v, true
}

func (l *loader) scalar(n *yaml.Node, f *field, key string) (any, bool) {
	v, err := scalar(n)
	if err != nil {
		l.wrong(key, "%v; allowed: %s", err, f.allowed())
		return nil, false
	}
	place := l.at(position{n.Line, n.Column}) + ": " + printable(key)
	return l.settle(f, key, place, Origin{Kind: FromFile, File: l.file, Line: n.Line}, v)
}

// wrong notes a problem with what stands in the file.
func (l *loader) wrong(key, format string, args ...any) {
	l.add(l.at(l.marks[key])+": "+printable(key), key, format, args...)
}
