package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// ways in, each as a question whether a token is good: 200, or 401.
var ways = map[string]func(*testing.T, *host) int{
	"rest":    func(t *testing.T, h *host) int { return h.status(t, "GET", "/tools", "") },
	"a call":  func(t *testing.T, h *host) int { return h.status(t, "POST", execute, "{}") },
	"events":  func(t *testing.T, h *host) int { return h.status(t, "GET", "/events", "") },
	"mcp":     func(t *testing.T, h *host) int { return h.status(t, "POST", "/mcp", initialize, acceptMCP...) },
	"metrics": func(t *testing.T, h *host) int { return h.status(t, "GET", "/metrics", "") },
}

// wantWays wants one answer of each way in, at once.
func (h *host) wantWays(t *testing.T, what, token string, want int) {
	t.Helper()
	for name, ask := range ways {
		wantStatus(t, name+", "+what, ask(t, h.as(token)), want)
	}
}

// TestTokensAreInForceWithTheNextRequest changes tokens by the command line, again and again. Nothing is
// waited for: when a command has returned, all has been done.
func TestTokensAreInForceWithTheNextRequest(t *testing.T) {
	h := serve(t, "lab", "MCP_AUTH_MAX_FAILURES=100000")
	defer h.busy(t)()
	for range 10 {
		first := h.command(t, "token", "create", "ci")
		h.wantWays(t, "created", first, 200)
		second := h.command(t, "token", "rotate", "ci")
		h.wantWays(t, "rotated, the secret before", first, 401)
		h.wantWays(t, "rotated", second, 200)
		third := h.command(t, "token", "rotate", "ci", "--overlap", "1h")
		h.wantWays(t, "rotated with an overlap, the secret before", second, 200)
		h.wantWays(t, "rotated with an overlap", third, 200)
		h.command(t, "token", "revoke", "ci")
		h.wantWays(t, "revoked, the secret before", second, 401)
		h.wantWays(t, "revoked", third, 401)
	}
	h.wantWays(t, "which nobody touched", h.token, 200)
}

// busy has clients come all the time, whose token nobody touches, until it is told to stop.
func (h *host) busy(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if status, body, err := h.do(ctx, "GET", "/plugins", ""); err == nil && status != 200 {
					t.Errorf("a client whom nobody touches = %d %s, want 200", status, body)
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestTheGeneratedTokenIsOneToo changes the token that everybody begins with.
func TestTheGeneratedTokenIsOneToo(t *testing.T) {
	h := serve(t, "lab")
	first := h.token
	second := h.command(t, "token", "rotate", "default")
	h.wantWays(t, "generated, before", first, 401)
	h.wantWays(t, "generated, rotated", second, 200)
	if out := h.command(t, "token", "show"); out != second {
		t.Errorf("token show = %s, want the one in force", out)
	}
	h.command(t, "tools", "disable", "TrueTool", "--url", h.url) // finds it by itself
	if _, kind := h.as(second).rest(t, "TrueTool", "{}"); kind != "disabled" {
		t.Errorf("a call = %q, want disabled", kind)
	}
	h.as(second).ask(t, "DELETE", "/tokens/default", "", 200, nil)
	h.wantWays(t, "generated, revoked", second, 401)
}

// TestTheConfigurationSaysWhoComesIn reloads it: who is named comes in, who is not goes, streams included.
func TestTheConfigurationSaysWhoComesIn(t *testing.T) {
	const none = "server: {port: 0}\n"
	h := configured(t, none)
	file := h.setting(t, "MCP_CONFIG_FILE")
	generated := h.showToken()
	h.wantWays(t, "generated", generated, 200)
	h.wantWays(t, "not named yet", operator, 401)
	s := h.as(generated).events(t, "")
	replace(t, file, none+"auth: {tokens: ["+operatorToken("admin")+"]}\n")
	s.await(t, "bye", "not valid any more")
	h.wantWays(t, "generated, where others are named", generated, 401)
	h.wantWays(t, "named", operator, 200)
	s = h.as(operator).events(t, "")
	replace(t, file, none+"auth: {tokens: ["+operatorToken("viewer")+"]}\n")
	s.await(t, "bye", "not valid any more") // it may less than when it came
	wantStatus(t, "who is a viewer by now", h.as(operator).status(t, "GET", "/config", ""), 403)
	s = h.as(operator).events(t, "")
	replace(t, file, none)
	s.await(t, "bye", "not valid any more")
	h.wantWays(t, "not named any more", operator, 401)
	h.wantWays(t, "generated, where nobody is named", generated, 200)
}

// TestHostsOfOneStateDirectoryShareTheirTokens changes at one what is then in force at the other.
func TestHostsOfOneStateDirectoryShareTheirTokens(t *testing.T) {
	state := "STATE_DIRECTORY=" + t.TempDir()
	one, other := serve(t, "lab", state), serve(t, "lab", state)
	var made struct{ Token string }
	for range 5 {
		one.ask(t, "POST", "/tokens", `{"name":"shared"}`, 201, &made)
		other.wantWays(t, "made at another host", made.Token, 200)
		other.ask(t, "DELETE", "/tokens/shared", "", 200, nil)
		one.wantWays(t, "revoked at another host", made.Token, 401)
	}
}

// TestStreamsEndWithTheirToken opens streams, and takes their credentials away by each of the ways to do so.
func TestStreamsEndWithTheirToken(t *testing.T) {
	h := serve(t, "lab")
	for what, end := range map[string]func(name string){
		"revoked by command": func(name string) { h.command(t, "token", "revoke", name) },
		"rotated by command": func(name string) { h.command(t, "token", "rotate", name) },
		"revoked over HTTP":  func(name string) { h.ask(t, "DELETE", "/tokens/"+name, "", 200, nil) },
		"rotated over HTTP":  func(name string) { h.ask(t, "POST", "/tokens/"+name+"/rotate", "", 200, nil) },
		"another of that name": func(name string) {
			h.command(t, "token", "revoke", name)
			h.command(t, "token", "create", name)
		},
	} {
		secret := h.command(t, "token", "create", "listener")
		s := h.as(secret).events(t, "")
		session := initialized(t, h.as(secret))
		end("listener")
		h.ask(t, "POST", execute, `{"correlation_id":"after"}`, 200, nil) // something to be told of
		if e := s.await(t, "bye", "not valid any more"); strings.Contains(fmt.Sprint(s.seen), `"after"`) {
			t.Errorf("%s: the stream told of what came later, before %+v", what, e)
		}
		if _, open := <-s.events; open {
			t.Errorf("%s: the stream goes on after its last word", what)
		}
		wantStatus(t, what+": the session", h.as(secret).status(t, "POST", "/mcp",
			`{"jsonrpc":"2.0","id":2,"method":"ping"}`,
			append([]string{"Mcp-Session-Id", session}, acceptMCP...)...), 401)
		h.status(t, "DELETE", "/tokens/listener", "") // 404 when it was revoked
	}
}

// initialized is the id of a session at /mcp.
func initialized(t *testing.T, h *host) string {
	t.Helper()
	r := h.send(t, "POST", "/mcp", initialize, acceptMCP...)
	id := r.header.Get("Mcp-Session-Id")
	if r.status != 200 || id == "" {
		t.Fatalf("initialize = %d %s, session %q", r.status, r.body, id)
	}
	return id
}

// TestTokensEnd gives tokens the shortest lives that there are.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	h := serve(t, "lab")
	out := h.gatehouse(t, 2, "token", "create", "gone", "--expires", "2020-01-01T00:00:00Z")
	if !strings.Contains(out, "between now and") {
		t.Errorf("a token that has expired = %s, want what is allowed", out)
	}
	r := h.send(t, "POST", "/tokens", `{"name":"gone","expires":"2020-01-01T00:00:00Z"}`)
	wantStatus(t, "a token that has expired, over HTTP", r.status, 400)
	secret := h.command(t, "token", "create", "brief", "--expires", "3s")
	s := h.as(secret).events(t, "")
	s.await(t, "bye", "not valid any more") // the host tells of itself every few seconds
	h.wantWays(t, "expired", secret, 401)
	if out := h.command(t, "token", "list"); !strings.Contains(out, "expired") {
		t.Errorf("token list = %s, want that one has expired", out)
	}
	if out := h.gatehouse(t, 2, "token", "rotate", "brief"); !strings.Contains(out, "has expired") {
		t.Errorf("rotate = %s, want that it has expired", out)
	}
}

func TestATokenOfTheConfigurationEnds(t *testing.T) {
	const gone = "a secret that was good once"
	const yaml = "server: {port: 0}\nauth: {tokens: [%s, {name: gone, sha256: %s, expires: %q}]}\n"
	h := configured(t, fmt.Sprintf(yaml, operatorToken("admin"), digest(gone), "2020-01-01T00:00:00Z"))
	h.wantWays(t, "of the operator", operator, 200)
	h.wantWays(t, "that has expired", gone, 401)
	r := h.as(gone).send(t, "GET", "/tools", "")
	if challenge := r.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
		t.Errorf("WWW-Authenticate: %s, want invalid_token", challenge)
	}
	if r = h.as("").send(t, "GET", "/tools", ""); strings.Contains(r.header.Get("WWW-Authenticate"), "error=") {
		t.Errorf("WWW-Authenticate: %s, want no error where nothing was shown", r.header.Get("WWW-Authenticate"))
	}
}
