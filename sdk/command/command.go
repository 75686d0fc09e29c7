// Package command makes a tool of a command-line program, safely and by declaration. What a caller
// writes never reaches the program: it is read by the tool's own table of flags into a typed request, a
// [Job], and argv is written anew from that. Whatever the table does not know is refused. Text is split
// once and never joined again; no shell is involved.
//
//	var Tool = command.New(command.Definition{
//		Definition: sdk.Definition{Name: "PingTool", Description: "...", DefaultTimeout: 30 * time.Second},
//		Program:    command.Program{Name: "ping", Install: "apt-get install iputils-ping"},
//		Target:     command.OneHost,
//		Flags: []command.Flag{
//			{Name: "-c", Value: command.Int(1, 100), About: "number of requests"},
//			{Name: "-f", Gated: "it floods"},
//		},
//		Fixed: []string{"-n"},
//	})
//
// A [Definition] is the whole declaration, a [Flag] one entry of the table, a [Grammar] the form of a
// flag's value. The program runs in the plugin's sandbox; its output flows to the caller as it comes,
// and through a [Reader] of the author's that makes the parsed result of it.
package command

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Form says what the argument `target` may be.
type Form int

// The forms of a target.
const (
	NoTarget      Form = iota // the tool has none
	OneHost                   // one address, or one name that the host resolves
	HostOrNetwork             // or a network
)

// The arguments that a tool of this package has; a [Property] adds others.
const (
	argTarget   = "target"
	argExtra    = "extra_args"
	argTemplate = "template"
)

// defaultBytes is what extra_args may consist of besides blanks: nothing that any shell, or any reader
// of a command line, takes for more than itself.
const defaultBytes = Alphanumeric + ",.:=_/-"

// Definition declares a tool that runs a program. Program and Flags are required, and of the embedded
// definition Name and Description; schemas, Facts, Targets and Intrusive are filled in from the rest.
type Definition struct {
	sdk.Definition

	Program   Program
	Target    Form
	Flags     []Flag     // the table, in the order in which help shows it
	Getopt    *Getopt    // how the program reads its command line; nil: exact spellings alone are taken
	Joined    []string   // prefixes whose letters may be joined: with "-s", -sSV is read as -sS -sV
	Templates []Template // flags under a name
	Fields    []Field    // arguments that are flags in another form
	Input     []Property // further arguments

	Bytes         string // what extra_args may consist of besides blanks; empty: letters, digits and ,.:=_/-
	MaxArgsLength int    // bytes of extra_args, where the policy allows more; 0: what the policy allows

	// Examples are values of extra_args for people and models, which the schema shows; the table takes each.
	Examples []string

	// Fixed are the arguments that come first in every run. They are the author's alone.
	Fixed []string
	// Defaults may add options that the caller left out; nil: none.
	Defaults func(*Job)
	// Validate holds the whole request to rules that no single flag can know. An error that is no
	// *sdk.Error is a validation_error. nil: none.
	Validate func(*Job) error
	// Able says why this machine cannot run a request that policy allows, such as for want of a right; a call is
	// refused with it, and a plan tells it next to the verdict. nil: it always can.
	Able func(*Job) error
	// Argv writes the options, between Fixed and the operands; nil: [Job.Args]. Flags that must stand Last are
	// at the end of Job.Args, and must stay there.
	Argv func(*Job) []string
	// Operands write what stands last, in place of "--" and the pinned target, for a program that wants it in
	// another form, such as a URL: the author's own words, the target's Literal, and what a grammar has read
	// ([Job.Value]). One that begins with a hyphen is not run (unknown: it is the author's bug), unless "--"
	// stands before it. nil: "--" and [sdk.Target.Literal].
	Operands func(*Job) []string
	// Again is asked when a run has ended by itself, with this outcome of that run, and its output has been
	// read. It may change the job for another run, such as its Target, where a redirect leads elsewhere; take
	// that from [Job.Pin]. argv is written anew from the job, which is held once more to the scope, to what
	// excludes what, and to allow_intrusive. There are at most 10 runs, within one deadline and the same caps,
	// each told to the host; a call that a person allowed has one. What was not done for that is in the notes of
	// the metadata, the count of runs is in "runs". An error is treated as one of Reader.Data is. nil: there is
	// one run.
	Again func(ctx context.Context, j *Job, out sandbox.Outcome) (bool, error)

	// Output is a value of the type that Reader.Data returns; its JSON Schema is the tool's. nil: no data.
	Output any
	// Open makes the reader of one run; nil: nothing is parsed. progress may be called from any of its
	// functions.
	Open func(j *Job, progress func(sdk.Progress)) Reader

	// Hide names lines of stdout that no caller wants to see, such as a program's own progress lines; the
	// reader still gets them. Of a line of more than 4 KiB it sees the beginning. nil: none.
	Hide func(line string) bool
	// HideStderr does the same for stderr.
	HideStderr func(line string) bool

	// Probes look at what the tool needs besides its program. Each need has a probe already; one of its name
	// here takes its place.
	Probes []sdk.Probe

	// Without says how the program does without a capability among the needs when it is in these groups, such
	// as by a setting of the kernel; "": in no way. nil: in no way.
	Without func(capability string, groups []int) string

	// DataFiles are the files besides the program that decide what it does, by the program's path; their
	// hashes go into the host's trail with each run. nil: none.
	DataFiles func(program string) []string

	// Reads are files and directories that the program reads besides those of the system that every program
	// needs and its own directory in /usr/share; Executes are programs that it starts, and its interpreter
	// when it is a script. By Landlock it sees nothing else.
	Reads, Executes []string

	// FileCapabilities lets the program gain a capability among the needs that its file carries (setcap,
	// set-user-ID), where this process cannot hand it on and the program cannot do without. It is the last
	// resort: such a run is without no_new_privs, and so without Landlock.
	FileCapabilities bool
}

// Template is a set of flags under a name. Flags that the caller gives win over those of the template.
type Template struct {
	Name  string
	Flags string // as a caller would write them in extra_args
	About string // one clause for people
}

// Field is an argument of its own that stands for a flag, for people and models who would rather not write
// flags: "ports": "22,80" for -p 22,80. A field and its flag, or two that exclude each other, are an error
// when a caller gives both; over a template a field wins, as a flag does.
type Field struct {
	Name string
	Flag string // of the table
	// Schema is the JSON Schema; nil: what the flag's grammar says, with its About. It has a single type: a
	// string, an integer or a number, which is the flag's value; an array of strings, which is joined with
	// commas, or for a Repeatable flag one option of each item; or a boolean for a flag without a value, where
	// false takes it out of a template and of the defaults. A text or an array that is empty says nothing.
	// Without a description it gets one from the flag. It must not have wider bounds than the grammar.
	Schema json.RawMessage
}

// Property is a further argument of the tool.
type Property struct {
	Name     string
	Schema   json.RawMessage // JSON Schema; describe it, people and models read that. nil: that of Value
	Required bool
	// Value reads the argument, as the value of a flag is read: what Argv and Operands write of a caller's text
	// they take from [Job.Value]. Zero: nothing is read but the schema; then a text must have a pattern or an
	// enum in it where there are Operands.
	Value Grammar
}

// Tool is a tool that runs a program.
type Tool struct {
	def       Definition
	spec      sdk.Spec
	table     table
	fieldList []field
	inputs    []argument        // of Definition.Input, those with a grammar
	fixed     []found           // Definition.Fixed as the program reads it; nil without Getopt
	arguments []schema.Property // of the tool, in order
	schemas   schemas
	program   *locator
	files     sandbox.Files
	bytes     byteSet // of extra_args
	digests   digests
	err       error // in the declaration
}

var (
	_ sdk.Tool    = (*Tool)(nil)
	_ sdk.Checker = (*Tool)(nil)
	_ sdk.Prober  = (*Tool)(nil)
)

// New makes a tool. Mistakes in the declaration are reported by [sdk.NewHandler], by way of [Tool.Check].
func New(d Definition) *Tool {
	d.Bytes = cmp.Or(d.Bytes, defaultBytes)
	t := &Tool{def: d, program: newLocator(d.Program), files: d.files(), bytes: newByteSet(d.Bytes)}
	t.err = t.build()
	return t
}

// Check reports the first mistake in the declaration.
func (t *Tool) Check() error { return t.err }

// Spec says what the tool is.
func (t *Tool) Spec() sdk.Spec { return t.spec }

// Plan says what Call would run.
func (t *Tool) Plan(_ context.Context, env sdk.Env, r sdk.Request) (sdk.Plan, error) {
	j, l, err := t.prepare(env, r)
	if err != nil {
		return sdk.Plan{Tokens: j.verdicts(), Notes: j.notes}, err
	}
	p := sdk.Plan{Tokens: j.explain(l), Notes: j.notes}
	path, missing := t.program.find(env)
	if missing != nil {
		path = t.def.Program.Name
		p.Notes = append(p.Notes, missing.Message+"; "+missing.Suggestion)
	} else {
		p.Program = path
		if err := t.able(env, j, &sandbox.Command{Path: path}); err != nil {
			p.Error = sdk.AsError(err)
			p.Notes = append(p.Notes, "cannot run here: "+p.Error.Message+"; "+p.Error.Suggestion)
		}
	}
	p.Verdict, p.Rule = sdk.Accept, "every flag is in the table and within its bounds, and nothing conflicts"
	p.Argv = append([]string{path}, l.words...)
	return p, nil
}
