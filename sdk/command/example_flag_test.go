package command_test

import (
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// What a flag of the table can say.
func ExampleFlag() {
	tool := echo(func(d *command.Definition) {
		d.Flags = []command.Flag{
			{Name: "--tcp", Aliases: []string{"-t"}, Group: "protocol"},
			{Name: "--udp", Aliases: []string{"-u"}, Group: "protocol", Default: command.On},
			{Name: "--port", Value: command.Int(1, 65535), Requires: []string{"--tcp"}},
			{Name: "--fast", Conflicts: []string{"--wait"}},
			{Name: "--wait", Value: command.Decimal(0.1, 60)},
			{Name: "-T", Value: command.Enum("1", "2"), Write: command.Attached, Gated: "it is loud"},
			{Name: "--header", Value: command.Text(command.Alphanumeric, 9), Repeatable: true},
			{Name: "--output", Refused: "files are the host's"},
			{Name: "--stop", Last: true},
		}
	})
	plan(tool, `{}`)
	plan(tool, `{"extra_args": "--stop -t --port=80 --header a --header b"}`)
	plan(tool, `{"extra_args": "--port 80"}`)
	plan(tool, `{"extra_args": "-t -u"}`)
	plan(tool, `{"extra_args": "--fast --wait 1"}`)
	plan(tool, `{"extra_args": "-T2"}`)
	plan(tool, `{"extra_args": "--output x"}`)
	plan(tool, `{"extra_args": "--wai 1"}`)
	// Output:
	// echo --udp
	// echo --tcp --port 80 --header a --header b --stop
	// --port needs --tcp; add --tcp, or leave --port out
	// --tcp and --udp exclude each other: only one protocol can be given; choose one of them
	// --fast and --wait cannot stand together; leave one of them out
	// -T2 needs allow_intrusive, which is off: it is loud; leave it out, or ask the operator to set security.allow_intrusive
	// --output is not allowed: files are the host's; leave it out
	// unknown flag "--wai": it is short for --wait; write --wait in full; flags are not abbreviated
}

// A template is a set of flags under a name; what the caller gives wins.
func ExampleTemplate() {
	tool := echo(func(d *command.Definition) {
		d.Flags = []command.Flag{{Name: "-c", Value: command.Int(1, 9)}, {Name: "-v"}}
		d.Templates = []command.Template{{Name: "long", Flags: "-c 9 -v", About: "as much as there is"}}
	})
	plan(tool, `{"template": "long"}`)
	plan(tool, `{"template": "long", "extra_args": "-c 2"}`)
	// Output:
	// echo -c 9 -v
	// echo -v -c 2
}

// A field is a flag in the form of an argument. Its JSON Schema comes from the flag's grammar.
func ExampleField() {
	tool := echo(func(d *command.Definition) {
		d.Flags = []command.Flag{
			{Name: "-c", Value: command.Int(1, 9), About: "how often"},
			{Name: "-H", Value: command.Header(80), Repeatable: true, About: "header of the request"},
			{Name: "-v", Default: command.On},
		}
		d.Fields = []command.Field{
			{Name: "count", Flag: "-c"}, {Name: "headers", Flag: "-H"}, {Name: "verbose", Flag: "-v"},
		}
	})
	plan(tool, `{"count": 3, "headers": ["Accept: text/html", "X-Test: 1"]}`)
	plan(tool, `{"verbose": false}`)
	plan(tool, `{"count": 3, "extra_args": "-c 4"}`)
	// Output:
	// echo -c 3 -H Accept: text/html -H X-Test: 1 -v
	// echo
	// count and -c are both given: they say the same thing; choose one: leave out count, or -c
}

// A property is a further argument. With a grammar it is read, and can become part of argv.
func ExampleProperty() {
	tool := echo(func(d *command.Definition) {
		d.Input = []command.Property{{Name: "path", Value: command.Text(command.Alphanumeric+"/._-", 64)}}
		d.Target = command.OneHost
		d.Operands = func(j *command.Job) []string {
			path, _ := j.Value("path")
			return []string{"http://" + j.Target.Literal() + "/" + path.Text}
		}
	})
	plan(tool, `{"target": "db.lab.internal", "path": "a/b.html"}`)
	plan(tool, `{"target": "db.lab.internal", "path": "a b"}`)
	// Output:
	// echo http://10.0.3.7/a/b.html
	// argument path: pattern: "a b" does not match regular expression "^[A-Za-z0-9/\\._\\-]*$"; send arguments that fit the input schema of EchoTool
}

// How the program itself reads its command line: then callers may write what it takes.
func ExampleGetopt() {
	tool := echo(func(d *command.Definition) {
		d.Getopt = &command.Getopt{
			Short: "c:nvV", Long: []string{"count:", "verbose", "version"},
			Same: map[string]string{"count": "c", "verbose": "v", "version": "V"},
		}
		d.Flags = []command.Flag{
			{Name: "--count", Aliases: []string{"-c"}, Value: command.Int(1, 9)},
			{Name: "--verbose", Aliases: []string{"-v"}}, {Name: "-n"},
		}
	})
	plan(tool, `{"extra_args": "--cou=5 --verb"}`)
	plan(tool, `{"extra_args": "-nvc5"}`)
	plan(tool, `{"extra_args": "--ver"}`)
	plan(tool, `{"extra_args": "--vers"}`)
	explain(tool, `{"extra_args": "--verb"}`)
	// Output:
	// echo --count 5 --verbose
	// echo -n --verbose --count 5
	// "--ver" is ambiguous: it may mean --verbose or --version; write the one that is meant in full
	// --vers is read as --version; --version is not among the flags that are taken here; the description of extra_args lists all flags
	// accept --verbose: extra_args: --verbose is in the table; --verb is read as --verbose
}
