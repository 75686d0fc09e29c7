package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

type named struct {
	Name string `json:"name" jsonschema:"how to call you"`
}

type coloured struct {
	Color string `json:"color" jsonschema:"any"`
}

type confirmed struct {
	OK bool `json:"ok" jsonschema:"whether to go on"`
}

// person is what test_elicitation asks for.
type person struct {
	Username string `json:"username" jsonschema:"User's response"`
	Email    string `json:"email" jsonschema:"User's email address"`
}

// defaults has a default of every primitive type.
const defaults = `{"type":"object","properties":{
	"name":{"type":"string","default":"John Doe"},
	"age":{"type":"integer","default":30},
	"score":{"type":"number","default":95.5},
	"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},
	"verified":{"type":"boolean","default":true}}}`

// choices has an enum of every form.
const choices = `{"type":"object","properties":{
	"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
	"titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},
		{"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
	"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["Option One","Option Two","Option Three"]},
	"untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},
	"titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},
		{"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}}}`

// askingTools ask the person behind the client.
func askingTools() []sdk.Tool {
	name := sdk.Question{ID: "user_name", Message: "What is your name?", Schema: sdk.SchemaOf[named]()}
	confirm := sdk.Question{ID: "confirm", Message: "Please confirm", Schema: sdk.SchemaOf[confirmed]()}
	return []sdk.Tool{
		sdk.Func(define("test_elicitation", "Asks for a name and an address."), asksPerson),
		asks("test_elicitation_sep1034_defaults", sdk.Question{
			ID: "defaults", Message: "Please review the defaults", Schema: json.RawMessage(defaults)}),
		asks("test_elicitation_sep1330_enums", sdk.Question{
			ID: "choices", Message: "Please choose", Schema: json.RawMessage(choices)}),
		asks("test_missing_capability", name),
		asks("test_streaming_elicitation", name),
		asks("test_input_required_result_elicitation", name),
		remembers("test_input_required_result_request_state", confirm),
		remembers("test_input_required_result_tampered_state", confirm),
		sdk.Func(define("test_input_required_result_multi_round", "Asks two questions, one after the other."), twoRounds),
	}
}

type message struct {
	Message string `json:"message" jsonschema:"what the person is asked"`
}

func asksPerson(_ context.Context, c *sdk.Call, in message) (nothing, error) {
	if len(in.Message) > 2048 {
		return nothing{}, sdk.Errorf(sdk.KindValidation, "the message has %d bytes; allowed are 2048", len(in.Message)).
			Suggest("ask a shorter question")
	}
	a, ok := c.Answer("person")
	if !ok {
		return nothing{}, sdk.Ask(sdk.Question{ID: "person", Message: in.Message, Schema: sdk.SchemaOf[person]()})
	}
	show(c, a)
	return nothing{}, nil
}

// asks is a tool that asks one question, and shows what was done with it.
func asks(name string, q sdk.Question) sdk.Tool {
	return sdk.Func(define(name, "Asks: "+q.Message), func(_ context.Context, c *sdk.Call, _ nothing) (nothing, error) {
		a, ok := c.Answer(q.ID)
		if !ok {
			return nothing{}, sdk.Ask(q)
		}
		show(c, a)
		return nothing{}, nil
	})
}

// remembers is a tool that asks one question, and wants back what it gave away with it.
func remembers(name string, q sdk.Question) sdk.Tool {
	return sdk.Func(define(name, "Asks, and remembers: "+q.Message),
		func(_ context.Context, c *sdk.Call, _ nothing) (nothing, error) {
			a, ok := c.Answer(q.ID)
			if !ok || string(c.State()) != "asked" {
				return nothing{}, sdk.Ask(q).Remember([]byte("asked"))
			}
			c.Show(text("state-ok"))
			show(c, a)
			return nothing{}, nil
		})
}

func twoRounds(_ context.Context, c *sdk.Call, _ nothing) (nothing, error) {
	var who named
	switch first, ok := c.Answer("step1"); {
	case len(c.State()) > 0: // the second round: the state has the first answer
		who.Name = string(c.State())
	case !ok:
		return nothing{}, sdk.Ask(sdk.Question{
			ID: "step1", Message: "Step 1: What is your name?", Schema: sdk.SchemaOf[named]()})
	default:
		if err := first.Into(&who); err != nil {
			return nothing{}, err
		}
	}
	second, ok := c.Answer("step2")
	if !ok {
		return nothing{}, sdk.Ask(sdk.Question{
			ID: "step2", Message: "Step 2: What is your favorite color?", Schema: sdk.SchemaOf[coloured](),
		}).Remember([]byte(who.Name))
	}
	var color coloured
	if err := second.Into(&color); err != nil {
		return nothing{}, err
	}
	c.Show(text(fmt.Sprintf("%s likes %s", who.Name, color.Color)))
	return nothing{}, nil
}

func show(c *sdk.Call, a sdk.Answer) {
	c.Show(text(fmt.Sprintf("Elicitation completed: action=%s, content=%s", a.Action, a.Content)))
}
