package auth

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func newTokens(t testing.TB, list ...Token) *Tokens {
	t.Helper()
	return joined(t, nil, list...)
}

func joined(t testing.TB, store *Store, list ...Token) *Tokens {
	t.Helper()
	tokens, err := NewTokens(list, store)
	if err != nil {
		t.Fatalf("NewTokens = %v, want a set", err)
	}
	return tokens
}

func force(t testing.TB, tokens *Tokens, c TokensInForce) {
	t.Helper()
	if err := tokens.Set(c); err != nil {
		t.Fatalf("Set = %v, want it in force", err)
	}
}

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := OpenStore(StoreConfig{Dir: dir})
	if err != nil {
		t.Fatalf("OpenStore = %v, want a store", err)
	}
	return s
}

// create makes a token with the role caller.
func create(t testing.TB, s *Store, name string) (secret string) {
	t.Helper()
	secret, err := s.Create(Wanted{Name: name, Role: Caller})
	if err != nil {
		t.Fatalf("Create(%q) = %v, want a token", name, err)
	}
	return secret
}

func rotate(t testing.TB, s *Store, name string, overlap time.Duration) (secret string) {
	t.Helper()
	secret, err := s.Rotate(name, overlap)
	if err != nil {
		t.Fatalf("Rotate(%q, %v) = %v, want another secret", name, overlap, err)
	}
	return secret
}

func revoke(t testing.TB, s *Store, name string) {
	t.Helper()
	if err := s.Revoke(name); err != nil {
		t.Fatalf("Revoke(%q) = %v, want no error", name, err)
	}
}

// show shows a bearer token to clients that know nothing else.
func show(t testing.TB, tokens *Tokens, bearer string) (Identity, error) {
	t.Helper()
	clients := NewClients(Config{Tokens: tokens})
	return clients.Authenticate(t.Context(), Credentials{Bearer: bearer, HasBearer: true})
}

// checkKnown holds that a bearer token is that of a client; "" of nobody.
func checkKnown(t testing.TB, says string, tokens *Tokens, bearer, client string) {
	t.Helper()
	id, err := show(t, tokens, bearer)
	if id.Client != client || (err == nil) != (client != "") || err != nil && !errors.Is(err, ErrBad) {
		t.Errorf("%s: Authenticate(%q) = %q, %v, want %q", says, bearer, id.Client, err, client)
	}
}

// checkInvalid holds that an error is the caller's, names the field, and says what to do.
func checkInvalid(t testing.TB, what string, err error, pointer string) {
	t.Helper()
	var e *tool.Error
	if !errors.As(err, &e) {
		t.Errorf("%s = %v, want a *tool.Error", what, err)
		return
	}
	if e.Kind != tool.KindValidation || e.Metadata["pointer"] != pointer || e.Suggestion == "" {
		t.Errorf("%s = %s %q at %v, suggests %q; want %s at %s and a suggestion", what, e.Kind, e.Message,
			e.Metadata["pointer"], e.Suggestion, tool.KindValidation, pointer)
	}
}

func writeFile(t testing.TB, dir, name, text string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func readText(t testing.TB, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
