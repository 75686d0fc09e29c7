package httpdoor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// object is a part of the document. Its members are written in the order of their names, so that the same
// door and catalog always make the same bytes.
type object = map[string]any

// document is the OpenAPI document of one catalog, as it is sent.
type document struct {
	catalog *catalog.Catalog
	raw     json.RawMessage
}

// openapi answers with the document, which is made anew only when the catalog has changed.
func (d *Door) openapi(w http.ResponseWriter, r *http.Request) {
	raw, err := d.OpenAPI()
	if err != nil {
		d.cfg.Logger.ErrorContext(r.Context(), "the OpenAPI document cannot be made", "error", err)
		d.refuse(w, r, http.StatusInternalServerError, tool.Errorf(tool.KindUnknown, "internal error").
			Suggest("look into the log of the host; it is a bug"))
		return
	}
	writeJSON(w, http.StatusOK, raw)
}

// OpenAPI is the document that describes the door: OpenAPI 3.1, made of the rows of its table and the schemas
// of the tools that can be called now.
func (d *Door) OpenAPI() (json.RawMessage, error) {
	c := d.cfg.Catalog()
	if known := d.document.Load(); known != nil && known.catalog == c {
		return known.raw, nil
	}
	doc, err := d.describe(c)
	if err != nil {
		return nil, err
	}
	raw, err := encode(doc)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	d.document.Store(&document{catalog: c, raw: raw})
	return raw, nil
}

const about = `Gatehouse runs network and security diagnostics for programs and AI assistants, behind one set
of rules.

Every request but those for ~/livez~, ~/readyz~ and ~/health~ carries a bearer token. The roles are viewer,
caller and admin, each with the rights of the one before; each operation names the least that it needs. HEAD goes
wherever GET goes. Every error is a problem of RFC 9457. Answers may grow members: ignore those that you do not
know.

The operations of single tools, such as ~execute_PingTool~, are the general ones with the schemas of the tool
put in; they come and go with the tools. The same host speaks MCP (Streamable HTTP) at ~/mcp~.`

var tagTexts = [][2]string{
	{"calls", "Running tools, and asking what a run would do."},
	{"events", "What happens, as it happens."},
	{"executions", "Calls that run or ran: long ones go on without their callers."},
	{"health", "How the host is."},
	{"operation", "What operators watch and switch."},
	{"plugins", "The processes behind the tools."},
	{"tokens", "Who may come in."},
	{"tools", "What there is to call."},
}

func (d *Door) describe(c *catalog.Catalog) (object, error) {
	schemas, err := componentSchemas()
	if err != nil {
		return nil, err
	}
	paths := object{}
	for _, r := range d.rows {
		if r.method != "" {
			r.document(paths)
		}
	}
	for _, e := range c.Entries() {
		if !e.Settings.Enabled {
			continue
		}
		if err := d.describeTool(e, paths, schemas); err != nil { // one tool never takes the others with it
			d.cfg.Logger.Warn("a tool is not in the OpenAPI document", "tool", e.Spec.Name, "error", err)
		}
	}
	components := object{
		"schemas": schemas, "responses": problemResponses(), "parameters": parameters(), "headers": headers(),
	}
	if err := prune(components, paths); err != nil {
		return nil, err
	}
	components["securitySchemes"] = object{"token": object{
		"type": "http", "scheme": "bearer",
		"description": "`gatehouse token show` prints the generated one. With auth.mode none it is not looked at.",
	}}
	doc := d.head()
	doc["paths"], doc["components"] = paths, components
	return doc, nil
}

// head is what the document says of the whole.
func (d *Door) head() object {
	var tags []object
	for _, t := range tagTexts {
		tags = append(tags, object{"name": t[0], "description": t[1]})
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Gatehouse", "version": cmp.Or(d.cfg.Version, "dev"),
			"summary":     "Network diagnostics behind one set of rules",
			"description": strings.ReplaceAll(about, "~", "`"), "license": object{"name": "MIT", "identifier": "MIT"},
		},
		"servers": []object{{
			"url": "http://{address}", "description": "Plain HTTP; TLS is the business of a proxy.",
			"variables": object{"address": object{
				"default": "127.0.0.1:8080", "description": "server.host and server.port",
			}},
		}},
		"tags": tags, "security": []object{{"token": []string{}}},
	}
}

// describeTool adds the operations of one tool, with its schemas.
func (d *Door) describeTool(e *catalog.Entry, paths, schemas object) error {
	name := e.Spec.Name
	input, err := component(e.Spec.InputSchema, name+".input")
	if err != nil {
		return fmt.Errorf("input schema: %w", err)
	}
	output, err := component(e.Spec.OutputSchema, name+".output")
	if err != nil {
		return fmt.Errorf("output schema: %w", err)
	}
	describe(input, "The arguments of "+name+".")
	describe(output, "What a call of "+name+" came to.")
	schemas[name+".input"], schemas[name+".output"] = input, output
	for _, r := range d.rows {
		verb, ofTool := strings.CutPrefix(r.path, "/tools/{name}/")
		if r.role != auth.Caller || !ofTool {
			continue
		}
		r.id, r.params = verb+"_"+name, nil
		r.text = e.Spec.Description
		r.body = &body{schema: name + ".input", required: true}
		r.answers = slices.Clone(r.answers)
		if verb == "execute" {
			r.summary, r.answers[0].schema = "Run "+name, name+".output"
		} else {
			r.summary = "Say what a call of " + name + " would do"
		}
		paths["/tools/"+name+"/"+verb] = object{"post": r.operation()}
	}
	return nil
}

// describe gives a schema a description, when it has none of its own.
func describe(schema object, text string) {
	if _, has := schema["description"]; !has {
		schema["description"] = text
	}
}
