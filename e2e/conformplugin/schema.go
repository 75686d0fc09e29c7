package main

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// withSchema is a tool whose input schema is written by hand. The tool holds its input to its type besides, and to
// what of the schema no type can say.
type withSchema struct {
	sdk.Tool
	schema string
	check  func(arguments json.RawMessage) error // nil: there is nothing
}

func (t withSchema) Spec() sdk.Spec {
	s := t.Tool.Spec()
	s.InputSchema = json.RawMessage(t.schema)
	return s
}

// Plan refuses what does not fit, as Call does.
func (t withSchema) Plan(ctx context.Context, env sdk.Env, r sdk.Request) (sdk.Plan, error) {
	p, err := t.Tool.Plan(ctx, env, r)
	if err == nil && t.check != nil {
		err = t.check(r.Arguments)
	}
	return p, err
}

// Call is that of the tool inside.
func (t withSchema) Call(ctx context.Context, env sdk.Env, r sdk.Request, emit func(sdk.Event)) (sdk.Result, error) {
	if _, err := t.Plan(ctx, env, r); err != nil {
		return sdk.Result{}, err
	}
	return t.Tool.Call(ctx, env, r, emit)
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

// reachable holds a contact to what rich says of its members together.
func reachable(arguments json.RawMessage) error {
	var c map[string]any
	if err := json.Unmarshal(arguments, &c); err != nil {
		return sdk.Errorf(sdk.KindValidation, "%w", err)
	}
	how, said := c["contactMethod"]
	need := "email"
	if how == "phone" {
		need = "phone"
	}
	if said && how != "phone" && how != "email" || c[need] == nil {
		return sdk.Errorf(sdk.KindValidation, "a contact by phone needs phone, any other email").Suggest("give it")
	}
	return nil
}

// inHeader has an argument that clients of the stateless protocol repeat in a header.
const inHeader = `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`

type regional struct {
	Region string `json:"region,omitempty"`
}

func schemaTools() []sdk.Tool {
	return []sdk.Tool{
		withSchema{echo[contact]("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features"), rich, reachable},
		withSchema{echo[regional]("test_header_tool", "Has an argument that is a header, too."), inHeader, nil},
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
