// Package schema derives JSON Schemas from Go types and holds JSON values to them, with errors that
// name the place. It is a thin layer over google/jsonschema-go, so that no other package of the sdk
// depends on that.
//
//	c, err := schema.Of(reflect.TypeFor[Input]())
//	c.JSON              // what goes into the manifest
//	err = c.Check(args) // "argument port: ..."
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Checker is a schema ready for use.
type Checker struct {
	JSON json.RawMessage // as it goes into a manifest

	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
}

// untrusted is the schema of text that a stranger chose. The keyword is an annotation: it holds a value to
// nothing, and tells a client what it shows.
var untrusted = jsonschema.Schema{Type: "string", Extra: map[string]any{"x-untrusted": true}}

// Of derives the schema of a Go type: a struct gives an object that takes no further properties, fields
// without omitempty or omitzero are required, the tag `jsonschema` is the description. A [tool.Untrusted] is a
// string with "x-untrusted": true, a [tool.UntrustedData] anything with it.
func Of(t reflect.Type) (*Checker, error) {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[tool.Untrusted]():     &untrusted,
		reflect.TypeFor[tool.UntrustedData](): {Extra: untrusted.Extra},
	}})
	if err != nil {
		return nil, err
	}
	dropNulls(s)
	return compile(s)
}

// Property is one property of an object.
type Property struct {
	Name     string
	Schema   json.RawMessage
	Required bool
}

// Object compiles the schema of an object that has these properties, in this order, and no others.
func Object(properties []Property) (*Checker, error) {
	s := &jsonschema.Schema{
		Type:                 "object",
		Properties:           make(map[string]*jsonschema.Schema),
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	for _, p := range properties {
		if _, ok := s.Properties[p.Name]; ok {
			return nil, fmt.Errorf("argument %s is declared twice", p.Name)
		}
		sub := new(jsonschema.Schema)
		if err := json.Unmarshal(p.Schema, sub); err != nil {
			return nil, fmt.Errorf("argument %s: not a JSON Schema: %w", p.Name, err)
		}
		s.Properties[p.Name] = sub
		s.PropertyOrder = append(s.PropertyOrder, p.Name)
		if p.Required {
			s.Required = append(s.Required, p.Name)
		}
	}
	return compile(s)
}

func compile(s *jsonschema.Schema) (*Checker, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return &Checker{JSON: raw, schema: s, resolved: resolved}, nil
}

// dropNulls undoes that jsonschema-go lets null stand for a slice, and for a pointer that may be left out: clients
// generate types from these schemas. [Checker.Fill] sees to it that a nil slice is written as an empty array, and
// omitempty leaves a nil pointer out.
func dropNulls(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if slices.Equal(s.Types, []string{"null", "array"}) {
		s.Type, s.Types = "array", nil
	}
	for name, p := range s.Properties {
		if len(p.Types) == 2 && p.Types[0] == "null" && !slices.Contains(s.Required, name) {
			p.Type, p.Types = p.Types[1], nil
		}
		dropNulls(p)
	}
	dropNulls(s.Items)
	dropNulls(s.AdditionalProperties)
}

// IsObject reports whether the schema is that of an object, as MCP asks of a tool's.
func (c *Checker) IsObject() bool { return c.schema.Type == "object" }

// Properties are the names of an object's properties, sorted.
func (c *Checker) Properties() []string { return slices.Sorted(maps.Keys(c.schema.Properties)) }

// Check holds a JSON value to the schema. Its error is made for the reader of a refusal: it names the
// property.
func (c *Checker) Check(raw json.RawMessage) error {
	_, err := c.Decode(raw)
	return err
}

// Decode is Check, and returns the value as encoding/json decodes it into an any.
func (c *Checker) Decode(raw json.RawMessage) (v any, err error) {
	if object, ok := Plain(raw); ok {
		v = object
	} else if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	if err := c.checkNames(v); err != nil {
		return nil, err
	}
	if err := c.resolved.Validate(v); err != nil {
		return nil, fmt.Errorf("%s", short(legible(err.Error())))
	}
	return v, nil
}

// checkNames says of a property too much or too little which one it is, and which there are.
func (c *Checker) checkNames(v any) error {
	obj, ok := v.(map[string]any)
	if !ok || !c.IsObject() {
		return nil
	}
	for _, name := range c.schema.Required {
		if _, ok := obj[name]; !ok {
			return fmt.Errorf("argument %s is missing", name)
		}
	}
	closed := c.schema.AdditionalProperties != nil && c.schema.AdditionalProperties.Not != nil
	for name := range obj {
		if _, ok := c.schema.Properties[name]; !ok && closed {
			return fmt.Errorf("there is no argument %q; there are %s", name, strings.Join(c.Properties(), ", "))
		}
	}
	return nil
}

// validating matches the steps in which jsonschema-go says where it was: "validating root: validating
// /properties/x: ".
var validating = regexp.MustCompile(`validating (\S+): `)

// legible shortens the path of a validation error to the innermost place.
func legible(msg string) string {
	steps := validating.FindAllStringSubmatch(msg, -1)
	rest := validating.ReplaceAllString(msg, "")
	if len(steps) == 0 {
		return rest
	}
	place := steps[len(steps)-1][1]
	place = strings.Trim(strings.ReplaceAll(place, "/properties/", "."), "./")
	if place == "root" || place == "" {
		return rest
	}
	return "argument " + place + ": " + rest
}

// maxMessage is enough for every message about values that people write. Those about others repeat the value.
const maxMessage = 500

func short(msg string) string {
	if len(msg) <= maxMessage {
		return msg
	}
	return strings.ToValidUTF8(msg[:maxMessage], "") + "..."
}

// Fill writes an empty array wherever a JSON value has null and the schema wants an array:
// encoding/json gives a nil slice as null.
func (c *Checker) Fill(raw json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(raw, []byte("null")) {
		return raw, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // large integers stay what they are
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(fill(v, c.schema))
}

func fill(v any, s *jsonschema.Schema) any {
	if s == nil {
		return v
	}
	switch v := v.(type) {
	case nil:
		if s.Type == "array" {
			return []any{}
		}
	case []any:
		for i := range v {
			v[i] = fill(v[i], s.Items)
		}
	case map[string]any:
		for k := range v {
			sub, ok := s.Properties[k]
			if !ok {
				sub = s.AdditionalProperties
			}
			v[k] = fill(v[k], sub)
		}
	}
	return v
}
