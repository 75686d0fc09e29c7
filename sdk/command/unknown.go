package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// maxShown is how many names a suggestion has, and maxQuoted how many bytes of a caller's word a message.
const (
	maxShown  = 5
	maxQuoted = 64
)

// listed is where a caller finds what there is; no message repeats the table.
const listed = "the description of " + argExtra + " lists all flags"

// spelling is one way to write a flag, with what is left of it when hyphens, capitals and underscores do not
// count.
type spelling struct {
	key, name string
	flag      *Flag
}

// spellings are those of all flags, by key.
func (t *table) spellings() []spelling {
	var all []spelling
	for name, f := range t.byName {
		all = append(all, spelling{key(name), name, f})
	}
	slices.SortFunc(all, func(a, b spelling) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.name, b.name))
	})
	return all
}

func key(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimLeft(name, "-")), "_", "-")
}

// unknown is the error of a word that begins with a hyphen and is no flag. It says which one its writer may
// have meant: the same in another spelling, one that it is short for, one of joined letters, one with
// something attached, or one that is little different.
func (t *table) unknown(word string) *sdk.Error {
	name, _, _ := strings.Cut(word, "=")
	guesses := []func(string) *sdk.Error{t.respelt, t.abbreviated, t.badLetters, t.glued, t.mistyped}
	switch {
	case len(name) > maxNearest: // only its beginning can mean something
		guesses = guesses[2:4]
	case strings.HasPrefix(name, "--"):
		guesses = []func(string) *sdk.Error{t.respelt, t.abbreviated, t.glued, t.mistyped}
	case len(key(name)) >= 5: // then it is likelier mistyped than a flag with something attached
		guesses = []func(string) *sdk.Error{t.respelt, t.abbreviated, t.mistyped, t.badLetters, t.glued}
	}
	for _, guess := range guesses {
		if err := guess(name); err != nil {
			return err
		}
	}
	return sdk.Errorf(sdk.KindValidation, "unknown flag %s", quoted(word)).Suggest(listed)
}

// meaning is the error of a word that means one flag of the table.
func meaning(word, how string, f *Flag) *sdk.Error {
	if f.Refused == "" {
		return sdk.Errorf(sdk.KindValidation, "unknown flag %s: it %s %s", quoted(word), how, f.Name)
	}
	err := refused(f)
	err.Message = fmt.Sprintf("unknown flag %s: it %s %s; %s", quoted(word), how, f.Name, err.Message)
	return err
}

// respelt knows other capitals, hyphens and underscores. Of flags that differ in their capitals alone, that
// with the same ones is meant.
func (t *table) respelt(word string) *sdk.Error {
	i, found := slices.BinarySearchFunc(t.names, key(word), func(s spelling, k string) int {
		return strings.Compare(s.key, k)
	})
	if !found {
		return nil
	}
	best := t.names[i]
	for _, s := range t.names[i:] {
		if s.key != best.key {
			break
		}
		if s.likeness(word) > best.likeness(word) {
			best = s
		}
	}
	err := meaning(word, "is another spelling of", best.flag)
	if best.flag.Refused == "" {
		err.Suggest("write %s", best.name)
	}
	return err
}

// likeness says how well a spelling fits a word with the same key: the same letters count most, then that it
// may be written, then the same hyphens.
func (s spelling) likeness(word string) int {
	n := 0
	if strings.TrimLeft(s.name, "-") == strings.TrimLeft(word, "-") {
		n += 4
	}
	if s.flag.Refused == "" {
		n += 2
	}
	if strings.HasPrefix(s.name, "--") == strings.HasPrefix(word, "--") {
		n++
	}
	return n
}

// abbreviated knows the beginnings of names. If some of those may be written, they are meant.
func (t *table) abbreviated(word string) *sdk.Error {
	k := key(word)
	if len(k) < 2 {
		return nil
	}
	var open []string
	var first *Flag
	i, _ := slices.BinarySearchFunc(t.names, k, func(s spelling, k string) int {
		return strings.Compare(s.key, k)
	})
	for ; i < len(t.names) && strings.HasPrefix(t.names[i].key, k); i++ {
		f := t.names[i].flag
		if f.Refused == "" && (first == nil || first.Refused != "") || first == nil {
			first = f
		}
		if f.Refused == "" {
			open = append(open, t.names[i].name)
		}
	}
	switch {
	case first == nil:
		return nil
	case len(open) == 0:
		return meaning(word, "is short for", first)
	case len(open) == 1:
		return meaning(word, "is short for", first).
			Suggest("write %s in full%s", open[0], t.unabbreviated())
	}
	return sdk.Errorf(sdk.KindValidation, "unknown flag %s: it is short for several", quoted(word)).
		Suggest("write one in full, such as %s%s", either(open), t.unabbreviated())
}

// unabbreviated is what a suggestion says where no abbreviation is taken at all.
func (t *table) unabbreviated() string {
	if t.getopt != nil {
		return ""
	}
	return "; flags are not abbreviated"
}

// mistyped knows names that are little different. Those that may be written come first.
func (t *table) mistyped(word string) *sdk.Error {
	k := key(word)
	if len(k) < 3 {
		return nil // it is near to half of the table
	}
	hyphens := "--"
	if len(k) == 3 && !strings.HasPrefix(word, hyphens) {
		hyphens = "-"
	}
	near := func(refused bool) []string {
		return Nearest(hyphens+k, func(yield func(string) bool) {
			for _, s := range t.names {
				if (s.flag.Refused != "") == refused && !yield(s.name) {
					return
				}
			}
		})
	}
	err := sdk.Errorf(sdk.KindValidation, "unknown flag %s", quoted(word))
	if names := near(false); len(names) > 0 {
		return err.Suggest("did you mean %s? %s", either(names), strings.ToUpper(listed[:1])+listed[1:])
	}
	if names := near(true); len(names) > 0 {
		f := t.byName[names[0]]
		return err.Suggest("did you mean %s? It is not allowed: %s", f.Name, f.Refused)
	}
	return nil
}

// badLetters knows words such as -sSx, where one of the letters is no flag, or one that is refused.
func (t *table) badLetters(word string) *sdk.Error {
	for _, prefix := range t.joined {
		rest, ok := strings.CutPrefix(word, prefix)
		if !ok {
			continue
		}
		for _, c := range rest {
			name := prefix + string(c)
			switch f := t.byName[name]; {
			case f != nil && f.Refused != "":
				return meaning(word, "has", f)
			case f == nil:
				return sdk.Errorf(sdk.KindValidation, "unknown flag %s: there is no %s", quoted(word), name).
					Suggest("behind %s may stand one or more of %s", prefix, t.lettersOf(prefix))
			}
		}
	}
	return nil
}

// lettersOf are those that make a flag with a prefix.
func (t *table) lettersOf(prefix string) string {
	var letters []string
	for _, f := range t.flags {
		if letter, ok := strings.CutPrefix(f.Name, prefix); ok && len(letter) == 1 && f.Refused == "" {
			letters = append(letters, letter)
		}
	}
	return strings.Join(letters, " ")
}

// glued knows flags with something attached that does not belong there. The name of a long one goes on until
// a digit comes.
func (t *table) glued(word string) *sdk.Error {
	for n := min(len(word)-1, t.longest); n >= 2; n-- {
		f, rest := t.byName[word[:n]], word[n:]
		switch {
		case f == nil, strings.HasPrefix(word, "--") && !digits(rest[:1]):
			continue
		case f.Refused != "":
			err := refused(f)
			err.Message = fmt.Sprintf("unknown flag: %s is %s with a value; %s", clipped(word), word[:n],
				err.Message)
			return err
		case f.Value.Read == nil:
			err := t.valueless(f, rest)
			err.Message = fmt.Sprintf("unknown flag %s: %s", quoted(word), err.Message)
			return err
		case f.forms()&Attached != 0:
			return nil // with an equals sign in its value, which no value has
		}
		return sdk.Errorf(sdk.KindValidation, "unknown flag %s: the value of %s is not attached to it",
			quoted(word), f.Name).
			Suggest("write %s", f.with(clipped(rest)))
	}
	return nil
}

// valueless is the error of a flag that got a value and takes none. Some programs count how often a letter
// stands, and what was meant is the letter so many times; or other flags are joined to it.
func (t *table) valueless(f *Flag, value string) *sdk.Error {
	err := sdk.Errorf(sdk.KindValidation, "%s takes no value", f.Name)
	if len(f.Name) != 2 || value == "" {
		return err.Suggest("write %s", f.Name)
	}
	if len(value) == 1 && digits(value) {
		for n := int(value[0] - '0'); n > 1; n-- {
			many := "-" + strings.Repeat(f.Name[1:], n)
			if more := t.byName[many]; more != nil && more.Refused == "" {
				return err.Suggest("write %s", many)
			}
		}
		return err.Suggest("write %s", f.Name)
	}
	apart := f.Name
	for i := range len(value) {
		name := "-" + value[i:i+1]
		other := t.byName[name]
		if other == nil || other.Refused != "" || other.Value.Read != nil || strings.Contains(apart, name) {
			return err.Suggest("write %s", f.Name)
		}
		apart += " " + name
	}
	return err.Suggest("write %s; flags are not joined", apart)
}

// either lists some names, as a choice.
func either(names []string) string {
	names = names[:min(len(names), maxShown)]
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// clipped is as much of a caller's text as a message repeats.
func clipped(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return text[:maxQuoted] + "..."
}

func quoted(text string) string {
	if len(text) <= maxQuoted {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q...", text[:maxQuoted])
}

func digits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
