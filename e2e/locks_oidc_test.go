package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issuer is a running program of ./issuer.
type issuer struct {
	t   *testing.T
	url string
}

// startIssuer starts one on an address, which it has until the test ends.
func startIssuer(t *testing.T, address string) *issuer {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "issuer"), "-listen", address)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // by which it ends
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the issuer does not say where it is: %v", err)
	}
	return &issuer{t, strings.TrimSpace(line)}
}

type claims = map[string]any

// post asks the issuer to do something.
func (i *issuer) post(path string, ask any) string {
	i.t.Helper()
	raw, err := json.Marshal(ask)
	if err != nil {
		i.t.Fatal(err)
	}
	resp, err := http.Post(i.url+path, "application/json", strings.NewReader(string(raw)))
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		i.t.Fatalf("POST %s = %s %s, %v", path, resp.Status, body, err)
	}
	return string(body)
}

// sign makes a token for gatehouse, of those claims and those that it needs.
func (i *issuer) sign(more claims) string {
	i.t.Helper()
	return i.post("/sign", map[string]any{"claims": with(more)})
}

func with(more claims) claims {
	all := claims{"sub": "alice", "aud": "gatehouse"}
	for name, value := range more {
		all[name] = value
	}
	return all
}

// trusting is a host that takes the tokens of an issuer.
func trusting(t *testing.T, issuerURL string, settings ...string) *host {
	t.Helper()
	return configured(t, fmt.Sprintf(`
server: {port: 0}
oidc:
  issuer: %s
  audience: [gatehouse]
  role_claim: realm_access.roles
  admins: [lab-admin]
  callers: [lab-caller]
  viewers: [lab-viewer]
`, issuerURL), settings...)
}

// roles are claims that make somebody something.
func roles(names ...string) claims { return claims{"realm_access": claims{"roles": names}} }

func TestTokensOfAnIssuerHaveRoles(t *testing.T) {
	i := startIssuer(t, "127.0.0.1:0")
	h := trusting(t, i.url, "MCP_AUTH_MAX_FAILURES=3", "MCP_AUTH_FAILURES_PER=86400")
	for what, row := range map[string]struct {
		claims              claims
		tools, call, tokens int
	}{
		"an admin":               {roles("lab-admin"), 200, 200, 200},
		"a caller":               {roles("lab-caller"), 200, 200, 403},
		"a viewer":               {roles("lab-viewer"), 200, 403, 403},
		"several things":         {roles("lab-viewer", "other", "lab-caller"), 200, 200, 403},
		"nothing here":           {roles("other"), 403, 403, 403},
		"nothing at all":         {nil, 403, 403, 403},
		"a role by another case": {roles("Lab-Admin"), 403, 403, 403},
	} {
		c := h.as(i.sign(row.claims))
		wantStatus(t, what+": GET /tools", c.status(t, "GET", "/tools", ""), row.tools)
		wantStatus(t, what+": a call", c.status(t, "POST", execute, "{}"), row.call)
		wantStatus(t, what+": GET /tokens", c.status(t, "GET", "/tokens", ""), row.tokens)
	}
	for range 5 { // no guess, however often
		wantStatus(t, "a good token without a role", h.as(i.sign(nil)).status(t, "GET", "/tools", ""), 403)
	}
	r := h.as(i.sign(nil)).send(t, "GET", "/tools", "")
	if !strings.Contains(r.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("WWW-Authenticate: %s, want insufficient_scope", r.header.Get("WWW-Authenticate"))
	}
	h.as(i.sign(roles("lab-caller"))).ask(t, "POST", execute, `{"correlation_id":"whose"}`, 200, nil)
	for _, l := range about(trail(t, stateOf(t, h)), "whose") {
		if l.Client != "oidc:alice" {
			t.Errorf("the trail names %q, want oidc:alice", l.Client)
		}
	}
	if out := h.gatehouse(t, 1, "token", "show"); !strings.Contains(out, "oidc") {
		t.Errorf("token show = %s, want that none is generated", out)
	}
}

// forged is a token that nobody signed.
func forged(t *testing.T, header, payload claims) string {
	t.Helper()
	var parts []string
	for _, part := range []claims{header, payload} {
		raw, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	return strings.Join(parts, ".") + "."
}

func TestTokensThatAreNoneOfTheIssuer(t *testing.T) {
	i, other := startIssuer(t, "127.0.0.1:0"), startIssuer(t, "127.0.0.1:0")
	h := trusting(t, i.url)
	admin := with(roles("lab-admin"))
	signed := func(by *issuer, more claims) string {
		all := with(roles("lab-admin"))
		for name, value := range more {
			all[name] = value
		}
		return by.sign(all)
	}
	good := signed(i, nil)
	wantStatus(t, "a good one", h.as(good).status(t, "GET", "/tokens", ""), 200)
	parts := strings.Split(good, ".")
	unsigned := with(roles("lab-admin"))
	unsigned["iss"], unsigned["exp"] = i.url, 4102444800
	for what, token := range map[string]string{
		"for others":              signed(i, claims{"aud": "elsewhere"}),
		"for nobody":              signed(i, claims{"aud": nil}),
		"that has expired":        signed(i, claims{"exp": 1500000000}),
		"without an end":          signed(i, claims{"exp": nil}),
		"that is not good yet":    signed(i, claims{"nbf": 4102444800}),
		"without a name":          signed(i, claims{"sub": nil}),
		"by nobody":               forged(t, claims{"alg": "none"}, unsigned),
		"by nobody, as if signed": forged(t, claims{"alg": "ES256", "kid": "key-1"}, unsigned),
		"by a key nobody knows":   i.post("/sign", map[string]any{"claims": admin, "kid": "key-99"}),
		"of another issuer":       signed(other, nil),
		"of another in its name":  signed(other, claims{"iss": i.url}),
		"with another's signature": parts[0] + "." + parts[1] + "." +
			strings.Split(signed(i, claims{"sub": "bob"}), ".")[2],
		"without a signature": parts[0] + "." + parts[1] + ".",
		"that is no token":    "a.b.c",
	} {
		r := h.as(token).send(t, "GET", "/tools", "")
		challenge := r.header.Get("WWW-Authenticate")
		if r.status != 401 || !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("a token %s = %d, WWW-Authenticate %s; want 401, invalid_token", what, r.status, challenge)
		}
		if len(token) > 20 && (strings.Contains(h.log.String(), token) || strings.Contains(r.body, token)) {
			t.Errorf("a token %s is in the log, or in the answer", what)
		}
	}
	wantStatus(t, "a good one, after all that", h.as(good).status(t, "GET", "/tokens", ""), 200)
	wantStatus(t, "a good one in the path", h.as("").status(t, "GET", "/tools?access_token="+good, ""), 401)
	if h.stop(); strings.Contains(h.log.String()+h.trailText(t), good) {
		t.Error("log or trail have a good token")
	}
}

// TestAKeyIsExchangedAtTheIssuer has the host know a key before it is withdrawn. It asks for others when a
// token names one that is new, but not twice in 10 s.
func TestAKeyIsExchangedAtTheIssuer(t *testing.T) {
	t.Parallel()
	i := startIssuer(t, "127.0.0.1:0")
	h := trusting(t, i.url, "MCP_AUTH_MAX_FAILURES=1000")
	first := h.as(i.sign(roles("lab-admin")))
	wantStatus(t, "by the first key", first.status(t, "GET", "/tokens", ""), 200)
	i.post("/rotate", nil)
	h.as(i.sign(roles("lab-admin"))).becomes(t, 401, 200)
	wantStatus(t, "by a key that was withdrawn", first.status(t, "GET", "/tokens", ""), 401)
}

// becomes asks until the answer is another.
func (h *host) becomes(t *testing.T, before, after int) {
	t.Helper()
	tick, late := time.NewTicker(100*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		status := h.status(t, "GET", "/tools", "")
		if status == after {
			return
		}
		wantStatus(t, "for a while", status, before)
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("GET /tools is never %d", after)
		}
	}
}

// TestAnIssuerThatComesLater starts the host first, asks, and then starts the issuer.
func TestAnIssuerThatComesLater(t *testing.T) {
	t.Parallel()
	address := "127.0.0.1:" + freePort(t)
	far := startIssuer(t, "127.0.0.1:0") // signs in the name of the one that is not there
	h := trusting(t, "http://"+address)
	admin := roles("lab-admin")
	admin["iss"] = "http://" + address
	h = h.as(far.sign(admin))
	r := h.send(t, "GET", "/tools", "")
	if r.status != 503 || r.header.Get("Retry-After") == "" || r.problem(t).Kind != "unavailable" {
		t.Fatalf("with no issuer = %d %s, Retry-After %q; want 503", r.status, r.body, r.header.Get("Retry-After"))
	}
	if strings.Contains(r.body, address) {
		t.Errorf("the answer %s names the issuer's address", r.body)
	}
	wantStatus(t, "what asks for no token", h.as("").status(t, "GET", "/livez", ""), 200)
	h.log.waitFor(t, "the keys of the issuer of tokens cannot be fetched", 1)
	h.as(startIssuer(t, address).sign(admin)).becomes(t, 503, 200) // the host asks again after 5 s
}

// TestAnIssuerThatHangs holds nobody up but those who wait for it.
func TestAnIssuerThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := "http://" + l.Addr().String()
	far := startIssuer(t, "127.0.0.1:0")
	h := trusting(t, address)
	secret := h.command(t, "token", "create", "by-hand")
	token := far.sign(claims{"iss": address})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := make(chan error, 3)
	for range cap(waiting) {
		go func() {
			_, _, err := h.as(token).do(ctx, "GET", "/tools", "")
			waiting <- err
		}()
	}
	asked, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	h.as(secret).ask(t, "POST", execute, "{}", 200, nil)
	cancel()
	for range cap(waiting) {
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("a request with a token of it = %v, want that it waits", err)
		}
	}
	h.stop() // which does not wait for it either
}
