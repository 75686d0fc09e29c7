package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var full = filepath.Join("testdata", "full.yaml")

func read(t *testing.T, s Source) Loaded {
	t.Helper()
	l, err := Read(s)
	if err != nil {
		t.Fatalf("Read(%v) = %v, want a configuration", s, err)
	}
	return l
}

func TestEveryValueKnowsWhereItComesFrom(t *testing.T) {
	l := read(t, Source{
		File: full, Environ: []string{"MCP_MAX_ARGS_LEN=9", "MCP_SERVER_PORT=1"},
		Flags: map[string]any{"server.port": 2, "logging.level": "INFO"},
	})
	for key, want := range map[string]string{
		"server.transport":             full + ":3",
		"server.port":                  "--port",
		"logging.level":                "--log-level",
		"security.max_args_length":     "MCP_MAX_ARGS_LEN",
		"security.max_port_ranges":     "default",
		"scope.hosts.db.lab.internal":  full + ":17",
		"tool.include":                 full + ":21",
		"plugins.config.nmap":          full + ":33",
		"auth.tokens[1].name":          full + ":43",
		"auth.tokens[1].expires":       full + ":47",
		"tools.NmapTool.rate_requests": full + ":65",
		"tools.PingTool.enabled":       full + ":72",
	} {
		if got := l.Origins[key].String(); got != want || l.Origins[key].Kind == "" {
			t.Errorf("Origins[%s] = %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{
		"server", "auth.tokens", "scope.hosts", "tools", "plugins.config", "tools.PingTool",
	} {
		if o, ok := l.Origins[key]; ok {
			t.Errorf("Origins[%s] = %v, want none: its leaves have theirs", key, o)
		}
	}
	if l.File != full {
		t.Errorf("File = %q, want %q", l.File, full)
	}
	if l := read(t, Source{}); l.Origins["auth.tokens"].Kind != FromDefault || l.File != "" {
		t.Errorf("Read() = origin %v of auth.tokens, file %q, want the default and none",
			l.Origins["auth.tokens"], l.File)
	}
}

func printOf(t *testing.T, l Loaded) string {
	t.Helper()
	var out strings.Builder
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestADefaultThatYieldsToToolsIsPrintedAsSuch(t *testing.T) {
	text := printOf(t, read(t, Source{Environ: []string{"MCP_DEFAULT_CONCURRENCY=2"}}))
	for _, want := range []string{
		"\n  # default_timeout: 300 ", " # default, where a tool says nothing of its own\n",
		"\n  default_concurrency: 2 ", " # MCP_DEFAULT_CONCURRENCY\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Print = %s\nwant in it %q", text, want)
		}
	}
}

func TestWhatIsPrintedCanBeRead(t *testing.T) {
	odd := write(t, "odd.yaml", `
server: {host: "a: b # c\u0001\u202e"}
security: {allowed_targets: [RFC1918, .corp.internal]}
tool: {include: ["yes", "null", "1", "*", "a b"]}
tools: {"no": {enabled: true}, "123": {}}
plugins: {config: {y: {n: 1, "a\nb": [], "<<": {}, "~": null, big: 9007199254740993, f: 1.0e-7}}}
`)
	for _, file := range []string{"", full, odd} {
		roundTrip(t, read(t, Source{File: file}))
	}
}

func TestPrintShowsValueAndOrigin(t *testing.T) {
	var out bytes.Buffer
	if err := read(t, Source{File: full, Environ: []string{"LOG_FORMAT=simple"}}).Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"server:\n  transport: http ", "  port: 9000 ", " # " + full + ":5\n", "# LOG_FORMAT\n",
		"    - name: dashboard ", "\n      sha256: \"[redacted]\" ", "\n    - name: ci ",
		`    nmap: {api: {key: "[redacted]", retries: 3}, ports: [22, 443], profile: "[redacted]"}`,
		"\n  NmapTool:\n    concurrency: 2 ", "\n    db.lab.internal: [\"10.1.0.7\", \"10.1.0.8\"] ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Print = %s\nwant in it %q", &out, want)
		}
	}
	var again bytes.Buffer
	if err := read(t, Source{File: full, Environ: []string{"LOG_FORMAT=simple"}}).Print(&again); err != nil ||
		again.String() != out.String() {
		t.Errorf("Print = %v and another text than before, want the same", err)
	}
}

func TestAScopeThatIsNotInForceIsPrintedAsSuch(t *testing.T) {
	var out bytes.Buffer
	l := read(t, Source{Environ: []string{"MCP_SECURITY_ALLOWED_TARGETS=RFC1918"}})
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := "\n  # allowed_suffixes: not in force, because security.allowed_targets is given\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("Print = %s\nwant in it %q", &out, want)
	}
}

func TestSecretsAreRedactedByTheirType(t *testing.T) {
	l := read(t, Source{File: full})
	raw, err := json.Marshal(map[string]any{"config": l.Config.Redacted(), "origins": l.Origins})
	if err != nil {
		t.Fatal(err)
	}
	a := l.Config.Auth
	for _, secret := range []string{"hunter2", "9f86d081", "60303ae2"} {
		for _, shown := range []string{string(raw), fmt.Sprintf("%v %+v %#v", a, a, a)} {
			if strings.Contains(shown, secret) {
				t.Errorf("shown = %s, want nothing of %q", shown, secret)
			}
		}
	}
	shown := l.Config.Redacted()
	token := shown["auth"].(map[string]any)["tokens"].([]any)[0]
	want := map[string]any{"name": "dashboard", "sha256": Redacted, "role": "viewer", "tools": []string{}}
	if !reflect.DeepEqual(token, want) {
		t.Errorf("Redacted = token %v, want %v", token, want)
	}
	client := shown["auth"].(map[string]any)["certificates"].([]any)[0]
	want = map[string]any{
		"name": "scanner-7", "subject": "cn:Scanner 7", "role": "caller", "tools": []string{}, "rate_requests": 5,
		"rate_per": 10.0,
	}
	if !reflect.DeepEqual(client, want) {
		t.Errorf("Redacted = certificate %v, want %v", client, want)
	}
	one := shown["tools"].(map[string]any)["NmapTool"]
	want = map[string]any{"concurrency": 2, "default_timeout": 900.0, "rate_requests": 3}
	if !reflect.DeepEqual(one, want) {
		t.Errorf("Redacted = tool %v, want what was set, %v", one, want)
	}
	if got := shown["server"].(map[string]any)["shutdown_grace_period"]; got != 12.5 {
		t.Errorf("Redacted = shutdown_grace_period %v, want 12.5", got)
	}
}
