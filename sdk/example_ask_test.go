package sdk_test

import (
	"context"
	"os"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// transferIn is intrusive when it asks for all: that is a gate.
type transferIn struct {
	Target string `json:"target" jsonschema:"name server to ask"`
	All    bool   `json:"all,omitempty" jsonschema:"ask for every zone"`
}

func (in transferIn) Intrusive() string {
	if in.All {
		return "every zone is a burden for the server"
	}
	return ""
}

// A tool that asks a person which zone is meant, logs, shows a link, and is intrusive for some arguments.
func Example_asking() {
	type choice struct {
		Zone string `json:"zone" jsonschema:"name of the zone"`
	}
	type output struct {
		Names []string `json:"names"`
	}
	tool := sdk.Func(sdk.Definition{
		Name: "ZoneTool", Description: "Lists the names of a zone.", Intrusive: true,
		Targets: []sdk.TargetArgument{{Argument: "target"}},
	}, func(_ context.Context, c *sdk.Call, in transferIn) (output, error) {
		a, ok := c.Answer("zone")
		if !ok {
			return output{}, sdk.Ask(sdk.Question{ID: "zone", Message: "Which zone?", Schema: sdk.SchemaOf[choice]()})
		}
		var pick choice
		if err := a.Into(&pick); err != nil {
			return output{}, err // the person declined
		}
		c.Logf(sdk.LogInfo, "asking for %s", pick.Zone)
		c.Show(sdk.Content{Type: sdk.LinkContent, URI: "https://wiki.lab.internal/dns", Name: "dns"})
		return output{Names: []string{"www." + pick.Zone}}, nil
	})
	os.Exit(sdk.Main(sdk.Plugin{Name: "zone", Version: "1.0.0", Tools: []sdk.Tool{tool}, Prompts: []sdk.Prompt{{
		Name: "zone_list", Description: "Lists what a name server knows.",
		Arguments: []sdk.PromptArgument{{
			Name: "server", Description: "The name server", Required: true, Complete: sdk.CompleteTargets,
		}},
		Messages: []sdk.PromptMessage{{Content: sdk.Content{
			Type: sdk.TextContent, Text: "List with ZoneTool what {{server}} knows.",
		}}},
	}}}))
}
