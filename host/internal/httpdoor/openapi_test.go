package httpdoor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// -update writes testdata/openapi.json anew.
var update = flag.Bool("update", false, "write the golden files")

// scanning is a catalog with one tool as it comes through compilation, with references in its schemas.
func scanning(t testing.TB) *catalog.Catalog {
	t.Helper()
	entries, err := catalog.Compile(tool.Manifest{Name: "scan", Version: "1.0.0", Tools: []tool.Spec{{
		Name: "Scan-Tool_1", Title: "Scan", Description: "Scans a host.",
		InputSchema: json.RawMessage(`{
			"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["target"],
			"properties": {
				"target": {"$ref": "#/$defs/host"}, "tree": {"$ref": "#/$defs/tree"},
				"$ref": {"type": "string", "enum": ["#/$defs/host"]}
			},
			"$defs": {
				"host": {"type": "string", "minLength": 1},
				"tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}}
			}}`),
		OutputSchema: json.RawMessage(`{"type": "object", "required": ["up"],
			"properties": {"up": {"type": "boolean"}, "inner": {"$ref": "#"}}}`),
		Targets: []tool.TargetArgument{{Argument: "target"}},
	}}}, nil, func(tool.Spec) catalog.Settings {
		return catalog.Settings{Enabled: true, DefaultTimeout: time.Minute, MaxTimeout: time.Hour}
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := catalog.New(entries...)
	return c
}

// documented returns the document of a door as it is sent.
func documented(t testing.TB, d *Door) map[string]any {
	t.Helper()
	return parse(t, serve(d, request("GET", "/openapi.json", "")), "application/json")
}

// at walks down a document.
func at(t testing.TB, in any, names ...string) any {
	t.Helper()
	for i, name := range names {
		m, _ := in.(map[string]any)
		next, ok := m[name]
		if !ok {
			t.Fatalf("the document has nothing at %q", names[:i+1])
		}
		in = next
	}
	return in
}

// The file is what the linter of tools/openapi reads.
func TestTheDocumentIsTheOneThatIsLinted(t *testing.T) {
	c := scanning(t)
	d := newDoor(t, withEverything, func(cfg *Config) { cfg.Catalog = func() *catalog.Catalog { return c } })
	raw, err := d.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s (%v) is not the document; run go test -run TestTheDocument -update here, and lint it", name, err)
	}
}

func TestEveryRowIsInTheDocument(t *testing.T) {
	d := newDoor(t, withEverything)
	doc := documented(t, d)
	ids := map[string]string{} // operationId -> where
	for path, item := range at(t, doc, "paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			id, _ := at(t, op, "operationId").(string)
			if other, twice := ids[id]; twice || id == "" {
				t.Errorf("%s %s has the operationId %q, as has %q", method, path, id, other)
			}
			ids[id] = strings.ToUpper(method) + " " + path
		}
	}
	for _, r := range d.rows {
		if r.method == "" {
			continue
		}
		op := at(t, doc, "paths", r.path, strings.ToLower(r.method))
		if at(t, op, "operationId") != r.id || at(t, op, "summary") != r.summary || len(r.answers) == 0 {
			t.Errorf("%s %s = %v, want what its row says", r.method, r.path, op)
		}
		said, _ := at(t, op, "description").(string)
		if !strings.Contains(said, cmp.Or(string(r.role), "everybody")) {
			t.Errorf("%s %s says %q, want its role in it", r.method, r.path, said)
		}
	}
}

func TestEachEnabledToolHasItsOwnOperations(t *testing.T) {
	c := scanning(t)
	d := newDoor(t, func(cfg *Config) { cfg.Catalog = func() *catalog.Catalog { return c } })
	doc := documented(t, d)
	op := at(t, doc, "paths", "/tools/Scan-Tool_1/execute", "post")
	in := at(t, op, "requestBody", "content", "application/json", "schema", "$ref")
	out := at(t, op, "responses", "200", "content", "application/json", "schema", "$ref")
	if at(t, op, "operationId") != "execute_Scan-Tool_1" || in != "#/components/schemas/Scan-Tool_1.input" ||
		out != "#/components/schemas/Scan-Tool_1.output" {
		t.Errorf("operation = %v, want the schemas of the tool", op)
	}
	plan := at(t, doc, "paths", "/tools/Scan-Tool_1/plan", "post")
	if got := at(t, plan, "responses", "200", "content", "application/json", "schema", "$ref"); got !=
		"#/components/schemas/Plan" {
		t.Errorf("a plan answers %v, want a Plan", got)
	}
	input := at(t, doc, "components", "schemas", "Scan-Tool_1.input")
	const root = "#/components/schemas/Scan-Tool_1.input/$defs/"
	if at(t, input, "properties", "target", "$ref") != root+"host" ||
		at(t, input, "$defs", "tree", "properties", "next", "$ref") != root+"tree" {
		t.Errorf("input = %v, want its references moved", input)
	}
	if list := at(t, input, "properties", "$ref", "enum").([]any); list[0] != "#/$defs/host" {
		t.Errorf("a value has become %v, want it left alone", list)
	}
	at(t, input, "properties", "timeout_sec")
	at(t, doc, "components", "schemas", "Scan-Tool_1.output", "properties", "data", "properties", "up")

	off := documented(t, newDoor(t))
	for path := range at(t, off, "paths").(map[string]any) {
		if strings.Contains(path, "BTool") {
			t.Errorf("the document has %s of a tool that is switched off", path)
		}
	}
}

func TestTheDocumentFollowsTheCatalog(t *testing.T) {
	now := testCatalog()
	d := newDoor(t, func(c *Config) { c.Catalog = func() *catalog.Catalog { return now } })
	first, err := d.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.OpenAPI(); err != nil || &again[0] != &first[0] {
		t.Errorf("OpenAPI of the same catalog = another document (%v), want the one that was made", err)
	}
	now = scanning(t)
	if other, err := d.OpenAPI(); err != nil || !strings.Contains(string(other), "execute_Scan-Tool_1") ||
		strings.Contains(string(other), "ATool") {
		t.Errorf("OpenAPI of another catalog = %.100s (%v), want its tools", other, err)
	}
}

func TestAToolWhoseSchemaCannotBeReadIsLeftOut(t *testing.T) {
	good, _ := testCatalog().Lookup("ATool")
	c, _ := catalog.New(good, &catalog.Entry{
		Spec:     tool.Spec{Name: "Broken", InputSchema: json.RawMessage(`{"type":`)},
		Settings: catalog.Settings{Enabled: true},
	})
	log := &journal{}
	doc := documented(t, newDoor(t, func(cfg *Config) {
		cfg.Catalog = func() *catalog.Catalog { return c }
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	}))
	at(t, doc, "paths", "/tools/ATool/execute")
	if at(t, doc, "paths").(map[string]any)["/tools/Broken/execute"] != nil || !strings.Contains(log.String(), "Broken") {
		t.Errorf("the document has the broken tool, or the log = %s does not name it", log)
	}
}

// A client's author has nothing but the document.
func TestEveryMemberIsDescribed(t *testing.T) {
	schemas, err := componentSchemas()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := encode(schemas)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for name, schema := range all {
		if at(t, schema, "description") == "" {
			t.Errorf("%s has no description", name)
		}
		properties, _ := schema.(map[string]any)["properties"].(map[string]any)
		for _, member := range slices.Sorted(maps.Keys(properties)) {
			if text, _ := properties[member].(map[string]any)["description"].(string); text == "" {
				t.Errorf("%s.%s has no description", name, member)
			}
		}
		for member := range texts[name] {
			if properties[member] == nil {
				t.Errorf("texts describes %s.%s, which there is not", name, member)
			}
		}
	}
}

func TestEveryComponentIsUsed(t *testing.T) {
	for _, change := range []func(*Config){func(*Config) {}, withEverything} {
		raw, err := newDoor(t, change).OpenAPI()
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"schemas", "responses", "parameters", "headers"} {
			list, _ := at(t, doc, "components").(map[string]any)[kind].(map[string]any)
			for name := range list {
				if !regexp.MustCompile(`"#/components/` + kind + `/` + regexp.QuoteMeta(name) + `"`).Match(raw) {
					t.Errorf("nothing refers to %s/%s", kind, name)
				}
			}
		}
	}
}
