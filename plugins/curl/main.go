// Command curl is a Gatehouse plugin that offers CurlTool: HTTP requests to one host, by curl(1).
//
// A host starts it; run by hand it says what it is.
package main

import (
	"os"

	"github.com/gatehouse-mcp/gatehouse/plugins/curl/internal/curl"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(sdk.Main(sdk.Plugin{
		Name:    "curl",
		Version: version,
		Tools:   []sdk.Tool{curl.Tool()},
		Prompts: curl.Prompts(),
	}))
}
