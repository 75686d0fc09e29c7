package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Schema is a compiled JSON Schema.
type Schema struct {
	compiled *jsonschema.Schema
}

// Violation is one thing that is wrong with a document.
type Violation struct {
	Pointer string `json:"pointer"` // JSON Pointer to the place; "" is the whole
	Message string `json:"message"`
}

// CompileSchema compiles a schema that a plugin brought. Formats are asserted; a reference to anything
// outside of the schema is an error, so that no schema makes the host read a file or fetch a page.
func CompileSchema(raw json.RawMessage) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	const url = "schema:///tool"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return &Schema{compiled: compiled}, nil
}

// Validate returns everything that is wrong with a document; nothing when it is valid.
func (s *Schema) Validate(raw json.RawMessage) []Violation {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return []Violation{{Message: "not valid JSON: " + err.Error()}}
	}
	err = s.compiled.Validate(doc)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return leaves(invalid, nil)
	default:
		return []Violation{{Message: err.Error()}}
	}
}

// notKnown is what is said of a member that no part of the schema names.
const notKnown = "is not a known field"

var english = message.NewPrinter(language.English)

// leaves collects the violations that have no cause of their own; the others only say that something below
// is wrong.
func leaves(e *jsonschema.ValidationError, to []Violation) []Violation {
	if len(e.Causes) == 0 {
		return append(to, violations(e)...)
	}
	for _, c := range e.Causes {
		to = leaves(c, to)
	}
	return to
}

func violations(e *jsonschema.ValidationError) []Violation {
	var missing *kind.Required
	var extra *kind.AdditionalProperties
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		missing = k
	case *kind.AdditionalProperties:
		extra = k
	case *kind.FalseSchema:
		said := "is not allowed"
		if strings.HasSuffix(e.SchemaURL, "/unevaluatedProperties") {
			said = notKnown
		}
		return []Violation{{Pointer: pointer(e.InstanceLocation), Message: said}}
	default:
		return []Violation{{Pointer: pointer(e.InstanceLocation), Message: e.ErrorKind.LocalizedString(english)}}
	}
	var out []Violation
	if missing != nil {
		for _, name := range missing.Missing {
			out = append(out, Violation{Pointer: pointer(e.InstanceLocation, name), Message: "is required"})
		}
		return out
	}
	for _, name := range extra.Properties {
		out = append(out, Violation{Pointer: pointer(e.InstanceLocation, name), Message: notKnown})
	}
	return out
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(path []string, more ...string) string {
	var b strings.Builder
	for _, part := range append(path[:len(path):len(path)], more...) {
		b.WriteByte('/')
		b.WriteString(pointerEscape.Replace(part))
	}
	return b.String()
}
