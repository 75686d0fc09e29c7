package httpdoor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// from is a request with a token, from an address.
func from(address, token string) *http.Request {
	r := request("GET", "/tools", "", "Authorization", "Bearer "+token)
	r.RemoteAddr = address + ":1234"
	return r
}

func TestFailuresAreCountedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, withTokens, func(c *Config) { c.Failures = auth.NewFailures(3, time.Minute, 100) })
		step := func(says string, r *http.Request, status int) {
			t.Helper()
			if w := serve(d, r); w.Code != status {
				t.Errorf("%s = %d %s, want %d", says, w.Code, w.Body, status)
			}
		}
		step("a good token", from("10.0.0.1", "secret"), 200)
		for range 3 {
			step("a bad token", from("10.0.0.1", "guess"), 401)
		}
		w := serve(d, from("10.0.0.1", "guess"))
		checkProblem(t, w, 429, tool.KindRateLimited)
		if got := w.Header().Get("Retry-After"); got != "20" {
			t.Errorf("Retry-After = %q, want a third of the minute", got)
		}
		step("a good token that was good from there before", from("10.0.0.1", "secret"), 200)
		step("a good token from elsewhere", from("10.0.0.2", "secret"), 200)
		step("a bad token from elsewhere", from("10.0.0.2", "guess"), 401)
		step("nothing shown", func() *http.Request {
			r := from("10.0.0.1", "")
			r.Header.Del("Authorization")
			return r
		}(), 401)
		time.Sleep(20 * time.Second) // of the bubble's clock
		step("a bad token, later", from("10.0.0.1", "guess"), 401)
		step("one more", from("10.0.0.1", "guess"), 429)
	})
}

// Guesses would otherwise be made where everybody is let in, and the details of the answer tell.
func TestFailuresCountOnOpenRoutesToo(t *testing.T) {
	d := newDoor(t, withTokens, func(c *Config) { c.Failures = auth.NewFailures(1, time.Minute, 100) })
	if w := serve(d, request("GET", "/health", "", "Authorization", "Bearer guess")); w.Code != 200 {
		t.Errorf("GET /health with a bad token = %d, want 200", w.Code)
	}
	checkProblem(t, serve(d, request("GET", "/tools", "", "Authorization", "Bearer secret")), 429, tool.KindRateLimited)
	w := serve(d, request("GET", "/health", "", "Authorization", "Bearer secret"))
	if w.Code != 200 || strings.Contains(w.Body.String(), `"checks"`) {
		t.Errorf("GET /health with a token that is not looked at = %d %s, want it without details", w.Code, w.Body)
	}
}

// Whoever shows a bad credential is told of, also where it is not needed.
func TestAWrongCredentialOnAnOpenRouteIsTold(t *testing.T) {
	var told []int
	d := newDoor(t, withTokens, func(c *Config) {
		c.Failures = auth.NewFailures(1, time.Minute, 100)
		c.Refused = func(r Refusal) { told = append(told, r.Status) }
	})
	for range 2 {
		if w := serve(d, request("GET", "/health", "", "Authorization", "Bearer guess")); w.Code != 200 {
			t.Errorf("GET /health with a bad token = %d, want 200", w.Code)
		}
	}
	serve(d, request("GET", "/health", ""))
	if !slices.Equal(told, []int{401, 429}) {
		t.Errorf("told of %v, want of the first as bad, of the second as one too many, and not of who shows nothing", told)
	}
}

// Who watches whether the host lives shows nothing, and waits for nobody.
func TestOpenRoutesLookAtNoCredential(t *testing.T) {
	d := newDoor(t, func(c *Config) {
		c.Issuer = "https://issuer.example"
		c.Clients = auth.NewClients(auth.Config{Issuer: func(context.Context, string) (auth.Identity, error) {
			t.Error("the issuer is asked")
			return auth.Identity{}, auth.ErrUnavailable
		}})
	})
	for _, path := range []string{"/livez", "/readyz", metadataPath, metadataPath + mcpPath} {
		if w := serve(d, request("GET", path, "", "Authorization", "Bearer a.b.c")); w.Code != 200 {
			t.Errorf("GET %s = %d, want 200", path, w.Code)
		}
	}
}

// A token that was good once and was withdrawn is a wrong one like others.
func TestAWithdrawnTokenIsBlockedLikeOthers(t *testing.T) {
	clients, tokens := clientsOf(auth.Token{Name: "ci", SHA256: auth.Hash("secret"), Role: auth.Viewer})
	d := newDoor(t, func(c *Config) { c.Clients, c.Failures = clients, auth.NewFailures(3, time.Hour, 100) })
	serve(d, from("10.0.0.1", "secret"))
	if err := tokens.Replace(nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		serve(d, from("10.0.0.1", "secret"))
	}
	checkProblem(t, serve(d, from("10.0.0.1", "secret")), 429, tool.KindRateLimited)
}

// Once it was bad, it is no longer one that was good from there before: nobody looks at it while the address is blocked.
func TestAWithdrawnTokenIsNotFamiliarAnyMore(t *testing.T) {
	asked := 0
	d := newDoor(t, func(c *Config) {
		c.Failures = auth.NewFailures(1, time.Hour, 100)
		c.Clients = auth.NewClients(auth.Config{Issuer: func(context.Context, string) (auth.Identity, error) {
			if asked++; asked == 1 {
				return auth.Identity{Client: "oidc:a", Kind: auth.ByIssuer, Role: auth.Viewer}, nil
			}
			return auth.Identity{}, auth.ErrBad
		}})
	})
	for i, want := range []int{200, 401, 429, 429} {
		if w := serve(d, from("10.0.0.1", "a.b.c")); w.Code != want {
			t.Errorf("request %d = %d, want %d", i, w.Code, want)
		}
	}
	if asked != 2 {
		t.Errorf("the issuer was asked %d times, want 2", asked)
	}
}

// Nobody guesses 256 random bits: a token of our own making is let in though others at its address failed.
func TestAGuesserKeepsNoGeneratedTokenOut(t *testing.T) {
	secret := auth.Generate()
	clients, _ := clientsOf(auth.Token{Name: "new", SHA256: auth.Hash(secret), Role: auth.Viewer})
	d := newDoor(t, func(c *Config) { c.Clients, c.Failures = clients, auth.NewFailures(1, time.Hour, 100) })
	serve(d, from("127.0.0.1", "guess"))
	checkProblem(t, serve(d, from("127.0.0.1", auth.Generate())), 429, tool.KindRateLimited)
	if w := serve(d, from("127.0.0.1", secret)); w.Code != 200 {
		t.Errorf("a good token after a stranger's guess = %d, want 200", w.Code)
	}
}

func TestATokenOfAnIssuerThatIsAway(t *testing.T) {
	d := newDoor(t, func(c *Config) {
		c.Clients = auth.NewClients(auth.Config{Issuer: func(context.Context, string) (auth.Identity, error) {
			return auth.Identity{}, fmt.Errorf("%w: no route", auth.ErrUnavailable)
		}})
		c.Failures = auth.NewFailures(1, time.Minute, 100)
	})
	for range 3 { // it is no failure of the client's
		w := serve(d, from("10.0.0.1", "a.b.c"))
		checkProblem(t, w, 503, tool.KindUnavailable)
		if w.Header().Get("Retry-After") == "" {
			t.Error("the answer has no Retry-After")
		}
	}
}

// A token that is good is no failed guess, and asking for it again would not help.
func TestATokenWithoutRightsIsForbidden(t *testing.T) {
	d := newDoor(t, func(c *Config) {
		c.Clients = auth.NewClients(auth.Config{Issuer: func(context.Context, string) (auth.Identity, error) {
			return auth.Identity{}, fmt.Errorf("%w: %w", auth.ErrForbidden, auth.ErrBad)
		}})
		c.Failures = auth.NewFailures(1, time.Minute, 100)
	})
	for range 3 {
		w := serve(d, from("10.0.0.1", "a.b.c"))
		checkProblem(t, w, 403, tool.KindForbidden)
		if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope"`) {
			t.Errorf("WWW-Authenticate = %q, want insufficient_scope", got)
		}
	}
}

func TestACertificateIsACredential(t *testing.T) {
	leaf := &x509.Certificate{Raw: []byte("x"), Subject: pkix.Name{CommonName: "scanner"}, NotAfter: time.Now().Add(time.Hour)}
	d := newDoor(t, func(c *Config) {
		tokens, _ := auth.NewTokens([]auth.Token{{Name: "ci", SHA256: auth.Hash("secret"), Role: auth.Viewer}}, nil)
		c.Clients = auth.NewClients(auth.Config{Tokens: tokens, Certificates: func() []auth.Certificate {
			return []auth.Certificate{{Name: "lab", Subject: "cn:scanner", Role: auth.Viewer}}
		}})
	})
	for _, row := range []struct {
		says   string
		tls    *tls.ConnectionState
		bearer string
		status int
	}{
		{"a certificate that was verified", &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}, "", 200},
		{"one that was only shown", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}, "", 401},
		{"none", &tls.ConnectionState{}, "", 401},
		{"a good token beside it", &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}, "secret", 200},
		{"a bad token beside it", &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}, "guess", 401},
	} {
		r := request("GET", "/tools", "")
		if r.TLS = row.tls; row.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+row.bearer)
		}
		if w := serve(d, r); w.Code != row.status {
			t.Errorf("%s = %d %s, want %d", row.says, w.Code, w.Body, row.status)
		}
	}
}

// Clients of OAuth find the issuer by the challenge, and the door by its own words.
func TestTheChallengeNamesTheMetadata(t *testing.T) {
	d := newDoor(t, withTokens, func(c *Config) { c.Issuer = "https://issuer.example/realm" })
	for _, row := range []struct{ header, want string }{
		{"", `Bearer realm="gatehouse", resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp"`},
		{"Bearer guess", `Bearer realm="gatehouse", resource_metadata="http://127.0.0.1:8080/` +
			`.well-known/oauth-protected-resource/mcp", error="invalid_token"`},
	} {
		r := request("POST", "/mcp", "{}")
		if row.header != "" {
			r.Header.Set("Authorization", row.header)
		}
		if got := serve(d, r).Header().Get("WWW-Authenticate"); got != row.want {
			t.Errorf("with %q: WWW-Authenticate = %s, want %s", row.header, got, row.want)
		}
	}
	for path, resource := range map[string]string{"": "http://127.0.0.1:8080", "/mcp": "http://127.0.0.1:8080/mcp"} {
		got := parse(t, serve(d, request("GET", "/.well-known/oauth-protected-resource"+path, "")), "application/json")
		if got["resource"] != resource || fmt.Sprint(got["authorization_servers"]) != "[https://issuer.example/realm]" {
			t.Errorf("metadata of %q = %v, want %s and the issuer", path, got, resource)
		}
	}
	w := serve(newDoor(t, withTokens), request("GET", "/.well-known/oauth-protected-resource", ""))
	if w.Code != 401 || strings.Contains(w.Header().Get("WWW-Authenticate"), "metadata") {
		t.Errorf("without an issuer = %d %v, want no such route", w.Code, w.Header())
	}
}

// Who is known by the kernel needs nothing else.
func TestThePeerOfASocketIsBelieved(t *testing.T) {
	d := newDoor(t, withTokens)
	r := request("GET", "/tools", "")
	id := auth.Identity{Client: "uid:0", Kind: auth.ByPeer, Role: auth.Admin}
	if w := serve(d, r.WithContext(context.WithValue(r.Context(), peerKey{}, id))); w.Code != 200 {
		t.Errorf("GET /tools of a peer = %d %s, want 200", w.Code, w.Body)
	}
}

func TestTheMessageOfARefusalIsTheErrors(t *testing.T) {
	err := fmt.Errorf("%w: it has expired", auth.ErrBad)
	if got := unauthenticated(err); !errors.Is(got, auth.ErrBad) || !strings.Contains(got.Message, "expired") ||
		got.Suggestion == "" {
		t.Errorf("unauthenticated(%v) = %v, want it to say so, and what to do", err, got)
	}
}
