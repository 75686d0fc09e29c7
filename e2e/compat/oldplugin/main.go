// Command oldplugin is a plugin as somebody wrote it when the sdk was new: it is built against the oldest
// sdk that speaks protocol 1, which lies in ../testdata/mirror. Leave it as it is: what it says is what
// plugins out there say.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

func main() {
	os.Exit(sdk.Main(sdk.Plugin{Name: "old", Version: "0.1.0", Tools: []sdk.Tool{port(), wait(), sleep()}}))
}

type input struct {
	Target string `json:"target" jsonschema:"host to connect to"`
	Port   uint16 `json:"port" jsonschema:"TCP port, 1 to 65535"`
}

type output struct {
	Open    bool   `json:"open" jsonschema:"whether a connection was made"`
	Section string `json:"section,omitempty" jsonschema:"the plugin's own section of the configuration"`
}

// port is a Go function with a target, progress, text and data.
func port() sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name:        "OldPortTool",
		Description: "Tries one TCP port of one host.",
		Annotations: sdk.Annotations{ReadOnly: true, OpenWorld: true},
		Targets:     []sdk.TargetArgument{{Argument: "target"}},
	}, func(ctx context.Context, c *sdk.Call, in input) (output, error) {
		target, _ := c.Target("target")
		addr := net.JoinHostPort(target.Literal(), strconv.Itoa(int(in.Port)))
		fmt.Fprintln(c.Stdout(), "trying", addr, "for", target.Label)
		c.Progress(sdk.Progress{Task: "connect", Percent: 50, Done: 1, Total: 2, Message: "connecting"})
		out := output{Section: string(c.Policy().Config)}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
		if err != nil {
			return out, ctx.Err()
		}
		out.Open = true
		return out, conn.Close()
	})
}

type nothing struct{}

// wait does nothing until it is told to end.
func wait() sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name: "OldWaitTool", Description: "Waits until it is cancelled, or its time is over.",
	}, func(ctx context.Context, c *sdk.Call, _ nothing) (nothing, error) {
		fmt.Fprintln(c.Stdout(), "waiting")
		<-ctx.Done()
		return nothing{}, ctx.Err()
	})
}

// sleep runs a program, and gates one of its flags.
func sleep() sdk.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{Name: "OldSleepTool", Description: "Sleeps."},
		Program:    command.Program{Name: "sleep", Install: "apt-get install coreutils"},
		Flags: []command.Flag{
			{Name: "-s", Value: command.Int(0, 1<<30), About: "seconds"},
			{Name: "-x", Gated: "it is a test of gates"},
		},
		Argv: func(j *command.Job) []string {
			fields := strings.Fields(strings.Join(j.Args(), " "))
			return fields[len(fields)-1:]
		},
	})
}
