package sdk_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// echoTool is written by hand: it runs one program, and is intrusive for one argument.
type echoTool struct{ words []string }

func (t echoTool) Spec() sdk.Spec {
	return sdk.Spec{Name: "EchoTool", Description: "Prints words.", InputSchema: []byte(`{"type": "object"}`)}
}

func (t echoTool) Check() error {
	if len(t.words) == 0 {
		return errors.New("tool EchoTool: there are no words")
	}
	return nil
}

func (t echoTool) Probes() []sdk.Probe {
	return []sdk.Probe{{Name: "words", Run: func(context.Context, sdk.Env) (string, error) {
		return fmt.Sprintf("there are %d words", len(t.words)), nil
	}}}
}

func (t echoTool) Plan(_ context.Context, env sdk.Env, _ sdk.Request) (sdk.Plan, error) {
	path, _ := env.Find("echo") // in a test what stands in for it
	return sdk.Plan{
		Verdict: sdk.Accept, Rule: "it takes no arguments", Program: path, Argv: append([]string{path}, t.words...),
	}, nil
}

func (t echoTool) Call(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
	path, ok := env.Find("echo")
	if !ok {
		return sdk.Result{}, sdk.Errorf(sdk.KindNotFound, "echo is not installed").Suggest("apt-get install coreutils")
	}
	files := sandbox.SystemFiles()
	emit(sdk.Event{Exec: &sdk.Exec{Program: path, Argv: append([]string{path}, t.words...)}})
	out, err := env.Run(ctx, sandbox.Command{
		Path: path, Args: t.words, NoNewPrivileges: true, Files: &files, Deadline: r.Deadline,
		Stdout: func(p []byte) { emit(sdk.Event{Output: &sdk.Output{Stream: sdk.Stdout, Data: p}}) },
	})
	return sdk.Result{ReturnCode: out.ExitCode}, err
}

// A tool that is written by hand, for what neither Func nor package command can do.
func ExampleTool() {
	h, err := sdk.NewHandler(sdk.Plugin{Name: "echo", Version: "1.0.0", Tools: []sdk.Tool{echoTool{[]string{"hello"}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	res, err := h.Call(context.Background(), sdk.Request{Tool: "EchoTool", MaxStdout: 100}, printEvent)
	fmt.Println(res.ReturnCode, err)
	// Output:
	// hello
	// 0 <nil>
}

func ExampleChecker() {
	_, err := sdk.NewHandler(sdk.Plugin{Name: "echo", Version: "1.0.0", Tools: []sdk.Tool{echoTool{}}})
	fmt.Println(err)
	// Output:
	// plugin echo: tool EchoTool: there are no words
}

func ExampleProber() {
	h, err := sdk.NewHandler(sdk.Plugin{Name: "echo", Version: "1.0.0", Tools: []sdk.Tool{echoTool{[]string{"hello"}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	checks, err := h.CheckHealth(context.Background())
	fmt.Println(checks[0].Name, checks[0].Status, checks[0].Message, err)
	// Output:
	// words healthy there are 1 words <nil>
}

func ExampleEnv_Pin() {
	env := sdk.Env{Policy: sdk.DefaultPolicy()} // a tool gets one with each call
	for _, host := range []string{"10.0.3.7", "192.0.2.1", "http://10.0.3.7/"} {
		target, err := env.Pin(context.Background(), host)
		if err != nil {
			fmt.Println(sdk.KindOf(err))
			continue
		}
		fmt.Println(target.Literal())
	}
	// Output:
	// 10.0.3.7
	// out_of_scope
	// validation_error
}

func ExampleEnv_Confine() {
	env := sdk.Env{Policy: sdk.DefaultPolicy()}
	env.Policy.Require = []string{"no new privileges"}
	_, err := env.Confine(sandbox.Command{Path: "/bin/echo"})
	fmt.Println(sdk.KindOf(err))
	// Output:
	// execution_error
}

func ExampleDefaultPolicy() {
	p := sdk.DefaultPolicy()
	fmt.Println(p.Networks, p.Suffixes, p.MaxNetworkSize, p.AllowIntrusive)
	// Output:
	// [10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8] [lab.internal] 1024 false
}

func ExampleErrorf() {
	err := sdk.Errorf(sdk.KindValidation, "port %d is reserved", 7).Suggest("choose one above 1023").With("port", 7)
	fmt.Println(err.Kind, "-", err, "-", err.Suggestion)
	// Output:
	// validation_error - port 7 is reserved - choose one above 1023
}

func ExampleAsError() {
	fmt.Println(sdk.AsError(context.DeadlineExceeded).Kind, sdk.AsError(errors.New("odd")).Kind)
	// Output:
	// timeout unknown
}

func ExampleKindOf() {
	err := fmt.Errorf("look: %w", sdk.Errorf(sdk.KindNotFound, "there is no database"))
	fmt.Println(sdk.KindOf(err), sdk.KindOf(nil) == "")
	// Output:
	// not_found true
}

func ExampleDegraded() {
	plugin := greeter(func(context.Context, *sdk.Call, greetIn) (greetOut, error) { return greetOut{}, nil })
	plugin.Probes = []sdk.Probe{{Name: "names", Run: func(context.Context, sdk.Env) (string, error) {
		return "", sdk.Degraded(sdk.Errorf(sdk.KindExecution, "the names are 40 days old").Suggest("names-update"))
	}}}
	h, err := sdk.NewHandler(plugin)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	checks, _ := h.CheckHealth(context.Background())
	fmt.Println(checks[0].Status, "-", checks[0].Message, "-", checks[0].Fix)
	// Output:
	// degraded - the names are 40 days old - names-update
}

func ExampleEnv_Find() {
	var env sdk.Env // a tool gets one with each call
	path, ok := env.Find("no-such-program")
	fmt.Printf("%q %t\n", path, ok)
	// Output:
	// "" false
}
