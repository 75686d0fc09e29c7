package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
)

// helpWidth is how long a line of the help may be, in bytes, where its words allow it.
const helpWidth = 100

// Help is the declaration for people, in the manner of a manual page: what the tool is, how its command line
// comes about, its arguments, each flag with its bounds and rules, templates and examples. It is empty for a
// tool that is declared wrongly; see [Tool.Check].
func (t *Tool) Help() string {
	if t.err != nil {
		return ""
	}
	var h help
	d := t.def
	h.section("NAME")
	h.entry(d.Name, d.Description)
	h.section("COMMAND LINE")
	h.entry(t.synopsis(),
		"argv is written anew from the arguments; what a caller wrote never reaches the program.")
	h.section("ARGUMENTS")
	for _, p := range t.arguments {
		h.argument(p)
	}
	h.flags(&t.table)
	h.refused(t.table.flags)
	if t.table.getopt != nil {
		h.section("SPELLINGS")
		h.entry("", "Long flags may be abbreviated, letters joined, and values written joined or apart, as "+
			d.Program.Name+" itself takes them.")
	}
	if len(d.Templates) > 0 {
		h.section("TEMPLATES")
	}
	for _, tpl := range d.Templates {
		h.entry(tpl.Name+": "+tpl.Flags, tpl.About)
	}
	if len(d.Examples) > 0 {
		h.section("EXAMPLES OF " + argExtra)
	}
	for _, e := range d.Examples {
		h.entry(e, "")
	}
	return h.String()
}

// synopsis is the form of argv.
func (t *Tool) synopsis() string {
	words := append([]string{t.def.Program.Name}, t.def.Fixed...)
	if len(t.def.Flags) > 0 {
		words = append(words, "[flags]")
	}
	switch {
	case t.def.Operands != nil:
		words = append(words, "[operands]")
	case t.def.Target != NoTarget:
		words = append(words, "--", "<address of the target>")
	}
	return strings.Join(words, " ")
}

// rules says of a flag what it is for, and what holds for it.
func (t *table) rules(f *Flag) string {
	says := []string{sentence(about(f))}
	add := func(format string, args ...any) { says = append(says, fmt.Sprintf(format, args...)) }
	if f.Default != "" {
		add("Default: %s", f.Default)
	}
	if f.Gated != "" {
		add("Needs allow_intrusive: %s", f.Gated)
	}
	if f.Value.gated != "" {
		add("Needs allow_intrusive %s", f.Value.gated)
	}
	if others := t.others(f); len(others) > 0 {
		add("Only one of this and %s may be given", strings.Join(others, ", "))
	}
	if with := t.conflicting(f); len(with) > 0 {
		add("Not together with %s", strings.Join(with, ", "))
	}
	if len(f.Requires) > 0 {
		add("Only with %s", strings.Join(f.Requires, " or "))
	}
	if f.Repeatable {
		add("May be given more than once")
	}
	if f.Implied && !strings.Contains(f.About, "always on") {
		add("Always on")
	}
	if f.Last {
		add("In argv it stands behind all others")
	}
	return strings.Join(says, ". ") + "."
}

// others are the flags of the same group.
func (t *table) others(f *Flag) (names []string) {
	for i := range t.flags {
		if other := &t.flags[i]; other != f && f.Group != "" && other.Group == f.Group && other.Refused == "" {
			names = append(names, other.Name)
		}
	}
	return names
}

// conflicting are the flags that exclude a flag, whichever of the two says so.
func (t *table) conflicting(f *Flag) (names []string) {
	for i := range t.flags {
		other := &t.flags[i]
		if slices.Contains(f.conflicts, other) || slices.Contains(other.conflicts, f) {
			names = append(names, other.Name)
		}
	}
	return names
}

// help is a text with sections of entries.
type help struct{ strings.Builder }

func (h *help) section(title string) {
	if h.Len() > 0 {
		h.WriteByte('\n')
	}
	h.WriteString(title + "\n")
}

// entry is a line, and what it means below it.
func (h *help) entry(what, means string) {
	if what != "" {
		h.WriteString("  " + what + "\n")
	}
	line := ""
	for _, word := range strings.Fields(means) {
		if line != "" && len(line)+len(word) > helpWidth-7 {
			h.WriteString("      " + line + "\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		h.WriteString("      " + line + "\n")
	}
}

// argument is an entry of an argument.
func (h *help) argument(p schema.Property) {
	var s struct {
		Type, Description string
	}
	_ = json.Unmarshal(p.Schema, &s) // it was compiled
	what := p.Name
	if s.Type != "" {
		what += " (" + s.Type + ")"
	}
	if p.Required {
		what += ", required"
	}
	if p.Name == argExtra { // the flags have a section of their own
		s.Description = "Flags, separated by blanks, without quoting."
	}
	h.entry(what, s.Description)
}

// flags is the section of those that may be written.
func (h *help) flags(t *table) {
	if len(t.flags) > 0 {
		h.section("FLAGS")
	}
	for i := range t.flags {
		if f := &t.flags[i]; f.Refused == "" {
			h.entry(strings.Join(append([]string{f.usage()}, f.Aliases...), ", "), t.rules(f))
		}
	}
}

// refused is the section of those that are never taken, by their reasons.
func (h *help) refused(flags []Flag) {
	why := make(map[string][]string) // reason -> names
	for i := range flags {
		if f := &flags[i]; f.Refused != "" {
			why[f.Refused] = append(append(why[f.Refused], f.Name), f.Aliases...)
		}
	}
	reasons := slices.Collect(maps.Keys(why))
	for _, names := range why {
		slices.Sort(names) // tables are made of maps, too, and a help is always the same
	}
	slices.SortFunc(reasons, func(a, b string) int { return slices.Compare(why[a], why[b]) })
	if len(reasons) > 0 {
		h.section("FLAGS THAT ARE NOT TAKEN")
	}
	for _, reason := range reasons {
		h.entry(strings.Join(why[reason], ", "), sentence(reason)+".")
	}
}
