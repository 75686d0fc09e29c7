package command

import (
	"fmt"
	"slices"
	"strings"
)

// Writing is a set of ways to write a flag's value.
type Writing int

// The ways to write a value.
const (
	Next     Writing = 1 << iota // as the next word: --top-ports 100
	Equals                       // behind an equals sign: --top-ports=100
	Attached                     // with nothing between: -T4
)

// Flag is one entry of the table: a flag that callers may write, or one that they may not and should be
// told why.
type Flag struct {
	// Name is the exact spelling, and that of argv. Aliases are other spellings of it. Abbreviations are not
	// taken, unless Definition.Getopt says how the program takes them.
	Name    string
	Aliases []string

	// Value is the form of the flag's value; zero: it takes none. Optional lets it be left out; only an
	// attached value can be optional.
	Value    Grammar
	Optional bool
	// Write says how the value may be written. Zero: --name value and --name=value, or for one letter
	// -n value and -nvalue. In argv the value is a word of its own wherever Next is allowed, otherwise it stands
	// behind an equals sign where that is, and else it is attached.
	Write Writing

	// Default is the value that is added when the caller gave neither the flag nor another of its group, and
	// nothing that conflicts with it; [On] for a flag without a value. A field that is false keeps it out. It is
	// read as a caller's value is, and the plan tells of it. Empty: none.
	Default string

	Gated   string // why it needs allow_intrusive; empty: it does not
	Refused string // why it is never taken; empty: it is

	Group      string   // of flags of one group only one may be given
	Conflicts  []string // flags that must not be given with it
	Requires   []string // of these one must be given with it
	Repeatable bool     // may be given more than once
	Implied    bool     // always on: taken, and left out of argv because Fixed has it
	Last       bool     // must stand behind all other options in argv

	About string // one clause for people

	conflicts []*Flag // Conflicts, found
}

// forms is Write with its zero filled in.
func (f *Flag) forms() Writing {
	switch {
	case f.Optional && strings.HasPrefix(f.Name, "--"):
		return Equals
	case f.Optional:
		return Attached
	case f.Write != 0:
		return f.Write
	case strings.HasPrefix(f.Name, "--"):
		return Next | Equals
	}
	return Next | Attached
}

// usage is the flag as a caller may write it.
func (f *Flag) usage() string {
	if f.Value.Want == "" {
		return f.Name
	}
	if f.Optional {
		return f.Name + "[" + f.glue() + f.Value.Want + "]"
	}
	return f.Name + f.glue() + "<" + f.Value.Want + ">"
}

// glue is what stands between the flag and its value in argv; a blank: they are two words.
func (f *Flag) glue() string {
	switch forms := f.forms(); {
	case forms&Next != 0:
		return " "
	case forms&Equals != 0:
		return "="
	}
	return ""
}

// with is the flag with a value, as callers write it.
func (f *Flag) with(value string) string {
	return f.Name + f.glue() + value
}

// check says what is wrong with a declaration, or "".
func (f *Flag) check() string {
	for _, name := range append([]string{f.Name}, f.Aliases...) {
		if len(name) < 2 || name[0] != '-' || name == "--" || strings.ContainsAny(name, "= ") {
			return fmt.Sprintf("flag %q: a name begins with a hyphen and has neither blank nor equals sign", name)
		}
	}
	switch {
	case f.Refused != "" && f.Default == "":
		return ""
	case f.Value.Read == nil && (f.Optional || f.Write != 0):
		return fmt.Sprintf("flag %s: it takes no value, but says how to write one", f.Name)
	case f.Value.Read != nil && f.Value.Want == "":
		return fmt.Sprintf("flag %s: its grammar does not say what it wants", f.Name)
	}
	why := f.Value.check()
	if why == "" {
		why = f.checkDefault()
	}
	if why != "" {
		why = fmt.Sprintf("flag %s: %s", f.Name, why)
	}
	return why
}

// table finds flags.
type table struct {
	byName   map[string]*Flag // spelling -> flag
	joined   []string
	flags    []Flag
	defaults []*Flag // those that have one

	names   []spelling // of byName, to find what an unknown one may mean
	longest int        // bytes of a name
	hasLast bool       // some flag must stand last
	getopt  *getopt    // how the program reads; nil: exact spellings alone are taken
}

func newTable(flags []Flag, joined []string) (table, error) {
	t := table{byName: make(map[string]*Flag), joined: joined, flags: slices.Clone(flags)}
	for i := range t.flags {
		f := &t.flags[i]
		if why := f.check(); why != "" {
			return t, fmt.Errorf("%s", why)
		}
		t.hasLast = t.hasLast || f.Last
		if f.Default != "" {
			t.defaults = append(t.defaults, f)
		}
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if t.byName[name] != nil {
				return t, fmt.Errorf("flag %s is declared twice", name)
			}
			t.byName[name] = f
			t.longest = max(t.longest, len(name))
		}
	}
	t.names = t.spellings()
	for i, f := range t.defaults {
		for _, other := range t.defaults[:i] {
			if f.Group != "" && f.Group == other.Group {
				return t, fmt.Errorf("flags %s and %s of group %s both have a default", other.Name, f.Name, f.Group)
			}
		}
	}
	for i := range t.flags {
		for _, name := range slices.Concat(t.flags[i].Conflicts, t.flags[i].Requires) {
			if t.byName[name] == nil {
				return t, fmt.Errorf("flag %s names %s, which is not in the table", t.flags[i].Name, name)
			}
		}
		for _, name := range t.flags[i].Conflicts {
			t.flags[i].conflicts = append(t.flags[i].conflicts, t.byName[name])
		}
	}
	return t, nil
}

// letters reads a word such as -sSV as -sS and -sV, if each of them is a flag without a value that is
// not refused.
func (t *table) letters(word string) []*Flag {
	for _, prefix := range t.joined {
		rest, ok := strings.CutPrefix(word, prefix)
		if !ok || len(rest) < 2 {
			continue
		}
		var flags []*Flag
		for i := range len(rest) {
			f := t.byName[prefix+rest[i:i+1]]
			if f == nil || f.Value.Read != nil || f.Refused != "" {
				return nil
			}
			flags = append(flags, f)
		}
		return flags
	}
	return nil
}

// attached finds the flag whose value is glued to it; of two that fit, the longer.
func (t *table) attached(word string) (*Flag, string) {
	for n := min(len(word)-1, t.longest); n >= 2; n-- {
		f := t.byName[word[:n]]
		if f != nil && f.Value.Read != nil && f.forms()&Attached != 0 && !strings.HasPrefix(word, "--") {
			return f, word[n:]
		}
	}
	return nil, ""
}

// usages lists the flags that may be written.
func (t *table) usages() (allowed, gated []string) {
	for i := range t.flags {
		switch f := &t.flags[i]; {
		case f.Refused != "":
		case f.Gated != "":
			gated = append(gated, f.usage())
		default:
			allowed = append(allowed, f.usage())
		}
	}
	return allowed, gated
}
