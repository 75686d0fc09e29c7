package cookbook

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

type kernelOutput struct {
	Text string `json:"text" jsonschema:"which kernel uname(1) says runs on the host's machine"`
}

// KernelTool is a tool written by hand, which runs a program; sdk.Func and command.New make one of less.
type KernelTool struct{}

var _ sdk.Tool = KernelTool{}

// Spec says what the tool is.
func (KernelTool) Spec() sdk.Spec {
	return sdk.Spec{
		Name: "KernelTool", Description: "Says which kernel the host's machine runs.",
		InputSchema:  []byte(`{"type": "object", "additionalProperties": false}`),
		OutputSchema: []byte(`{"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}`),
		Annotations:  sdk.Annotations{ReadOnly: true},
		Facts:        sdk.Facts{Command: "uname"},
	}
}

// Plan says what Call would run.
func (KernelTool) Plan(context.Context, sdk.Env, sdk.Request) (sdk.Plan, error) {
	return sdk.Plan{Verdict: sdk.Accept, Rule: "it has no arguments", Program: "/usr/bin/uname",
		Argv: []string{"/usr/bin/uname"}}, nil
}

// Call runs it: under limits, without rights, and dead with all its children when Run returns.
func (KernelTool) Call(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
	var text strings.Builder
	files := sandbox.SystemFiles()
	emit(sdk.Event{Exec: &sdk.Exec{Program: "/usr/bin/uname", Argv: []string{"/usr/bin/uname"}}})
	out, err := env.Run(ctx, sandbox.Command{
		Path: "/usr/bin/uname", Deadline: r.Deadline, NoNewPrivileges: true, Files: &files,
		Limits: sandbox.DefaultLimits(), StdoutLimit: 4 << 10,
		Stdout: func(p []byte) { text.Write(p) },
	})
	if err != nil {
		return sdk.Result{ReturnCode: -1}, sdk.Errorf(sdk.KindExecution, "uname could not be run: %w", err)
	}
	data, err := json.Marshal(kernelOutput{text.String()})
	return sdk.Result{ReturnCode: out.ExitCode, TimedOut: out.TimedOut, Data: data}, err
}
