package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// patterns are of texts that not every word fits.
var patterns = map[string]string{
	"server.state_dir":     `^(/.*)?$`,
	"audit.dir":            `^(/.*)?$`,
	"logging.file_path":    `^(/.*)?$`,
	"tls.cert_file":        `^(/.*)?$`,
	"tls.key_file":         `^(/.*)?$`,
	"tls.client_ca_file":   `^(/.*)?$`,
	"admin.listen":         `^(unix:/.{1,99}|.+:[0-9]{1,5})?$`,
	"auth.tokens[].name":   `^[A-Za-z0-9_-]{1,64}$`,
	"auth.tokens[].sha256": `^[0-9A-Fa-f]{64}$`,
	"auth.tokens[].expires": `^([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?` +
		`([Zz]|[+-][0-9]{2}:[0-9]{2}))?$`,
	"auth.certificates[].name":    `^[A-Za-z0-9_-]{1,64}$`,
	"auth.certificates[].subject": `^(cn|dns|uri|email):.+$`,
	"oidc.issuer":                 `^(https?://[^?#]+)?$`,
	"oidc.ca_file":                `^(/.*)?$`,
	"tools":                       `^[A-Za-z0-9_-]{1,64}$`, // of the names
	"plugins.run_as":              `^([A-Za-z_][A-Za-z0-9_.-]{0,31}|[0-9]{1,10}:[0-9]{1,10})?$`,
	"plugins.config":              `^[A-Za-z0-9_-]{1,64}$`, // likewise
}

// required are the keys without which an element makes no sense.
var required = map[string][]string{
	"auth.tokens[]": {"name", "sha256"}, "auth.certificates[]": {"name", "subject"},
}

// Schema is a JSON Schema (2020-12) of the file, for editors. It is stricter than [Read] in two things: a
// number beyond a range is an error, where Read clamps, and so is a key without a value.
func Schema() ([]byte, error) {
	root := schemaOf(tree(), reflect.ValueOf(Default()))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Configuration of Gatehouse"
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("schema of the configuration: %w", err)
	}
	return out.Bytes(), nil
}

// schemaOf describes a field; the default is left out when there is none.
func schemaOf(f *field, preset reflect.Value) map[string]any {
	s := map[string]any{"type": jsonTypes[f.form]}
	if doc := about[f.key]; doc != "" {
		s["description"] = doc
	}
	if preset.IsValid() && f.form != section {
		s["default"] = redact(preset, f)
	}
	pattern := patterns[f.key]
	switch f.form {
	case section:
		s["properties"], s["additionalProperties"] = properties(f, preset), false
		if names := required[f.key]; names != nil {
			s["required"] = names
		}
	case named:
		s["additionalProperties"] = schemaOf(f.elem, reflect.Value{})
		if pattern != "" {
			s["propertyNames"] = map[string]any{"pattern": pattern}
		}
	case sections:
		s["items"] = schemaOf(f.elem, reflect.Value{})
	case list:
		s["items"] = map[string]any{"type": "string"}
	case text:
		if pattern != "" {
			s["pattern"] = pattern
		}
		if len(f.enum) > 0 {
			s["enum"] = f.spellings()
		}
	case choice:
		delete(s, "type") // the values say it
		s["enum"] = f.choices()
	}
	if f.bounds != nil {
		s["minimum"], s["maximum"] = f.bounds.least, f.bounds.most
	}
	return s
}

var jsonTypes = map[form]string{
	section: "object", named: "object", free: "object", sections: "array", list: "array", text: "string",
	whole: "integer", number: "number", truth: "boolean",
}

func properties(f *field, preset reflect.Value) map[string]any {
	all := make(map[string]any)
	for i, child := range f.fields {
		var own reflect.Value
		if preset.IsValid() {
			own = preset.Field(i)
		}
		all[child.name] = schemaOf(child, own)
	}
	return all
}

// choices are the values of a choice: booleans and texts.
func (f *field) choices() []any {
	var all []any
	for _, e := range f.enum {
		all = append(all, chosen(e))
	}
	return all
}

// spellings are the values of an enum as people write them.
func (f *field) spellings() []string {
	all := append([]string{}, f.enum...)
	if strings.Contains(f.key, "[]") {
		return append(all, "") // an element has no default but this
	}
	if !f.letters {
		return all
	}
	for _, e := range f.enum {
		all = append(all, strings.ToLower(e))
	}
	return all
}
