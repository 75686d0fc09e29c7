package oidc

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

type m = map[string]any

func TestGoodTokens(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil).withRSA()
	issuer, _ := newIssuer(t, server.url, nil)
	for _, row := range []struct {
		says    string
		ask     wish
		changes m
		role    auth.Role
	}{
		{"signed with ES256", wish{}, nil, auth.Caller},
		{"signed with RS256", wish{Alg: "RS256"}, nil, auth.Caller},
		{"signed with RS512", wish{Alg: "RS512"}, nil, auth.Caller},
		{"signed with PS256", wish{Alg: "PS256"}, nil, auth.Caller},
		{"signed with EdDSA", wish{Alg: "EdDSA"}, nil, auth.Caller},
		{"without a kid", wish{NoKid: true}, nil, auth.Caller},
		{"an access token of RFC 9068", wish{Header: m{"typ": "at+jwt"}}, nil, auth.Caller},
		{"the same, spelled out", wish{Header: m{"typ": "application/at+jwt"}}, nil, auth.Caller},
		{"typ JWT", wish{Header: m{"typ": "JWT"}}, nil, auth.Caller},
		{"for several, us among them", wish{}, m{"aud": []string{"other", "gatehouse"}}, auth.Caller},
		{"a clock half a minute ahead", wish{}, m{"iat": start.Unix() + 30, "nbf": start.Unix() + 30}, auth.Caller},
		{"a fraction of a second", wish{}, m{"exp": float64(start.Unix()) + 60.5}, auth.Caller},
		{"the highest of several roles", wish{}, m{"roles": []string{"guest", "boss", "worker"}}, auth.Admin},
		{"roles in a text", wish{}, m{"roles": "openid guest profile"}, auth.Viewer},
	} {
		row.ask.Claims = claims(server.url, row.changes)
		id, err := issuer.Authenticate(t.Context(), server.sign(row.ask))
		if err != nil || id.Client != "oidc:alice" || id.Role != row.role || id.Kind != auth.ByIssuer {
			t.Errorf("%s: Authenticate = %+v, %v, want oidc:alice as %s", row.says, id, err, row.role)
		}
		if !id.Expires.After(start) || id.Expires.After(start.Add(10*time.Minute)) {
			t.Errorf("%s: it expires at %v, want its exp", row.says, id.Expires)
		}
	}
}

func TestClaimsThatAreNotGood(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, _ := newIssuer(t, server.url, nil)
	for _, row := range []struct {
		says    string
		changes m
		want    string
	}{
		{"another issuer", m{"iss": "https://elsewhere.example"}, "issuer (iss)"},
		{"our issuer with a slash", m{"iss": server.url + "/"}, "issuer (iss)"},
		{"no issuer", m{"iss": nil}, "issuer (iss)"},
		{"for somebody else", m{"aud": "other"}, "(aud)"},
		{"for a beginning of us", m{"aud": "gatehous"}, "(aud)"},
		{"for nobody", m{"aud": nil}, "(aud)"},
		{"for an empty list", m{"aud": []string{}}, "(aud)"},
		{"for us and a number", m{"aud": []any{audience, 7}}, "(aud)"},
		{"expired", m{"exp": start.Unix() - 1}, "expired"},
		{"expired just now", m{"exp": start.Unix()}, "expired"},
		{"without an end", m{"exp": nil}, "(exp)"},
		{"an end in words", m{"exp": "tomorrow"}, "(exp)"},
		{"an end after all time", m{"exp": 1e300}, "(exp)"},
		{"not yet good", m{"nbf": start.Unix() + 61}, "(nbf)"},
		{"of the future", m{"iat": start.Unix() + 61}, "(iat)"},
		{"issued at no time", m{"iat": "noon"}, "iat is no date"},
		{"no name", m{"sub": nil}, "does not name its client"},
		{"an empty name", m{"sub": ""}, "does not name its client"},
		{"a number as the name", m{"sub": 7}, "does not name its client"},
		{"a name with a blank", m{"sub": "a b"}, "without blanks"},
		{"a name of two lines", m{"sub": "a\nb"}, "without blanks"},
		{"a name with an umlaut", m{"sub": "ä"}, "ASCII"},
		{"a name without end", m{"sub": strings.Repeat("a", 129)}, "128 bytes"},
		{"roles that are a number", m{"roles": 3}, "roles must be"},
		{"roles that are nothing", m{"roles": []any{"boss", nil}}, "roles must be"},
	} {
		_, err := issuer.Authenticate(t.Context(), server.sign(wish{Claims: claims(server.url, row.changes)}))
		if !errors.Is(err, auth.ErrBad) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Authenticate = %v, want ErrBad with %q", row.says, err, row.want)
		}
	}
}

func TestClaimsThatAreNoObject(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, _ := newIssuer(t, server.url, nil)
	good, err := json.Marshal(claims(server.url, nil))
	if err != nil {
		t.Fatal(err)
	}
	twice := `{"sub":"root",` + string(good[1:])
	for _, text := range []string{"", "null", "[]", "7", "{", string(good) + "{}", twice} {
		_, err := issuer.Authenticate(t.Context(), server.sign(wish{Claims: text}))
		if !errors.Is(err, auth.ErrBad) {
			t.Errorf("Authenticate of the claims %q = %v, want ErrBad", text, err)
		}
	}
}

func TestATokenWithoutARole(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	token := func(roles any) string { return server.sign(wish{Claims: claims(server.url, m{"roles": roles})}) }
	strict, _ := newIssuer(t, server.url, nil)
	for _, roles := range []any{nil, "", "chef", []string{}, []string{"boss worker"}, m{"boss": true}} {
		if _, err := strict.Authenticate(t.Context(), token(roles)); !errors.Is(err, auth.ErrBad) {
			t.Errorf("Authenticate with the roles %v = %v, want ErrBad", roles, err)
		}
	}
	_, err := strict.Authenticate(t.Context(), token("chef"))
	if !errors.Is(err, ErrNoRole) || strings.Contains(err.Error(), "not valid") {
		t.Errorf("Authenticate = %v, want ErrNoRole, and nothing of a token that is not valid", err)
	}
	open, _ := newIssuer(t, server.url, func(c *Config) { c.DefaultRole = auth.Caller })
	for roles, want := range map[string]auth.Role{"chef": auth.Caller, "boss": auth.Admin, "guest": auth.Viewer} {
		if id, err := open.Authenticate(t.Context(), token(roles)); err != nil || id.Role != want {
			t.Errorf("Authenticate with the role %s = %+v, %v, want %s", roles, id, err, want)
		}
	}
}

func TestClaimsByPath(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	for _, row := range []struct {
		says, name, role string
		changes          m
		want             error
	}{
		{"nested", "user.name", "realm_access.roles",
			m{"user": m{"name": "bob"}, "realm_access": m{"roles": []string{"boss"}}}, nil},
		{"named by a URL", "user.name", "https://example.org/roles",
			m{"user": m{"name": "bob"}, "https://example.org/roles": "boss"}, nil},
		{"of that very name", "user.name", "a.b",
			m{"user.name": "bob", "user": m{"name": "eve"}, "a": m{"b": "boss"}}, nil},
		{"through a text", "user.name", "a.b", m{"user.name": "bob", "a": "boss"}, ErrNoRole},
		{"through nothing", "user.name", "a.b.c.d", m{"user.name": "bob", "a": m{"b": m{}}}, ErrNoRole},
	} {
		issuer, _ := newIssuer(t, server.url, func(c *Config) { c.NameClaim, c.RoleClaim = row.name, row.role })
		id, err := issuer.Authenticate(t.Context(), server.sign(wish{Claims: claims(server.url, row.changes)}))
		if row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: Authenticate = %+v, %v, want %v", row.says, id, err, row.want)
		}
		if row.want == nil && (err != nil || id.Client != "oidc:bob" || id.Role != auth.Admin) {
			t.Errorf("%s: Authenticate = %+v, %v, want oidc:bob as admin", row.says, id, err)
		}
	}
}
