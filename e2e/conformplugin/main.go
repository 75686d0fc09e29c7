// Command conformplugin is the plugin that the MCP conformance suite and the clients of e2e/clients are run with. Its
// tools and prompts have the names that the suite asks for, and are written against the sdk alone, as anybody's are.
//
// Under a name that begins with "spare" it is another plugin: one that comes and goes while clients listen.
package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// concurrency is that of every tool: what is tried is the way of a call, not the queue.
const concurrency = 32

func main() {
	p := fixture()
	if strings.HasPrefix(filepath.Base(os.Args[0]), "spare") {
		p = spare()
	}
	os.Exit(sdk.Main(p))
}

func fixture() sdk.Plugin {
	return sdk.Plugin{
		Name: "conformance", Version: "1.0.0",
		Tools:   slices.Concat(contentTools(), livelyTools(), askingTools(), schemaTools(), changeTools()),
		Prompts: prompts(),
	}
}

func spare() sdk.Plugin {
	return sdk.Plugin{
		Name: "spare", Version: "1.0.0",
		Tools: []sdk.Tool{showing("test_spare", "Shows that a plugin has come.", text("The spare plugin is here."))},
		Prompts: []sdk.Prompt{{
			Name: "test_spare_prompt", Description: "Shows that a plugin has come.",
			Messages: []sdk.PromptMessage{{Content: text("The spare plugin is here.")}},
		}},
	}
}

func define(name, description string) sdk.Definition {
	return sdk.Definition{Name: name, Description: description, Concurrency: concurrency}
}

// nothing is the input, or the data, of a tool that has none.
type nothing struct{}
