package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

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
		t.Errorf("the third call = %s, Retry-After %s; want rate_limited, and 20 to 30 s, as one is due every 30",
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
	if got, want := listed(t, s), withHostTools("NoopTool", "TrueTool"); !slices.Equal(got, want) {
		t.Errorf("tools/list = %v, want %v", got, want)
	}
	for way, call := range map[string]door{"rest": some.rest, "mcp": mcpDoor(s)} {
		for name, want := range map[string]string{
			"NoopTool": "", "TrueTool": "", "PrintTool": "forbidden", "CrashTool": "forbidden",
			"NoTool": "tool_not_found",
		} {
			if _, kind := call(t, name, "{}"); string(kind) != want {
				t.Errorf("%s: a call of %s = %q, want %q", way, name, kind, want)
			}
		}
	}
	wantStatus(t, "a plan of another tool", some.status(t, "POST", "/tools/PrintTool/plan", "{}"), 403)
	if got := listed(t, h.mcp(t)); len(got) < len(hostTools)+6 {
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
		{"GET", "/executions", "", 200, 200, 200},
		{"POST", "/executions", `{"tool":"NoopTool"}`, 403, 202, 202},
		{"GET", "/executions/" + neverID, "", 404, 404, 404},
		{"DELETE", "/executions/" + neverID, "", 403, 404, 404},
	} {
		for role, want := range map[string]int{"viewer": row.viewer, "caller": row.caller, "admin": row.admin} {
			wantStatus(t, fmt.Sprintf("%s: %s %s %s", role, row.method, row.path, row.body),
				clients[role].status(t, row.method, row.path, row.body), want)
		}
	}
	s := clients["viewer"].mcp(t)
	names := listed(t, s)
	if _, kind := mcpDoor(s)(t, "NoopTool", "{}"); kind != "forbidden" || len(names) < len(hostTools)-2+6 ||
		slices.Contains(names, "execution_start") || slices.Contains(names, "execution_cancel") {
		t.Errorf("a viewer's call through /mcp = %q, tools/list = %v; want forbidden, and all tools but those of the "+
			"host that start or end something", kind, names)
	}
}

// TestTokensLeaveATraceAndNoSecret does all that can be done with tokens, and reads all that can be read.
func TestTokensLeaveATraceAndNoSecret(t *testing.T) {
	h := serve(t, "lab", "LOG_LEVEL=DEBUG")
	s := h.events(t, "")
	secrets := map[string]string{
		"of the operator": h.token, "that is nobody's": "gth_nobody-has-this-secret-at-all-0123456789",
	}
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
	texts["the trail"], texts["the log"] = h.trailText(t), h.log.String()
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
		"default, token.create, rest":             1, "default, token.rotate, rest": 2,
		"default, token.revoke, rest": 1,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("lines of the trail: %v, want %v", counts, want)
	}
}
