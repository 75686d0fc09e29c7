package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// publicKey is the issuer's of an algorithm, as everybody can have it.
func publicKey(t *testing.T, server *testIssuer, kid string) jose.JSONWebKey {
	t.Helper()
	var all jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(server.ask("GET", "/keys", nil)), &all); err != nil {
		t.Fatal(err)
	}
	return all.Key(kid)[0]
}

func encode(parts ...string) string {
	for i, p := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(p))
	}
	return strings.Join(parts, ".")
}

// forgeries are made of a good token of the issuer, says -> token.
func forgeries(t *testing.T, server *testIssuer, good wish, token string) map[string]string {
	t.Helper()
	must := func(token string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	payload := string(mustJSON(t, good.Claims))
	own := newECKey(t)
	ownPublic := jose.JSONWebKey{Key: own.Public(), KeyID: "ES-2"}
	secret := mustJSON(t, publicKey(t, server, "RSA-2"))
	parts := strings.Split(token, ".")
	other := strings.Split(server.sign(wish{Claims: claims(server.url, m{"sub": "root"})}), ".")
	crit := wish{Header: m{"crit": []string{"b64"}, "b64": true}, Claims: good.Claims}
	brings := wish{Claims: good.Claims, Header: m{"jwk": ownPublic}}
	points := wish{Claims: good.Claims, Header: m{"jku": server.url + "/evil"}}
	huge := wish{Claims: claims(server.url, m{"pad": strings.Repeat("x", maxToken)})}
	asJSON := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2])
	return map[string]string{
		"signed by nobody":                 encode(`{"alg":"none"}`, payload) + ".",
		"signed by nobody, with a text":    encode(`{"alg":"none"}`, payload, "x"),
		"signed by nobody, NONE":           encode(`{"alg":"NONE","typ":"JWT"}`, payload, "x"),
		"no algorithm":                     encode(`{"typ":"JWT"}`, payload, "x"),
		"the algorithm twice":              encode(`{"alg":"ES256","alg":"none"}`, payload, "x"),
		"HMAC with the public key":         must(signWith(secret, "HS256", "RSA-2", good)),
		"HMAC with the shared key":         must(signWith([]byte(published), "HS256", "oct", good)),
		"another's key":                    must(signWith(own, "ES256", "ES-2", good)),
		"another's key without a name":     must(signWith(own, "ES256", "", good)),
		"another's key that it brings":     must(signWith(own, "ES256", "ES-2", brings)),
		"another's key that is elsewhere":  must(signWith(own, "ES256", "x", points)),
		"a kid that is a path":             must(signWith(own, "ES256", "../../etc/passwd", good)),
		"the wrong key of the issuer":      encode(`{"alg":"EdDSA","kid":"ES-2"}`) + "." + parts[1] + "." + parts[2],
		"the claims of another":            parts[0] + "." + other[1] + "." + parts[2],
		"the signature cut off":            parts[0] + "." + parts[1] + ".",
		"the signature of another":         parts[0] + "." + parts[1] + "." + other[2],
		"a type that is no access":         server.sign(wish{Claims: good.Claims, Header: m{"typ": "logout+jwt"}}),
		"an extension":                     server.sign(crit),
		"two parts":                        parts[0] + "." + parts[1],
		"four parts":                       strings.Join(parts, ".") + ".x",
		"five parts, as if encrypted":      strings.Join(parts, ".") + ".x.y",
		"a blank":                          strings.Join(parts, ". "),
		"a line end":                       strings.Join(parts, ".") + "\n",
		"padding":                          strings.Join(parts, ".") + "=",
		"the form of JSON":                 asJSON,
		"the form of JSON with three dots": `{"payload":"..."}`,
		"garbage":                          "\x00\xff.\xfe.\x01",
		"garbage in base64":                encode("\xff\xfe", "\x00", "\x01"),
		"nothing":                          "",
		"dots":                             "..",
		"a huge token":                     strings.Join(parts, ".") + strings.Repeat("A", maxToken),
		"a huge claim":                     server.sign(huge),
	}
}

func TestForgedTokens(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil).withRSA()
	issuer, _ := newIssuer(t, server.url, nil)
	good := wish{Claims: claims(server.url, nil)}
	token := server.sign(good)
	rows := forgeries(t, server, good, token)
	for says, forged := range rows {
		if id, err := issuer.Authenticate(t.Context(), forged); !errors.Is(err, auth.ErrBad) {
			t.Errorf("%s: Authenticate = %+v, %v, want ErrBad", says, id, err)
		}
	}
	for _, says := range []string{"signed by nobody, with a text", "HMAC with the public key"} {
		_, err := issuer.Authenticate(t.Context(), rows[says])
		if err == nil || !strings.Contains(err.Error(), "algorithm that is not allowed") {
			t.Errorf("%s: Authenticate = %v, want to be refused for the algorithm", says, err)
		}
	}
	if c := server.counts(); c["keys"] != 2 { // publicKey's among them
		t.Errorf("the issuer was asked for keys %d times, want 2", c["keys"])
	}
	wantClient(t, issuer, token, "alice") // and was not by luck
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
