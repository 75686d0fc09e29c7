// Command labplugin is a plugin for the tests and the benchmark of the whole program: tools that cost
// nothing, that print without end, that talk, and that leave children behind.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// Many calls at a time: what is measured is the way, not the queue.
const concurrency = 64

func main() {
	os.Exit(sdk.Main(sdk.Plugin{
		Name: "lab", Version: "1.0.0",
		Tools:  append(talking(), noop(), runTrue(), flood(), tree(), crash(), prints(), stray(), own()),
		Probes: []sdk.Probe{{Name: "stock", Priority: sdk.Important, Run: stock}},
	}))
}

// stock is a check of the plugin's own: it finds what its section of the configuration says.
func stock(_ context.Context, env sdk.Env) (string, error) {
	var own struct{ Stock string }
	if len(env.Policy.Config) > 0 {
		if err := json.Unmarshal(env.Policy.Config, &own); err != nil {
			return "", err
		}
	}
	if own.Stock == "low" {
		return "", sdk.Degraded(sdk.Errorf(sdk.KindExecution, "the stock is low").Suggest("order more"))
	}
	return "enough in stock", nil
}

type nothing struct {
	Text string `json:"text,omitempty" jsonschema:"comes back as it is"`
}

type answer struct {
	OK   bool   `json:"ok"`
	Text string `json:"text,omitempty"`
}

func noop() sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name: "NoopTool", Description: "Does nothing, at once.", Concurrency: concurrency,
	}, func(_ context.Context, _ *sdk.Call, in nothing) (answer, error) {
		return answer{OK: true, Text: in.Text}, nil
	})
}

func runTrue() sdk.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{
			Name: "TrueTool", Description: "Runs true(1) in the sandbox.", Concurrency: concurrency,
		},
		Program: command.Program{Name: "true", Install: "apt-get install coreutils"},
	})
}

// flood prints as many bytes as it is told.
func flood() sdk.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{Name: "FloodTool", Description: "Prints zeros.", Concurrency: concurrency},
		Program:    command.Program{Name: "head", Install: "apt-get install coreutils"},
		Flags: []command.Flag{
			{Name: "-c", Value: command.Int(0, 1<<40), About: "bytes"},
		},
		Argv:  func(j *command.Job) []string { return append(j.Args(), "/dev/zero") },
		Reads: []string{"/dev/zero"},
	})
}

// tree leaves its session with a child that sleeps, deaf to SIGTERM, and waits for it. The seconds make the
// process recognisable.
func tree() sdk.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{
			Name: "TreeTool", Description: "Sleeps in another session.", Concurrency: concurrency,
			DefaultTimeout: 10 * time.Minute,
		},
		Program: command.Program{Name: "setsid", Install: "apt-get install util-linux"},
		Flags: []command.Flag{
			{Name: "-s", Value: command.Int(1, 1<<30), About: "seconds, which also mark the process"},
		},
		Argv: func(j *command.Job) []string {
			args := strings.Fields(strings.Join(j.Args(), " "))
			return []string{"--fork", "--wait", "env", "--ignore-signal=TERM", "sleep", args[len(args)-1]}
		},
		Executes: []string{"/usr/bin/env", "/usr/bin/sleep", "/bin/sleep"},
	})
}

// crash ends the plugin in the middle of a call.
func crash() sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name: "CrashTool", Description: "Ends its own plugin.", Concurrency: concurrency,
	}, func(context.Context, *sdk.Call, nothing) (answer, error) {
		os.Exit(3)
		return answer{}, nil
	})
}

// prints writes where it should not: to the standard streams of its plugin, and in the forms of a protocol.
func prints() sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name: "PrintTool", Description: "Prints to the plugin's own streams.", Concurrency: concurrency,
	}, func(context.Context, *sdk.Call, nothing) (answer, error) {
		fmt.Println("a line that nobody asked for")
		fmt.Fprintln(os.Stderr, `{"jsonrpc":"2.0","id":2,"result":{}}`)
		return answer{OK: true}, nil
	})
}
