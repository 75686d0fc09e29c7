package command_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// requestOf is what a host sends: the target is pinned by then.
func requestOf(name, arguments string) sdk.Request {
	r := sdk.Request{Tool: name, Arguments: json.RawMessage(arguments), MaxStdout: 1 << 20, MaxStderr: 1 << 20}
	if strings.Contains(arguments, `"target"`) {
		r.Targets = []sdk.Target{{
			Argument: "target", Label: "db.lab.internal", Prefix: netip.MustParsePrefix("10.0.3.7/32"),
		}}
	}
	return r
}

func serve(tool *command.Tool) *sdk.Handler {
	h, err := sdk.NewHandler(sdk.Plugin{Name: "example", Version: "1.0.0", Tools: []sdk.Tool{tool}})
	if err != nil {
		panic(err)
	}
	return h
}

// plan prints what a tool would run for these arguments, or why it would not.
func plan(tool *command.Tool, arguments string) {
	h := serve(tool)
	defer h.Close()
	p, err := h.Plan(context.Background(), requestOf(tool.Spec().Name, arguments))
	switch {
	case err != nil:
		fmt.Println(err)
	case p.Error != nil && p.Argv == nil:
		fmt.Printf("%s; %s\n", p.Error.Message, p.Error.Suggestion)
	default:
		fmt.Println(strings.Join(append([]string{tool.Spec().Facts.Command}, p.Argv[1:]...), " "))
	}
}

// explain prints what a plan says of each piece.
func explain(tool *command.Tool, arguments string) {
	h := serve(tool)
	defer h.Close()
	p, err := h.Plan(context.Background(), requestOf(tool.Spec().Name, arguments))
	if err != nil {
		fmt.Println(err)
	}
	for _, tok := range p.Tokens {
		fmt.Printf("%s %s: %s\n", tok.Verdict, tok.Text, tok.Why)
	}
}

// call prints what came of a call.
func call(tool *command.Tool, arguments string) {
	h := serve(tool)
	defer h.Close()
	res, err := h.Call(context.Background(), requestOf(tool.Spec().Name, arguments), func(ev sdk.Event) {
		if ev.Exec != nil {
			fmt.Println("runs", tool.Spec().Facts.Command, strings.Join(ev.Exec.Argv[1:], " "))
		}
	})
	fmt.Println(string(res.Data), err)
}

// A tool is the declaration of a program: what it takes, what is added, and what never comes through.
func ExampleNew() {
	tool := command.New(command.Definition{
		Definition: sdk.Definition{Name: "EchoTool", Description: "Says things."},
		Program:    command.Program{Name: "echo", Install: "apt-get install coreutils"},
		Target:     command.OneHost,
		Flags: []command.Flag{
			{Name: "--count", Aliases: []string{"-c"}, Value: command.Int(1, 9), Default: "4", About: "how often"},
			{Name: "--flood", Gated: "it sends without waiting"},
		},
		Fixed: []string{"-n"},
	})
	plan(tool, `{"target": "db.lab.internal"}`)
	plan(tool, `{"target": "db.lab.internal", "extra_args": "-c 2"}`)
	plan(tool, `{"target": "db.lab.internal", "extra_args": "-c 10"}`)
	plan(tool, `{"target": "db.lab.internal", "extra_args": "--flood"}`)
	plan(tool, `{"target": "db.lab.internal", "extra_args": "--write /etc/passwd"}`)
	// Output:
	// echo -n --count 4 -- 10.0.3.7
	// echo -n --count 2 -- 10.0.3.7
	// --count: "10": out of range; allowed is a whole number from 1 to 9
	// --flood needs allow_intrusive, which is off: it sends without waiting; leave it out, or ask the operator to set security.allow_intrusive
	// unknown flag "--write"; the description of extra_args lists all flags
}

// echo is the tool of most examples: a program that prints its arguments.
func echo(change func(*command.Definition)) *command.Tool {
	d := command.Definition{
		Definition: sdk.Definition{Name: "EchoTool", Description: "Says things."},
		Program:    command.Program{Name: "echo", Install: "apt-get install coreutils"},
	}
	change(&d)
	return command.New(d)
}

// A plan says of each piece where it came from.
func ExampleTool_Plan() {
	tool := echo(func(d *command.Definition) {
		d.Target = command.OneHost
		d.Flags = []command.Flag{
			{Name: "-c", Value: command.Int(1, 9), Default: "4", About: "how often"},
			{Name: "-v", About: "more words"},
		}
	})
	explain(tool, `{"target": "db.lab.internal", "extra_args": "-v"}`)
	explain(tool, `{"target": "db.lab.internal", "extra_args": "-v -c 20"}`)
	// Output:
	// accept -v: extra_args: more words
	// accept -c 4: default: how often
	// accept -- 10.0.3.7: argument target: db.lab.internal is pinned to this
	// accept -v: extra_args: more words
	// reject -c 20: -c: "20": out of range
}

func ExampleFind() {
	path, ok := command.Find("sh")
	_, none := command.Find("no-such-program")
	fmt.Println(strings.HasSuffix(path, "/bin/sh"), ok, none)
	// Output: true true false
}

func ExampleNearest() {
	names := func(yield func(string) bool) { _ = yield("http-title") && yield("http-headers") && yield("ssl-cert") }
	fmt.Println(command.Nearest("http-tilte", names))
	// Output: [http-title]
}
