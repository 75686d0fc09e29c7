package cookbook

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

type portInput struct {
	Target string `json:"target" jsonschema:"host to connect to"`
	Ports  []int  `json:"ports" jsonschema:"TCP ports to try, 1 to 65535; at most 20"`
}

type portOutput struct {
	Open   []int `json:"open" jsonschema:"ports that accepted a connection"`
	Closed []int `json:"closed" jsonschema:"ports that refused one"`
}

// PortsTool tries TCP ports of one host.
var PortsTool = sdk.Func(sdk.Definition{
	Name:        "PortsTool",
	Description: "Tries TCP ports of one host. For a whole network use NmapTool.",
	Annotations: sdk.Annotations{ReadOnly: true, OpenWorld: true},
	Targets:     []sdk.TargetArgument{{Argument: "target"}},
}, tryPorts)

func tryPorts(ctx context.Context, c *sdk.Call, in portInput) (portOutput, error) {
	out := portOutput{Open: []int{}, Closed: []int{}}
	if len(in.Ports) > 20 {
		return out, sdk.Errorf(sdk.KindValidation, "%d ports; allowed are 20", len(in.Ports)).
			Suggest("ask for the ports that matter, or use NmapTool").With("allowed", 20)
	}
	target, _ := c.Target("target")
	for i, port := range in.Ports {
		c.Progress(sdk.Progress{Task: "connect", Percent: -1, Done: int64(i), Total: int64(len(in.Ports))})
		conn, err := c.DialContext(ctx, "tcp", net.JoinHostPort(target.Literal(), strconv.Itoa(port)))
		switch {
		case err == nil:
			out.Open = append(out.Open, port)
			_ = conn.Close() // nothing was written
		case errors.Is(err, syscall.ECONNREFUSED):
			out.Closed = append(out.Closed, port)
		case ctx.Err() != nil:
			return out, ctx.Err() // timeout or cancelled; what was found is kept
		}
	}
	return out, nil
}
