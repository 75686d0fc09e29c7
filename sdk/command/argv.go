package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// line is the arguments of a run, argv[1:]: Fixed, the options, the operands.
type line struct {
	words    []string
	options  int // index of the first word behind Fixed
	operands int // index of the first word behind the options; "--" belongs to the operands
}

// argv writes the arguments, and holds what an author's hook wrote to what must be true of every command
// line. Without hooks one operand can come of it, the pinned literal, behind "--", so that not even a literal
// with a leading hyphen, were there one, could be taken for an option.
func (t *Tool) argv(j *Job) (line, error) {
	words := append(make([]string, 0, len(t.def.Fixed)+2*len(j.options)+2), t.def.Fixed...)
	l := line{options: len(words)}
	if t.def.Argv != nil {
		words = append(words, t.def.Argv(j)...)
	} else {
		words = j.appendArgs(words, nil)
	}
	l.operands = len(words)
	switch {
	case t.def.Operands != nil:
		words = append(words, t.def.Operands(j)...)
	case t.def.Target != NoTarget:
		words = append(words, "--", j.Target.Literal())
	}
	l.words = words
	return l, t.checkLine(j, l)
}

// checkLine refuses a command line that says something else than the job. It is the author's bug, and found
// before anything runs.
func (t *Tool) checkLine(j *Job, l line) error {
	err := checkWords(l)
	if err == nil && t.def.Argv != nil {
		err = j.checkLast(l)
	}
	if err == nil && t.table.getopt != nil {
		err = t.checkGetopt(j, l)
	}
	if err != nil {
		return sdk.Errorf(sdk.KindUnknown, "%s wrote a command line that is not run: %w", t.def.Name, err).
			Suggest("report this to the plugin's author")
	}
	return nil
}

// checkWords holds the words to what the system can carry, and keeps an operand from being read as an option.
func checkWords(l line) error {
	for i, w := range l.words[l.options:] {
		if strings.IndexByte(w, 0) >= 0 {
			return fmt.Errorf("the word %s has a zero byte", quoted(w))
		}
		if w == "" && i >= l.operands-l.options {
			return fmt.Errorf("an operand is empty")
		}
	}
	for _, w := range l.words[l.operands:] {
		switch {
		case w == "--":
			return nil // what follows is read as an operand, whatever it is
		case w[0] == '-':
			return fmt.Errorf(`the operand %s begins with a hyphen, and no "--" stands before it`, quoted(w))
		}
	}
	return nil
}

// checkLast sees that a hook left the options that must stand last where they belong. One that it wrote in
// another form is its own to place.
func (j *Job) checkLast(l line) error {
	words := l.words[l.options:l.operands]
	for i := len(j.options) - 1; i >= 0 && j.options[i].Flag.Last; i-- {
		o := &j.options[i]
		args := o.Args()
		if n := len(words) - len(args); n >= 0 && slices.Equal(words[n:], args) {
			words = words[:n]
			continue
		}
		for k := range words {
			if o.at(words[k:]) > 0 {
				return fmt.Errorf("%s does not stand behind all other options", o)
			}
		}
	}
	return nil
}

// order puts the options that must stand last behind all others.
func (j *Job) order() {
	if !j.tool.table.hasLast {
		return
	}
	slices.SortStableFunc(j.options, func(a, b Option) int {
		switch {
		case a.Flag.Last == b.Flag.Last:
			return 0
		case b.Flag.Last:
			return -1
		}
		return 1
	})
}
