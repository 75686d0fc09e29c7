package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// problemsOf reads a file that must be bad.
func problemsOf(t *testing.T, file string) Problems {
	t.Helper()
	_, err := Read(Source{File: file})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("Read(%s) = %v, want problems", file, err)
	}
	return problems
}

func TestAProblemSaysWhereItIs(t *testing.T) {
	for _, row := range []struct{ says, name, text, want string }{
		{"an unknown key", "c.yaml", "server:\n  port: 1\n  prot: 2\n",
			`:3:3: server.prot: is an unknown key; allowed: transport, host, port, behind_tls_proxy, ` +
				`trusted_proxies, allowed_hosts, allowed_origins, max_connections, max_connections_per_client, ` +
				`max_streams_per_client, shutdown_grace_period, state_dir; did you mean "server.port"?`},
		{"an unknown key of JSON indented with tabs", "c.json", "{\n\t\"server\": {\n\t\t\"prot\": 2\n\t}\n}",
			":3:3: server.prot: is an unknown key"},
		{"JSON in a file of another name", "c.yaml", "{\n\t\"server\": {\t\"prot\": 2}}", ":2:14: server.prot:"},
		{"a wrong type", "c.yaml", "server:\n  port: 'x'\n",
			`:2:9: server.port: is the text "x"; allowed: a whole number, 0 to 65535`},
		{"a number in quotes", "c.json", "{\"server\": {\"port\":\n\"80\"}}",
			`:2:1: server.port: is the text "80"; allowed: a whole number, 0 to 65535; write it without quotes`},
		{"a value out of bounds", "c.yaml", "server: {port: 65536}\n",
			":1:16: server.port: 65536 is out of range; allowed: a whole number, 0 to 65535"},
		{"columns are of characters", "c.yaml", "server: {host: \"äöü\", port: -1}\n", ":1:29: server.port:"},
		{"columns of JSON too", "c.json", "{\"server\": {\"host\": \"äöü\", \"port\": -1}}\n",
			":1:36: server.port:"},
		{"a token", "c.yaml", "auth:\n  tokens:\n    - name: a\n", ":3:7: auth.tokens[0].sha256: must be"},
		{"an item of a list", "c.yaml", "tool:\n  include:\n    - A\n    - '['\n", ":4:7: tool.include[1]: \"[\""},
		{"a key of another section", "c.yaml", "security:\n  allow_loopback: false\n",
			`did you mean "scope.allow_loopback"?`},
		{"a key of more than one other section", "c.yaml", "server:\n  max_file_size: 1\n",
			`did you mean "audit.max_file_size" or "logging.max_file_size"?`},
		{"a key without its section", "c.yaml", "port: 1\n", `:1:1: port: is an unknown section`},
		{"a key without its section, which has one", "c.yaml", "port: 1\n", `did you mean "server.port"?`},
		{"a dotted key", "c.yaml", "server.port: 1\n", `write it as server: {port: ...}`},
		{"a wrong section", "c.yaml", "circuit_braker: {}\n", `did you mean "circuit_breaker"?`},
		{"a wrong key of a tool", "c.yaml", "tools:\n  T: {concurency: 1}\n",
			`did you mean "tools.T.concurrency"?`},
		{"a wrong value", "c.yaml", "server: {transport: htpp}\n",
			`:1:21: server.transport: "htpp" is unknown; allowed: stdio, http; did you mean "http"?`},
		{"a key that stands twice", "c.yaml", "server: {}\nscope: {}\nserver: {}\n",
			":3:1: server: stands on line 1 and again on line 3"},
		{"a key of JSON that stands twice", "c.json", "{\"server\": {\"port\": 1,\n\"port\": 1}}",
			":2:1: server.port: stands on line 1 and again on line 2"},
		{"a name of a plugin's own that stands twice", "c.yaml", "plugins: {config: {p: {a: 1, a: 2}}}\n",
			"plugins.config.p.a: stands on line 1"},
		{"broken JSON", "c.json", "{\n\"server\": {,}}", ":2:12: is not JSON"},
		{"JSON that ends too early", "c.json", "{\"server\":\n", " is not JSON"},
		{"two values of JSON", "c.json", "{}\n{}", ":2:1: a second value begins"},
		{"broken YAML", "c.yaml", "server: {}\n\tscope: {}\n", ":2: is not YAML: "},
		{"two documents", "c.yaml", "server: {}\n---\nscope: {}\n", ":2:1: a second document begins"},
		{"an anchor", "c.yaml", "server: &a {}\n", ":1:9: server: anchors and aliases"},
		{"an alias", "c.yaml", "plugins: {config: {p: {a: &x [1], b: *x}}}\n",
			"plugins.config.p.a: anchors and aliases"},
		{"a merge key", "c.yaml", "server:\n  <<: {port: 1}\n", ":2:3: server.<<: merge keys are not read"},
		{"a tag", "c.yaml", "server: {host: !!str 1}\n", ":1:16: server.host: tags (!) are not read"},
		{"an octal number", "c.yaml", "server: {port: 0080}\n", "server.port: 0080 begins with a zero"},
		{"a date", "c.yaml", "server: {host: 2020-01-01}\n", "server.host: is a date; put it in quotes"},
		{"a key that is a list", "c.yaml", "? [a]\n: 1\n", "a key must be a text"},
	} {
		file := write(t, row.name, row.text)
		problems := problemsOf(t, file)
		if !strings.HasPrefix(problems[0], file+":") || !strings.Contains(problems[0], row.want) {
			t.Errorf("%s: Read(%q) = %q, want %q", row.says, row.text, problems[0], row.want)
		}
	}
}

func TestTheOtherSourcesAreNamed(t *testing.T) {
	_, err := Read(Source{
		Environ: []string{
			"MCP_SERVER_MAX_CONNECTIONS=many", "LOG_FORMAT=xml", "TOOL_INCLUDE=A,[", "MCP_AUDIT_DIR=x",
			"MCP_HEALTH_TIMEOUT=NaN",
		},
		Flags: map[string]any{"server.port": 70000, "plugins.dirs": "x"},
	})
	for _, want := range []string{
		`environment MCP_SERVER_MAX_CONNECTIONS: server.max_connections: "many" is not a whole number, 1 to 100000`,
		`environment LOG_FORMAT: logging.format: "xml" is unknown; allowed: structured, simple`,
		`environment TOOL_INCLUDE: tool.include[1]: "[" is not a pattern`,
		`environment MCP_AUDIT_DIR: audit.dir: "x" is relative`,
		`environment MCP_HEALTH_TIMEOUT: health.timeout: NaN is not a finite number; allowed: a number, 1 to 300`,
		`flag --port: server.port: 70000 is out of range; allowed: a whole number, 0 to 65535`,
		`flag --plugins-dir: plugins.dirs: is the text "x"; allowed: a list of texts`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read = %v, want among the problems: %s", err, want)
		}
	}
	if n := len(err.(Problems)); n != 7 {
		t.Errorf("Read = %d problems, want 7: %v", n, err)
	}
}

func TestForeignTextCannotForgeALine(t *testing.T) {
	file := write(t, "c.yaml",
		`{"a\nb\u001b[31m": 1, "server": {"transport": "x\r\ny\u202e"}, "tools": {"\u0007": {}}}`)
	for _, p := range problemsOf(t, file) {
		if strings.ContainsAny(p, "\r\n\x1b\a\u202e") {
			t.Errorf("Read = %q, want control characters quoted", p)
		}
	}
}

func TestASecretIsNeverSaid(t *testing.T) {
	for _, text := range []string{
		"auth: {tokens: [{name: a, sha256: hunter2}]}", "auth: {tokens: [{name: a, sha256: 424242}]}",
		"auth: {tokens: [{name: a, sha256: [hunter2]}]}", "auth: {tokens: [{name: a, sha256: {a: hunter2}}]}",
		"auth: {tokens: [hunter2]}", "auth: {tokens: hunter2}", "auth: hunter2", "plugins: {config: hunter2}",
		"plugins: {config: {p: hunter2}}", "plugins: {config: {p: [hunter2]}}",
	} {
		if said := problemsOf(t, write(t, "c.yaml", text)).Error(); strings.Contains(said, "hunter2") ||
			strings.Contains(said, "424242") {
			t.Errorf("Read(%s) = %s, want nothing of the secret", text, said)
		}
	}
}

func TestTheNumberOfProblemsIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "k%d: 1\n", i)
	}
	problems := problemsOf(t, write(t, "c.yaml", text.String()))
	if last := problems[len(problems)-1]; len(problems) != maxProblems+1 || last != "and 400 problems more" {
		t.Errorf("Read = %d problems, the last %q, want %d and a word about the rest", len(problems), last,
			maxProblems)
	}
}
