package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Whatever is in the file and the environment: no panic; what is accepted is in range, in scope, and can be
// printed and read again; what is refused is told in lines that hold no control characters.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		yamlFile, jsonFile, "", "[]", "server:\n", "server: {port: .nan}", "a: &a [*a]", "<<: {a: b}",
		"\"\\e[31m\": 1",
		"tools: {T: {rate_per: 1e400}}", "tools: {T: {recovery_timeout: 5, concurrency: 99999}}", "---\n---\n",
		"security: {allowed_targets: [RFC1918, '*.a.b']}", "plugins: {config: {p: {a: [1, {b: .inf}, x]}}}",
		"? {a: b}\n: c\n", "server: !!map {}\n", "{\"a\": \"\\ud800\"}", "server: {port: 0o17}\nserver: {}",
		"auth: {tokens: [{}, {name: a}, ~, 1]}", "server: {transport: http, host: 0.0.0.0, behind_tls_proxy: true}",
		"server: {transport: http, trusted_proxies: [10.0.0.0/8, '::1']}\nauth: {mode: none}",
		"server: {trusted_proxies: [10.0.0.0/8, '::1'], allowed_hosts: [a], allowed_origins: [http://a]}",
		"tls: {cert_file: /c, key_file: /k}\nadmin: {listen: 10.0.0.1:1}", "admin: {listen: 'unix:/a'}",
		"oidc: {issuer: https://a, audience: [b], default_role: viewer}",
		"security: {allow_intrusive: ask}", "security: {allow_intrusive: 'true'}", "mcp: {max_text: 1}",
	} {
		f.Add(seed, "9")
	}
	f.Add("", "a\x1b[31m\xff,*")
	file := filepath.Join(f.TempDir(), "c.yaml") // each process of the fuzzer has its own
	f.Fuzz(func(t *testing.T, text, value string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var environ []string
		for _, name := range []string{"MCP_SERVER_PORT", "MCP_TOOL_DEFAULT_TIMEOUT", "TOOL_INCLUDE", "LOG_LEVEL"} {
			environ = append(environ, name+"="+value)
		}
		for _, s := range []Source{{File: file}, {Environ: environ}} {
			l, err := Read(s)
			if err != nil {
				checkLines(t, err)
				continue
			}
			checkAccepted(t, l)
		}
	})
}

func checkLines(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("Read = %#v, want problems", err)
	}
	for _, p := range problems {
		if strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Read = %q, want nothing in it that a terminal obeys", p)
		}
	}
}

func checkAccepted(t *testing.T, l Loaded) {
	t.Helper()
	inRange(t, reflect.ValueOf(l.Config), tree())
	for name := range l.Config.Tools {
		set := l.Settings(tool.Spec{Name: name})
		if set.Concurrency < 1 || set.MaxTimeout > MaxTimeout || set.Breaker.Recovery > set.Breaker.MaxRecovery {
			t.Errorf("Settings(%q) = %+v", name, set)
		}
	}
	l.Config.Hosts()
	if n := len(l.Config.Proxies()); n != len(l.Config.Server.TrustedProxies) {
		t.Errorf("Proxies() = %d networks of %q", n, l.Config.Server.TrustedProxies)
	}
	safe := l.Config.Auth.Mode != AuthNone && (l.Config.TLS.On() || l.Config.Server.BehindTLSProxy)
	if key, address := l.Config.Exposed(); key != "" && !safe {
		t.Errorf("Exposed() = %s %s, and it is not safe", key, address)
	}
	if key := l.Config.proxied(); key != "" && l.Config.Auth.Mode == AuthNone {
		t.Errorf("auth.mode none beside %s = a configuration, want a problem", key)
	}
	all := scope.Policy{Networks: append(scope.RFC1918(), scope.Loopback())}
	for _, n := range l.Config.ScopePolicy().Networks {
		if !all.Contains(n) {
			t.Errorf("ScopePolicy allows %v", n)
		}
	}
	for name := range l.Config.Plugins.Config {
		if own := l.Config.PluginPolicy(name).Config; !json.Valid(own) {
			t.Errorf("PluginPolicy(%q).Config = %q, want JSON", name, own)
		}
	}
	roundTrip(t, l)
}

// inRange fails where a number lies beyond its bounds.
func inRange(t *testing.T, v reflect.Value, f *field) {
	t.Helper()
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch f.form {
	case section:
		for i, child := range f.fields {
			inRange(t, v.Field(i), child)
		}
	case named:
		for _, key := range v.MapKeys() {
			inRange(t, v.MapIndex(key), f.elem)
		}
	case whole, number:
		x := v.Convert(reflect.TypeFor[float64]()).Float()
		if !(x >= f.bounds.least && x <= f.bounds.most) {
			t.Errorf("%s = %v, want %v", f.key, x, f.bounds)
		}
	}
}

// roundTrip prints and reads again; tokens apart, whose hashes are not printed.
func roundTrip(t *testing.T, l Loaded) {
	t.Helper()
	l.Config.Auth.Tokens = nil
	var out bytes.Buffer
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "printed.yaml")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Read(Source{File: file})
	if err != nil {
		t.Fatalf("Read(what was printed) = %v, want a configuration; printed was:\n%s", err, &out)
	}
	got, want := again.Config.Redacted(), l.Config.Redacted()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("printed and read again = %v, want %v", got, want)
	}
}
