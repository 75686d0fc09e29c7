package command_test

import (
	"context"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// The hooks of a definition work on the job: the request, understood.
func ExampleJob() {
	tool := echo(func(d *command.Definition) {
		d.Flags = []command.Flag{
			{Name: "-c", Value: command.Int(1, 100)}, {Name: "-i", Value: command.Decimal(0.2, 60)}, {Name: "-q"},
		}
		d.Fields = []command.Field{{Name: "quiet", Flag: "-q"}}
		d.Defaults = func(j *command.Job) {
			if !j.Has("-i") {
				j.Default("-c", "4")
			}
			if field, off := j.Off("-q"); off {
				j.Note("%s is false: everything is printed", field)
			}
		}
		d.Validate = func(j *command.Job) error {
			count, _ := j.Option("-c")
			wait, ok := j.Option("-i")
			if seconds := count.Value.Number * wait.Value.Number; ok && seconds > 300 {
				return sdk.Errorf(sdk.KindValidation, "this takes %v s; allowed are 300", seconds).Suggest("ask for less")
			}
			return nil
		}
		d.Argv = func(j *command.Job) []string {
			j.Explain("no run goes on for ever", "-w", "300")
			return append(j.Args("-q"), "-w", "300")
		}
	})
	plan(tool, `{}`)
	plan(tool, `{"extra_args": "-c 100 -i 60"}`)
	explain(tool, `{"quiet": false}`)
	// Output:
	// echo -c 4 -w 300
	// this takes 6000 s; allowed are 300; ask for less
	// accept -c 4: default: -c is in the table
	// accept -w 300: no run goes on for ever
}

func ExampleJob_Input() {
	tool := echo(func(d *command.Definition) {
		d.Input = []command.Property{{Name: "tries", Schema: []byte(`{"type": "integer", "minimum": 1, "maximum": 5}`)}}
		d.Argv = func(j *command.Job) []string {
			tries := 2
			if _, err := j.Input("tries", &tries); err != nil {
				panic(err) // it fits the schema
			}
			return []string{fmt.Sprintf("+tries=%d", tries)}
		}
	})
	plan(tool, `{"tries": 3}`)
	plan(tool, `{}`)
	// Output:
	// echo +tries=3
	// echo +tries=2
}

func ExampleJob_Values() {
	tool := echo(func(d *command.Definition) {
		d.Input = []command.Property{{
			Name: "names", Value: command.Name(),
			Schema: []byte(`{"type": "array", "items": {"type": "string"}, "maxItems": 4, "description": "Names."}`),
		}}
		d.Operands = func(j *command.Job) (words []string) {
			for _, v := range j.Values("names") {
				words = append(words, v.Text)
			}
			return words
		}
	})
	plan(tool, `{"names": ["a.test", "B.test"]}`)
	plan(tool, `{"names": ["-x"]}`)
	// Output:
	// echo a.test b.test
	// argument names: "-x" begins with a hyphen, as flags do; give the value alone, without a hyphen; allowed is a name of letters, digits, hyphens and dots, at most 253 bytes
}

func ExampleOption_Args() {
	tool := echo(func(d *command.Definition) {
		d.Flags = []command.Flag{{Name: "-c", Value: command.Int(1, 9)}, {Name: "-v"}}
		d.Argv = func(j *command.Job) (args []string) {
			for _, o := range j.Options() {
				args = append(args, append([]string{"--arg"}, o.Args()...)...)
			}
			return args
		}
	})
	plan(tool, `{"extra_args": "-v -c5"}`)
	// Output:
	// echo --arg -v --arg -c 5
}

type report struct {
	Lines []string `json:"lines"`
}

// A reader makes the data of what the program prints.
func ExampleReader() {
	tool := echo(func(d *command.Definition) {
		d.Fixed = []string{"-e", `one\ntwo`}
		d.Output = report{}
		d.Open = func(_ *command.Job, progress func(sdk.Progress)) command.Reader {
			var r report
			return command.Reader{
				Stdout: command.Lines(4<<10, func(line string) {
					r.Lines = append(r.Lines, line)
					progress(sdk.Progress{Task: "echo", Percent: -1, Done: int64(len(r.Lines))})
				}),
				Data: func(sandbox.Outcome) (any, error) { return r, nil },
			}
		}
	})
	call(tool, `{}`)
	// Output:
	// runs echo -e one\ntwo
	// {"lines":["one","two"]} <nil>
}

func ExampleLines() {
	write := command.Lines(8, func(line string) { fmt.Printf("%q\n", line) })
	write([]byte("one\ntw"))
	write([]byte("o\nthree is too long\nfour"))
	// Output:
	// "one"
	// "two"
	// "three is"
}

// Where the output leads on, Again changes the job for another run. What the reader learned comes to it by
// the job's State. The next target is pinned: it stays in scope.
func ExampleDefinition_again() {
	tool := echo(func(d *command.Definition) {
		d.Target = command.OneHost
		d.Operands = func(j *command.Job) []string { return []string{"http://" + j.Target.Literal() + "/"} }
		d.Output = report{}
		d.Open = func(j *command.Job, _ func(sdk.Progress)) command.Reader {
			var r report
			next := []string{"10.0.3.8", "192.0.2.1"} // what a program would print
			j.State = func() string { return next[j.Runs()-1] }
			return command.Reader{
				Stdout: command.Lines(4<<10, func(line string) { r.Lines = append(r.Lines, line) }),
				Next:   func(run int) { r.Lines = append(r.Lines, fmt.Sprint("run ", run)) },
				Data:   func(sandbox.Outcome) (any, error) { return r, nil },
			}
		}
		d.Again = func(ctx context.Context, j *command.Job, _ sandbox.Outcome) (bool, error) {
			target, err := j.Pin(ctx, j.State.(func() string)())
			if sdk.KindOf(err) == sdk.KindOutOfScope {
				j.Note("not followed: %v", err)
				return false, nil
			}
			j.Target = target
			return err == nil, err
		}
	})
	call(tool, `{"target": "db.lab.internal"}`)
	// Output:
	// runs echo http://10.0.3.7/
	// runs echo http://10.0.3.8/
	// {"lines":["http://10.0.3.7/","run 2","http://10.0.3.8/"]} <nil>
}
