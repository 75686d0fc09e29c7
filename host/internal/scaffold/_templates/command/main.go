// Command example-plugin is a Gatehouse plugin that finds the names of an address with getent(1).
package main

import (
	"os"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

type result struct { // untrusted: who runs the address's DNS chooses its names
	Names []sdk.Untrusted `json:"names" jsonschema:"names of the address, the official one first"`
}

var plugin = sdk.Plugin{Name: "example-plugin", Version: "0.1.0", Tools: []sdk.Tool{command.New(command.Definition{
	Definition: sdk.Definition{Name: "ExamplePluginTool", Title: "Names of an address",
		Annotations: sdk.Annotations{ReadOnly: true, OpenWorld: true},
		Description: "Finds the names of one address, in /etc/hosts and in DNS. None is an ordinary result."},
	Program: command.Program{Name: "getent", Install: "apt-get install libc-bin"},
	Target:  command.OneHost,
	Flags:   []command.Flag{{Name: "-s", Value: command.Enum("files", "dns"), About: "where to look"}},
	Fields:  []command.Field{{Name: "source", Flag: "-s"}}, // the same as an argument: people need no flags
	Fixed:   []string{"hosts"},
	Output:  result{},
	Open: func(*command.Job, func(sdk.Progress)) command.Reader {
		r := result{Names: []sdk.Untrusted{}}
		return command.Reader{Stdout: command.Lines(4<<10, func(line string) {
			for i, word := range strings.Fields(line) {
				if i > 0 && len(r.Names) < 100 { // the first is the address
					r.Names = append(r.Names, sdk.Untrusted(word))
				}
			}
		}), Data: func(sandbox.Outcome) (any, error) { return r, nil }}
	},
})}}

func main() { os.Exit(sdk.Main(plugin)) }
