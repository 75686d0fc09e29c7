package oidc

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
)

func TestAnIssuerThatMisbehaves(t *testing.T) {
	other := startIssuer(t, "127.0.0.1:0", nil)
	server := startIssuer(t, "127.0.0.1:0", nil)
	host := strings.TrimPrefix(server.url, "http://")
	say := func(issuer, keys string) string {
		return fmt.Sprintf(`say {"issuer":%q,"jwks_uri":%q}`, issuer, keys)
	}
	wellKnown, good := "/.well-known/openid-configuration", say(server.url, server.url+"/keys")
	encryption := strings.ReplaceAll(server.ask("GET", "/keys", nil), `"sig"`, `"enc"`)
	token := server.token("alice")
	secrets := `say {"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`
	far := say(server.url, "http://192.0.2.1/keys")
	for _, row := range []struct {
		says string
		how  manners
		want string // in the log
	}{
		{"it is down", manners{"discovery": "down"}, "500 Internal"},
		{"its keys are down", manners{"keys": "down"}, "500 Internal"},
		{"it is another", manners{"discovery": say(other.url, server.url+"/keys")}, "of the issuer"},
		{"it has a slash too many", manners{"discovery": say(server.url+"/", server.url+"/keys")}, "of the issuer"},
		{"it says nothing", manners{"discovery": "say "}, "not the JSON"},
		{"it says no JSON", manners{"discovery": "say <html>"}, "not the JSON"},
		{"it is two", manners{"discovery": `say {"issuer":"x",` + good[len("say {"):]}, "not the JSON"},
		{"it has no keys", manners{"discovery": say(server.url, "")}, "must be an https URL"},
		{"its keys are a file", manners{"discovery": say(server.url, "file:///etc/passwd")}, "must be an https URL"},
		{"its keys come in clear, from afar", manners{"discovery": far}, "must be an https URL"},
		{"it sends us to another", manners{"discovery": "redirect " + other.url + wellKnown}, "it redirects to"},
		{"it sends us to another for its keys", manners{"keys": "redirect " + other.url + "/keys"}, "it redirects to"},
		{"it sends us to https", manners{"keys": "redirect https://" + host + "/keys"}, "it redirects to https"},
		{"it sends us round and round", manners{"keys": "redirect /keys"}, "again and again"},
		{"it sends us to what is not there", manners{"discovery": "redirect /nowhere"}, "404 Not Found"},
		{"it does not stop", manners{"discovery": "endless"}, "more than 1048576 bytes"},
		{"its keys do not stop", manners{"keys": "endless"}, "more than 1048576 bytes"},
		{"its keys are a list", manners{"keys": "say []"}, "not a JWK set"},
		{"its keys are none", manners{"keys": `say {"keys":[]}`}, "none of them"},
		{"its keys are garbage", manners{"keys": `say {"keys":[{"kty":"EC"},7]}`}, "none of them"},
		{"its keys are secrets", manners{"keys": secrets}, "none of them"},
		{"its keys are too short", manners{"keys": "say " + shortKey(t)}, "none of them"},
		{"its keys are private", manners{"keys": "say " + privateKeys(t)}, "none of them"},
		{"its keys are for encryption", manners{"keys": "say " + encryption}, "none of them"},
	} {
		server.behave(row.how)
		var log bytes.Buffer
		issuer, _ := newIssuer(t, server.url, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		wantUnavailable(t, issuer, token, row.says)
		issuer.keys.running.Wait()
		if !strings.Contains(log.String(), row.want) {
			t.Errorf("%s: the log says %q, want %q in it", row.says, &log, row.want)
		}
	}
	wantFetches(t, other, 0, "the other")
	server.behave(manners{"discovery": good})
	issuer, _ := newIssuer(t, server.url, nil)
	wantClient(t, issuer, token, "alice") // the token was not the reason
}

func privateKeys(t *testing.T) string {
	t.Helper()
	key := newECKey(t)
	raw := mustJSON(t, jwks(key))
	if !strings.Contains(string(raw), `"d":`) {
		t.Fatalf("%s is no private key", raw)
	}
	return string(raw)
}

// shortKey is an RSA key of 1024 bits, in which nobody must believe.
func shortKey(t *testing.T) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	return string(mustJSON(t, jwks(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})))
}
