package httpdoor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// component is a schema that a tool brought, as a part of the document: references that start at its root
// start at its new place, and it names no dialect of its own. A part with an $id is a root of its own.
func component(raw json.RawMessage, name string) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var schema object
	if err := dec.Decode(&schema); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	delete(schema, "$schema")
	move(schema, "#/components/schemas/"+name)
	return schema, nil
}

func move(schema any, root string) {
	switch s := schema.(type) {
	case []any:
		for _, part := range s {
			move(part, root)
		}
	case object:
		if _, own := s["$id"].(string); own {
			return
		}
		for keyword, part := range s {
			moveKeyword(s, keyword, part, root)
		}
	}
}

func moveKeyword(s object, keyword string, part any, root string) {
	switch keyword {
	case "const", "enum", "default", "example", "examples": // values, no schemas
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
		named, _ := part.(object)
		for _, schema := range named { // the names are no keywords
			move(schema, root)
		}
	case "$ref", "$dynamicRef":
		if to, ok := part.(string); ok && (to == "#" || strings.HasPrefix(to, "#/")) {
			s[keyword] = root + to[1:]
		}
	default:
		move(part, root)
	}
}

// described are the Go types that answers are made of, and the names of their schemas.
var described = []struct {
	name, text string
	of         reflect.Type
}{
	{"Index", "What this is.", reflect.TypeFor[indexView]()},
	{"Status", "One word.", reflect.TypeFor[statusView]()},
	{"Health", "How the host and its tools are.", reflect.TypeFor[health.Report]()},
	{"Check", "The last result of one check.", reflect.TypeFor[health.Check]()},
	{"ToolList", "The tools.", reflect.TypeFor[toolListView]()},
	{"Tool", "A tool, and what is in force for it.", reflect.TypeFor[toolView]()},
	{"Report", "What a call came to.", reflect.TypeFor[tool.Report]()},
	{"Plan", "What a call would do.", reflect.TypeFor[tool.Plan]()},
	{"Refusal", "Why a plan is refused.", reflect.TypeFor[tool.Error]()},
	{"PluginList", "The plugins.", reflect.TypeFor[PluginList]()},
	{"Plugin", "A plugin, and how it is.", reflect.TypeFor[PluginView]()},
	{"PluginProblem", "What a person should do something about.", reflect.TypeFor[PluginProblem]()},
	{"Layer", "One layer that confines a process.", reflect.TypeFor[tool.Layer]()},
	{"PinReport", "What was pinned.", reflect.TypeFor[PinReport]()},
	{"Pin", "Which bytes of one file may run.", reflect.TypeFor[Pin]()},
	{"VerifyReport", "How the files compare with the pins.", reflect.TypeFor[VerifyReport]()},
	{"VerifyFinding", "How one file compares with its pin.", reflect.TypeFor[VerifyFinding]()},
	{"TokenList", "The tokens of the store.", reflect.TypeFor[tokenList]()},
	{"Token", "A token, without what lets anybody in.", reflect.TypeFor[tokenView]()},
	{"NewToken", "A token to make.", reflect.TypeFor[newToken]()},
	{"Rotation", "How a secret is exchanged.", reflect.TypeFor[rotation]()},
	{"Secret", "A new secret.", reflect.TypeFor[secretView]()},
	{"ProtectedResource", "Whose tokens are taken.", reflect.TypeFor[resourceView]()},
	{"Execution", "A call that runs or ran.", reflect.TypeFor[executionView]()},
	{"ExecutionList", "A page of executions.", reflect.TypeFor[executionListView]()},
	{"Progress", "How far an execution is.", reflect.TypeFor[executions.ProgressView]()},
	{"Target", "A target, and the addresses that it stands for.", reflect.TypeFor[tool.Target]()},
	{"Problem", "An error, by RFC 9457.", reflect.TypeFor[problem]()},
}

// componentSchemas are the schemas of the door itself.
func componentSchemas() (object, error) {
	schemas := plainSchemas()
	known := leaves()
	for _, d := range described {
		known[d.of] = &jsonschema.Schema{Ref: "#/components/schemas/" + d.name}
	}
	for _, d := range described {
		itself := known[d.of]
		delete(known, d.of)
		s, err := jsonschema.ForType(d.of, &jsonschema.ForOptions{TypeSchemas: known})
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", d.name, err)
		}
		known[d.of] = itself
		loosen(s)
		s.Description = d.text
		for member, text := range texts[d.name] {
			s.Properties[member].Description = text
		}
		if example := examples[d.name]; example != nil {
			s.Examples = []any{example}
		}
		schemas[d.name] = s
	}
	return schemas, nil
}

// leaves are the types of which reflection does not know what they are as JSON.
func leaves() map[reflect.Type]*jsonschema.Schema {
	oneOf := func(values ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: values} }
	var kinds []any
	for _, k := range tool.Kinds() {
		kinds = append(kinds, k)
	}
	// No enum: a plugin that is newer than the host may bring a kind of its own.
	kind := &jsonschema.Schema{Type: "string", Examples: kinds}
	var states []any
	for _, s := range executions.States() {
		states = append(states, s)
	}
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Time]():        {Type: "string", Format: "date-time"},
		reflect.TypeFor[json.RawMessage]():  {Description: "any JSON value"},
		reflect.TypeFor[netip.Prefix]():     {Type: "string", Description: "address and prefix length"},
		reflect.TypeFor[tool.Kind]():        kind,
		reflect.TypeFor[tool.Untrusted]():   {Type: "string"},
		reflect.TypeFor[tool.Content]():     {Ref: "#/components/schemas/Content"},
		reflect.TypeFor[executions.State](): oneOf(states...),
		reflect.TypeFor[tool.Verdict]():     oneOf(tool.Accept, tool.Gated, tool.Reject),
		reflect.TypeFor[tool.NeedKind]():    oneOf(tool.NeedCommand, tool.NeedCapability),
		reflect.TypeFor[auth.Role]():        oneOf(auth.Viewer, auth.Caller, auth.Admin),
		reflect.TypeFor[health.Status]():    oneOf(health.Healthy, health.Degraded, health.Unhealthy),
		reflect.TypeFor[health.Priority]():  oneOf(health.Critical, health.Important, health.Informational),
	}
}

// loosen corrects what reflection says too strictly, or too loosely: answers may grow members, and neither a
// list nor what has a schema of its own is ever null.
func loosen(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = nil
	}
	if slices.Equal(s.Types, []string{"null", "array"}) {
		s.Type, s.Types = "array", nil
	}
	if s.Ref != "" {
		s.Types = nil // what is nil is left out
	}
	for _, p := range s.Properties {
		loosen(p)
	}
	loosen(s.Items)
	if len(s.Properties) == 0 && s.AdditionalProperties != nil && s.AdditionalProperties.Not == nil {
		loosen(s.AdditionalProperties)
	}
}

// plainSchemas are those that no Go type stands behind.
func plainSchemas() object {
	anything := func(text string) object { return object{"type": "object", "description": text} }
	all := object{
		"Arguments": object{
			"type": "object", "description": "The arguments of a tool, by its input_schema.",
			"properties": object{
				"timeout_sec": object{"type": "number", "description": "seconds until the run is ended"},
				"correlation_id": object{
					"type": "string", "description": "your own id", "pattern": "^[A-Za-z0-9._:-]{1,64}$",
				},
			},
			"examples": []any{object{"target": "127.0.0.1", "correlation_id": "demo-1"}},
		},
		"Reason": object{
			"type": "object", "description": "Why an operator does it.", "additionalProperties": false,
			"properties": object{"reason": object{
				"type": "string", "maxLength": maxReason, "description": "one line, for the audit trail",
			}},
			"examples": []any{object{"reason": "upgrade of the lab's network"}},
		},
		"Configuration": anything("Values by section and key, and where each came from; secrets are redacted."),
		"Metrics":       anything("The numbers of the host by name."),
		"OpenAPI":       anything("A document of OpenAPI 3.1."),
		"Text":          object{"type": "string", "description": "Text."},
	}
	maps.Copy(all, executionSchemas())
	return all
}
