// Command example-plugin is a Gatehouse plugin that tries one TCP port of one host.
package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// input are the arguments of the tool; its JSON Schema follows from the type.
type input struct {
	Target string `json:"target" jsonschema:"host to connect to: an address or a name in scope"`
	Port   uint16 `json:"port" jsonschema:"TCP port, 1 to 65535"`
}

// output is the tool's data.
type output struct {
	Open         bool    `json:"open" jsonschema:"whether a connection was made"`
	Milliseconds float64 `json:"milliseconds" jsonschema:"how long that took"`
}

var plugin = sdk.Plugin{Name: "example-plugin", Version: "0.1.0", Tools: []sdk.Tool{sdk.Func(sdk.Definition{
	Name: "ExamplePluginTool", Title: "Try a port",
	Description:    "Tries one TCP port of one host. A closed port is an ordinary result.",
	Annotations:    sdk.Annotations{ReadOnly: true, OpenWorld: true},
	Targets:        []sdk.TargetArgument{{Argument: "target"}},
	DefaultTimeout: 10 * time.Second,
}, try)}}

func try(ctx context.Context, c *sdk.Call, in input) (output, error) {
	if in.Port == 0 {
		return output{}, sdk.Errorf(sdk.KindValidation, "port 0 is none").Suggest("choose one from 1 to 65535")
	}
	begun := time.Now()
	// The call dials what the host has pinned and held to the scope, and nothing else.
	conn, err := c.DialContext(ctx, "tcp", net.JoinHostPort(in.Target, strconv.Itoa(int(in.Port))))
	out := output{Open: err == nil, Milliseconds: float64(time.Since(begun).Microseconds()) / 1000}
	if err != nil {
		return out, ctx.Err() // closed: an answer. Past the deadline: an error
	}
	return out, conn.Close()
}

func main() { os.Exit(sdk.Main(plugin)) }
