package httpdoor

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestWhichHostsAreServed(t *testing.T) {
	type verdicts = map[string]bool
	for bind, hosts := range map[string]verdicts{
		"127.0.0.1": {
			"127.0.0.1": true, "127.0.0.1:8080": true, "localhost": true, "LocalHost:1": true, "[::1]:8080": true,
			"[::1]":     true,
			"127.0.0.2": false, "10.0.0.1": false, "": false, ":8080": false, ".": false, "localhost.": false,
			"localhost.:8080": false, "evil.example": false, "evil.example:8080": false,
			"localhost.evil.example": false,
			"localhost@evil.example": false, "localhost:80@evil.example": false, "evil.example@localhost": false,
			"evil.example:80@localhost": false, "localhost:80:80": false, "localhost:http": false, "localhost:": true,
			"localhost/": false, "localhost/evil.example": false, "localhost,evil.example": false, " localhost": false,
			"[localhost]": false, "[[::1]]": false, "0.0.0.0": false, "127.1": false, "2130706433": false,
			"0x7f.0.0.1": false,
			"::1":        false, "[::1": false, "::1]": false, "[::1%lo]": false, "[::ffff:127.0.0.1]": false,
		},
		"::1":       {"[::1]:8080": true, "localhost": true, "127.0.0.1": true, "[::2]": false},
		"127.0.0.5": {"127.0.0.5:1": true, "localhost": true, "127.0.0.1": true, "127.0.0.6": false},
		"localhost": {"localhost:8080": true, "127.0.0.1:8080": true, "[::1]:8080": true, "evil.example": false,
			"10.0.0.1": false},
		"0.0.0.0": {
			"localhost:8080": true, "127.0.0.1": true, "10.0.0.1:8080": true, "[fd00::1]:8080": true,
			"evil.example": false,
			"":             false, "10.0.0.1.evil.example": false, "10.0.0.1:80@evil.example": false, "127.1": false,
		},
		"::": {"10.0.0.1": true, "[fd00::1]": true, "localhost": true, "evil.example": false},
		"":   {"10.0.0.1": true, "localhost": true, "evil.example": false, "": false},
		"10.0.0.1": {"10.0.0.1:8080": true, "10.0.0.1": true, "localhost": false, "127.0.0.1": false,
			"10.0.0.2": false, "": false},
		"127.0.0.1 Gate.lab.example [FD00:0::1] 10.0.0.7": {
			"gate.lab.example": true, "gate.lab.example:8443": true, "localhost": true, "[fd00::1]:8443": true,
			"10.0.0.7": true, "lab.example": false, "10.0.0.8": false, "fd00::2": false,
		},
		"Gate.Lab.Example": {"gate.lab.example:8080": true, "GATE.lab.example": true, "lab.example": false,
			"10.0.0.1": false, "": false},
	} {
		bind, more, _ := strings.Cut(bind, " ")
		d := newDoor(t, func(c *Config) { c.Hosts = HostsOf(bind, strings.Fields(more)...) })
		for host, allowed := range hosts {
			r := request("GET", "/livez", "")
			r.Host = host
			w := serve(d, r)
			if (w.Code == 200) != allowed {
				t.Errorf("bound to %q: Host %q = %d, want allowed: %t", bind, host, w.Code, allowed)
			}
			if !allowed {
				checkProblem(t, w, 403, tool.KindForbidden)
			}
		}
	}
}

func TestWhichOriginsAreServed(t *testing.T) {
	for _, row := range []struct {
		says    string
		header  []string
		tls     bool
		allowed bool
	}{
		{"a program sends nothing", nil, false, true},
		{"a page of the door's own origin", []string{"Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site",
			"same-origin"}, false, true},
		{"a typed address", []string{"Sec-Fetch-Site", "none"}, false, true},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, false, false},
		{"another origin of the site", []string{"Sec-Fetch-Site", "same-site"}, false, false},
		{"a word that there is not", []string{"Sec-Fetch-Site", "whatever"}, false, false},
		{"two words, the second foreign", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}, false,
			false},
		{"own origin, foreign site", []string{"Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "cross-site"},
			false, false},
		{"foreign origin, own site", []string{"Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin"},
			false, false},
		{"another port", []string{"Origin", "http://127.0.0.1:8081"}, false, false},
		{"no port", []string{"Origin", "http://127.0.0.1"}, false, false},
		{"another name of this machine", []string{"Origin", "http://localhost:8080"}, false, false},
		{"another scheme", []string{"Origin", "https://127.0.0.1:8080"}, false, false},
		{"its own scheme, encrypted", []string{"Origin", "https://127.0.0.1:8080"}, true, true},
		{"an open page, of a door that is encrypted", []string{"Origin", "http://127.0.0.1:8080"}, true, false},
		{"an opaque origin", []string{"Origin", "null"}, false, false},
		{"an empty origin", []string{"Origin", ""}, false, false},
		{"two origins", []string{"Origin", "http://127.0.0.1:8080", "Origin", "http://127.0.0.1:8080"}, false,
			false},
		{"a file", []string{"Origin", "file://"}, false, false},
		{"a name in front", []string{"Origin", "http://127.0.0.1:8080@evil.example"}, false, false},
		{"a browser's extension", []string{"Origin", "chrome-extension://127.0.0.1:8080"}, false, false},
		{"what cannot be read", []string{"Origin", "http://[::1"}, false, false},
	} {
		for _, path := range []string{"/livez", "/tools/ATool/execute", "/mcp"} {
			d := newDoor(t, func(c *Config) { c.MCP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) })
			method, body := "POST", "{}"
			if path == "/livez" {
				method, body = "GET", ""
			}
			r := request(method, path, body, row.header...)
			if row.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if !row.allowed {
				r.Body = io.NopCloser(never{t})
			}
			w := serve(d, r)
			if (w.Code == 200) != row.allowed {
				t.Errorf("%s: %s %s with %q = %d, want allowed: %t", row.says, method, path, row.header, w.Code,
					row.allowed)
			}
			if !row.allowed {
				checkProblem(t, w, 403, tool.KindForbidden)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s: Access-Control-Allow-Origin = %q, want none", row.says, got)
			}
		}
	}
}

func TestWhoComesIn(t *testing.T) {
	for _, row := range []struct {
		says   string
		header []string
		ok     bool
	}{
		{"the token", []string{"Authorization", "Bearer secret"}, true},
		{"a scheme in lower case", []string{"Authorization", "bearer secret"}, true},
		{"nothing", nil, false},
		{"a wrong token", []string{"Authorization", "Bearer Secret"}, false},
		{"the name of the token", []string{"Authorization", "Bearer ci"}, false},
		{"no token", []string{"Authorization", "Bearer "}, false},
		{"the token alone", []string{"Authorization", "secret"}, false},
		{"another scheme", []string{"Authorization", "Basic secret"}, false},
		{"two blanks", []string{"Authorization", "Bearer  secret"}, false},
		{"something after it", []string{"Authorization", "Bearer secret x"}, false},
		{"two headers", []string{"Authorization", "Bearer secret", "Authorization", "Bearer secret"}, false},
		{"in another header", []string{"X-Api-Key", "secret"}, false},
		{"as a cookie", []string{"Cookie", "token=secret"}, false},
	} {
		d := newDoor(t, withTokens, func(c *Config) {
			c.MCP, c.Metrics = says("application/json", "{}"), says("text/plain", "up 1\n")
		})
		for _, target := range []string{
			"GET /", "GET /tools", "GET /tools/ATool", "POST /tools/ATool/execute", "POST /tools/ATool/plan",
			"GET /metrics",
			"POST /mcp", "GET /mcp", "DELETE /mcp", "GET /nowhere", "GET /tools/ATool?token=secret",
		} {
			method, path, _ := strings.Cut(target, " ")
			body := ""
			if method == "POST" {
				body = "{}"
			}
			r := request(method, path, body, row.header...)
			if !row.ok {
				r.Body = io.NopCloser(never{t}) // nobody's body is read
			}
			w := serve(d, r)
			if (w.Code != 401) != row.ok {
				t.Errorf("%s: %s = %d, want let in: %t", row.says, target, w.Code, row.ok)
			}
			if !row.ok {
				checkProblem(t, w, 401, tool.KindUnauthenticated)
				if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
					t.Errorf("%s: WWW-Authenticate = %q, want Bearer", row.says, got)
				}
			}
		}
		for _, path := range []string{"/livez", "/readyz", "/health"} {
			if w := serve(d, request("GET", path, "", row.header...)); w.Code != 200 {
				t.Errorf("%s: GET %s = %d, want it open", row.says, path, w.Code)
			}
		}
	}
}

func TestWhoTheClientIs(t *testing.T) {
	for _, row := range []struct {
		remote, want string
		tokens       bool
	}{
		{"10.0.0.1:1234", "10.0.0.1", false},
		{"[fd00::1]:1234", "fd00::1", false},
		{"[::ffff:10.0.0.1]:1234", "10.0.0.1", false},
		{"@", "local", false},
		{"10.0.0.1:1234", "ci", true},
	} {
		got := ""
		change := func(*Config) {}
		if row.tokens {
			change = withTokens
		}
		d := newDoor(t, change, calling(func(_ context.Context, r tool.Request) (tool.Result, error) {
			got = r.Client
			return tool.Result{}, nil
		}))
		r := request("POST", "/tools/ATool/execute", "{}", "Authorization", "Bearer secret",
			"X-Forwarded-For", "10.9.9.9", "Forwarded", "for=10.9.9.9", "X-Real-Ip", "10.9.9.9")
		r.RemoteAddr = row.remote
		if serve(d, r); got != row.want {
			t.Errorf("from %q, tokens: %t: the client = %q, want %q", row.remote, row.tokens, got, row.want)
		}
	}
}
