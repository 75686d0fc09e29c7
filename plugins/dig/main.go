// Command dig is a Gatehouse plugin that offers DigTool: DNS lookups at one name server, by dig(1) of BIND.
//
// A host starts it; run by hand it says what it is.
package main

import (
	"os"

	"github.com/gatehouse-mcp/gatehouse/plugins/dig/internal/dig"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(sdk.Main(sdk.Plugin{
		Name:    "dig",
		Version: version,
		Tools:   []sdk.Tool{dig.Tool()},
		Prompts: dig.Prompts(),
	}))
}
