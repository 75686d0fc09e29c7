package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	lab     = "gatehouse.lab.internal" // a name of the host
	console = "https://console.lab.internal:8443"
)

// named is a host that has one more name, and lets pages of two other origins call.
func named(t *testing.T) *host {
	t.Helper()
	h := configured(t, "server: {port: 0, allowed_hosts: [Gatehouse.lab.internal], allowed_origins: ['"+console+
		"', 'http://127.0.0.1:3000']}\n")
	h.token = h.showToken()
	return h
}

// everywhere are routes of each kind: method -> path.
var everywhere = []struct {
	method, path, body string
	good               int
}{
	{"GET", "/livez", "", 200}, {"GET", "/health", "", 0}, {"GET", "/tools", "", 200},
	{"POST", execute, "{}", 200},
	{"POST", "/mcp", initialize, 200}, {"GET", "/events", "", 200}, {"GET", "/config", "", 200},
	{"GET", "/metrics", "", 200}, {"GET", "/nowhere", "", 404}, {"PUT", "/tools", "", 405},
}

// wantEverywhere sends a request with some headers to all routes: each is answered as well as it can be, or
// refused.
func (h *host) wantEverywhere(t *testing.T, what string, let bool, header ...string) {
	t.Helper()
	for _, to := range everywhere {
		got := h.status(t, to.method, to.path, to.body, append(header, acceptMCP...)...)
		refused := got == 403
		if refused == let || let && to.good != 0 && got != to.good {
			t.Errorf("%s: %s %s = %d, want it let in: %t", what, to.method, to.path, got, let)
		}
	}
}

func TestTheHostIsNamedAsItMayBe(t *testing.T) {
	h := named(t)
	port := h.address(t)[strings.LastIndexByte(h.address(t), ':'):]
	for host, let := range map[string]bool{
		"127.0.0.1" + port: true, "localhost" + port: true, "LocalHost": true, "[::1]" + port: true,
		"127.0.0.1:1": true, "gatehouse.lab.internal": true, "GATEHOUSE.lab.internal:443": true,
		"evil.example": false, "127.0.0.1.evil.example": false, "gatehouse.lab.internal.": false, "0.0.0.0": false,
		"10.0.0.1" + port: false, "xgatehouse.lab.internal": false, "127.0.0.1:x": false, "[::1": false,
		"127.1": false,
	} {
		h.wantEverywhere(t, "Host "+host, let, "Host", host)
	}
	r := h.send(t, "GET", "/tools", "", "Host", "evil.example")
	if !strings.Contains(r.body, "gatehouse.lab.internal") || !strings.Contains(r.body, "server.allowed_hosts") {
		t.Errorf("a foreign Host = %s, want what is allowed, and how to allow it", r.body)
	}
	h.wantEverywhere(t, "a forwarded Host of nobody we trust", true, "X-Forwarded-Host", "evil.example")
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	h := named(t)
	for what, row := range map[string]struct {
		let    bool
		header []string
	}{
		"a program":    {true, nil},
		"its own page": {true, []string{"Origin", h.url, "Sec-Fetch-Site", "same-origin"}},
		"a named page": {true, []string{"Origin", console, "Sec-Fetch-Site", "cross-site"}},
		"a named page, same site": {true, []string{"Origin", "http://127.0.0.1:3000", "Sec-Fetch-Site",
			"same-site"}},
		"an address bar":            {true, []string{"Sec-Fetch-Site", "none"}},
		"another page":              {false, []string{"Origin", "https://evil.example"}},
		"another port":              {false, []string{"Origin", "https://console.lab.internal"}},
		"another scheme":            {false, []string{"Origin", "http://console.lab.internal:8443"}},
		"a name that begins so":     {false, []string{"Origin", console + ".evil.example"}},
		"its own, by TLS":           {false, []string{"Origin", strings.Replace(h.url, "http:", "https:", 1)}},
		"its own, another port":     {false, []string{"Origin", "http://127.0.0.1:1"}},
		"a file":                    {false, []string{"Origin", "null"}},
		"two origins":               {false, []string{"Origin", console, "Origin", "https://evil.example"}},
		"one that hides its origin": {false, []string{"Sec-Fetch-Site", "cross-site"}},
		"one of the same site":      {false, []string{"Sec-Fetch-Site", "same-site"}},
		"its own as a proxy has it": {false, []string{"Origin", "https://gatehouse.lab.internal",
			"X-Forwarded-Proto", "https", "X-Forwarded-Host", "gatehouse.lab.internal"}},
	} {
		h.wantEverywhere(t, what, row.let, row.header...)
	}
}

// TestNamedPagesMayReadAnswers holds what browsers ask for before they show a page an answer.
func TestNamedPagesMayReadAnswers(t *testing.T) {
	h := named(t)
	for _, to := range everywhere {
		what := to.method + " " + to.path
		r := h.as("").send(t, "OPTIONS", to.path, "", "Origin", console, "Access-Control-Request-Method", to.method,
			"Access-Control-Request-Headers", "authorization,content-type,mcp-session-id")
		wantStatus(t, "before "+what, r.status, 204)
		wantCORS(t, "before "+what, r.header, console)
		allowed := strings.ToLower(r.header.Get("Access-Control-Allow-Headers"))
		for _, name := range []string{"authorization", "content-type", "mcp-session-id", "last-event-id"} {
			if !strings.Contains(allowed, name) {
				t.Errorf("before %s: allowed are %s, want %s among them", what, allowed, name)
			}
		}
		if methods := r.header.Get("Access-Control-Allow-Methods"); to.method != "PUT" &&
			!strings.Contains(methods, to.method) {
			t.Errorf("before %s: allowed are %s", what, methods)
		}
		resp := h.open(t, to.method, to.path, to.body, append([]string{"Origin", console}, acceptMCP...)...)
		_ = resp.Body.Close()
		wantCORS(t, what, resp.Header, console)
		resp = h.open(t, to.method, to.path, to.body, acceptMCP...)
		_ = resp.Body.Close()
		wantCORS(t, what+" of a program", resp.Header, "")
		foreign := h.send(t, "OPTIONS", to.path, "", "Origin", "https://evil.example",
			"Access-Control-Request-Method", to.method)
		wantStatus(t, "before "+what+" of another page", foreign.status, 403)
		wantCORS(t, what+" of another page", foreign.header, "")
	}
	r := h.as("bad").send(t, "GET", "/tools", "", "Origin", console)
	wantStatus(t, "a bad token", r.status, 401)
	wantCORS(t, "a bad token", r.header, console) // or the page would not know why
	closed := serve(t, "lab")
	foreign := closed.send(t, "OPTIONS", "/tools", "", "Origin", console, "Access-Control-Request-Method", "GET")
	wantStatus(t, "a page where none is named", foreign.status, 403)
	wantCORS(t, "a page where none is named", foreign.header, "")
}

func wantCORS(t *testing.T, what string, header http.Header, origin string) {
	t.Helper()
	if got := header.Get("Access-Control-Allow-Origin"); got != origin {
		t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", what, got, origin)
	}
	if got := header.Get("Access-Control-Allow-Credentials"); got != "" {
		t.Errorf("%s: Access-Control-Allow-Credentials %q, want none", what, got)
	}
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") && origin == "" {
			t.Errorf("%s: the header %s, want none of these", what, name)
		}
	}
	if origin != "" && !strings.Contains(strings.Join(header.Values("Vary"), ","), "Origin") {
		t.Errorf("%s: Vary %q, want Origin", what, header.Values("Vary"))
	}
}

// TestAProxyIsBelievedWhenItIsTrusted has a proxy at 127.0.0.2.
func TestAProxyIsBelievedWhenItIsTrusted(t *testing.T) {
	h := configured(t, "server: {port: 0, trusted_proxies: [127.0.0.2, 10.9.0.0/16]}\n",
		"MCP_AUTH_MAX_FAILURES=3", "MCP_AUTH_FAILURES_PER=86400")
	h.token = h.showToken()
	proxy := h.by(from(t, "127.0.0.2"))
	want := make(map[string]string) // correlation id -> where the call came from
	call := func(by *host, remote string, forwarded ...string) {
		t.Helper()
		id := fmt.Sprint("call-", len(want))
		want[id] = remote
		var header []string
		for _, f := range forwarded {
			header = append(header, "X-Forwarded-For", f)
		}
		wantStatus(t, fmt.Sprint("a call forwarded for ", forwarded),
			by.status(t, "POST", execute, `{"correlation_id":"`+id+`"}`, header...), 200)
	}
	call(proxy, "127.0.0.2")
	call(proxy, "203.0.113.9", "203.0.113.9")
	call(proxy, "203.0.113.9", "6.6.6.6, 203.0.113.9")
	call(proxy, "203.0.113.9", "6.6.6.6", "203.0.113.9")
	call(proxy, "203.0.113.9", "203.0.113.9, 10.9.0.7")
	call(proxy, "2001:db8::1", "2001:db8::1")
	call(proxy, "203.0.113.9", "::ffff:203.0.113.9")
	call(proxy, "127.0.0.2", "203.0.113.9, nobody")
	call(h, "127.0.0.1", "203.0.113.9")
	call(h.by(from(t, "127.0.0.3")), "127.0.0.3", "127.0.0.2")
	for _, l := range h.trailed(t, "accept") {
		if l.Remote != want[l.CorrelationID] {
			t.Errorf("%s is of %q, want %q", l.CorrelationID, l.Remote, want[l.CorrelationID])
		}
		delete(want, l.CorrelationID)
	}
	if len(want) > 0 {
		t.Errorf("the trail has nothing of %v", want)
	}
	for i := range 5 { // guesses count for who makes them, not for the proxy
		status := map[bool]int{true: 401, false: 429}[i < 3]
		wantStatus(t, "a guess", proxy.as("bad").status(t, "GET", "/tools", "", "X-Forwarded-For",
			"203.0.113.66"), status)
	}
	wantStatus(t, "a guess of another", proxy.as("bad").status(t, "GET", "/tools", "", "X-Forwarded-For",
		"203.0.113.67"), 401)
	h.log.waitFor(t, `"remote":"203.0.113.66"`, 5)
}

// TestAProxyStandsForMany: connections through it are not counted as those of one client.
func TestAProxyStandsForMany(t *testing.T) {
	h := configured(t, "server: {port: 0, trusted_proxies: [127.0.0.2], max_connections_per_client: 2}\n")
	h.token = h.showToken()
	for address, want := range map[string]int{"127.0.0.2": 200, "127.0.0.3": 429} {
		by := h.by(from(t, address))
		for i := range 4 {
			resp := by.open(t, "GET", "/events", "", "X-Forwarded-For", fmt.Sprint("203.0.113.", i))
			t.Cleanup(func() { _ = resp.Body.Close() })
			if i >= 2 {
				wantStatus(t, fmt.Sprint("connection ", i+1, " from ", address), resp.StatusCode, want)
			}
		}
	}
}

// TestBehindAProxyPagesSpeakTLS, whether or not the proxy says so.
func TestBehindAProxyPagesSpeakTLS(t *testing.T) {
	h := configured(t, "server: {port: 0, behind_tls_proxy: true, allowed_hosts: [gatehouse.lab.internal]}\n")
	h.token = h.showToken()
	own := []string{"Host", "gatehouse.lab.internal", "Origin"}
	h.wantEverywhere(t, "its own page", true, append(own, "https://gatehouse.lab.internal")...)
	h.wantEverywhere(t, "its own page, in the clear", false, append(own, "http://gatehouse.lab.internal")...)
}

func TestOnlyAProxySaysWhatThePageSees(t *testing.T) {
	h := configured(t, "server: {port: 0, trusted_proxies: [127.0.0.2], allowed_hosts: ["+lab+"]}\n"+
		"oidc: {issuer: 'https://issuer.example', audience: [gatehouse], default_role: caller}\n"+
		"auth: {tokens: ["+operatorToken("admin")+"]}\n")
	proxy := h.by(from(t, "127.0.0.2"))
	seen := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "gatehouse.lab.internal"}
	page := []string{"Origin", "https://gatehouse.lab.internal"}
	for what, row := range map[string]struct {
		by     *host
		let    bool
		header []string
	}{
		"its own page, through the proxy":         {proxy, true, append(page, seen...)},
		"its own page, past the proxy":            {h, false, append(page, seen...)},
		"through the proxy, which says no scheme": {proxy, false, append(page, seen[2:]...)},
		"through the proxy, which says no name":   {proxy, false, append(page, seen[:2]...)},
		"another page, through the proxy": {proxy, false,
			append([]string{"Origin", "https://evil.example"}, seen...)},
		"another name, through the proxy": {proxy, false, []string{"X-Forwarded-Host", "evil.example"}},
		"a page of that name, through the proxy": {proxy, false,
			[]string{"X-Forwarded-Host", "evil.example", "Origin", "http://evil.example"}},
		"a program, past the proxy, with a name":   {h, true, []string{"X-Forwarded-Host", "evil.example"}},
		"a program, through the proxy":             {proxy, true, seen},
		"a program, through a proxy without words": {proxy, true, nil},
	} {
		row.by.wantEverywhere(t, what, row.let, row.header...)
	}
	for by, want := range map[*host]string{
		proxy.as(""): "https://gatehouse.lab.internal/.well-known/oauth-protected-resource/mcp",
		h.as(""):     h.url + "/.well-known/oauth-protected-resource/mcp",
	} {
		r := by.send(t, "GET", "/tools", "", seen...)
		if got := r.header.Get("WWW-Authenticate"); !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("WWW-Authenticate %s, want %s", got, want)
		}
	}
}
