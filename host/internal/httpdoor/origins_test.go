package httpdoor

import (
	"net/http"
	"strings"
	"testing"
)

func withOrigin(c *Config) { c.Origins = []string{"https://console.example"} }

func TestNamedOriginsAreServed(t *testing.T) {
	for _, row := range []struct {
		origin  string
		allowed bool
	}{
		{"https://console.example", true}, {"HTTPS://Console.example", true}, {"http://console.example", false},
		{"https://console.example:8443", false}, {"https://console.example.evil.example", false},
		{"https://evil.example", false}, {"null", false}, {"*", false}, {"https://console.example/", false},
	} {
		d := newDoor(t, withTokens, withOrigin)
		r := request("GET", "/tools", "", "Origin", row.origin, "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer secret")
		w := serve(d, r)
		got := w.Header().Get("Access-Control-Allow-Origin")
		if (w.Code == 200) != row.allowed || (got == row.origin) != row.allowed {
			t.Errorf("Origin %q = %d, Access-Control-Allow-Origin %q, want allowed: %t", row.origin, w.Code, got, row.allowed)
		}
		if w.Header().Get("Access-Control-Allow-Credentials") != "" || got == "*" {
			t.Errorf("Origin %q: %v, want neither credentials nor everybody", row.origin, w.Header())
		}
		if w.Header().Get("Vary") != "Origin" {
			t.Errorf("Origin %q: Vary = %q, want Origin", row.origin, w.Header().Get("Vary"))
		}
	}
}

func TestAPreflightIsAnsweredWithoutACredential(t *testing.T) {
	ask := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	for _, path := range []string{"/tools/ATool/execute", "/mcp", "/events", "/nowhere"} {
		w := serve(newDoor(t, withEverything, withTokens, withOrigin),
			request("OPTIONS", path, "", append(ask, "Origin", "https://console.example")...))
		h := w.Header()
		if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://console.example" ||
			!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("preflight of %s = %d %v, want it allowed", path, w.Code, h)
		}
		w = serve(newDoor(t, withEverything, withTokens, withOrigin),
			request("OPTIONS", path, "", append(ask, "Origin", "https://evil.example")...))
		checkNoCORS(t, path, w.Header())
		w = serve(newDoor(t, withEverything, withTokens),
			request("OPTIONS", path, "", append(ask, "Origin", "https://console.example")...))
		checkNoCORS(t, path, w.Header())
	}
}

func checkNoCORS(t *testing.T, path string, h http.Header) {
	t.Helper()
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("preflight of %s by an unknown origin: %s: %s, want no such header", path, name, h.Get(name))
		}
	}
}
