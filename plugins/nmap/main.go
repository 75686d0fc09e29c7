// Command nmap is a Gatehouse plugin that offers NmapTool: host discovery, port scans, service and
// version detection on private networks, by nmap(1).
//
// A host starts it; run by hand it says what it is.
package main

import (
	"fmt"
	"os"

	"github.com/gatehouse-mcp/gatehouse/plugins/nmap/internal/nmap"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	tool, err := nmap.New(nmap.Probe())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(sdk.Main(sdk.Plugin{
		Name: "nmap", Version: version, Tools: []sdk.Tool{tool}, Prompts: nmap.Prompts(),
	}))
}
