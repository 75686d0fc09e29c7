package command

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// origin is what an option came from.
type origin int

const (
	fromExtra origin = iota // extra_args
	fromField
	fromTemplate
	fromDefault
)

// source is where an option came from; name is that of the field or the template.
type source struct {
	kind origin
	name string
}

func (s source) String() string {
	switch s.kind {
	case fromField:
		return "argument " + s.name
	case fromTemplate:
		return "template " + s.name
	case fromDefault:
		return "default"
	}
	return argExtra
}

// called is the option as an error names it: by what its reader wrote.
func (o Option) called() string {
	switch o.from.kind {
	case fromField:
		return o.from.name + " (" + o.Flag.Name + ")"
	case fromTemplate:
		return o.Flag.Name + " of template " + o.from.name
	}
	return o.Flag.Name
}

// written is the option for an error: a field by its name, a flag with its value.
func (o Option) written() string {
	switch {
	case o.from.kind == fromField:
		return o.from.name
	case o.Flag.Implied:
		return o.Flag.Name
	}
	return o.String()
}

// at counts the words of argv that are the option, if args begin with it.
func (o *Option) at(args []string) int {
	f, v := o.Flag, o.Value.Text
	switch {
	case f.Implied:
	case v == "":
		if args[0] == f.Name {
			return 1
		}
	case f.forms()&Next == 0:
		if args[0] == f.with(v) {
			return 1
		}
	case len(args) > 1 && args[0] == f.Name && args[1] == v:
		return 2
	}
	return 0
}

// gatedBy is why the option needs allow_intrusive; empty: it does not.
func (o Option) gatedBy() string {
	if o.Flag.Gated != "" {
		return o.Flag.Gated
	}
	return o.Value.Gated
}

// token is the verdict on an option that is understood.
func (o Option) token(text string, p sdk.Policy) sdk.Token {
	t := sdk.Token{Text: text, Verdict: sdk.Accept, Why: o.from.String() + ": " + about(o.Flag)}
	if o.as != "" {
		t.Why += "; " + o.as
	}
	if o.Flag.Last {
		t.Why += "; it stands behind all others"
	}
	switch why := o.gatedBy(); {
	case why != "" && p.AllowIntrusive:
		t.Why += "; intrusive, and allowed: " + why
	case why != "":
		t.Verdict, t.Why = sdk.Gated, why
	}
	return t
}

// said is what the author says of words of argv.
type said struct {
	words []string
	why   string
	used  bool
}

// Explain tells the reader of a plan where words that Definition.Argv writes, and that are no option's, came
// from: j.Explain("-sC, without the scripts that reach beyond the target", "--script", expression). It goes
// for words of Definition.Fixed and Definition.Operands too.
func (j *Job) Explain(why string, words ...string) {
	if len(words) > 0 {
		j.said = append(j.said, said{words: words, why: why})
	}
}

// explain says of each piece of argv where it came from, in its order. Options that have no words of their
// own there come last, before the operands.
func (j *Job) explain(l line) []sdk.Token {
	e := explainer{job: j, used: make([]bool, len(j.options)), tokens: make([]sdk.Token, 0, len(l.words))}
	e.fixed(l.words[:l.options])
	e.written(l.words[l.options:l.operands])
	e.rest()
	e.operands(l.words[l.operands:])
	return e.tokens
}

// verdicts are those on the options of a request that is refused for something else than a word of it.
func (j *Job) verdicts() []sdk.Token {
	if j.tokens != nil {
		return j.tokens
	}
	var tokens []sdk.Token
	for _, o := range j.options {
		tokens = append(tokens, o.token(cmp.Or(o.String(), o.Flag.Name), j.Policy))
	}
	return tokens
}

// explainer makes the tokens of one argv.
type explainer struct {
	job    *Job
	used   []bool // by index of the option
	first  int    // options before this one are used
	tokens []sdk.Token
}

func (e *explainer) add(text, why string) {
	e.tokens = append(e.tokens, sdk.Token{Text: text, Verdict: sdk.Accept, Why: why})
}

func (e *explainer) fixed(args []string) {
	for len(args) > 0 {
		n := e.author(args)
		if n == 0 {
			n = flagged(args)
			why := "always there"
			if f := e.job.tool.table.byName[args[0]]; f != nil && f.Implied {
				why += ": " + about(f)
			}
			e.add(strings.Join(args[:n], " "), why)
		}
		args = args[n:]
	}
}

func (e *explainer) written(args []string) {
	for len(args) > 0 {
		n := e.author(args)
		if n == 0 {
			n = e.option(args)
		}
		if n == 0 {
			n = flagged(args)
			e.add(strings.Join(args[:n], " "), "added by "+e.job.tool.def.Name)
		}
		args = args[n:]
	}
}

// author finds what the author says of the words that args begin with, and how many these are.
func (e *explainer) author(args []string) int {
	for i := range e.job.said {
		s := &e.job.said[i]
		if n := len(s.words); !s.used && n <= len(args) && slices.Equal(s.words, args[:n]) {
			s.used = true
			e.add(strings.Join(s.words, " "), s.why)
			return n
		}
	}
	return 0
}

// option finds the option that args begin with. As a rule that is the next one.
func (e *explainer) option(args []string) int {
	for e.first < len(e.used) && e.used[e.first] {
		e.first++
	}
	for i := e.first; i < len(e.used); i++ {
		o := &e.job.options[i]
		if e.used[i] {
			continue
		}
		if n := o.at(args); n > 0 {
			e.used[i] = true
			e.tokens = append(e.tokens, o.token(strings.Join(args[:n], " "), e.job.Policy))
			return n
		}
	}
	return 0
}

// operands tells of what stands last.
func (e *explainer) operands(args []string) {
	if e.job.tool.def.Operands == nil && len(args) > 0 { // "--" and the target
		e.add(strings.Join(args, " "), e.job.whyTarget(args[1]))
		return
	}
	for len(args) > 0 {
		n := e.author(args)
		if n == 0 {
			n = 1
			e.add(args[0], e.job.whyOperand(args[0]))
		}
		args = args[n:]
	}
}

// whyOperand says where an operand came from that the author does not explain.
func (j *Job) whyOperand(word string) string {
	switch {
	case word == "--":
		return "what follows is no option"
	case j.Target.Prefix.IsValid() && strings.Contains(word, j.Target.Literal()):
		return j.whyTarget(j.Target.Literal())
	}
	return "operand, written by " + j.tool.def.Name
}

func (j *Job) whyTarget(literal string) string {
	why := "argument " + argTarget
	if j.Target.Label != "" && j.Target.Label != literal {
		why += ": " + j.Target.Label + " is pinned to this"
	}
	return why
}

// rest tells of options that argv has not as they are.
func (e *explainer) rest() {
	for i := range e.used {
		o := &e.job.options[i]
		if e.used[i] {
			continue
		}
		t := o.token(o.String(), e.job.Policy)
		if o.Flag.Implied {
			t.Text = o.Flag.Name
			t.Why += "; it is among what is always there"
		} else {
			t.Why += "; written in another form"
		}
		e.tokens = append(e.tokens, t)
	}
}

// flagged counts a flag with the words behind it that are none.
func flagged(args []string) int {
	n := 1
	for n < len(args) && args[0] != "" && args[0][0] == '-' && (args[n] == "" || args[n][0] != '-') {
		n++
	}
	return n
}
