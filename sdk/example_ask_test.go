package sdk_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
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

func ExampleGate() {
	h, err := sdk.NewHandler(sdk.Plugin{Name: "zone", Version: "1.0.0", Tools: []sdk.Tool{sdk.Func(sdk.Definition{
		Name: "ZoneTool", Description: "Lists the names of a zone.", Intrusive: true,
	}, func(context.Context, *sdk.Call, transferIn) (struct{}, error) { return struct{}{}, nil })}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	plan, err := h.Plan(context.Background(), sdk.Request{Tool: "ZoneTool", Arguments: []byte(`{"target": "ns", "all": true}`)})
	fmt.Println(plan.Verdict, "-", plan.Rule, err)
	// Output:
	// gated - ZoneTool needs allow_intrusive, which is off: every zone is a burden for the server <nil>
}

// The function is called a second time, with the answer of the person.
func ExampleAsk() {
	type choice struct {
		Greeting string `json:"greeting" jsonschema:"what is said"`
	}
	h, err := sdk.NewHandler(greeter(func(_ context.Context, c *sdk.Call, in greetIn) (greetOut, error) {
		a, ok := c.Answer("greeting")
		if !ok {
			return greetOut{}, sdk.Ask(sdk.Question{ID: "greeting", Message: "What do you say?", Schema: sdk.SchemaOf[choice]()})
		}
		var pick choice
		if err := a.Into(&pick); err != nil {
			return greetOut{}, err // the person declined
		}
		return greetOut{Text: pick.Greeting + " " + in.Name}, nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	r := sdk.Request{Tool: "GreetTool", Arguments: []byte(`{"name": "Ada"}`)}
	res, err := h.Call(context.Background(), r, nil)
	fmt.Println(res.Questions[0].Message, err)

	r.Answers = map[string]tool.Answer{"greeting": {Action: sdk.AnswerAccept, Content: []byte(`{"greeting": "good day"}`)}}
	res, err = h.Call(context.Background(), r, nil)
	fmt.Println(string(res.Data), err)
	// Output:
	// What do you say? <nil>
	// {"text":"good day Ada"} <nil>
}

func ExampleAsking_Remember() {
	question := sdk.Question{ID: "go", Message: "Go on?", Schema: sdk.SchemaOf[struct{}]()}
	err := sdk.Ask(question).Remember([]byte("step 2")) // c.State() is "step 2" in the call that has the answer
	fmt.Println(err)
	// Output:
	// an answer is needed: Go on?
}

func ExampleAnswer_Into() {
	var pick struct {
		Zone string `json:"zone"`
	}
	declined := sdk.Answer{ID: "zone", Action: sdk.AnswerDecline}
	fmt.Println(sdk.KindOf(declined.Into(&pick)))
	given := sdk.Answer{ID: "zone", Action: sdk.AnswerAccept, Content: []byte(`{"zone": "lab.internal"}`)}
	fmt.Println(given.Into(&pick), pick.Zone)
	// Output:
	// validation_error
	// <nil> lab.internal
}

func ExampleSchemaOf() {
	type choice struct {
		Zone string `json:"zone" jsonschema:"name of the zone"`
	}
	fmt.Println(string(sdk.SchemaOf[choice]()))
	// Output:
	// {"type":"object","properties":{"zone":{"type":"string","description":"name of the zone"}},"required":["zone"],"additionalProperties":false}
}
