// Package openapitest holds answers of an HTTP server against its OpenAPI 3.1 document, for tests. It is a
// module of its own so that the tests of the host and those of the whole program can share it.
//
// A [Document] is stricter than what it was read from: an answer must have a documented status, media type
// and body, it must fit every path of the document that matches its own, and the document's own schemas take
// no members that they do not name, though the document tells clients to ignore them. Schemas with a dot in
// their name belong to tools, and are taken as they are.
//
//	doc, err := openapitest.Parse(raw)
//	err = doc.Check("GET", "/tools", resp.StatusCode, resp.Header, body)
//	client.Transport = &openapitest.Transport{Document: doc, Report: func(err error) { t.Error(err) }}
package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// location is where the document stands for its references.
const location = "openapi:///document.json"

// Document is an OpenAPI document. It may be used by many goroutines.
type Document struct {
	root  map[string]any
	paths map[string]map[string]any // template -> path item

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema // JSON pointer -> schema
}

// Parse reads a document, and compiles every schema in its components.
func Parse(raw []byte) (*Document, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	root, _ := doc.(map[string]any)
	if version, _ := root["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		return nil, fmt.Errorf("openapi is %q, want 3.1", version)
	}
	d := &Document{
		root: root, paths: map[string]map[string]any{}, compiler: jsonschema.NewCompiler(),
		compiled: map[string]*jsonschema.Schema{},
	}
	for template, item := range members(root, "paths") {
		d.paths[template], _ = item.(map[string]any)
	}
	schemas := members(root, "components", "schemas")
	for name, schema := range schemas {
		if !strings.Contains(name, ".") {
			tighten(schema)
		}
	}
	d.compiler.AssertFormat()
	d.compiler.UseLoader(jsonschema.SchemeURLLoader{}) // nothing else is read
	if err := d.compiler.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	for name := range schemas {
		if _, err := d.schema("/components/schemas/" + escape(name)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// members are those of the object at the end of a path of names; none where there is no object.
func members(in map[string]any, names ...string) map[string]any {
	for _, name := range names {
		in, _ = in[name].(map[string]any)
	}
	return in
}

// tighten closes every object that names its members and does not say whether it takes others.
func tighten(schema any) {
	s, ok := schema.(map[string]any)
	if !ok {
		return
	}
	properties := members(s, "properties")
	if _, said := s["additionalProperties"]; !said && len(properties) > 0 {
		s["additionalProperties"] = false
	}
	for _, p := range properties {
		tighten(p)
	}
	tighten(s["items"])
	tighten(s["additionalProperties"])
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func escape(name string) string { return escaper.Replace(name) }

func (d *Document) schema(pointer string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[pointer]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(location + "#" + strings.ReplaceAll(pointer, "%", "%25"))
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", pointer, err)
	}
	d.compiled[pointer] = s
	return s, nil
}

// Check says what of an answer the document does not allow. body may be nil for a stream, or an answer to
// HEAD.
func (d *Document) Check(method, path string, status int, header http.Header, body []byte) error {
	a := &answer{doc: d, status: strconv.Itoa(status), body: body}
	a.media, _, _ = mime.ParseMediaType(header.Get("Content-Type")) // what cannot be read is documented nowhere
	operation := strings.ToLower(method)
	if method == http.MethodHead {
		operation = "get"
	}
	var errs []error
	known := false
	for template, item := range d.paths {
		// The case of a method matters: "get" is another one, and no document has it.
		if item[operation] != nil && method == strings.ToUpper(method) && matches(template, path) {
			known = true
			errs = append(errs, a.check(template, operation))
		}
	}
	if !known {
		errs = append(errs, a.checkUnknown(status))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s %s = %d: %w", method, path, status, err)
	}
	return nil
}

// matches reports whether a path is one of a template.
func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		variable := strings.HasPrefix(want[i], "{") && strings.HasSuffix(want[i], "}") && got[i] != ""
		if want[i] != got[i] && !variable {
			return false
		}
	}
	return true
}

// answer is what is held against the document.
type answer struct {
	doc           *Document
	status, media string
	body          []byte
}

func (a *answer) check(template, method string) error {
	pointer := "/paths/" + escape(template) + "/" + method + "/responses/" + a.status
	response := members(a.doc.paths[template], method, "responses", a.status)
	if ref, ok := response["$ref"].(string); ok {
		pointer = strings.TrimPrefix(ref, "#")
		response = members(a.doc.root, strings.Split(strings.TrimPrefix(pointer, "/"), "/")...)
	}
	if response == nil {
		return fmt.Errorf("the status is not documented for %s", template)
	}
	if members(response, "content", a.media) == nil {
		return fmt.Errorf("the media type %q is not documented for %s and this status", a.media, template)
	}
	return a.fits(pointer + "/content/" + escape(a.media) + "/schema")
}

// checkUnknown holds what the document does not name to be a problem.
func (a *answer) checkUnknown(status int) error {
	if status < 400 || a.media != "application/problem+json" {
		return fmt.Errorf("neither path and method are documented, nor is the answer (%s) a problem", a.media)
	}
	return a.fits("/components/schemas/Problem")
}

func (a *answer) fits(pointer string) error {
	schema, err := a.doc.schema(pointer)
	if err != nil || len(a.body) == 0 {
		return err
	}
	var value any = string(a.body)
	if strings.HasSuffix(a.media, "json") {
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(a.body)); err != nil {
			return fmt.Errorf("read %.200q: %w", a.body, err)
		}
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%.500s: %w", a.body, err)
	}
	return nil
}
