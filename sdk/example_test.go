package sdk_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// A plugin with one tool that tries a TCP port. This is all of its main.go.
func Example() {
	type input struct {
		Target string `json:"target" jsonschema:"host to connect to"`
		Port   uint16 `json:"port" jsonschema:"TCP port, 1 to 65535"`
	}
	type output struct {
		Open bool `json:"open" jsonschema:"whether a connection was made"`
	}
	tool := sdk.Func(sdk.Definition{
		Name:        "PortTool",
		Description: "Tries one TCP port of one host.",
		Annotations: sdk.Annotations{ReadOnly: true, OpenWorld: true},
		Targets:     []sdk.TargetArgument{{Argument: "target"}},
	}, func(ctx context.Context, c *sdk.Call, in input) (output, error) {
		conn, err := c.DialContext(ctx, "tcp", net.JoinHostPort(in.Target, strconv.Itoa(int(in.Port))))
		if sdk.KindOf(err) == sdk.KindOutOfScope {
			return output{}, err
		}
		if err != nil {
			fmt.Fprintln(c.Stdout(), err)
			return output{Open: false}, ctx.Err()
		}
		return output{Open: true}, conn.Close()
	})
	os.Exit(sdk.Main(sdk.Plugin{Name: "port", Version: "1.0.0", Tools: []sdk.Tool{tool}}))
}
