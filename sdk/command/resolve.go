package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// resolve reads the next word as the program would read it, with the word behind it where that is a value.
func (p *parser) resolve(word string) {
	s := scan{getopt: p.table.getopt, words: p.words}
	for done := false; !done; done = s.rest == "" || p.rejected != nil && !p.telling {
		o, _ := s.next() // there is one: the word begins with a hyphen, and is not "--"
		text := strings.Join(s.words[:max(s.at, 1)], " ")
		f := s.flags[o.same]
		switch {
		case o.fault == unknownName && f == nil:
			p.strange(word, o)
			s.rest = "" // what the other letters mean is idle
		case o.fault != noFault:
			p.reject(text, p.faulty(word, o, f))
		case f == nil:
			p.reject(text, notTaken(word, o.name))
		case f.Refused != "":
			p.reject(text, meant(word, o.name, refused(f)))
		case !o.valued && f.Value.Read != nil && !f.Optional:
			p.reject(text, noValue(f))
		default:
			p.as = readAs(word, o)
			p.flag(f, word, strings.TrimPrefix(text[len(word):], " "), o.value, o.valued)
			p.as = ""
		}
	}
	p.words = p.words[max(s.at, 1):] // a word that is refused is not read to its end
}

// strange refuses a word that is no option, or has letters of options and one that is none.
func (p *parser) strange(word string, o found) {
	if o.name == "" || o.name == word[:2] || p.table.getopt.longOnly {
		p.unknown(word)
		return
	}
	err := sdk.Errorf(sdk.KindValidation, "unknown flag %s: there is no %s", quoted(word), quoted(o.name))
	p.reject(word, err.Suggest(listed))
}

// faulty is the error of an option that the program knows, and would not take as it was written.
func (p *parser) faulty(word string, o found, f *Flag) *sdk.Error {
	switch {
	case o.fault == ambiguous:
		return sdk.Errorf(sdk.KindValidation, "%s is ambiguous: it may mean %s", quoted(word), either(o.among)).
			Suggest("write the one that is meant in full")
	case f == nil:
		return notTaken(word, o.name)
	case f.Refused != "":
		return meant(word, o.name, refused(f))
	case o.fault == hasValue:
		_, value, _ := strings.Cut(word, "=")
		return meant(word, o.name, p.table.valueless(f, value))
	}
	return noValue(f)
}

func noValue(f *Flag) *sdk.Error {
	return sdk.Errorf(sdk.KindValidation, "%s has no value", f.Name).Suggest("write %s", f.usage())
}

// notTaken is the error of an option that the program has, and the table has not.
func notTaken(word, name string) *sdk.Error {
	err := sdk.Errorf(sdk.KindValidation, "%s is not among the flags that are taken here", name)
	return meant(word, name, err).Suggest(listed)
}

// meant puts before an error what a word was read as, where it was not written in full.
func meant(word, name string, err *sdk.Error) *sdk.Error {
	if as := readAs(word, found{name: name}); as != "" {
		err.Message = as + "; " + err.Message
	}
	return err
}

// readAs says what a word was read as, or "" where it says so itself.
func readAs(word string, o found) string {
	written, _, _ := strings.Cut(word, "=")
	switch {
	case written == o.name:
		return ""
	case !strings.HasPrefix(o.name, "--") && strings.HasPrefix(word, o.name) && (len(word) == 2 || o.valued):
		return "" // -c5
	}
	return fmt.Sprintf("%s is read as %s", clipped(word), o.name)
}

// checkGetopt reads a command line once more, as the program will: it must say the options of the job and its
// operands. What an author's hook wrote is held to options that the program knows and the table does not
// refuse.
func (t *Tool) checkGetopt(j *Job, l line) error {
	s := scan{getopt: t.table.getopt, words: l.words}
	var got []found
	for o, ok := s.next(); ok; o, ok = s.next() {
		if o.fault != noFault {
			return fmt.Errorf("the program does not take %s", strings.Join(l.words[:s.at], " "))
		}
		if s.at > l.operands {
			return fmt.Errorf("%s takes %q of the operands for its value", o.name, o.value)
		}
		got = append(got, o)
	}
	operands := slices.Clone(l.words[l.operands:])
	if i := slices.Index(operands, "--"); i >= 0 {
		operands = slices.Delete(operands, i, i+1)
	}
	if !slices.Equal(s.operands, operands) {
		return fmt.Errorf("the program reads the operands %q, and %q were meant", s.operands, operands)
	}
	if t.def.Argv == nil {
		return t.checkOptions(j, got)
	}
	for _, o := range got[min(len(t.fixed), len(got)):] {
		if f := s.flags[o.same]; f != nil && f.Refused != "" {
			return fmt.Errorf("it has %s, which is refused: %s", f.Name, f.Refused)
		}
	}
	return nil
}

// checkOptions holds what the program reads to what the job has.
func (t *Tool) checkOptions(j *Job, got []found) error {
	want := slices.Clone(t.fixed)
	for i := range j.options {
		o := &j.options[i]
		if o.Flag.Implied {
			continue
		}
		same, _ := t.table.getopt.is(o.Flag.Name)
		want = append(want, found{same: same, value: o.Value.Text, valued: o.Value.Text != ""})
	}
	alike := func(a, b found) bool { return a.same == b.same && a.value == b.value && a.valued == b.valued }
	if !slices.EqualFunc(got, want, alike) {
		return fmt.Errorf("the program would read it otherwise than it is meant")
	}
	return nil
}

// adoptGetopt holds the declaration to how the program reads its command line.
func (t *Tool) adoptGetopt() error {
	if t.def.Getopt == nil {
		return nil
	}
	g, err := newGetopt(*t.def.Getopt)
	if err != nil {
		return fmt.Errorf("field Getopt: %w", err)
	}
	if len(t.def.Joined) > 0 {
		return fmt.Errorf("the field Getopt says which letters may be joined; leave out Joined")
	}
	for i := range t.table.flags {
		if err := g.adopt(&t.table.flags[i]); err != nil {
			return err
		}
	}
	s := scan{getopt: g, words: t.def.Fixed}
	for o, ok := s.next(); ok; o, ok = s.next() {
		if o.fault != noFault {
			return fmt.Errorf("field Fixed: by Getopt the program does not take %q", t.def.Fixed[:s.at])
		}
		t.fixed = append(t.fixed, o)
	}
	if len(s.operands) > 0 || slices.Contains(t.def.Fixed, "--") {
		return fmt.Errorf("field Fixed: %q are operands by Getopt, and belong into Operands", s.operands)
	}
	t.table.getopt = g
	return nil
}
