package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
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

// TestTokensAreInForceWithTheNextRequest changes tokens by the command line, again and again. Nothing is waited
// for: when a command has returned, all has been done.
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
		"revoked by command":   func(name string) { h.command(t, "token", "revoke", name) },
		"rotated by command":   func(name string) { h.command(t, "token", "rotate", name) },
		"revoked over HTTP":    func(name string) { h.ask(t, "DELETE", "/tokens/"+name, "", 200, nil) },
		"rotated over HTTP":    func(name string) { h.ask(t, "POST", "/tokens/"+name+"/rotate", "", 200, nil) },
		"another of that name": func(name string) { h.command(t, "token", "revoke", name); h.command(t, "token", "create", name) },
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
		wantStatus(t, what+": the session", h.as(secret).status(t, "POST", "/mcp", `{"jsonrpc":"2.0","id":2,"method":"ping"}`,
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
	h := serve(t, "lab")
	if out := h.gatehouse(t, 2, "token", "create", "gone", "--expires", "2020-01-01T00:00:00Z"); !strings.Contains(out, "between now and") {
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
	h := configured(t, fmt.Sprintf("server: {port: 0}\nauth:\n  tokens:\n    - %s\n    - {name: gone, sha256: %s, expires: %q}\n",
		operatorToken("admin"), digest(gone), "2020-01-01T00:00:00Z"))
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

// TestATokenHasARateOfItsOwn lets one client run out of calls while another goes on.
func TestATokenHasARateOfItsOwn(t *testing.T) {
	h := serve(t, "lab")
	slow := h.as(h.command(t, "token", "create", "slow", "--rate", "2/60s"))
	quick := h.as(h.command(t, "token", "create", "quick"))
	for range 2 {
		slow.ask(t, "POST", execute, "{}", 200, nil)
	}
	r := slow.send(t, "POST", execute, "{}")
	wantStatus(t, "the third call", r.status, 429)
	p := r.problem(t)
	if p.Kind != "rate_limited" || p.RetryAfter <= 20 || p.RetryAfter > 30 || r.header.Get("Retry-After") == "" {
		t.Errorf("the third call = %s, Retry-After %s; want rate_limited, and 20 to 30 s, when the next of 2 in 60 s is due",
			r.body, r.header.Get("Retry-After"))
	}
	if _, kind := mcpDoor(slow.mcp(t))(t, "NoopTool", "{}"); kind != "rate_limited" {
		t.Errorf("the fourth call, through /mcp = %q, want rate_limited", kind)
	}
	slow.ask(t, "POST", "/tools/PrintTool/execute", "{}", 200, nil)
	slow.ask(t, "GET", "/tools", "", 200, nil)
	for range 5 {
		quick.ask(t, "POST", execute, "{}", 200, nil)
	}
}

// mcp is a session of the official client.
func (h *host) mcp(t *testing.T) *mcp.ClientSession {
	t.Helper()
	return connect(t, &mcp.StreamableClientTransport{
		Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{h.token}},
	})
}

func listed(t *testing.T, s *mcp.ClientSession) (names []string) {
	t.Helper()
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tl := range list.Tools {
		names = append(names, tl.Name)
	}
	return names
}

func TestATokenIsForItsTools(t *testing.T) {
	h := serve(t, "lab")
	some := h.as(h.command(t, "token", "create", "some", "--tools", "Noop*,TrueTool"))
	s := some.mcp(t)
	if got, want := listed(t, s), []string{"NoopTool", "TrueTool"}; !slices.Equal(got, want) {
		t.Errorf("tools/list = %v, want %v", got, want)
	}
	for way, call := range map[string]door{"rest": some.rest, "mcp": mcpDoor(s)} {
		for name, want := range map[string]string{
			"NoopTool": "", "TrueTool": "", "PrintTool": "forbidden", "CrashTool": "forbidden", "NoTool": "tool_not_found",
		} {
			if _, kind := call(t, name, "{}"); string(kind) != want {
				t.Errorf("%s: a call of %s = %q, want %q", way, name, kind, want)
			}
		}
	}
	wantStatus(t, "a plan of another tool", some.status(t, "POST", "/tools/PrintTool/plan", "{}"), 403)
	if got := listed(t, h.mcp(t)); len(got) < 6 {
		t.Errorf("tools/list of everybody else = %v, want all", got)
	}
}

// TestRoles asks for every kind of route in each role.
func TestRoles(t *testing.T) {
	h := serve(t, "lab")
	clients := make(map[string]*host)
	for _, role := range []string{"viewer", "caller", "admin"} {
		clients[role] = h.as(h.command(t, "token", "create", "a-"+role, "--role", role))
	}
	for _, row := range []struct {
		method, path, body    string
		viewer, caller, admin int
	}{
		{"GET", "/", "", 200, 200, 200},
		{"GET", "/tools", "", 200, 200, 200},
		{"GET", "/plugins", "", 200, 200, 200},
		{"GET", "/metrics", "", 200, 200, 200},
		{"GET", "/events", "", 200, 200, 200},
		{"POST", execute, "{}", 403, 200, 200},
		{"POST", "/tools/NoopTool/plan", "{}", 403, 200, 200},
		{"GET", "/config", "", 403, 403, 200},
		{"POST", "/tools/TrueTool/disable", "", 403, 403, 200},
		{"POST", "/tools/TrueTool/enable", "", 403, 403, 200},
		{"POST", "/tools/TrueTool/breaker/open", "", 403, 403, 200},
		{"POST", "/tools/TrueTool/breaker/close", "", 403, 403, 200},
		{"POST", "/plugins/nothing/restart", "", 403, 403, 404},
		{"GET", "/tokens", "", 403, 403, 200},
		{"POST", "/tokens", `{"name":"new"}`, 403, 403, 201},
		{"POST", "/tokens", `{"name":"new"}`, 403, 403, 400},
		{"POST", "/tokens", `{"name":"root","role":"root"}`, 403, 403, 400},
		{"POST", "/tokens/new/rotate", `{"overlap_sec":60}`, 403, 403, 200},
		{"DELETE", "/tokens/new", "", 403, 403, 200},
		{"DELETE", "/tokens/new", "", 403, 403, 404},
		{"POST", "/tokens/new/rotate", "", 403, 403, 404},
		{"PUT", "/tokens", "", 405, 405, 405},
	} {
		for role, want := range map[string]int{"viewer": row.viewer, "caller": row.caller, "admin": row.admin} {
			wantStatus(t, fmt.Sprintf("%s: %s %s %s", role, row.method, row.path, row.body),
				clients[role].status(t, row.method, row.path, row.body), want)
		}
	}
	s := clients["viewer"].mcp(t)
	if _, kind := mcpDoor(s)(t, "NoopTool", "{}"); kind != "forbidden" || len(listed(t, s)) < 6 {
		t.Errorf("a viewer's call through /mcp = %q, tools/list = %v; want forbidden, and all tools", kind, listed(t, s))
	}
}

// TestTokensLeaveATraceAndNoSecret does all that can be done with tokens, and reads all that can be read.
func TestTokensLeaveATraceAndNoSecret(t *testing.T) {
	h := serve(t, "lab", "LOG_LEVEL=DEBUG")
	s := h.events(t, "")
	secrets := map[string]string{"of the operator": h.token, "that is nobody's": "gth_nobody-has-this-secret-at-all-0123456789"}
	wantStatus(t, "nobody's token", h.as(secrets["that is nobody's"]).status(t, "GET", "/tools", ""), 401)
	note := func(what, secret string) {
		t.Helper()
		secrets[what] = secret
		wantStatus(t, what, h.as(secret).status(t, "POST", execute, "{}"), 200)
	}
	note("made by command", h.command(t, "token", "create", "cli"))
	note("rotated by command", h.command(t, "token", "rotate", "cli"))
	h.command(t, "token", "revoke", "cli")
	wantStatus(t, "revoked", h.as(secrets["rotated by command"]).status(t, "GET", "/tools", ""), 401)
	var made struct{ Token string }
	h.ask(t, "POST", "/tokens", `{"name":"rest","role":"caller"}`, 201, &made)
	note("made over HTTP", made.Token)
	h.ask(t, "POST", "/tokens/rest/rotate", "", 200, &made)
	note("rotated over HTTP", made.Token)
	h.ask(t, "POST", "/tokens/rest/rotate", `{"overlap_sec":60}`, 200, &made)
	note("rotated again", made.Token)
	texts := map[string]string{
		"GET /tokens": h.send(t, "GET", "/tokens", "").body, "GET /config": h.send(t, "GET", "/config", "").body,
		"token list": h.command(t, "token", "list") + h.command(t, "token", "list", "--json"),
		"metrics":    get(t, h.url+"/metrics", h.token),
	}
	h.ask(t, "DELETE", "/tokens/rest", "", 200, nil)
	h.ask(t, "POST", execute, `{"correlation_id":"at-last"}`, 200, nil)
	s.await(t, "call.finished", "at-last")
	texts["the events"] = fmt.Sprint(s.seen)
	h.stop()
	texts["the trail"], texts["the log"] = strings.Join(trailLines(t, h), "\n"), h.log.String()
	wantNoSecrets(t, texts, secrets)
	h.wantTokenLines(t)
}

func wantNoSecrets(t *testing.T, texts, secrets map[string]string) {
	t.Helper()
	for where, text := range texts {
		if text == "" {
			t.Errorf("%s is empty", where)
		}
		for what, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(strings.ToLower(text), digest(secret)) {
				t.Errorf("%s has the token %s, or its hash", where, what)
			}
		}
	}
}

// wantTokenLines reads in the trail of who did what.
func (h *host) wantTokenLines(t *testing.T) {
	t.Helper()
	counts := make(map[string]int)
	for _, l := range h.trailed(t, "admin") {
		if strings.HasPrefix(l.Action, "token.") {
			counts[strings.Join([]string{l.Actor, l.Action, l.Facts["token"]}, ", ")]++
		}
	}
	want := map[string]int{
		"the state directory, token.created, cli": 1, "the state directory, token.rotated, cli": 1,
		"the state directory, token.revoked, cli": 1,
		"default, token.create, rest":             1, "default, token.rotate, rest": 2, "default, token.revoke, rest": 1,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("lines of the trail: %v, want %v", counts, want)
	}
}
