package auth

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlyAWholeTokenIsKnown(t *testing.T) {
	tokens := newTokens(t,
		Token{Name: "first", SHA256: Hash("one"), Role: Admin},
		Token{Name: "second", SHA256: Hash("two"), Role: Viewer},
		Token{Name: "careless", SHA256: Hash(""), Role: Admin},
		Token{Name: "zero", Role: Admin},
	)
	sum := Hash("one")
	for _, row := range []struct{ says, token, client string }{
		{"the first token", "one", "first"},
		{"the second token", "two", "second"},
		{"an unknown token", "three", ""},
		{"no token, even when somebody hashed nothing", "", ""},
		{"the beginning of a token", "on", ""},
		{"a token and more", "one ", ""},
		{"a token in another case", "ONE", ""},
		{"the name of a token", "first", ""},
		{"the hash of a token", hex.EncodeToString(sum[:]), ""},
		{"the bytes of the hash", string(sum[:]), ""},
		{"something like a JWT, without an issuer", "a.b.c", ""},
	} {
		checkKnown(t, row.says, tokens, row.token, row.client)
	}
}

func TestAnEmptySetKnowsNobody(t *testing.T) {
	checkKnown(t, "no tokens", newTokens(t), "one", "")
	checkKnown(t, "no set", nil, "one", "")
}

// The hash of each of many tokens finds its own, whichever word of it differs.
func TestAHashIsFoundByAllOfItsBits(t *testing.T) {
	all := make([][4]uint64, 0, 257)
	sum := Hash("one")
	for bit := range 8 * len(sum) {
		other := sum
		other[bit/8] ^= 1 << (bit % 8)
		all = append(all, words(other))
	}
	if at := match(all, words(sum)); at != -1 {
		t.Errorf("match of a hash that differs from each in one bit = %d, want -1", at)
	}
	for i := range all {
		if at := match(all, all[i]); at != i {
			t.Errorf("match of hash %d = %d", i, at)
		}
	}
	all = append(all, all[3])
	if at := match(all, all[3]); at != 3 {
		t.Errorf("match of a hash that stands twice = %d, want the first, 3", at)
	}
}

func TestNamesAreUnique(t *testing.T) {
	_, err := NewTokens([]Token{{Name: "ci", SHA256: Hash("a")}, {Name: "ci", SHA256: Hash("b")}}, nil)
	if err == nil || !strings.Contains(err.Error(), `"ci"`) {
		t.Errorf("NewTokens = %v, want an error that names the token", err)
	}
}

// The set is not changed after NewTokens, by its caller either.
func TestTheSetIsItsOwn(t *testing.T) {
	list := []Token{{Name: "a", SHA256: Hash("one"), Role: Caller, Tools: []string{"PingTool"}}}
	tokens := newTokens(t, list...)
	list[0] = Token{Name: "b", SHA256: Hash("two"), Role: Admin}
	checkKnown(t, "what was given", tokens, "one", "a")
	checkKnown(t, "what came later", tokens, "two", "")
}

func TestReplaceTakesAllOrNothing(t *testing.T) {
	tokens := newTokens(t, Token{Name: "old", SHA256: Hash("one")})
	if err := tokens.Replace([]Token{{Name: "new", SHA256: Hash("two")}}); err != nil {
		t.Fatal(err)
	}
	checkKnown(t, "the old one", tokens, "one", "")
	checkKnown(t, "the new one", tokens, "two", "new")
	if err := tokens.Replace([]Token{{Name: "twice"}, {Name: "twice"}}); err == nil {
		t.Error("Replace took two tokens of one name")
	}
	checkKnown(t, "after a Replace that failed", tokens, "two", "new")
}

func TestAConfiguredNameWinsOverAStoredOne(t *testing.T) {
	store := openStore(t, t.TempDir())
	secret := create(t, store, "ci")
	other := create(t, store, "other")
	tokens := joined(t, store, Token{Name: "ci", SHA256: Hash("configured")})
	checkKnown(t, "the configured one", tokens, "configured", "ci")
	checkKnown(t, "the stored one", tokens, secret, "")
	checkKnown(t, "another stored one", tokens, other, "other")
	if got := tokens.Shadowed(); !slices.Equal(got, []string{"ci"}) {
		t.Errorf("Shadowed() = %q, want ci", got)
	}
	if err := tokens.Replace(nil); err != nil {
		t.Fatal(err)
	}
	checkKnown(t, "the stored one, alone", tokens, secret, "ci")
	if got := tokens.Shadowed(); len(got) != 0 {
		t.Errorf("Shadowed() = %q, want none", got)
	}
}

// A name is one client's, whatever it shows: budgets and sessions are kept by it.
func TestACertificateAndAStoredTokenDoNotShareAName(t *testing.T) {
	store := openStore(t, t.TempDir())
	secret := create(t, store, "scanner-7")
	tokens := joined(t, store)
	clients := NewClients(Config{Tokens: tokens})
	_, id := as(t, clients, secret)
	force(t, tokens, TokensInForce{Reserved: []string{"scanner-8", "scanner-7"}})
	checkKnown(t, "the stored one beside a certificate of its name", tokens, secret, "")
	if clients.Valid(id) {
		t.Error("Valid(who came in before the certificate) = true, want false")
	}
	if got := tokens.Shadowed(); !slices.Equal(got, []string{"scanner-7"}) {
		t.Errorf("Shadowed() = %q, want scanner-7", got)
	}
	if err := tokens.Replace([]Token{{Name: "ci", SHA256: Hash("ci")}}); err != nil {
		t.Fatal(err)
	}
	checkKnown(t, "the stored one, after another list", tokens, secret, "")
	force(t, tokens, TokensInForce{})
	checkKnown(t, "the stored one, when the certificate is gone", tokens, secret, "scanner-7")
}

// All that a configuration says is in force, or nothing of it.
func TestSetTakesAllOrNothing(t *testing.T) {
	store := openStore(t, t.TempDir())
	generated, _, err := store.Ensure()
	if err != nil {
		t.Fatal(err)
	}
	kept := create(t, store, "kept")
	old := TokensInForce{List: []Token{{Name: "old", SHA256: Hash("old")}}, Reserved: []string{"kept"}}
	tokens := joined(t, store)
	force(t, tokens, old)
	for _, row := range []struct {
		says string
		c    TokensInForce
		want string // in the error
	}{
		{"two tokens of a name", TokensInForce{
			List: []Token{{Name: "a", SHA256: Hash("a")}, {Name: "a", SHA256: Hash("b")}}, Generated: true,
		}, `"a"`},
		{"a token and a certificate of a name", TokensInForce{
			List: []Token{{Name: "b", SHA256: Hash("b")}}, Reserved: []string{"a", "b"}, Generated: true,
		}, `"b"`},
	} {
		if err := tokens.Set(row.c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Set = %v, want an error that names %s", row.says, err, row.want)
		}
		checkKnown(t, row.says+": the old one", tokens, "old", "old")
		checkKnown(t, row.says+": a new one", tokens, "b", "")
		checkKnown(t, row.says+": one that is shadowed", tokens, kept, "")
		checkKnown(t, row.says+": the generated one", tokens, generated, "")
	}
	if err := tokens.Replace([]Token{{Name: "kept"}}); err == nil {
		t.Error("Replace took a token of a reserved name")
	}
	old.List[0], old.Reserved[0] = Token{Name: "other", SHA256: Hash("other")}, "other"
	create(t, store, "more") // so that all is looked at anew
	checkKnown(t, "what the caller changed later", tokens, "other", "")
	checkKnown(t, "what the caller reserved before", tokens, kept, "")
}

func TestTheGeneratedTokenIsGoodWhileTheHostSaysSo(t *testing.T) {
	store := openStore(t, t.TempDir())
	secret, _, err := store.Ensure()
	if err != nil {
		t.Fatal(err)
	}
	tokens := joined(t, store)
	checkKnown(t, "before anything was said", tokens, secret, "")
	force(t, tokens, TokensInForce{Generated: true})
	checkKnown(t, "when it is good", tokens, secret, GeneratedName)
	if id, _ := show(t, tokens, secret); id.Role != Admin || id.Kind != ByToken {
		t.Errorf("its role and kind = %s, %s, want admin, token", id.Role, id.Kind)
	}
	force(t, tokens, TokensInForce{})
	checkKnown(t, "when others were configured", tokens, secret, "")
}

func TestWhetherThereIsAnyCredential(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		tokens := joined(t, store)
		check := func(says string, want bool) {
			t.Helper()
			if got := tokens.Any(); got != want {
				t.Errorf("%s: Any() = %t, want %t", says, got, want)
			}
		}
		check("nothing", false)
		if _, _, err := store.Ensure(); err != nil {
			t.Fatal(err)
		}
		check("a generated token that is not good", false)
		force(t, tokens, TokensInForce{Generated: true})
		check("a generated token", true)
		revoke(t, store, GeneratedName)
		check("a revoked one", false)
		in := time.Now().Add(time.Minute)
		if _, err := store.Create(Wanted{Name: "a", Role: Caller, Expires: in}); err != nil {
			t.Fatal(err)
		}
		check("a stored token", true)
		time.Sleep(time.Minute)
		check("an expired one", false)
		if err := tokens.Replace([]Token{{Name: "b", SHA256: Hash("b"), Expires: in}}); err != nil {
			t.Fatal(err)
		}
		check("an expired one of the configuration", false)
	})
}
