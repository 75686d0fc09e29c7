package main

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// withSchema is a tool whose input schema is written by hand. The tool holds its input to its type besides.
type withSchema struct {
	sdk.Tool
	schema string
}

func (t withSchema) Spec() sdk.Spec {
	s := t.Tool.Spec()
	s.InputSchema = json.RawMessage(t.schema)
	return s
}

// rich uses what JSON Schema 2020-12 has and what is lost easily.
const rich = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
	"$defs":{"address":{"$anchor":"addressDef","type":"object",
		"properties":{"street":{"type":"string"},"city":{"type":"string"}}}},
	"properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},
		"contactMethod":{"type":"string","enum":["phone","email"]},
		"phone":{"type":"string"},"email":{"type":"string"}},
	"allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],
	"if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},
	"then":{"required":["phone"]},"else":{"required":["email"]},
	"additionalProperties":false}`

type address struct {
	Street string `json:"street,omitempty"`
	City   string `json:"city,omitempty"`
}

type contact struct {
	Name          string   `json:"name,omitempty"`
	Address       *address `json:"address,omitempty"`
	ContactMethod string   `json:"contactMethod,omitempty"`
	Phone         string   `json:"phone,omitempty"`
	Email         string   `json:"email,omitempty"`
}

// inHeader has an argument that clients of the stateless protocol repeat in a header.
const inHeader = `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`

type regional struct {
	Region string `json:"region,omitempty"`
}

func schemaTools() []sdk.Tool {
	return []sdk.Tool{
		withSchema{echo[contact]("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features"), rich},
		withSchema{echo[regional]("test_header_tool", "Has an argument that is a header, too."), inHeader},
	}
}

// echo is a tool that shows its input.
func echo[In any](name, description string) sdk.Tool {
	return sdk.Func(define(name, description), func(_ context.Context, c *sdk.Call, in In) (nothing, error) {
		raw, err := json.Marshal(in)
		c.Show(text(string(raw)))
		return nothing{}, err
	})
}
