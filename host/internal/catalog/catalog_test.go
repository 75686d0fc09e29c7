package catalog

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var settings = Settings{Enabled: true, Concurrency: 2, DefaultTimeout: 30 * time.Second,
	MaxTimeout: 90 * time.Second}

func inForce(tool.Spec) Settings { return settings }

// manifest is one of a plugin with one tool of that input schema.
func manifest(schema string) tool.Manifest {
	return tool.Manifest{Name: "plugin", Version: "1.2.3", Tools: []tool.Spec{{
		Name: "ATool", Description: "does it", InputSchema: json.RawMessage(schema),
	}}}
}

// compiled is the one entry of a manifest that must be good.
func compiled(t testing.TB, m tool.Manifest) *Entry {
	t.Helper()
	entries, err := Compile(m, nil, inForce)
	if err != nil || len(entries) != 1 {
		t.Fatalf("Compile(%s) = %d entries, %v, want one", m.Tools[0].InputSchema, len(entries), err)
	}
	return entries[0]
}

const scan = `{"type": "object", "required": ["target"], "properties": {
	"target": {"type": "string"}, "depth": {"type": "integer", "minimum": 1}}}`

func TestTheHostAddsItsArguments(t *testing.T) {
	e := compiled(t, manifest(scan))
	for _, row := range []struct {
		says, arguments string
		ok              bool
	}{
		{"what is required suffices", `{"target": "10.0.0.1"}`, true},
		{"all arguments", `{"target": "10.0.0.1", "depth": 1, "timeout_sec": 5, "correlation_id": "a.b:c-D_1"}`,
			true},
		{"the longest timeout", `{"target": "10.0.0.1", "timeout_sec": 90}`, true},
		{"a fraction of a second", `{"target": "10.0.0.1", "timeout_sec": 1.5}`, true},
		{"more than the longest timeout", `{"target": "10.0.0.1", "timeout_sec": 90.1}`, false},
		{"no time", `{"target": "10.0.0.1", "timeout_sec": 0}`, false},
		{"a timeout in quotes", `{"target": "10.0.0.1", "timeout_sec": "5"}`, false},
		{"an id with a blank", `{"target": "10.0.0.1", "correlation_id": "a b"}`, false},
		{"an id with a line end", `{"target": "10.0.0.1", "correlation_id": "a\n"}`, false},
		{"an empty id", `{"target": "10.0.0.1", "correlation_id": ""}`, false},
		{"an id that is too long", `{"target": "10.0.0.1", "correlation_id": "` + strings.Repeat("a", 65) + `"}`,
			false},
		{"an unknown argument", `{"target": "10.0.0.1", "targets": ""}`, false},
		{"the case of a name counts", `{"Target": "10.0.0.1"}`, false},
		{"nothing", `{}`, false},
		{"null", `null`, false},
		{"no JSON", `{`, false},
		{"two documents", `{"target": "10.0.0.1"} {}`, false},
	} {
		if got := e.Input.Validate(json.RawMessage(row.arguments)); (len(got) == 0) != row.ok {
			t.Errorf("%s: Validate(%s) = %v, want valid: %t", row.says, row.arguments, got, row.ok)
		}
	}
	if e.Plugin != "plugin" || e.Version != "1.2.3" || e.Settings != settings {
		t.Errorf("Compile = %+v, want the plugin's name and version, and the settings", e)
	}
}

func TestTheHostsArgumentsReplaceTheTools(t *testing.T) {
	e := compiled(t, manifest(`{"type": "object", "properties": {
		"timeout_sec": {"type": "string"}, "correlation_id": {"type": "integer"}}}`))
	if got := e.Input.Validate(json.RawMessage(`{"timeout_sec": 5, "correlation_id": "a"}`)); len(got) > 0 {
		t.Errorf("Validate = %v, want the host's arguments in force", got)
	}
	if got := e.Input.Validate(json.RawMessage(`{"timeout_sec": "5", "correlation_id": 1}`)); len(got) != 2 {
		t.Errorf("Validate = %v, want the tool's arguments refused", got)
	}
}

func TestASchemaIsClosed(t *testing.T) {
	base := `"$defs": {"base": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}}`
	for _, row := range []struct {
		says, schema, arguments string
		ok                      bool
	}{
		{"a plain schema", `{"type": "object"}`, `{"x": 1}`, false},
		{"a plain schema takes the host's arguments", `{"type": "object"}`, `{"timeout_sec": 1}`, true},
		{"allOf: a known argument", `{"type": "object", "allOf": [{"$ref": "#/$defs/base"}], ` + base + `}`,
			`{"a": "x"}`, true},
		{"allOf: the host's arguments", `{"type": "object", "allOf": [{"$ref": "#/$defs/base"}], ` + base + `}`,
			`{"a": "x", "timeout_sec": 1}`, true},
		{"allOf: an unknown argument", `{"type": "object", "allOf": [{"$ref": "#/$defs/base"}], ` + base + `}`,
			`{"a": "x", "b": 1}`, false},
		{"allOf: a missing argument", `{"type": "object", "allOf": [{"$ref": "#/$defs/base"}], ` + base + `}`, `{}`,
			false},
		{"$ref: a known argument", `{"type": "object", "$ref": "#/$defs/base", ` + base + `}`, `{"a": "x"}`, true},
		{"$ref: an unknown argument", `{"type": "object", "$ref": "#/$defs/base", ` + base + `}`,
			`{"a": "x", "b": 1}`, false},
		{"oneOf: an unknown argument", `{"type": "object", "oneOf": [{"properties": {"a": true}}]}`,
			`{"a": 1, "b": 1}`, false},
		{"dependentSchemas: a known argument",
			`{"type": "object", "properties": {"a": true}, "dependentSchemas": {"a": {"properties": {"b": true}}}}`,
			`{"a": 1, "b": 1}`, true},
		{"a schema that is open on purpose", `{"type": "object", "additionalProperties": true}`, `{"x": 1}`, true},
		{"a schema that is open for numbers", `{"type": "object", "additionalProperties": {"type": "number"}}`,
			`{"x": "1"}`, false},
		{"a schema that says unevaluated", `{"type": "object", "unevaluatedProperties": {"type": "number"}}`,
			`{"x": 1}`, true},
		{"a plain schema of draft 7",
			`{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}`, `{"x": 1}`, false},
	} {
		e := compiled(t, manifest(row.schema))
		if got := e.Input.Validate(json.RawMessage(row.arguments)); (len(got) == 0) != row.ok {
			t.Errorf("%s: Validate(%s) = %v, want valid: %t", row.says, row.arguments, got, row.ok)
		}
	}
}

// Numbers are the author's: no digit is lost on the way through the host.
func TestLargeNumbersOfASchemaAreKept(t *testing.T) {
	e := compiled(t, manifest(`{"type": "object", "properties": {"id": {"const": 9007199254740993}}}`))
	if got := e.Input.Validate(json.RawMessage(`{"id": 9007199254740993}`)); len(got) > 0 {
		t.Errorf("Validate = %v, want no violation", got)
	}
}

func TestABadManifestIsRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(secret, []byte(`{"type": "string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	property := func(schema string) string {
		return `{"type": "object", "properties": {"a": ` + schema + `}}`
	}
	const old = `"$schema": "http://json-schema.org/draft-07/schema#", `
	for _, row := range []struct{ says, schema, want string }{
		{"no object", `{"type": "string"}`, "object"},
		{"no schema", ``, "input schema"},
		{"no JSON", `{"type": "object"`, "input schema"},
		{"an unknown type", property(`{"type": "text"}`), "input schema"},
		{"a bound that is no number", property(`{"minimum": "1"}`), "input schema"},
		{"a pattern that does not compile", property(`{"pattern": "("}`), "input schema"},
		{"a list of names that is none", `{"type": "object", "required": "a"}`, "input schema"},
		{"a reference to nothing", property(`{"$ref": "#/$defs/none"}`), "input schema"},
		{"a reference to a file", property(`{"$ref": "file://` + secret + `"}`), "input schema"},
		{"a reference to a path", property(`{"$ref": "` + secret + `"}`), "input schema"},
		{"a reference to a page", property(`{"$ref": "http://127.0.0.1:1/schema"}`), "input schema"},
		{"a reference that an id makes external",
			`{"$id": "file://` + secret + `", "type": "object", "properties": {"a": {"$ref": "other.json"}}}`,
			"input schema"},
		{"a dialect that would have to be fetched", `{"$schema": "http://127.0.0.1:1/meta", "type": "object"}`,
			"input schema"},
		{"a dialect in a file", `{"$schema": "file://` + secret + `", "type": "object"}`, "input schema"},
		{"requires the timeout", `{"type": "object", "required": ["timeout_sec"]}`, "timeout_sec"},
		{"requires the id", `{"type": "object", "required": ["a", "correlation_id"], "properties": {"a": {}}}`,
			"correlation_id"},
		{"an old draft whose parts cannot be closed", `{` + old +
			`"type": "object", "allOf": [{"properties": {"a": true}}]}`, "draft"},
		{"an old draft whose reference hides all else",
			`{` + old + `"type": "object", "$ref": "#/definitions/a", "definitions": {"a": {}}}`, "draft"},
	} {
		entries, err := Compile(manifest(row.schema), nil, inForce)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "ATool") {
			t.Errorf("%s: Compile(%s) = %v, %v, want an error with ATool and %q", row.says, row.schema, entries, err,
				row.want)
		}
	}
	bad := manifest(scan)
	bad.Tools[0].OutputSchema = json.RawMessage(`{"type": "object", "properties": {"a": {"type": "text"}}}`)
	if _, err := Compile(bad, nil, inForce); err == nil || !strings.Contains(err.Error(), "output schema") {
		t.Errorf("Compile(bad output schema) = %v, want an error that names it", err)
	}
	bad = manifest(scan)
	bad.Name = "a plugin"
	if _, err := Compile(bad, nil, inForce); err == nil {
		t.Error("Compile(bad name) = nil, want an error")
	}
}

func TestHiddenToolsAreLeftOutButMustBeGood(t *testing.T) {
	m := manifest(scan)
	m.Tools = append(m.Tools, m.Tools[0])
	m.Tools[1].Name, m.Tools[1].Hidden = "Hidden", true
	if entries, err := Compile(m, nil, inForce); err != nil || len(entries) != 1 ||
		entries[0].Spec.Name != "ATool" {
		t.Errorf("Compile = %v, %v, want ATool alone", entries, err)
	}
	m.Tools[1].InputSchema = json.RawMessage(`{"type": "object", "properties": {"a": {"type": "text"}}}`)
	if _, err := Compile(m, nil, inForce); err == nil || !strings.Contains(err.Error(), "Hidden") {
		t.Errorf("Compile(bad hidden tool) = %v, want an error that names it", err)
	}
}

// The manifest is the fleet's; what Compile makes of it must not write into it.
func TestTheManifestIsNotChanged(t *testing.T) {
	m := manifest(scan)
	compiled(t, m)
	if got := string(m.Tools[0].InputSchema); got != scan || m.Tools[0].OutputSchema != nil {
		t.Errorf("the manifest's schemas became %s and %s", got, m.Tools[0].OutputSchema)
	}
}

func TestFormatsAreAsserted(t *testing.T) {
	for _, row := range []struct {
		format, good, bad string
	}{
		{"ipv4", "10.0.0.1", "10.0.0.256"},
		{"date-time", "2026-01-02T03:04:05Z", "yesterday"},
		{"uuid", "019a0000-0000-7000-8000-000000000000", "019a"},
		{"hostname", "db.lab.internal", "-db-"},
	} {
		s, err := CompileSchema(json.RawMessage(`{"format": "` + row.format + `"}`))
		if err != nil {
			t.Fatalf("CompileSchema(%s) = %v", row.format, err)
		}
		if got := s.Validate(json.RawMessage(`"` + row.good + `"`)); len(got) > 0 {
			t.Errorf("%s: Validate(%q) = %v, want no violation", row.format, row.good, got)
		}
		if got := s.Validate(json.RawMessage(`"` + row.bad + `"`)); len(got) != 1 {
			t.Errorf("%s: Validate(%q) = %v, want one violation", row.format, row.bad, got)
		}
	}
}

func TestEverythingThatIsWrongIsSaidWithItsPlace(t *testing.T) {
	s, err := CompileSchema(json.RawMessage(`{"type": "object", "additionalProperties": false, "required": ["r/1", "r2"],
		"properties": {
			"r/1": {}, "r2": {}, "n": {"type": "integer", "maximum": 3},
			"a/b": {"type": "string"}, "m~n": {"type": "string"},
			"list": {"type": "array", "items": {"type": "object", "required": ["x"], "properties": {"x": {"enum": ["one", "two"]}}}}
		}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Validate(json.RawMessage(
		`{"n": 4, "a/b": 1, "m~n": 2, "list": [{"x": "one"}, {"x": "three"}, {}], "ex/tra": 1, "~": 2, "": 3}`))
	var pointers []string
	for _, v := range got {
		pointers = append(pointers, v.Pointer)
		if v.Message == "" {
			t.Errorf("%q has no message", v.Pointer)
		}
	}
	slices.Sort(pointers)
	want := []string{"/", "/a~1b", "/ex~1tra", "/list/1/x", "/list/2/x", "/m~0n", "/n", "/r2", "/r~11", "/~0"}
	if !slices.Equal(pointers, want) {
		t.Errorf("Validate = %v, want violations at %q", got, want)
	}
}

func TestWhatIsSaidOfAViolation(t *testing.T) {
	composed := `{"type": "object", "allOf": [{"properties": {"a": {"type": "string"}}}]}`
	for _, row := range []struct{ schema, arguments, want string }{
		{scan, `{}`, "/target: is required"},
		{scan, `{"target": "a", "port": 1}`, "/port: is not a known field"},
		{composed, `{"port": 1}`, "/port: is not a known field"},
		{scan, `[]`, ": got array, want object"},
		{scan, `{"target": 1}`, "/target: got number, want string"},
		{scan, `{"target": "a", "depth": 0}`, "/depth: minimum: got 0, want 1"},
		{scan, `{"target":`, ": not valid JSON: "},
	} {
		e := compiled(t, manifest(row.schema))
		got := e.Input.Validate(json.RawMessage(row.arguments))
		if len(got) != 1 || !strings.HasPrefix(got[0].Pointer+": "+got[0].Message, row.want) {
			t.Errorf("Validate(%s) = %v, want %q", row.arguments, got, row.want)
		}
	}
}

func TestTheFirstKeepsAName(t *testing.T) {
	entry := func(plugin, name string) *Entry { return &Entry{Plugin: plugin, Spec: tool.Spec{Name: name}} }
	c, clashes := New(entry("one", "B"), entry("two", "A"), entry("two", "B"), entry("three", "B"),
		entry("three", "b"))
	want := []Clash{{Tool: "B", Kept: "one", Refused: "two"}, {Tool: "B", Kept: "one", Refused: "three"}}
	if !slices.Equal(clashes, want) {
		t.Errorf("New = %v, want the clashes %v", clashes, want)
	}
	if got := fmt.Sprint(c.Names()); got != "[A B b]" {
		t.Errorf("Names = %s, want [A B b]", got)
	}
	for name, plugin := range map[string]string{"A": "two", "B": "one", "b": "three"} {
		if e, ok := c.Lookup(name); !ok || e.Plugin != plugin {
			t.Errorf("Lookup(%q) = %v, %t, want that of %s", name, e, ok, plugin)
		}
	}
	for _, name := range []string{"", "a", "C", "B "} {
		if e, ok := c.Lookup(name); ok {
			t.Errorf("Lookup(%q) = %v, want none", name, e)
		}
	}
}

func TestTheSliceOfEntriesIsTheCallers(t *testing.T) {
	c, _ := New(&Entry{Spec: tool.Spec{Name: "A"}}, &Entry{Spec: tool.Spec{Name: "B"}})
	c.Entries()[0] = nil
	if got := c.Entries(); got[0] == nil || got[0].Spec.Name != "A" {
		t.Errorf("Entries = %v, want A first still", got)
	}
}

func TestAnEmptyCatalog(t *testing.T) {
	c, clashes := New()
	if len(clashes) != 0 || len(c.Names()) != 0 || len(c.Entries()) != 0 {
		t.Errorf("New() = %v, %v, want nothing", c.Names(), clashes)
	}
	if _, ok := c.Lookup("A"); ok {
		t.Error("Lookup(A) finds something in nothing")
	}
}

// data are output schemas as authors and their generators write them.
var data = map[string]string{
	"none":              ``,
	"plain":             `{"type": "object", "required": ["up"], "properties": {"up": {"type": "boolean"}}}`,
	"with definitions":  `{"type": "object", "required": ["up"], "properties": {"up": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "boolean"}}}`,
	"in itself":         `{"type": "object", "required": ["up"], "properties": {"up": {"type": "boolean"}, "next": {"$ref": "#"}}}`,
	"with an escape":    `{"type": "object", "required": ["up"], "properties": {"up": {"$ref": "#/$defs/a~1b"}}, "$defs": {"a/b": {"type": "boolean"}}}`,
	"with an anchor":    `{"type": "object", "required": ["up"], "properties": {"up": {"$ref": "#b"}}, "$defs": {"b": {"$anchor": "b", "type": "boolean"}}}`,
	"with an id":        `{"$id": "https://example.com/data", "type": "object", "required": ["up"], "properties": {"up": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "boolean"}}}`,
	"of a dialect":      `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["up"], "properties": {"up": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "boolean"}}}`,
	"of an old dialect": `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["up"], "properties": {"up": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"type": "boolean"}}}`,
	"with a constant that looks like a reference": `{"type": "object", "required": ["up"], "properties": {
		"up": {"type": "boolean"}, "c": {"const": {"$ref": "#/x"}}, "$ref": {"type": "string"}}}`,
}

func TestTheReportSchemaTakesEveryReport(t *testing.T) {
	failed := tool.Errorf(tool.KindTimeout, "too slow").Suggest("wait").With("seconds", 3).About("ATool",
		"10.0.0.1")
	failed.RetryAfter = time.Second
	for name, output := range data {
		m := manifest(scan)
		m.Tools[0].OutputSchema = json.RawMessage(output)
		schema, err := CompileSchema(compiled(t, m).Spec.OutputSchema)
		if err != nil {
			t.Errorf("%s: the report's schema does not compile: %v", name, err)
			continue
		}
		good := tool.Result{Stdout: "out", ExecutionID: "e", CorrelationID: "c", Elapsed: time.Second}
		if output != "" {
			good.Data = json.RawMessage(`{"up": true}`)
		}
		for _, row := range []struct {
			says string
			res  tool.Result
			err  error
		}{
			{"success", good, nil},
			{"failure", tool.Result{ReturnCode: 124, TimedOut: true}, failed},
			{"failure with data", good, failed},
			{"an error of no kind", tool.Result{}, os.ErrClosed},
			{"metadata", tool.Result{Metadata: map[string]any{"a": 1}}, nil},
		} {
			raw, err := json.Marshal(tool.NewReport(row.res, row.err))
			if err != nil {
				t.Fatal(err)
			}
			if got := schema.Validate(raw); len(got) > 0 {
				t.Errorf("%s, %s: Validate(%s) = %v, want no violation", name, row.says, raw, got)
			}
		}
		if output == "" {
			continue
		}
		good.Data = json.RawMessage(`{"up": "yes"}`)
		raw, err := json.Marshal(tool.NewReport(good, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := schema.Validate(raw); len(got) != 1 || got[0].Pointer != "/data/up" {
			t.Errorf("%s: Validate(%s) = %v, want one violation at /data/up", name, raw, got)
		}
	}
}

func TestAReportLacksNothing(t *testing.T) {
	schema, err := CompileSchema(compiled(t, manifest(scan)).Spec.OutputSchema)
	if err != nil {
		t.Fatal(err)
	}
	if got := schema.Validate(json.RawMessage(`{}`)); len(got) != 7 {
		t.Errorf("Validate({}) = %v, want the seven fields that are always there", got)
	}
}

// Whatever schema a plugin brings: no panic, and what is accepted takes the host's arguments as JSON Schema.
func FuzzCompile(f *testing.F) {
	for _, schema := range data {
		f.Add(scan, schema, `{"target": "10.0.0.1"}`)
		f.Add(schema, scan, `{"up": true}`)
	}
	f.Add(`{"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}`, ``, `{}`)
	f.Add(`{"type": "object", "properties": {"a": {"$ref": "#"}}}`, ``, `{"a": {"a": {}}}`)
	f.Fuzz(func(t *testing.T, input, output, arguments string) {
		m := manifest(input)
		m.Tools[0].OutputSchema = json.RawMessage(output)
		entries, err := Compile(m, nil, inForce)
		if err != nil {
			return
		}
		for _, v := range entries[0].Input.Validate(json.RawMessage(arguments)) {
			if v.Pointer != "" && v.Pointer[0] != '/' {
				t.Errorf("Validate(%q): %q is no JSON Pointer", arguments, v.Pointer)
			}
		}
		if _, err := CompileSchema(entries[0].Spec.OutputSchema); err != nil {
			t.Errorf("the schema of the report does not compile: %v", err)
		}
		if !json.Valid(entries[0].Spec.InputSchema) {
			t.Errorf("the input schema is not JSON: %s", entries[0].Spec.InputSchema)
		}
	})
}
