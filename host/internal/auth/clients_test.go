package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// as is the context of a client that has shown its token.
func as(t testing.TB, clients *Clients, bearer string) (context.Context, Identity) {
	t.Helper()
	id, err := clients.Authenticate(t.Context(), Credentials{Bearer: bearer, HasBearer: true})
	if err != nil {
		t.Fatalf("Authenticate(%q) = %v, want a client", bearer, err)
	}
	return With(t.Context(), id), id
}

func TestWhoMayCallWhat(t *testing.T) {
	clients := NewClients(Config{Tokens: newTokens(t,
		Token{Name: "viewer", SHA256: Hash("viewer"), Role: Viewer},
		Token{Name: "viewer-of-all", SHA256: Hash("viewer-of-all"), Role: Viewer, Tools: []string{"*"}},
		Token{Name: "caller", SHA256: Hash("caller"), Role: Caller},
		Token{Name: "pinger", SHA256: Hash("pinger"), Role: Caller, Tools: []string{"PingTool"}},
		Token{Name: "scanner", SHA256: Hash("scanner"), Role: Caller, Tools: []string{"Nmap*", "Port?can"}},
		Token{Name: "broken", SHA256: Hash("broken"), Role: Caller, Tools: []string{"["}},
		Token{Name: "admin", SHA256: Hash("admin"), Role: Admin},
		Token{Name: "admin-of-one", SHA256: Hash("admin-of-one"), Role: Admin, Tools: []string{"PingTool"}},
	)})
	for _, row := range []struct {
		client, name string
		allowed      bool
	}{
		{"viewer", "PingTool", false},
		{"viewer-of-all", "PingTool", false},
		{"caller", "PingTool", true},
		{"caller", "NoSuchTool", true}, // whether there is such a tool is another question
		{"pinger", "PingTool", true},
		{"pinger", "PingTool2", false},
		{"pinger", "pingtool", false},
		{"scanner", "NmapTool", true},
		{"scanner", "Nmap", true},
		{"scanner", "PortScan", true},
		{"scanner", "PingTool", false},
		{"broken", "PingTool", false},
		{"admin", "PingTool", true},
		{"admin-of-one", "PingTool", true},
		{"admin-of-one", "NmapTool", false},
	} {
		ctx, id := as(t, clients, row.client)
		err := clients.Authorize(ctx, id.Client, row.name)
		if row.allowed && err != nil {
			t.Errorf("Authorize(%q, %q) = %v, want no error", row.client, row.name, err)
		}
		if !row.allowed && tool.KindOf(err) != tool.KindForbidden {
			t.Errorf("Authorize(%q, %q) = %v, want %s", row.client, row.name, err, tool.KindForbidden)
		}
		if e := tool.AsError(err); e != nil && e.Suggestion == "" {
			t.Errorf("Authorize(%q, %q) suggests nothing", row.client, row.name)
		}
	}
}

// Stdio, and a door that asks for no credential, put no identity into the context.
func TestWhoWasNotAskedMayCallEverything(t *testing.T) {
	clients := NewClients(Config{})
	for _, client := range []string{"stdio", "10.0.0.1"} {
		if err := clients.Authorize(t.Context(), client, "NmapTool"); err != nil {
			t.Errorf("Authorize(%q) = %v, want no error", client, err)
		}
	}
}

func TestARefusalNamesWhatIsAllowed(t *testing.T) {
	clients := NewClients(Config{Tokens: newTokens(t,
		Token{Name: "two", SHA256: Hash("two"), Role: Caller, Tools: []string{"PingTool", "Nmap*"}})})
	ctx, id := as(t, clients, "two")
	e := tool.AsError(clients.Authorize(ctx, id.Client, "OtherTool"))
	if want := "it may call: PingTool, Nmap*"; e == nil || e.Suggestion != want {
		t.Errorf("Authorize = %+v, want the suggestion %q", e, want)
	}
}

func TestAnIdentityHasRoleAndRateOfItsToken(t *testing.T) {
	clients := NewClients(Config{Tokens: newTokens(t,
		Token{Name: "looks", SHA256: Hash("1"), Role: Viewer, Rate: Rate{Requests: 5, Per: time.Minute}},
		Token{Name: "runs", SHA256: Hash("2"), Role: Admin},
	)})
	for _, row := range []struct {
		bearer   string
		role     Role
		requests int
		per      time.Duration
	}{
		{"1", Viewer, 5, time.Minute}, {"2", Admin, 0, 0},
	} {
		ctx, id := as(t, clients, row.bearer)
		requests, per := clients.Rate(ctx)
		if id.Role != row.role || requests != row.requests || per != row.per {
			t.Errorf("%s: role %s, Rate() = %d, %v, want %s, %d, %v", id.Client, id.Role, requests, per, row.role,
				row.requests, row.per)
		}
	}
	if requests, per := clients.Rate(t.Context()); requests != 0 || per != 0 {
		t.Errorf("Rate of nobody = %d, %v, want none", requests, per)
	}
}

func TestWhatIsLookedAtFirst(t *testing.T) {
	issued := func(_ context.Context, bearer string) (Identity, error) {
		if bearer == "a.b.c" {
			return Identity{Client: "issued", Kind: ByIssuer}, nil
		}
		return Identity{}, fmt.Errorf("%w: the issuer is another", ErrBad)
	}
	leaf := newLeaf(t, nil)
	clients := NewClients(Config{
		Tokens:       newTokens(t, Token{Name: "dotted", SHA256: Hash("x.y.z")}),
		Issuer:       issued,
		Certificates: func() []Certificate { return []Certificate{{Name: "cert", Subject: "cn:" + leafName}} },
	})
	for _, row := range []struct {
		says   string
		shown  Credentials
		client string
		err    error
	}{
		{"nothing", Credentials{}, "", ErrNone},
		{"an empty bearer", Credentials{HasBearer: true}, "", ErrBad},
		{"a token with dots", Credentials{Bearer: "x.y.z", HasBearer: true}, "dotted", nil},
		{"a token of the issuer", Credentials{Bearer: "a.b.c", HasBearer: true}, "issued", nil},
		{"a token of another issuer", Credentials{Bearer: "d.e.f", HasBearer: true}, "", ErrBad},
		{"no token at all", Credentials{Bearer: "nonsense", HasBearer: true}, "", ErrBad},
		{"a certificate", Credentials{Certificate: leaf}, "cert", nil},
		{"a bad token with a certificate", Credentials{Bearer: "no", HasBearer: true, Certificate: leaf}, "", ErrBad},
		{"an empty bearer with a certificate", Credentials{HasBearer: true, Certificate: leaf}, "", ErrBad},
	} {
		id, err := clients.Authenticate(t.Context(), row.shown)
		if id.Client != row.client || !errors.Is(err, row.err) {
			t.Errorf("%s: Authenticate = %q, %v, want %q, %v", row.says, id.Client, err, row.client, row.err)
		}
	}
}

// Clients made of nothing let nobody in.
func TestZeroClientsKnowNobody(t *testing.T) {
	clients := NewClients(Config{})
	for _, shown := range []Credentials{
		{}, {Bearer: "a.b.c", HasBearer: true}, {Bearer: "a", HasBearer: true}, {Certificate: newLeaf(t, nil)},
	} {
		if id, err := clients.Authenticate(t.Context(), shown); err == nil {
			t.Errorf("Authenticate(%v) = %q, want an error", shown, id.Client)
		}
	}
	for _, kind := range []Kind{ByToken, ByCertificate} {
		if clients.Valid(Identity{Client: "a", Kind: kind}) {
			t.Errorf("Valid(a %s) = true, want false", kind)
		}
	}
}

func TestAWithdrawnTokenCallsNothing(t *testing.T) {
	old := Token{Name: "a", SHA256: Hash("a"), Role: Admin, Tools: []string{"*"}}
	for _, row := range []struct {
		says  string
		now   []Token
		valid bool
	}{
		{"as it was", []Token{old}, true},
		{"with another rate", []Token{{Name: "a", SHA256: Hash("a"), Role: Admin, Tools: []string{"*"},
			Rate: Rate{Requests: 1}}}, true},
		{"with others beside it", []Token{{Name: "b", SHA256: Hash("b")}, old}, true},
		{"gone", nil, false},
		{"another of its name", []Token{{Name: "a", SHA256: Hash("b"), Role: Admin, Tools: []string{"*"}}}, false},
		{"under another name", []Token{{Name: "b", SHA256: Hash("a"), Role: Admin, Tools: []string{"*"}}}, false},
		{"with a lower role", []Token{{Name: "a", SHA256: Hash("a"), Role: Caller, Tools: []string{"*"}}}, false},
		{"with fewer tools", []Token{{Name: "a", SHA256: Hash("a"), Role: Admin, Tools: []string{"P*"}}}, false},
		{"expired", []Token{{Name: "a", SHA256: Hash("a"), Role: Admin, Tools: []string{"*"},
			Expires: time.Unix(1, 0)}}, false},
	} {
		tokens := newTokens(t, old)
		clients := NewClients(Config{Tokens: tokens})
		ctx, id := as(t, clients, "a")
		if err := tokens.Replace(row.now); err != nil {
			t.Fatal(err)
		}
		if got := clients.Valid(id); got != row.valid {
			t.Errorf("%s: Valid = %t, want %t", row.says, got, row.valid)
		}
		err := clients.Authorize(ctx, id.Client, "NmapTool")
		if row.valid && err != nil || !row.valid && tool.KindOf(err) != tool.KindForbidden {
			t.Errorf("%s: Authorize = %v", row.says, err)
		}
		if !row.valid && !strings.Contains(err.Error(), "the credential of the client a is not valid any more") {
			t.Errorf("%s: Authorize = %v, want the reason", row.says, err)
		}
	}
}

func TestATokenRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(t, Token{Name: "a", SHA256: Hash("a"), Expires: time.Now().Add(time.Hour)})
		clients := NewClients(Config{Tokens: tokens})
		_, id := as(t, clients, "a")
		time.Sleep(time.Hour - 1)
		if !clients.Valid(id) {
			t.Error("a moment before: Valid = false, want true")
		}
		time.Sleep(time.Nanosecond)
		if clients.Valid(id) {
			t.Error("then: Valid = true, want false")
		}
		checkKnown(t, "then", tokens, "a", "")
	})
}

func TestTheClockOfClientsCounts(t *testing.T) {
	now := time.Unix(1000, 0)
	clients := NewClients(Config{
		Tokens: newTokens(t, Token{Name: "a", SHA256: Hash("a"), Expires: time.Unix(2000, 0)}),
		Now:    func() time.Time { return now },
	})
	_, id := as(t, clients, "a")
	now = time.Unix(2000, 0)
	if clients.Valid(id) {
		t.Error("Valid = true, want false")
	}
}
