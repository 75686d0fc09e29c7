package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// Job is a request understood: what the hooks of a [Definition] work on, and what argv is written from.
type Job struct {
	Target sdk.Target // pinned; zero for a tool without target
	Policy sdk.Policy
	// State is the author's own. What Open puts there, Again, Argv and Operands find during the same call; in a
	// plan, and before Open, it is nil.
	State any

	tool    *Tool
	env     sdk.Env
	request json.RawMessage            // the arguments
	input   map[string]any             // argument -> value, as encoding/json has it
	exact   map[string]json.RawMessage // the same as it was sent; nil: nobody has asked yet
	values  map[string][]Value         // argument with a grammar -> what it means
	options []Option
	off     map[*Flag]string // flag -> the field that is false
	tokens  []sdk.Token      // of words among which one was rejected
	said    []said
	notes   []string
	runs    int // that have begun
}

// Runs is how many runs of the program have begun: 0 in a plan and until the first begins, 2 when the second
// runs.
func (j *Job) Runs() int { return j.runs }

// Pin holds a host that the output of the program named to the scope; see [sdk.Env.Pin].
func (j *Job) Pin(ctx context.Context, text string) (sdk.Target, error) { return j.env.Pin(ctx, text) }

// Option is a flag of the table with its value.
type Option struct {
	Flag  *Flag
	Value Value // zero for a flag without value

	from source
	as   string // what was written, where it was read as the flag; empty: the flag itself
}

// Args writes the option as the program takes it.
func (o Option) Args() []string { return o.appendTo(nil) }

func (o *Option) appendTo(args []string) []string {
	switch {
	case o.Flag.Implied:
		return args
	case o.Value.Text == "":
		return append(args, o.Flag.Name)
	case o.Flag.forms()&Next == 0:
		return append(args, o.Flag.with(o.Value.Text))
	}
	return append(args, o.Flag.Name, o.Value.Text)
}

// String is the option as it stands in argv; one that argv leaves out is empty.
func (o Option) String() string {
	return strings.Join(o.Args(), " ")
}

// Has reports whether one of the flags is given, or was added.
func (j *Job) Has(names ...string) bool {
	for _, name := range names {
		if j.find(j.tool.table.byName[name]) >= 0 {
			return true
		}
	}
	return false
}

// find is the index of a flag's first option, or -1.
func (j *Job) find(f *Flag) int {
	for i := range j.options {
		if j.options[i].Flag == f {
			return i
		}
	}
	return -1
}

// Off reports whether a field of value false keeps a flag out, and which.
func (j *Job) Off(name string) (field string, off bool) {
	field, off = j.off[j.tool.table.byName[name]]
	return field, off
}

// Option returns a flag's option.
func (j *Job) Option(name string) (Option, bool) {
	i := j.find(j.tool.table.byName[name])
	if i < 0 {
		return Option{}, false
	}
	return j.options[i], true
}

// Options returns all options, in the order of argv.
func (j *Job) Options() []Option { return slices.Clone(j.options) }

// Args writes all options in their canonical form, but for those of some flags.
func (j *Job) Args(except ...string) []string {
	return j.appendArgs(make([]string, 0, 2*len(j.options)+8), except) // room for what an author adds
}

func (j *Job) appendArgs(args []string, except []string) []string {
	for i := range j.options {
		if !slices.Contains(except, j.options[i].Flag.Name) {
			args = j.options[i].appendTo(args)
		}
	}
	return args
}

// Input reads an argument into v: a further one, or a field, and reports whether the caller gave it.
func (j *Job) Input(name string, v any) (bool, error) {
	if _, ok := j.input[name]; !ok {
		return false, nil
	}
	if err := json.Unmarshal(j.raw(name), v); err != nil {
		return false, sdk.Errorf(sdk.KindValidation, "argument %s: %w", name, err)
	}
	return true, nil
}

// raw is an argument as it was sent: numbers keep all their digits.
func (j *Job) raw(name string) json.RawMessage {
	if j.exact == nil {
		_ = json.Unmarshal(j.request, &j.exact) // it was an object before
	}
	return j.exact[name]
}

// Note tells the reader of a plan something that was decided for him.
func (j *Job) Note(format string, args ...any) {
	j.notes = append(j.notes, fmt.Sprintf(format, args...))
}

// Default adds a flag, written as in extra_args ("--top-ports", "1000"), unless the caller gave it or
// another of its group, or has switched it off by a field. It panics when the table does not take it: that is
// the author's mistake.
func (j *Job) Default(words ...string) {
	if f := j.tool.table.byName[words[0]]; f != nil && clash(j.options, Option{Flag: f}) != nil {
		return // the usual case; nothing has to be read
	}
	p := parser{table: &j.tool.table, policy: j.Policy, from: source{kind: fromDefault}}
	if p.parse(words); p.rejected != nil {
		panic(fmt.Sprintf("command: default %q: %v", words, p.rejected))
	}
	given := len(j.options)
	for _, o := range p.options {
		if i := j.find(o.Flag); i < 0 || i >= given { // a flag that may be repeated may stand in words twice
			j.add(o)
		}
	}
}

// clash returns the option that keeps o from being given too: the same flag, or another of its group.
func clash(options []Option, o Option) *Option {
	for i := range options {
		have := options[i].Flag
		if have == o.Flag && !o.Flag.Repeatable || o.Flag.Group != "" && have.Group == o.Flag.Group {
			return &options[i]
		}
	}
	return nil
}

// prepare makes the arguments of the program (argv[1:]) out of a request, for Plan and for Call alike.
// The job is there even when the request is refused, with what was understood.
//
//	arguments   fit the schema; the target is the pinned one
//	read        extra_args, fields and template by the table, into options
//	conflicts   between options
//	Defaults    of the table, and the author's; then what an option needs beside it
//	Validate    the author's
//	gate        a gated option needs allow_intrusive; last: what is wrong anyway is called wrong
//	argv        Fixed, options, operands; and whether it says what the job says
func (t *Tool) prepare(env sdk.Env, r sdk.Request) (*Job, line, error) {
	j := &Job{tool: t, Policy: env.Policy, env: env}
	steps := []func() error{
		func() error { return j.arguments(r) },
		j.read,
		j.conflicts,
		func() error { return j.hooks(t.def) },
		j.gate,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return j, line{}, err
		}
	}
	l, err := t.argv(j)
	return j, l, err
}

func (j *Job) arguments(r sdk.Request) error {
	v, err := j.tool.schemas.input.Decode(r.Arguments)
	if err != nil {
		return sdk.Errorf(sdk.KindValidation, "%w", err).
			Suggest("send arguments that fit the input schema of %s", j.tool.def.Name)
	}
	j.request, j.input = r.Arguments, v.(map[string]any) // the schema is that of an object
	if j.tool.def.Target == NoTarget {
		return nil
	}
	j.Target, _ = r.Target(argTarget)
	return j.checkTarget()
}

// checkTarget holds the target to the scope and to its form.
func (j *Job) checkTarget() error {
	if !j.Target.Prefix.IsValid() {
		return sdk.Errorf(sdk.KindValidation, "the target was not pinned to an address").
			Suggest("call the tool through a host, which holds targets to the scope and resolves them")
	}
	if err := j.checkScope(); err != nil {
		return err
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

// checkScope holds the pinned target to the policy once more: the host has done so, with the same rules.
func (j *Job) checkScope() error {
	x := j.Target.Prefix
	p := scope.Policy{Networks: j.Policy.Networks, MaxAddresses: j.Policy.MaxNetworkSize}
	err := p.Admit(scope.Target{Text: j.Target.Literal(), Prefix: x}, scope.OrNetwork)
	refusal := (*scope.Error)(nil)
	switch {
	case errors.As(err, &refusal) && refusal.Reason == scope.Outside:
		return sdk.Errorf(sdk.KindOutOfScope, "%w", err).Suggest("%s", refusal.Suggestion)
	case errors.As(err, &refusal):
		return sdk.Errorf(sdk.KindValidation, "%w", err).Suggest("%s", refusal.Suggestion)
	case err == nil && x != x.Masked():
		return sdk.Errorf(sdk.KindValidation, "the target %s has bits beyond its prefix", x).
			Suggest("pin it to %s", x.Masked())
	}
	return err
}

// read turns extra_args, fields and template into options.
func (j *Job) read() error {
	extra, _ := j.input[argExtra].(string) // by the schema
	template, _ := j.input[argTemplate].(string)
	words, err := j.tool.split(extra, j.Policy)
	if err != nil {
		return err
	}
	given := parser{table: &j.tool.table, policy: j.Policy}
	if given.parse(words); given.rejected != nil {
		given = parser{table: &j.tool.table, policy: j.Policy, telling: true}
		given.parse(words) // once more, for the verdicts
		j.tokens = given.tokens
		return given.rejected
	}
	j.options = given.options
	fields, err := j.readFields(given.options)
	if len(fields) > 0 {
		j.options = append(fields, given.options...)
	}
	if err != nil {
		return err
	}
	if err := j.readInput(); err != nil {
		return err
	}
	return j.apply(template)
}

// apply puts the options of a template ahead of those given, where those leave room.
func (j *Job) apply(name string) error {
	i := slices.IndexFunc(j.tool.def.Templates, func(t Template) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	t := parser{table: &j.tool.table, policy: j.Policy, from: source{kind: fromTemplate, name: name}}
	if t.parse(strings.Fields(j.tool.def.Templates[i].Flags)); t.rejected != nil {
		return t.rejected
	}
	var kept []Option
	for _, o := range t.options {
		if have := cmp.Or(clash(j.options, o), j.excluding(o)); have != nil {
			j.Note("template %s: %s left out, %s is given", name, o, have)
			continue
		}
		if field, off := j.off[o.Flag]; off {
			j.Note("template %s: %s left out, %s is false", name, o, field)
			continue
		}
		kept = append(kept, o)
	}
	j.Note("template %s: %s", name, j.tool.def.Templates[i].Flags)
	j.options = append(kept, j.options...)
	return nil
}

// excluding returns the option with which o cannot stand.
func (j *Job) excluding(o Option) *Option {
	for i := range j.options {
		have := &j.options[i]
		if slices.Contains(have.Flag.conflicts, o.Flag) || slices.Contains(o.Flag.conflicts, have.Flag) {
			return have
		}
	}
	return nil
}

// conflicts holds the options to what the table says of pairs.
func (j *Job) conflicts() error {
	for i := range j.options {
		o := &j.options[i]
		for _, f := range o.Flag.conflicts {
			if k := j.find(f); k >= 0 {
				return sdk.Errorf(sdk.KindValidation, "%s and %s cannot stand together", o.called(),
					j.options[k].called()).
					Suggest("leave one of them out")
			}
		}
	}
	return nil
}

// requirements are what options need beside them, which a default may be.
func (j *Job) requirements() error {
	for i := range j.options {
		o := &j.options[i]
		if need := o.Flag.Requires; len(need) > 0 && !j.Has(need...) {
			return sdk.Errorf(sdk.KindValidation, "%s needs %s", o.called(), strings.Join(need, " or ")).
				Suggest("add %s, or leave %s out", need[0], o.called())
		}
	}
	return nil
}

func (j *Job) hooks(d Definition) error {
	if err := j.defaults(); err != nil {
		return err
	}
	if d.Defaults != nil {
		d.Defaults(j)
	}
	if err := j.requirements(); err != nil {
		return err
	}
	j.order()
	if d.Validate == nil {
		return nil
	}
	err := d.Validate(j)
	if own := (*sdk.Error)(nil); err == nil || errors.As(err, &own) {
		return err
	}
	return sdk.Errorf(sdk.KindValidation, "%w", err)
}

// gate refuses the first option that needs allow_intrusive, where that is off.
func (j *Job) gate() error {
	if j.Policy.AllowIntrusive {
		return nil
	}
	for i := range j.tool.inputs {
		name := j.tool.inputs[i].name
		for _, v := range j.values[name] {
			if v.Gated != "" {
				return sdk.Errorf(sdk.KindIntrusiveDenied, "argument %s needs allow_intrusive, which is off: %s", name,
					v.Gated).
					Suggest("give another value, or ask the operator to set security.allow_intrusive")
			}
		}
	}
	for i := range j.options {
		o := &j.options[i]
		if why := o.gatedBy(); why != "" {
			return sdk.Errorf(sdk.KindIntrusiveDenied, "%s needs allow_intrusive, which is off: %s", o.written(),
				why).
				Suggest("leave it out, or ask the operator to set security.allow_intrusive")
		}
	}
	return nil
}
