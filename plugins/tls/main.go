// Command tls is a Gatehouse plugin that offers TLSTool: the certificates of a TLS service, and which
// versions and cipher suites it offers.
//
// A host starts it; run by hand it says what it is.
package main

import (
	"os"

	"github.com/gatehouse-mcp/gatehouse/plugins/tls/internal/probe"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(sdk.Main(sdk.Plugin{
		Name:    "tls",
		Version: version,
		Tools:   []sdk.Tool{probe.Tool()},
		Prompts: probe.Prompts(),
	}))
}
