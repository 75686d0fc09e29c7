package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// write makes a configuration file and returns its name.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	return path
}

// load loads a configuration that must be good.
func load(t testing.TB, s Source) Config {
	t.Helper()
	cfg, err := Load(s)
	if err != nil {
		t.Fatalf("Load(%v) = %v, want a configuration", s, err)
	}
	return cfg
}

// at is the value of a dotted key.
func at(t testing.TB, cfg Config, key string) reflect.Value {
	t.Helper()
	v := reflect.ValueOf(cfg)
	for part := range strings.SplitSeq(key, ".") {
		var next reflect.Value
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("koanf") == part {
				next = v.Field(i)
			}
		}
		if !next.IsValid() {
			t.Fatalf("there is no key %q", key)
		}
		v = next
	}
	return v
}

func TestWithoutAnyWordTheDefaultsHold(t *testing.T) {
	if got := load(t, Source{}); !reflect.DeepEqual(got, Default()) {
		t.Errorf("Load() = %+v, want %+v", got, Default())
	}
}

func TestTheCloserWordWins(t *testing.T) {
	const key = "server.port"
	file := write(t, "gatehouse.yaml", "server: {port: 1001, max_connections: 7}\n")
	env := []string{"MCP_SERVER_PORT=1002"}
	flags := map[string]any{key: 1003}
	for _, row := range []struct {
		says   string
		source Source
		want   int
	}{
		{"nobody speaks", Source{}, 8080},
		{"the file beats the defaults", Source{File: file}, 1001},
		{"the environment beats the defaults", Source{Environ: env}, 1002},
		{"the environment beats the file", Source{File: file, Environ: env}, 1002},
		{"flags beat the file", Source{File: file, Flags: flags}, 1003},
		{"flags beat everything", Source{File: file, Environ: env, Flags: flags}, 1003},
		{"an empty variable says nothing", Source{File: file, Environ: []string{"MCP_SERVER_PORT="}}, 1001},
		{"the file may be named by the environment", Source{Environ: []string{"MCP_CONFIG_FILE=" + file}}, 1001},
		{"a file that was asked for beats the one of the environment",
			Source{File: file, Environ: []string{"MCP_CONFIG_FILE=/nonexistent"}}, 1001},
	} {
		cfg := load(t, row.source)
		if cfg.Server.Port != row.want {
			t.Errorf("%s: port = %d, want %d", row.says, cfg.Server.Port, row.want)
		}
		if row.source.File != "" && cfg.Server.MaxConnections != 7 {
			t.Errorf("%s: max_connections = %d, want the file's 7", row.says, cfg.Server.MaxConnections)
		}
	}
}

// samples are values that differ from the defaults, for the keys of which not every value is allowed.
var samples = map[string]string{
	"server.transport": "http", "server.host": "10.0.0.1", "server.state_dir": "/var/lib/gatehouse",
	"auth.mode": "none", "logging.level": "DEBUG", "logging.format": "simple",
	"scope.allow_loopback": "false", "metrics.enabled": "false", "security.allow_intrusive": "ask",
	"security.allowed_targets": "10.1.0.0/16,.one.lab", "scope.allowed_networks": "10.0.0.1,192.168.7.0/24",
	"limits.max_memory_mb": "99", "limits.max_file_descriptors": "99", "circuit_breaker.recovery_timeout": "99",
	"circuit_breaker.max_recovery_timeout": "99", "circuit_breaker.recovery_jitter": "0.25",
	"health.enabled": "false", "metrics.prometheus_host": "::1", "logging.file_path": "/var/log/gatehouse.log",
	"logging.max_file_size": "9999", "audit.enabled": "false", "audit.dir": "/var/lib/audit",
	"plugins.launch": "lazy", "plugins.trust": "pinned", "plugins.no_new_privs": "off",
	"plugins.landlock": "require", "plugins.run_as": "gatehouse-plugins", "sandbox.run_as": "none",
	"sandbox.require": "landlock,own user", "audit.max_file_size": "99999", "audit.sync": "always",
	"audit.on_failure": "continue", "server.behind_tls_proxy": "true", "server.trusted_proxies": "10.0.0.7,fd00:7::/64",
	"server.allowed_origins": "https://a.lab:8443,http://[::1]:3000", "tls.cert_file": "/c.pem",
	"tls.key_file": "/k.pem", "tls.client_ca_file": "/ca.pem", "tls.client_auth": "optional",
	"admin.listen": "127.0.0.1:8081", "oidc.issuer": "https://id.lab/x", "oidc.audience": "api://gatehouse,b",
	"oidc.default_role": "viewer", "oidc.ca_file": "/ca.pem",
	"mcp.max_text": "9999", "executions.max_age": "99", "executions.max_count": "99",
	"executions.max_size": "9999999",
}

// company are variables without which a key is refused.
var company = map[string][]string{
	"tls.cert_file":      {"MCP_TLS_KEY_FILE=/k"},
	"tls.key_file":       {"MCP_TLS_CERT_FILE=/c"},
	"tls.client_ca_file": {"MCP_TLS_CLIENT_AUTH=require", "MCP_TLS_CERT_FILE=/c", "MCP_TLS_KEY_FILE=/k"},
	"tls.client_auth":    {"MCP_TLS_CLIENT_CA_FILE=/a", "MCP_TLS_CERT_FILE=/c", "MCP_TLS_KEY_FILE=/k"},
	"oidc.issuer":        {"MCP_OIDC_AUDIENCE=a", "MCP_OIDC_DEFAULT_ROLE=caller"},
	"oidc.audience":      {"MCP_OIDC_ISSUER=https://a", "MCP_OIDC_DEFAULT_ROLE=caller"},
	"oidc.name_claim":    withIssuer,
	"oidc.role_claim":    append([]string{"MCP_OIDC_ADMINS=a"}, withIssuer...),
	"oidc.admins":        append([]string{"MCP_OIDC_ROLE_CLAIM=r"}, withIssuer...),
	"oidc.callers":       append([]string{"MCP_OIDC_ROLE_CLAIM=r"}, withIssuer...),
	"oidc.viewers":       append([]string{"MCP_OIDC_ROLE_CLAIM=r"}, withIssuer...),
	"oidc.default_role":  {"MCP_OIDC_ISSUER=https://a", "MCP_OIDC_AUDIENCE=a"},
	"oidc.ca_file":       withIssuer,
}

var withIssuer = []string{
	"MCP_OIDC_ISSUER=https://a", "MCP_OIDC_AUDIENCE=a", "MCP_OIDC_DEFAULT_ROLE=caller",
}

// word is a value of a key as the environment has it, other than the default.
func word(key string, f *field) string {
	if w, ok := samples[key]; ok {
		return w
	}
	if f.form == list {
		return "one.lab,two.lab"
	}
	return "9"
}

func TestEveryKeyCanBeSetByTheEnvironment(t *testing.T) {
	all := tree().variables()
	if len(all) < 90 {
		t.Fatalf("keys = %d, want all of them", len(all))
	}
	for key, f := range all {
		name := "MCP_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		checkEnvironment(t, name, key, f)
	}
}

func TestEveryAliasSetsItsKey(t *testing.T) {
	all := tree().variables()
	for alias, key := range aliases {
		f, ok := all[key]
		if !ok {
			t.Errorf("the alias %s is of %q, which is no key", alias, key)
			continue
		}
		checkEnvironment(t, alias, key, f)
	}
}

func checkEnvironment(t *testing.T, name, key string, f *field) {
	t.Helper()
	want := word(key, f)
	cfg, err := Load(Source{Environ: append([]string{name + "=" + want}, company[key]...)})
	if err != nil {
		t.Errorf("Load(%s=%s) = %v, want no error; a new key that takes few values needs its row in samples, one that needs others in company", name,
			want, err)
		return
	}
	got := at(t, cfg, key)
	if f.form == list {
		want = "[" + strings.ReplaceAll(want, ",", " ") + "]"
	}
	if fmt.Sprint(got) != want {
		t.Errorf("Load(%s=%s): %s = %v, want %s", name, want, key, got, want)
	}
	if reflect.DeepEqual(got.Interface(), at(t, Default(), key).Interface()) {
		t.Errorf("%s: %s is the default; the row proves nothing", key, want)
	}
}

func TestTheFullNameBeatsTheAlias(t *testing.T) {
	cfg := load(t, Source{Environ: []string{"MCP_TOOL_DEFAULT_CONCURRENCY=3", "MCP_DEFAULT_CONCURRENCY=4"}})
	if cfg.Tool.DefaultConcurrency != 3 {
		t.Errorf("default_concurrency = %d, want 3", cfg.Tool.DefaultConcurrency)
	}
}

func TestListsOfTheEnvironment(t *testing.T) {
	for _, row := range []struct {
		value string
		want  []string
	}{
		{"NmapTool", []string{"NmapTool"}},
		{"NmapTool,PingTool", []string{"NmapTool", "PingTool"}},
		{"NmapTool, PingTool", []string{"NmapTool", "PingTool"}},
		{"/a:/b", []string{"/a", "/b"}},
		{",NmapTool,,", []string{"NmapTool"}},
		{" , ", nil},
	} {
		cfg := load(t, Source{Environ: []string{"TOOL_EXCLUDE=" + row.value}})
		if !slices.Equal(cfg.Tool.Exclude, row.want) {
			t.Errorf("TOOL_EXCLUDE=%q = %q, want %q", row.value, cfg.Tool.Exclude, row.want)
		}
	}
}

const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" // of "test"

const yamlFile = `
# comments are allowed
server:
  port: 9000
  shutdown_grace_period: 1.5
security: {allow_intrusive: true}
scope:
  allowed_suffixes: [a.internal, .B.internal]
  hosts:
    db.lab.internal: [10.0.0.1, 10.0.0.2]
tool:
  exclude: []
auth:
  tokens:
    - {name: ci, sha256: ` + hash + `, role: viewer, tools: ["Nmap*"]}
tools:
  NmapTool:
    enabled: false
    default_timeout: 12
`

const jsonFile = `{
	"server": {"port": 9000, "shutdown_grace_period": 1.5},
	"security": {"allow_intrusive": true},
	"scope": {
		"allowed_suffixes": ["a.internal", ".B.internal"],
		"hosts": {"db.lab.internal": ["10.0.0.1", "10.0.0.2"]}
	},
	"tool": {"exclude": []},
	"auth": {"tokens": [{"name": "ci", "sha256": "` + hash + `", "role": "viewer", "tools": ["Nmap*"]}]},
	"tools": {"NmapTool": {"enabled": false, "default_timeout": 12}}
}`

func TestYAMLAndJSONSayTheSame(t *testing.T) {
	off, twelve := false, Seconds(12)
	want := Default()
	want.Server.Port, want.Server.ShutdownGracePeriod, want.Security.AllowIntrusive = 9000, 1.5, IntrusiveYes
	want.Scope.AllowedSuffixes = []string{"a.internal", ".B.internal"}
	want.Scope.Hosts = map[string][]string{"db.lab.internal": {"10.0.0.1", "10.0.0.2"}}
	want.Tool.Exclude = []string{}
	want.Auth.Tokens = []Token{{Name: "ci", SHA256: hash, Role: "viewer", Tools: []string{"Nmap*"}}}
	want.Tools = map[string]Each{"NmapTool": {Enabled: &off, DefaultTimeout: &twelve}}
	for name, text := range map[string]string{"c.yaml": yamlFile, "c.json": jsonFile} {
		if got := load(t, Source{File: write(t, name, text)}); !reflect.DeepEqual(got, want) {
			t.Errorf("Load(%s) = %+v, want %+v", name, got, want)
		}
	}
}

func TestAListReplacesTheDefault(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml", "scope: {allowed_suffixes: []}\n")})
	if len(cfg.Scope.AllowedSuffixes) != 0 {
		t.Errorf("allowed_suffixes = %q, want none", cfg.Scope.AllowedSuffixes)
	}
}

func TestAKeyWithoutAValueSaysNothing(t *testing.T) {
	for _, text := range []string{
		"", "# nothing\n", "{}", "server:\n", "server:\n  port:\n", "metrics:\n  # enabled: false\n",
		"scope: {hosts: }\n",
		"auth: {tokens: }\n", "limits: null\n", "tool: {include: ~}\n",
	} {
		cfg, err := Load(Source{File: write(t, "c.yaml", text)})
		if err != nil {
			t.Errorf("Load(%q) = %v, want the defaults", text, err)
		} else if !reflect.DeepEqual(cfg, Default()) {
			t.Errorf("Load(%q) = %+v, want the defaults", text, cfg)
		}
	}
}

func TestWhatCannotBeIsRefusedByName(t *testing.T) {
	token := func(fields string) string {
		return `{"auth": {"tokens": [{"name": "a", "sha256": "` + hash + `"}, {` + fields + `}]}}`
	}
	other := strings.Repeat("ab", 32)
	for _, row := range []struct{ says, file, want string }{
		{"an unknown section", `{"sever": {"port": 1}}`, "sever"},
		{"an unknown key", `{"security": {"allow_intrusve": true}}`, "allow_intrusve"},
		{"an unknown key of a tool", `{"tools": {"NmapTool": {"timeout": 3}}}`, "timeout"},
		{"an unknown key of a token", token(`"name": "b", "sha256": "` + other + `", "rights": "all"`), "rights"},
		{"a false in quotes", `{"security": {"allow_intrusive": "false"}}`, "security.allow_intrusive"},
		{"a number for a switch", `{"security": {"allow_intrusive": 1}}`, "security.allow_intrusive"},
		{"a yes for a switch", `security: {allow_intrusive: yes}`, "security.allow_intrusive"},
		{"a number in quotes", `{"server": {"port": "8080"}}`, "server.port"},
		{"a fraction where a whole number is wanted", `{"server": {"port": 80.5}}`, "server.port"},
		{"a fraction of a tool", `{"tools": {"NmapTool": {"concurrency": 1.9}}}`, "concurrency"},
		{"a number that is no number, where a whole one is wanted", `server: {port: .nan}`, "server.port"},
		{"a number that nothing can hold", `{"limits": {"max_stdout_bytes": 1e30}}`, "limits.max_stdout_bytes"},
		{"a number that nothing can hold, in full",
			`{"limits": {"max_stdout_bytes": 18446744073709551617}}`, "limits.max_stdout_bytes"},
		{"a number that wraps around", `{"server": {"port": 18446744073709551615}}`, "server.port"},
		{"a text for a list", `{"tool": {"include": "NmapTool"}}`, "tool.include"},
		{"a number in a list", `{"tool": {"include": [1]}}`, "tool.include"},
		{"a list for a section", `{"server": [1]}`, "server"},
		{"a list for everything", `[1]`, "c.yaml"},
		{"a text for everything", `hello`, "c.yaml"},
		{"broken YAML", "server: {port: 1\n", "c.yaml"},
		{"a key that stands twice", "server: {port: 1}\nserver: {port: 2}\n", "server"},
		{"a port that is too large", `{"server": {"port": 65536}}`, "server.port"},
		{"a port below zero", `{"server": {"port": -1}}`, "server.port"},
		{"no connections", `{"server": {"max_connections": 0}}`, "server.max_connections"},
		{"a grace that is not a number", `server: {shutdown_grace_period: .nan}`, "server.shutdown_grace_period"},
		{"a timeout without end", `tool: {default_timeout: .inf}`, "tool.default_timeout"},
		{"a recovery without end", `circuit_breaker: {recovery_timeout: .inf}`, "circuit_breaker.recovery_timeout"},
		{"a network size of nothing", `{"security": {"max_network_size": 0}}`, "security.max_network_size"},
		{"an unknown transport", `{"server": {"transport": "grpc"}}`, "server.transport"},
		{"an unknown mode", `{"auth": {"mode": "open"}}`, "auth.mode"},
		{"an unknown level", `{"logging": {"level": "LOUD"}}`, "logging.level"},
		{"an unknown format", `{"logging": {"format": "xml"}}`, "logging.format"},
		{"a bad pattern", `{"tool": {"exclude": ["Nmap["]}}`, "tool.exclude"},
		{"a bad pattern of a token", token(`"name": "b", "sha256": "` + other + `", "tools": ["["]`),
			"auth.tokens[1].tools"},
		{"a hash that is too short", token(`"name": "b", "sha256": "abcd"`), "auth.tokens[1].sha256"},
		{"a hash that is none", token(`"name": "b", "sha256": "` + strings.Repeat("x", 64) + `"`),
			"auth.tokens[1].sha256"},
		{"the hash of nothing at all", token(`"name": "b", "sha256": "e3b0c44298fc1c149afbf4c8996fb924` +
			`27ae41e4649b934ca495991b7852b855"`), "auth.tokens[1].sha256"},
		{"a hash that stands twice", token(`"name": "b", "sha256": "` + strings.ToUpper(hash) + `"`),
			"auth.tokens[1].sha256"},
		{"no hash", token(`"name": "b"`), "auth.tokens[1].sha256"},
		{"a name that stands twice", token(`"name": "a", "sha256": "` + other + `"`), "auth.tokens[1].name"},
		{"a name with a blank", token(`"name": "a b", "sha256": "` + other + `"`), "auth.tokens[1].name"},
		{"the name of another door", token(`"name": "stdio", "sha256": "` + other + `"`), "auth.tokens[1].name"},
		{"no name", token(`"sha256": "` + other + `"`), "auth.tokens[1].name"},
		{"an unknown role", token(`"name": "b", "sha256": "` + other + `", "role": "root"`), "auth.tokens[1].role"},
		{"a host without an address", `{"scope": {"hosts": {"db.lab": ["localhost"]}}}`, "scope.hosts.db.lab"},
		{"a suffix that is an address", `{"scope": {"allowed_suffixes": ["10.0.0.1"]}}`, "scope.allowed_suffixes"},
		{"a suffix with a star", `{"scope": {"allowed_suffixes": ["*.lab"]}}`, "scope.allowed_suffixes"},
		{"the suffix of everything", `{"scope": {"allowed_suffixes": ["."]}}`, "scope.allowed_suffixes"},
		{"a tool of a bad name", `{"tools": {"Nmap Tool": {"enabled": true}}}`, "tools.Nmap Tool"},
		{"no slots for a tool", `{"tools": {"NmapTool": {"concurrency": 0}}}`, "tools.NmapTool.concurrency"},
		{"a timeout of a tool that is not a number",
			`tools: {NmapTool: {max_timeout: .nan}}`, "tools.NmapTool.max_timeout"},
	} {
		_, err := Load(Source{File: write(t, "c.yaml", row.file)})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Load(%s) = %v, want an error that names %s", row.says, row.file, err, row.want)
		}
	}
}

func TestABadVariableIsRefusedByName(t *testing.T) {
	for _, row := range []struct{ variable, want string }{
		{"MCP_SERVER_PORT=http", "MCP_SERVER_PORT"},
		{"MCP_SERVER_PORT=80.5", "MCP_SERVER_PORT"},
		{"MCP_SERVER_PORT=70000", "server.port"},
		{"MCP_SECURITY_ALLOW_INTRUSIVE=maybe", "MCP_SECURITY_ALLOW_INTRUSIVE"},
		{"MCP_TOOL_DEFAULT_TIMEOUT=soon", "MCP_TOOL_DEFAULT_TIMEOUT"},
		{"MCP_DEFAULT_TIMEOUT_SEC=soon", "MCP_DEFAULT_TIMEOUT_SEC"},
		{"MCP_TOOL_DEFAULT_TIMEOUT=NaN", "tool.default_timeout"},
		{"MCP_TOOL_DEFAULT_TIMEOUT=+Inf", "tool.default_timeout"},
		{"MCP_CIRCUIT_BREAKER_RECOVERY_TIMEOUT=1e309", "MCP_CIRCUIT_BREAKER_RECOVERY_TIMEOUT"},
		{"MCP_LIMITS_MAX_STDOUT_BYTES=99999999999999999999", "MCP_LIMITS_MAX_STDOUT_BYTES"},
		{"LOG_LEVEL=LOUD", "logging.level"},
		{"TOOL_INCLUDE=[", "tool.include"},
		{"MCP_CONFIG_FILE=/nonexistent/gatehouse.yaml", "/nonexistent/gatehouse.yaml"},
	} {
		_, err := Load(Source{Environ: []string{row.variable}})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("Load(%s) = %v, want an error that names %s", row.variable, err, row.want)
		}
	}
}

func TestAFileThatIsNotThereIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(Source{File: name}); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("Load(%q) = %v, want an error that names it", name, err)
	}
}

func TestAnUnknownFlagIsAnError(t *testing.T) {
	if _, err := Load(Source{Flags: map[string]any{"server.prot": 1}}); err == nil ||
		!strings.Contains(err.Error(), "prot") {
		t.Errorf("Load(server.prot) = %v, want an error that names it", err)
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := Load(Source{File: write(t, "c.yaml",
		"server: {port: -1}\nauth: {mode: x}\ntools: {A: {rate_per: 0}}\n")})
	for _, want := range []string{"server.port", "auth.mode", "tools.A.rate_per"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load = %v, want %s among the errors", err, want)
		}
	}
}
