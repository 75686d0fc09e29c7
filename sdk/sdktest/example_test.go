package sdktest_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// t is that of the test in which the lines of an example stand.
var t = new(printing)

// printing is a test that prints what it has to say, as examples have none.
type printing struct{ testing.TB }

func (*printing) Helper()                     {}
func (*printing) Cleanup(func())              {}
func (*printing) Context() context.Context    { return context.Background() }
func (*printing) Errorf(f string, a ...any)   { fmt.Printf(f+"\n", a...) }
func (p *printing) Fatalf(f string, a ...any) { p.Errorf(f, a...) }

type greeting struct {
	Name string `json:"name"`
}

var greeter = sdk.Plugin{Name: "greeter", Version: "1.0.0", Tools: []sdk.Tool{sdk.Func(sdk.Definition{
	Name: "GreetTool", Description: "Greets somebody.",
}, func(_ context.Context, c *sdk.Call, in greeting) (struct{}, error) {
	c.Logf(sdk.LogInfo, "somebody comes")
	fmt.Fprintln(c.Stdout(), "hello", in.Name)
	return struct{}{}, nil
})}}

var pinger = sdk.Plugin{Name: "pinger", Version: "1.0.0", Tools: []sdk.Tool{command.New(command.Definition{
	Definition: sdk.Definition{Name: "PingTool", Description: "Asks a host for an echo."},
	Program:    command.Program{Name: "ping", Install: "apt-get install iputils-ping"},
	Target:     command.OneHost,
	Flags:      []command.Flag{{Name: "-c", Value: command.Int(1, 100), About: "number of requests"}},
})}}

func ExampleNew() {
	bench := sdktest.New(t, greeter, sdktest.Options{})
	res, err := bench.Call(t.Context(), "GreetTool", `{"name": "Ada"}`)
	fmt.Printf("%q, %v\n", res.Stdout, err)
	_, err = bench.Call(t.Context(), "GreetTool", `{"name": 7}`)
	fmt.Println(sdk.KindOf(err))
	// Output:
	// "hello Ada\n", <nil>
	// validation_error
}

func ExampleBench_Plan() {
	bench := sdktest.New(t, pinger, sdktest.Options{
		Hosts:    map[string][]string{"db.lab.internal": {"10.1.2.3"}},
		Programs: map[string]sdktest.Program{"ping": {Main: func(context.Context, *sdktest.Run) int { return 0 }}},
	})
	plan := bench.Plan("PingTool", `{"target": "db.lab.internal", "extra_args": "-c 3"}`)
	fmt.Println(plan.Verdict, plan.Argv)
	plan = bench.Plan("PingTool", `{"target": "10.1.2.3", "extra_args": "-f"}`)
	fmt.Println(plan.Verdict, plan.Error.Kind)
	// Output:
	// accept [/sdktest/bin/ping -c 3 -- 10.1.2.3]
	// reject validation_error
}

func ExampleBench_Logged() {
	bench := sdktest.New(t, greeter, sdktest.Options{})
	_, _ = bench.Call(t.Context(), "GreetTool", `{"name": "Ada"}`)
	fmt.Println(bench.Logged()[0].Message)
	// Output:
	// somebody comes
}

// Nothing is started: a function is called in the place of the program.
func ExampleProgram() {
	bench := sdktest.New(t, pinger, sdktest.Options{Programs: map[string]sdktest.Program{
		"ping": {Main: func(_ context.Context, run *sdktest.Run) int {
			fmt.Fprintln(run.Stdout, "64 bytes from", run.Argv[len(run.Argv)-1])
			return 0
		}},
	}})
	res, err := bench.Call(t.Context(), "PingTool", `{"target": "127.0.0.1", "extra_args": "-c 1"}`)
	fmt.Printf("%q, %d, %v\n", res.Stdout, res.ReturnCode, err)
	// Output:
	// "64 bytes from 127.0.0.1\n", 0, <nil>
}

// The zero Program is one that is not installed.
func ExampleProgram_missing() {
	bench := sdktest.New(t, pinger, sdktest.Options{Programs: map[string]sdktest.Program{"ping": {}}})
	_, err := bench.Call(t.Context(), "PingTool", `{"target": "127.0.0.1"}`)
	fmt.Println(sdk.KindOf(err), "-", err)
	// Output:
	// not_found - the program ping is not installed
}

func ExampleRun_KilledBy() {
	bench := sdktest.New(t, pinger, sdktest.Options{Programs: map[string]sdktest.Program{
		"ping": {Main: func(_ context.Context, run *sdktest.Run) int { return run.KilledBy(syscall.SIGSEGV) }},
	}})
	_, err := bench.Call(t.Context(), "PingTool", `{"target": "127.0.0.1"}`)
	fmt.Println(sdk.KindOf(err), "-", err)
	// Output:
	// execution_error - ping was ended by a signal: segmentation fault
}

// What stands in the test of a plugin.
func ExampleConformance() {
	_ = func(t *testing.T) { // TestConformance
		sdktest.Conformance(t, greeter, sdktest.Sample{Tool: "GreetTool", Quick: `{"name": "Ada"}`})
	}
}
