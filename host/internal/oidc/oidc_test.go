package oidc

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// jwks is a set of one key, which may be private.
func jwks(key any) jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "ES-1"}}}
}

func TestConfigs(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		says   string
		change func(*Config)
		want   string // empty: it is good
	}{
		{"a good one", func(*Config) {}, ""},
		{"http on loopback", func(c *Config) { c.Issuer = "http://127.0.0.1:8081/x" }, ""},
		{"http on loopback, IPv6", func(c *Config) { c.Issuer = "http://[::1]:8081" }, ""},
		{"http on localhost", func(c *Config) { c.Issuer = "http://localhost:8081" }, ""},
		{"http elsewhere", func(c *Config) { c.Issuer = "http://id.example.org" }, "must be https"},
		{"http at a name like it", func(c *Config) { c.Issuer = "http://localhost.example.org" }, "must be https"},
		{"another scheme", func(c *Config) { c.Issuer = "ftp://127.0.0.1/" }, "must be https"},
		{"no issuer", func(c *Config) { c.Issuer = "" }, "issuer"},
		{"a bare name", func(c *Config) { c.Issuer = "id.example.org" }, "issuer"},
		{"a password", func(c *Config) { c.Issuer = "https://a:b@id.example.org" }, "issuer"},
		{"a query", func(c *Config) { c.Issuer = "https://id.example.org?x=1" }, "issuer"},
		{"a fragment", func(c *Config) { c.Issuer = "https://id.example.org#x" }, "issuer"},
		{"no audience", func(c *Config) { c.Audience = nil }, "audience"},
		{"an empty audience", func(c *Config) { c.Audience = []string{"a", ""} }, "audience"},
		{"everybody an admin", func(c *Config) { c.DefaultRole = auth.Admin }, "allowed are"},
		{"an unknown role", func(c *Config) { c.DefaultRole = "root" }, "allowed are"},
		{"roles without a claim", func(c *Config) { c.RoleClaim = "" }, "no role claim"},
		{"an empty role", func(c *Config) { c.Viewers = []string{""} }, "empty name"},
		{"nobody", func(c *Config) { c.Admins = nil }, "no token would give a role"},
		{"everybody", func(c *Config) { c.Admins, c.RoleClaim, c.DefaultRole = nil, "", auth.Viewer }, ""},
		{"a CA that is not there", func(c *Config) { c.CAFile = "/nowhere/ca.pem" }, "/nowhere/ca.pem"},
		{"a CA of nothing", func(c *Config) { c.CAFile = empty }, empty + " has no certificate"},
		{"two CAs", func(c *Config) { c.CAFile, c.CA = empty, x509.NewCertPool() }, "only one"},
	} {
		cfg := Config{
			Issuer: "https://id.example.org", Audience: []string{"a"}, RoleClaim: "roles", Admins: []string{"boss"},
		}
		row.change(&cfg)
		i, err := New(cfg)
		if row.want == "" && (err != nil || i == nil) {
			t.Errorf("%s: New = %v, want nil", row.says, err)
		}
		if row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: New = %v, want %q", row.says, err, row.want)
		}
	}
}

func TestTokensAreRememberedForAWhile(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	token := server.token("alice")
	wantClient(t, issuer, token, "alice")
	short := server.sign(wish{Claims: claims(server.url, m{"sub": "bob", "exp": start.Add(time.Minute).Unix()})})
	wantClient(t, issuer, short, "bob")
	if n := issuer.seen.Len(); n != 2 {
		t.Fatalf("%d tokens are remembered, want 2", n)
	}
	issuer.cfg.Issuer = "https://elsewhere.example" // whoever is not remembered is refused
	wantClient(t, issuer, token, "alice")
	clock.pass(time.Minute)
	if _, err := issuer.Authenticate(t.Context(), short); !errors.Is(err, auth.ErrBad) {
		t.Errorf("Authenticate after its end = %v, want ErrBad", err)
	}
	clock.pass(seenFor - time.Minute - time.Second)
	wantClient(t, issuer, token, "alice")
	clock.pass(time.Second)
	wantBad(t, issuer, token, "forgotten")
}

func TestTokensThatAreNotGoodAreNotRemembered(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, _ := newIssuer(t, server.url, nil)
	wantBad(t, issuer, server.token("alice")+"A", "a wrong signature")
	wantBad(t, issuer, server.sign(wish{Claims: claims(server.url, m{"roles": "chef"})}), "no role")
	if n := issuer.seen.Len(); n != 0 {
		t.Errorf("%d tokens are remembered, want none", n)
	}
}

func BenchmarkRemembered(b *testing.B) {
	server := startIssuer(b, "127.0.0.1:0", nil)
	issuer, _ := newIssuer(b, server.url, nil)
	token := server.token("alice")
	for b.Loop() {
		wantClient(b, issuer, token, "alice")
	}
}

func BenchmarkVerified(b *testing.B) {
	server := startIssuer(b, "127.0.0.1:0", nil).withRSA()
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			issuer, _ := newIssuer(b, server.url, nil)
			token := server.sign(wish{Alg: alg, Claims: claims(server.url, nil)})
			for b.Loop() {
				issuer.seen.Purge()
				wantClient(b, issuer, token, "alice")
			}
		})
	}
}
