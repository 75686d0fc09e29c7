package command

import (
	"fmt"
	"slices"
	"strings"
)

// Getopt says how the wrapped program itself reads its command line, where it does so with getopt(3),
// getopt_long(3) or getopt_long_only(3) of the GNU C library, in the notation of getopt(1):
//
//	&command.Getopt{Short: "c:fi:nO::", Long: []string{"count:", "color::", "help"}}
//
// Take it from the program's source: it is all options that the program knows, also those that the table has
// not. Then callers may write what getopt takes, and it is read exactly as the program would read it: unique
// abbreviations of long options, clusters of short ones (-nc5), values joined or apart. What is not in the
// table is refused by its full name. And each command line is read once more before it is run: it must say
// the options and operands of the job, and nothing else.
//
// Each flag of the table that may be written is "-c" or "--count", and takes a value where the program does.
type Getopt struct {
	// Short are the letters, with a colon behind one that takes a value, two behind one whose value is optional;
	// a plus sign in front when the program stops at the first operand.
	Short string
	// Long are the names, with colons likewise. None: the program uses getopt(3), which has only letters.
	Long []string
	// LongOnly is set for getopt_long_only(3), where long options may begin with one hyphen.
	LongOnly bool
	// Same are long options that are other names of an option, as the program's table says by the same value:
	// long option -> letter, or long option. An abbreviation that fits both is not ambiguous.
	Same map[string]string
}

// takes says whether an option has a value.
type takes byte

const (
	unknownOption takes = iota
	takesNone
	takesValue
	takesOptional
)

func (t takes) String() string {
	return [...]string{"does not have it", "takes no value", "takes a value", "takes an optional value"}[t]
}

// takesBy is what the colons behind an option say.
func takesBy(colons int) takes { return takesNone + takes(colons) }

// longOption is one of the program's long options.
type longOption struct {
	name  string
	takes takes
	same  string // what it is: its own name, or that of another, or a letter; with hyphens
}

// getopt is a Getopt ready for use.
type getopt struct {
	short    [256]takes
	listed   byteSet // all bytes of the string of letters, as strchr(3) finds them
	long     []longOption
	isLong   bool // getopt_long(3)
	longOnly bool
	ordered  bool // the first operand ends the options

	flags map[string]*Flag // what an option is, with hyphens -> flag of the table
}

// newGetopt reads a declaration.
func newGetopt(d Getopt) (*getopt, error) {
	g := &getopt{isLong: len(d.Long) > 0, longOnly: d.LongOnly, flags: make(map[string]*Flag)}
	if g.longOnly && !g.isLong {
		return nil, fmt.Errorf("LongOnly is set, and there are no long options")
	}
	if err := g.letters(d.Short); err != nil {
		return nil, err
	}
	for _, text := range d.Long {
		name := strings.TrimRight(text, ":")
		colons := len(text) - len(name)
		switch {
		case name == "" || name[0] == '-' || strings.ContainsAny(name, ":= ") || colons > 2:
			return nil, fmt.Errorf(`field Long has %q: an option is written "name", "name:" or "name::"`, text)
		case slices.ContainsFunc(g.long, func(o longOption) bool { return o.name == name }):
			return nil, fmt.Errorf("field Long has %s twice", name)
		}
		g.long = append(g.long, longOption{name, takesBy(colons), "--" + name})
	}
	return g, g.same(d.Same)
}

// letters reads the string of short options.
func (g *getopt) letters(text string) error {
	if rest, ok := strings.CutPrefix(text, "+"); ok {
		text, g.ordered = rest, true
	}
	g.listed = newByteSet(text)
	text = strings.TrimPrefix(text, ":") // which only changes how the program complains
	for text != "" {
		c := text[0]
		rest := strings.TrimLeft(text[1:], ":")
		colons := len(text) - 1 - len(rest)
		switch {
		case c <= ' ' || c > '~' || strings.IndexByte("-:;=", c) >= 0 || strings.HasPrefix(rest, ";"):
			return fmt.Errorf("field Short has %q, which is no letter of an option here", text)
		case g.short[c] != unknownOption:
			return fmt.Errorf("field Short has %q twice", c)
		case colons > 2:
			return fmt.Errorf("field Short has %d colons behind %q", colons, c)
		}
		g.short[c] = takesBy(colons)
		text = rest
	}
	return nil
}

// same notes which options are one.
func (g *getopt) same(names map[string]string) error {
	for name, other := range names {
		i := slices.IndexFunc(g.long, func(o longOption) bool { return o.name == name })
		k := slices.IndexFunc(g.long, func(o longOption) bool { return o.name == other })
		switch {
		case i < 0:
			return fmt.Errorf("field Same has %s, which is not in Long", name)
		case k >= 0 && k != i && names[other] == "":
			g.long[i].same = "--" + other
		case k < 0 && len(other) == 1 && g.short[other[0]] != unknownOption:
			g.long[i].same = "-" + other
		default:
			return fmt.Errorf("field Same has %s for %s: name a letter of Short, or a long option that has its own "+
				"meaning", other, name)
		}
	}
	return nil
}

// is says what a spelling of the table is to the program, and what it takes there.
func (g *getopt) is(spelling string) (option string, t takes) {
	name, isLong := strings.CutPrefix(spelling, "--")
	switch {
	case isLong:
	case len(spelling) == 2:
		return spelling, g.short[spelling[1]]
	case g.longOnly:
		name = spelling[1:]
	}
	for _, o := range g.long {
		if o.name == name {
			return o.same, o.takes
		}
	}
	return spelling, unknownOption
}

// adopt holds a flag of the table to what the program knows.
func (g *getopt) adopt(f *Flag) error {
	for _, name := range append([]string{f.Name}, f.Aliases...) {
		option, t := g.is(name)
		if t == unknownOption && f.Refused != "" {
			continue // another version of the program may have it
		}
		if have := g.flags[option]; have != nil && have != f {
			return fmt.Errorf("flags %s and %s are one option of the program; make one an alias of the other",
				have.Name, f.Name)
		}
		g.flags[option] = f
		if f.Refused != "" {
			continue
		}
		if why := f.disagrees(t); why != "" {
			return fmt.Errorf("flag %s: %s, and by Getopt the program %s", name, why, t)
		}
	}
	return nil
}

// disagrees says what the declaration of a flag says that the program does not, or "".
func (f *Flag) disagrees(t takes) string {
	glue := f.glue()
	switch {
	case t == unknownOption:
		return "it is in the table"
	case f.Value.Read == nil && t == takesValue:
		return "it has no value"
	case f.Value.Read != nil && t == takesNone:
		return "it has a value"
	case f.Optional && t != takesOptional:
		return "its value is optional"
	case f.Value.Read != nil && t == takesOptional && glue == " ":
		return "its value may stand in the next word of argv (see Write)"
	case f.Value.Read != nil && (glue == "=") != strings.HasPrefix(f.Name, "--") && glue != " ":
		return "its value is not written as getopt reads it (see Write)"
	}
	return ""
}
