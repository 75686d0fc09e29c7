// Package auth knows the clients that may come in over HTTP: by named tokens, kept as hashes, by tokens of an
// issuer, by certificates, each with a role and the tools that it may call. Who starts the process is the
// client of stdio and needs none.
//
//	store, err := auth.OpenStore(auth.StoreConfig{Dir: stateDir})
//	tokens, err := auth.NewTokens(configured, store)
//	clients := auth.NewClients(auth.Config{Tokens: tokens})
//	id, err := clients.Authenticate(ctx, auth.Credentials{Bearer: bearer, HasBearer: true})
//	err = clients.Authorize(auth.With(ctx, id), id.Client, "NmapTool")
package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Token is a credential: the hash of a random string, never the string.
type Token struct {
	Name    string
	SHA256  [sha256.Size]byte
	Role    Role
	Tools   []string  // names or globs; empty: all
	Rate    Rate      // zero: as for others
	Expires time.Time // zero: never
}

func (t Token) identity() Identity {
	return Identity{
		Client: t.Name, Kind: ByToken, Role: t.Role, Tools: t.Tools, Rate: t.Rate, Expires: t.Expires, proof: t.SHA256,
	}
}

// Tokens is the set of tokens in force: those of the configuration, and those of a store. A name of the
// configuration wins, whatever client has it there: the token of the store that has it too is not let in.
type Tokens struct {
	store *Store // nil: none

	turn sync.Mutex // held while the configuration is replaced
	set  atomic.Pointer[TokensInForce]
	view atomic.Pointer[view] // made anew when the set or the store have changed
}

// TokensInForce is what a configuration says of tokens. Its zero is that there are none, beside those of the
// store.
type TokensInForce struct {
	List []Token // their names are unique
	// Reserved are the names of clients that come in by something else, such as a certificate. No token of the
	// list has one of them; one of the store that does is not let in.
	Reserved []string
	// Generated says that the generated token of the store is good: where an operator has said who may come in,
	// it is not.
	Generated bool
}

// NewTokens makes a set. Names must be unique. The store may be nil; its generated token is not good until
// [Tokens.Set] says so.
func NewTokens(list []Token, store *Store) (*Tokens, error) {
	t := &Tokens{store: store}
	t.set.Store(new(TokensInForce))
	return t, t.Set(TokensInForce{List: list})
}

// Set puts a configuration into the place of the one before, all of it at once; on an error nothing changes.
func (t *Tokens) Set(c TokensInForce) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	return t.setLocked(c)
}

// Replace is [Tokens.Set] of the list alone; what else was said stays.
func (t *Tokens) Replace(list []Token) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	next := *t.set.Load()
	next.List = list
	return t.setLocked(next)
}

func (t *Tokens) setLocked(c TokensInForce) error {
	if err := c.check(); err != nil {
		return err
	}
	c.List, c.Reserved = slices.Clone(c.List), slices.Clone(c.Reserved)
	t.set.Store(&c) // not changed from here on
	return nil
}

func (c *TokensInForce) check() error {
	names := make(map[string]bool, len(c.List))
	for _, token := range c.List {
		switch {
		case names[token.Name]:
			return fmt.Errorf("auth: two tokens are named %q", token.Name)
		case slices.Contains(c.Reserved, token.Name):
			return fmt.Errorf("auth: a token is named %q, which another client is", token.Name)
		}
		names[token.Name] = true
	}
	return nil
}

// Any reports whether there is a token that is good now.
func (t *Tokens) Any() bool {
	now := time.Now()
	return slices.ContainsFunc(t.look().tokens, func(g good) bool { return g.valid(now) })
}

// Shadowed are the names of the tokens of the store that are not let in, as the configuration has a client of
// the same name.
func (t *Tokens) Shadowed() []string { return slices.Clone(t.look().shadowed) }

// find finds the token. It compares hashes, and with every token, so that the time tells nothing.
func (t *Tokens) find(bearer string) (Identity, bool) {
	if bearer == "" { // whatever somebody hashed by mistake
		return Identity{}, false
	}
	return t.look().find(Hash(bearer))
}

// holds reports whether a token is still that of a client, and lets it do what it let it do.
func (t *Tokens) holds(id Identity, now time.Time) bool {
	v := t.look()
	i, known := v.byName[id.Client]
	if !known {
		return false
	}
	g := &v.tokens[i]
	return g.valid(now) && g.Role == id.Role && slices.Equal(g.Tools, id.Tools) && g.accepts(id.proof, now)
}

// look returns what is in force now.
func (t *Tokens) look() *view {
	s := t.set.Load()
	var snap *snapshot
	if t.store != nil {
		snap = t.store.look(s.Generated)
	}
	if v := t.view.Load(); v != nil && v.set == s && v.snap == snap {
		return v
	}
	v := newView(s, snap)
	t.view.Store(v) // one that is older already is made anew with the next look
	return v
}
