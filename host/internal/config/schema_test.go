package config

import (
	"bytes"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatalf("Compile = %v, want a schema", err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

func TestTheSchemaTakesWhatIsRead(t *testing.T) {
	s := compiled(t)
	example, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	l := read(t, Source{})
	if err := l.Print(&printed); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"{}", string(example), yamlFile, printed.String(), "security: {allow_intrusive: false}",
		"security: {allow_intrusive: ask}",
	} {
		if err := validate(t, s, text); err != nil {
			t.Errorf("Validate(%s) = %v, want no error", text, err)
		}
	}
}

func TestTheSchemaRefusesWhatIsNotRead(t *testing.T) {
	s := compiled(t)
	for _, text := range []string{
		"sever: {}", "server: {prot: 1}", "server: {port: '1'}", "server: {port: 65536}", "server: {port: 1.5}",
		"server: {transport: grpc}", "server: {state_dir: state}", "tools: {T: {timeout: 1}}", "tools: {a b: {}}",
		"auth: {tokens: [{name: a}]}", "auth: {tokens: [{name: a, sha256: abc}]}", "plugins: {config: {p: 1}}",
		"circuit_breaker: {failure_threshold: 11}", "tool: {include: A}", "scope: {hosts: {a: 10.0.0.1}}",
		"tls: {cert_file: cert.pem}", "tls: {client_auth: maybe}", "admin: {listen: 8081}", "admin: {listen: 'unix:x'}",
		"auth: {certificates: [{name: a}]}", "auth: {certificates: [{name: a, subject: 'ip:1'}]}",
		"auth: {tokens: [{name: a, sha256: " + hash + ", expires: tomorrow}]}", "oidc: {issuer: 'ftp://a'}",
		"security: {allow_intrusive: 'false'}", "security: {allow_intrusive: 'true'}",
		"security: {allow_intrusive: 1}", "security: {allow_intrusive: maybe}", "mcp: {max_text: 3999}",
		"executions: {max_age: 59}",
	} {
		if err := validate(t, s, text); err == nil {
			t.Errorf("Validate(%s) = nil, want an error", text)
		}
	}
}
