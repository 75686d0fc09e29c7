package oidc

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// FuzzHeader: what passes is what go-jose reads as a JWS of one signature, made with an allowed algorithm.
func FuzzHeader(f *testing.F) {
	f.Add(encode(`{"alg":"ES256"}`, `{}`, "x"))
	f.Add(encode(`{"alg":"none"}`, `{}`, "x"))
	f.Add(encode(`{"alg":"RS256","typ":"at+jwt","kid":"1"}`, `{"iss":"x"}`, "x"))
	f.Add(encode(`{"alg":"RS256","alg":"HS256"}`, `{}`, "x"))
	f.Add(encode(`{"ALG":"RS256"}`, `{}`, "x"))
	f.Add(encode(`{"alg":"EdDSA","crit":[]}`, `{}`, "x"))
	f.Add(`{"payload":"","protected":"","signature":""}`)
	f.Add("a.b.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, bearer string) {
		err := checkHeader(bearer)
		if err != nil {
			if !errors.Is(err, auth.ErrBad) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("checkHeader(%q) = %q, want ErrBad in one line", bearer, err)
			}
			return
		}
		jws, err := jose.ParseSignedCompact(bearer, joseAlgorithms)
		if err != nil {
			return // it is stricter in the members that we do not read
		}
		if got := jws.Signatures[0].Protected.Algorithm; !slices.Contains(algorithms, got) {
			t.Errorf("checkHeader(%q) = nil for the algorithm %q", bearer, got)
		}
	})
}

// FuzzClaims: whatever an issuer signs is refused, or names a client that can be printed, with a role and an
// end that lies before us.
func FuzzClaims(f *testing.F) {
	const url = "https://id.example.org"
	issuer, clock := newIssuer(f, url, func(c *Config) { c.RoleClaim = "realm_access.roles" })
	seed := func(changes m) {
		raw, err := json.Marshal(claims(url, changes))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	seed(nil)
	seed(m{"realm_access": m{"roles": []string{"boss"}}})
	seed(m{"realm_access.roles": "worker guest"})
	seed(m{"exp": 1e18, "realm_access.roles": "boss"})
	seed(m{"sub": "a\x00b", "realm_access.roles": "boss"})
	f.Add([]byte(`{"iss":`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		id, err := issuer.identify(payload, clock.Now())
		if err != nil {
			if !errors.Is(err, auth.ErrBad) || id.Client != "" || id.Role != "" {
				t.Errorf("identify(%q) = %+v, %v, want ErrBad and nobody", payload, id, err)
			}
			return
		}
		name, ok := strings.CutPrefix(id.Client, "oidc:")
		odd := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
		if !ok || name == "" || len(name) > maxName || odd {
			t.Errorf("identify(%q) = the client %q", payload, id.Client)
		}
		if rank[id.Role] == 0 || !id.Expires.After(clock.Now()) || id.Expires.Year() > 9999 {
			t.Errorf("identify(%q) = %+v, want a role, and an end", payload, id)
		}
	})
}
