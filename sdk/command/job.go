package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// Job is a request understood: what the hooks of a [Definition] work on, and what argv is written from.
type Job struct {
	Target sdk.Target // pinned; zero for a tool without target
	Policy sdk.Policy

	tool    *Tool
	input   map[string]json.RawMessage // argument -> value
	options []Option
	tokens  []sdk.Token
	notes   []string
	gated   error // the first option that needs allow_intrusive
}

// Option is a flag of the table with its value.
type Option struct {
	Flag  *Flag
	Value Value // zero for a flag without value
}

// Args writes the option as the program takes it.
func (o Option) Args() []string {
	switch {
	case o.Flag.Implied:
		return nil
	case o.Value.Text == "":
		return []string{o.Flag.Name}
	case o.Flag.forms()&Next == 0:
		return []string{o.Flag.Name + o.Value.Text}
	}
	return []string{o.Flag.Name, o.Value.Text}
}

// String is the option as it stands in argv; one that argv leaves out is empty.
func (o Option) String() string {
	return strings.Join(o.Args(), " ")
}

// Has reports whether one of the flags is given, or was added.
func (j *Job) Has(names ...string) bool {
	return slices.ContainsFunc(j.options, func(o Option) bool { return slices.Contains(names, o.Flag.Name) })
}

// Option returns a flag's option.
func (j *Job) Option(name string) (Option, bool) {
	i := slices.IndexFunc(j.options, func(o Option) bool { return o.Flag.Name == name })
	if i < 0 {
		return Option{}, false
	}
	return j.options[i], true
}

// Options returns all options, in the order of argv.
func (j *Job) Options() []Option { return slices.Clone(j.options) }

// Args writes all options in their canonical form.
func (j *Job) Args() []string {
	var args []string
	for _, o := range j.options {
		args = append(args, o.Args()...)
	}
	return args
}

// Input reads a further argument into v, and reports whether the caller gave it.
func (j *Job) Input(name string, v any) (bool, error) {
	raw, ok := j.input[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, sdk.Errorf(sdk.KindValidation, "argument %s: %w", name, err)
	}
	return true, nil
}

// Note tells the reader of a plan something that was decided for him.
func (j *Job) Note(format string, args ...any) {
	j.notes = append(j.notes, fmt.Sprintf(format, args...))
}

// Default adds a flag, written as in extra_args ("--top-ports", "1000"), unless the caller gave it or
// another of its group. It panics when the table does not take it: that is the author's mistake.
func (j *Job) Default(words ...string) {
	p := parser{table: &j.tool.table, policy: j.Policy}
	if p.parse(words); p.rejected != nil {
		panic(fmt.Sprintf("command: default %q: %v", words, p.rejected))
	}
	for _, o := range p.options {
		if j.clash(o) == nil {
			j.options = append(j.options, o)
			j.Note("added %s: the default when nothing of its kind is given", o)
		}
	}
}

// clash returns the option that keeps o from being given too: the same flag, or another of its group.
func (j *Job) clash(o Option) *Option {
	for i, have := range j.options {
		if have.Flag == o.Flag && !o.Flag.Repeatable || o.Flag.Group != "" && have.Flag.Group == o.Flag.Group {
			return &j.options[i]
		}
	}
	return nil
}

// prepare makes the arguments of the program (argv[1:]) out of a request, for Plan and for Call alike.
// The job is there even when the request is refused, with what was understood.
//
//	arguments   fit the schema; the target is the pinned one
//	read        template and extra_args by the table, into options
//	conflicts   between options
//	Defaults    the author's
//	Validate    the author's
//	gate        a gated option needs allow_intrusive; last: what is wrong anyway is called wrong
//	argv        Fixed, options, "--", target
func (t *Tool) prepare(policy sdk.Policy, r sdk.Request) (*Job, []string, error) {
	j := &Job{tool: t, Policy: policy}
	steps := []func() error{
		func() error { return j.arguments(r) },
		j.read,
		j.conflicts,
		func() error { return j.hooks(t.def) },
		j.gate,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return j, nil, err
		}
	}
	return j, t.argv(j), nil
}

func (j *Job) arguments(r sdk.Request) error {
	if err := j.tool.schemas.input.Check(r.Arguments); err != nil {
		return sdk.Errorf(sdk.KindValidation, "%w", err).
			Suggest("send arguments that fit the input schema of %s", j.tool.def.Name)
	}
	if err := json.Unmarshal(r.Arguments, &j.input); err != nil {
		return sdk.Errorf(sdk.KindValidation, "the arguments are no JSON object: %w", err)
	}
	if j.tool.def.Target == NoTarget {
		return nil
	}
	var ok bool
	if j.Target, ok = r.Target(argTarget); !ok || !j.Target.Prefix.IsValid() {
		return sdk.Errorf(sdk.KindValidation, "the target was not pinned to an address").
			Suggest("call the tool through a host, which holds targets to the scope and resolves them")
	}
	// A network of one address is still written as a network, and no program that wants a host takes it
	// as such.
	if j.tool.def.Target == OneHost && (!j.Target.Prefix.IsSingleIP() || strings.Contains(j.Target.Label, "/")) {
		return sdk.Errorf(sdk.KindValidation, "%s is a network; %s takes one host", j.Target.Label,
			j.tool.def.Name).
			Suggest("name one address of it, without a prefix length")
	}
	return nil
}

// read turns template and extra_args into options.
func (j *Job) read() error {
	var extra, template string
	if _, err := j.Input(argExtra, &extra); err != nil {
		return err
	}
	if _, err := j.Input(argTemplate, &template); err != nil {
		return err
	}
	words, err := j.tool.split(extra, j.Policy)
	if err != nil {
		return err
	}
	given := parser{table: &j.tool.table, policy: j.Policy}
	given.parse(words)
	j.options, j.tokens, j.gated = given.options, given.tokens, given.gated
	if given.rejected != nil {
		return given.rejected
	}
	return j.apply(template)
}

// apply puts the options of a template ahead of those given, where those leave room.
func (j *Job) apply(name string) error {
	i := slices.IndexFunc(j.tool.def.Templates, func(t Template) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	t := parser{table: &j.tool.table, policy: j.Policy}
	if t.parse(strings.Fields(j.tool.def.Templates[i].Flags)); t.rejected != nil {
		return t.rejected
	}
	var kept []Option
	for _, o := range t.options {
		if have := j.clash(o); have != nil {
			j.Note("template %s: %s left out, %s is given", name, o, have)
			continue
		}
		kept = append(kept, o)
	}
	j.Note("template %s: %s", name, j.tool.def.Templates[i].Flags)
	j.options = append(kept, j.options...)
	if j.gated == nil {
		j.gated = t.gated
	}
	return nil
}

// conflicts holds the options to what the table says of pairs.
func (j *Job) conflicts() error {
	for _, o := range j.options {
		if i := slices.IndexFunc(o.Flag.Conflicts, func(n string) bool { return j.Has(n) }); i >= 0 {
			return sdk.Errorf(sdk.KindValidation, "%s and %s cannot stand together", o.Flag.Name, o.Flag.Conflicts[i]).
				Suggest("leave one of them out")
		}
		if need := o.Flag.Requires; len(need) > 0 && !j.Has(need...) {
			return sdk.Errorf(sdk.KindValidation, "%s needs %s", o.Flag.Name, strings.Join(need, " or ")).
				Suggest("add %s, or leave %s out", need[0], o.Flag.Name)
		}
	}
	return nil
}

func (j *Job) hooks(d Definition) error {
	if d.Defaults != nil {
		d.Defaults(j)
	}
	if d.Validate == nil {
		return nil
	}
	err := d.Validate(j)
	if own := (*sdk.Error)(nil); err == nil || errors.As(err, &own) {
		return err
	}
	return sdk.Errorf(sdk.KindValidation, "%w", err)
}

func (j *Job) gate() error {
	if j.Policy.AllowIntrusive {
		return nil
	}
	return j.gated
}

// argv writes the arguments. Exactly one positional argument can come of it: the pinned literal, behind
// "--", so that not even a literal with a leading hyphen, were there one, could be taken for an option.
func (t *Tool) argv(j *Job) []string {
	args := slices.Clone(t.def.Fixed)
	if t.def.Argv != nil {
		args = append(args, t.def.Argv(j)...)
	} else {
		args = append(args, j.Args()...)
	}
	if t.def.Target != NoTarget {
		args = append(args, "--", j.Target.Literal())
	}
	return args
}
