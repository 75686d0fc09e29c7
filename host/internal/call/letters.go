package call

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// fold gives names that differ by the case of their letters one form: to Unicode, which has a long s and a
// sign for kelvin, and to [encoding/json], by which a plugin may read its arguments, they are the same.
func fold(name string) string { return strings.Map(foldRune, name) }

// foldRune is the least of the runes that are one but for case; ASCII in small letters, as most names are.
func foldRune(r rune) rune {
	for r >= unicode.MaxASCII { // of runes that have ASCII among their like, that is the least
		next := unicode.SimpleFold(r)
		if next <= r {
			r = next
			break
		}
		r = next
	}
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// lookalike finds a member that a reader who does not mind the case of names would take for the one of this
// name.
func (a arguments) lookalike(name string) (other string, found bool) {
	for _, m := range a.members {
		if m.name != name && strings.EqualFold(m.name, name) {
			return m.name, true
		}
	}
	return "", false
}

// inOtherLetters are the members that a property of the tool stands for in other letters, also where the
// schema takes members that it does not know: what is no flag for the host could be one for the plugin.
func (a arguments) inOtherLetters(known map[string]string) []catalog.Violation {
	var bad []catalog.Violation
	for _, m := range a.members {
		if name := known[fold(m.name)]; name != "" && name != m.name {
			bad = append(bad, catalog.Violation{
				Pointer: "/" + pointerEscape.Replace(m.name), Message: "is " + name + " in other letters; write it so",
			})
		}
	}
	return bad
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// properties remembers the arguments that the tools know.
type properties struct {
	byTool sync.Map // tool name -> *known; as many as the catalog ever had
}

type known struct {
	entry *catalog.Entry
	names map[string]string // folded -> as the schema has it; empty where it has more than one spelling
}

// of returns the properties of a tool's input, by their folded names.
func (p *properties) of(e *catalog.Entry) map[string]string {
	if k, ok := p.byTool.Load(e.Spec.Name); ok && k.(*known).entry == e {
		return k.(*known).names
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	names := make(map[string]string)
	if json.Unmarshal(e.Spec.InputSchema, &schema) == nil { // it was compiled
		for name := range schema.Properties {
			key := fold(name)
			if _, twice := names[key]; twice {
				name = ""
			}
			names[key] = name
		}
	}
	p.byTool.Store(e.Spec.Name, &known{e, names})
	return names
}

// withoutPointers leaves out what is said of places that something else is said of.
func withoutPointers(bad, other []catalog.Violation) []catalog.Violation {
	return slices.DeleteFunc(bad, func(v catalog.Violation) bool {
		return slices.ContainsFunc(other, func(o catalog.Violation) bool { return o.Pointer == v.Pointer })
	})
}
