// Command ping is a Gatehouse plugin that offers PingTool: ICMP echo requests to one host, by ping(8)
// of iputils.
//
// A host starts it; run by hand it says what it is.
package main

import (
	"os"

	"github.com/gatehouse-mcp/gatehouse/plugins/ping/internal/ping"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(sdk.Main(sdk.Plugin{
		Name:    "ping",
		Version: version,
		Tools:   []sdk.Tool{ping.Tool()},
		Prompts: ping.Prompts(),
	}))
}
