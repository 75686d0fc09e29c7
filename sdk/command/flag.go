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
	// Name is the exact spelling, and that of argv; abbreviations are not taken. Aliases are other
	// spellings of it.
	Name    string
	Aliases []string

	// Value is the form of the flag's value; zero: it takes none. Optional lets it be left out; only an
	// attached value can be optional.
	Value    Grammar
	Optional bool
	// Write says how the value may be written. Zero: --name value and --name=value, or for one letter
	// -n value and -nvalue. In argv the value is a word of its own wherever Next is allowed.
	Write Writing

	Gated   string // why it needs allow_intrusive; empty: it does not
	Refused string // why it is never taken; empty: it is

	Group      string   // of flags of one group only one may be given
	Conflicts  []string // flags that must not be given with it
	Requires   []string // of these one must be given with it
	Repeatable bool     // may be given more than once
	Implied    bool     // always on: taken, and left out of argv because Fixed has it

	About string // one clause for people

	conflicts []*Flag // Conflicts, found
}

// forms is Write with its zero filled in.
func (f *Flag) forms() Writing {
	switch {
	case f.Optional:
		return Attached
	case f.Write != 0:
		return f.Write
	case strings.HasPrefix(f.Name, "--"):
		return Next | Equals
	}
	return Next | Attached
}

// usage is the flag as help shows it.
func (f *Flag) usage() string {
	if f.Value.Want == "" {
		return f.Name
	}
	sep := " "
	if f.forms()&Next == 0 {
		sep = ""
	}
	if f.Optional {
		return f.Name + "[" + f.Value.Want + "]"
	}
	return f.Name + sep + "<" + f.Value.Want + ">"
}

// with is the flag with a value, as callers write it.
func (f *Flag) with(value string) string {
	if f.forms()&Next == 0 {
		return f.Name + value
	}
	return f.Name + " " + value
}

// check says what is wrong with a declaration, or "".
func (f *Flag) check() string {
	for _, name := range append([]string{f.Name}, f.Aliases...) {
		if len(name) < 2 || name[0] != '-' || name == "--" || strings.ContainsAny(name, "= ") {
			return fmt.Sprintf("flag %q: a name begins with a hyphen and has neither blank nor equals sign", name)
		}
	}
	switch {
	case f.Refused != "":
		return ""
	case f.Value.Read == nil && (f.Optional || f.Write != 0):
		return fmt.Sprintf("flag %s: it takes no value, but says how to write one", f.Name)
	case f.Value.Read != nil && f.Value.Want == "":
		return fmt.Sprintf("flag %s: its grammar does not say what it wants", f.Name)
	}
	return ""
}

// table finds flags.
type table struct {
	byName map[string]*Flag // spelling -> flag
	joined []string
	flags  []Flag

	names   []spelling // of byName, to find what an unknown one may mean
	longest int        // bytes of a name
}

func newTable(flags []Flag, joined []string) (table, error) {
	t := table{byName: make(map[string]*Flag), joined: joined, flags: slices.Clone(flags)}
	for i := range t.flags {
		f := &t.flags[i]
		if why := f.check(); why != "" {
			return t, fmt.Errorf("%s", why)
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
