package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// The arguments that the host adds to every tool, and takes out again before the plugin sees the call.
const (
	TimeoutArgument     = "timeout_sec"
	CorrelationArgument = "correlation_id"
)

// Compile turns a manifest into entries, or says what is wrong with it. settings resolves the numbers of a
// tool. The entries' schemas are those that clients see: the input schema has the host's own arguments added
// and takes no unknown ones, the output schema is the report with the tool's data inside. Hidden tools are
// left out.
func Compile(
	m tool.Manifest, h tool.Handler, settings func(tool.Spec) Settings,
) ([]*Entry, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	var entries []*Entry
	for _, spec := range m.Tools {
		e, err := compile(spec, settings(spec))
		if err != nil {
			return nil, fmt.Errorf("tool %s: %w", spec.Name, err)
		}
		e.Plugin, e.Version, e.Layers, e.Prompts, e.Handler = m.Name, m.Version, m.Layers, m.Prompts, h
		if !spec.Hidden {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// reserved begin the names of the host's own tools.
var reserved = []string{"execution_", "executions_"}

func compile(spec tool.Spec, s Settings) (*Entry, error) {
	for _, prefix := range reserved {
		if strings.HasPrefix(spec.Name, prefix) {
			return nil, fmt.Errorf("names that begin with %s are of the host's own tools; choose another", prefix)
		}
	}
	input, err := withHostArguments(spec.InputSchema, s)
	if err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	schema, err := CompileSchema(input)
	if err != nil {
		return nil, fmt.Errorf("input schema: %w", err)
	}
	if len(spec.OutputSchema) > 0 {
		if _, err := CompileSchema(spec.OutputSchema); err != nil {
			return nil, fmt.Errorf("output schema: %w", err)
		}
	}
	output, err := reportSchema(spec.OutputSchema)
	if err != nil {
		return nil, fmt.Errorf("output schema: %w", err)
	}
	if _, err := CompileSchema(output); err != nil {
		return nil, fmt.Errorf("output schema, as a part of the report's: %w", err)
	}
	spec.InputSchema, spec.OutputSchema = input, output
	return &Entry{Spec: spec, Settings: s, Input: schema}, nil
}

// withHostArguments adds the host's arguments to an input schema, in place of those that the tool declared
// itself.
func withHostArguments(raw json.RawMessage, s Settings) (json.RawMessage, error) {
	schema, err := readSchema(raw)
	if err != nil {
		return nil, err
	}
	if required, _ := schema["required"].([]any); slices.Contains(required, any(TimeoutArgument)) ||
		slices.Contains(required, any(CorrelationArgument)) {
		return nil, fmt.Errorf("%s and %s are the host's arguments; a tool cannot require them, it never gets them",
			TimeoutArgument, CorrelationArgument)
	}
	properties, _ := schema["properties"].(map[string]any)
	if properties == nil {
		properties = make(map[string]any)
	}
	properties[TimeoutArgument] = map[string]any{
		"type": "number", "minimum": 1, "maximum": int(s.MaxTimeout.Seconds()),
		"description": fmt.Sprintf("Seconds until the run is ended; partial output is kept. Default %d.",
			int(s.DefaultTimeout.Seconds())),
	}
	properties[CorrelationArgument] = map[string]any{
		"type": "string", "pattern": `^[A-Za-z0-9._:-]{1,64}$`,
		"description": "Your own id for this call; it comes back in the result and stands in the logs.",
	}
	schema["properties"] = properties
	if err := closeSchema(schema); err != nil {
		return nil, err
	}
	return json.Marshal(schema)
}

// readSchema keeps the digits of numbers as they are.
func readSchema(raw json.RawMessage) (map[string]any, error) {
	var schema map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&schema); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return schema, nil
}

// closeSchema refuses arguments that the schema does not name, unless it says itself what becomes of them.
// Properties may also come from a subschema, which additionalProperties would not see; drafts before 2019-09
// have no word for that.
func closeSchema(schema map[string]any) error {
	for _, said := range []string{"additionalProperties", "unevaluatedProperties"} {
		if _, ok := schema[said]; ok {
			return nil
		}
	}
	for _, composed := range []string{
		"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas",
	} {
		if _, ok := schema[composed]; !ok {
			continue
		}
		if dialect, _ := schema["$schema"].(string); oldDraft.MatchString(dialect) {
			return fmt.Errorf("%s next to properties cannot be closed in a draft before 2019-09; "+
				"leave $schema out, or say additionalProperties", composed)
		}
		schema["unevaluatedProperties"] = false
		return nil
	}
	schema["additionalProperties"] = false
	return nil
}

var oldDraft = regexp.MustCompile(`draft-0[3467]/`)

// reportSchema is the JSON Schema of tool.Report with the tool's own data in its place.
func reportSchema(data json.RawMessage) (json.RawMessage, error) {
	str := map[string]any{"type": "string"}
	flag := map[string]any{"type": "boolean"}
	maybe := map[string]any{"type": []string{"string", "null"}}
	properties := map[string]any{
		"stdout": str, "stderr": str, "returncode": map[string]any{"type": "integer"},
		"truncated_stdout": flag, "truncated_stderr": flag, "timed_out": flag, "error": maybe, "error_type": maybe,
		"execution_time": map[string]any{"type": "number", "description": "seconds"},
		"correlation_id": str, "execution_id": str, "metadata": map[string]any{"type": "object"},
	}
	maps.Copy(properties, excerpt.Properties())
	report := map[string]any{
		"type": "object", "properties": properties,
		"required": []string{"stdout", "stderr", "returncode", "timed_out", "error", "error_type", "execution_id"},
	}
	if len(data) > 0 {
		schema, err := readSchema(data)
		if err != nil {
			return nil, err
		}
		if dialect, ok := schema["$schema"]; ok && schema["$id"] == nil { // it belongs at the root
			report["$schema"] = dialect
			delete(schema, "$schema")
		}
		rebase(schema, "#/properties/data")
		properties["data"] = schema
	}
	raw, err := json.Marshal(report)
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return raw, nil
}

// rebase lets the references of a schema that start at its root start at its new place. A part with an $id is
// a root of its own, and what stands for a value is no schema.
func rebase(schema any, root string) {
	switch s := schema.(type) {
	case []any:
		for _, part := range s {
			rebase(part, root)
		}
	case map[string]any:
		if _, ok := s["$id"].(string); ok {
			return
		}
		for keyword, part := range s {
			rebaseKeyword(s, keyword, part, root)
		}
	}
}

func rebaseKeyword(schema map[string]any, keyword string, part any, root string) {
	switch keyword {
	case "$ref", "$dynamicRef":
		if ref, ok := part.(string); ok && (ref == "#" || strings.HasPrefix(ref, "#/")) {
			schema[keyword] = root + ref[1:]
		}
	case "const", "enum", "default", "examples":
	case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies":
		named, _ := part.(map[string]any) // name -> schema
		for _, s := range named {
			rebase(s, root)
		}
	default:
		rebase(part, root)
	}
}
