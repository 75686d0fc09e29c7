// Command traceroute is a Gatehouse plugin that offers TracerouteTool: the path to one host, by traceroute(8)
// for Linux.
//
// A host starts it; run by hand it says what it is.
package main

import (
	"os"

	"github.com/gatehouse-mcp/gatehouse/plugins/traceroute/internal/traceroute"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(sdk.Main(sdk.Plugin{
		Name:    "traceroute",
		Version: version,
		Tools:   []sdk.Tool{traceroute.Tool()},
		Prompts: traceroute.Prompts(),
	}))
}
