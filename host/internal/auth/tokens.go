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
// configuration wins: the token of the store that has it too is not let in.
type Tokens struct {
	store *Store // nil: none

	turn sync.Mutex // held while the configuration is replaced
	set  atomic.Pointer[set]
	view atomic.Pointer[view] // made anew when the set or the store have changed
}

// set is what the host said. It is not changed once it is in force.
type set struct {
	list      []Token
	generated bool // whether the generated token is good
}

// NewTokens makes a set. Names must be unique. The store may be nil; its generated token is not good until
// [Tokens.SetGenerated] says so.
func NewTokens(list []Token, store *Store) (*Tokens, error) {
	t := &Tokens{store: store}
	t.set.Store(new(set))
	return t, t.Replace(list)
}

// Replace puts other credentials in the place of all of the configuration, at once; on an error nothing
// changes.
func (t *Tokens) Replace(list []Token) error {
	names := make(map[string]bool, len(list))
	for _, token := range list {
		if names[token.Name] {
			return fmt.Errorf("auth: two tokens are named %q", token.Name)
		}
		names[token.Name] = true
	}
	t.update(func(s *set) { s.list = slices.Clone(list) })
	return nil
}

// SetGenerated says whether the generated token of the store is good: where an operator has said who may come
// in, it is not.
func (t *Tokens) SetGenerated(good bool) { t.update(func(s *set) { s.generated = good }) }

func (t *Tokens) update(edit func(*set)) {
	t.turn.Lock()
	defer t.turn.Unlock()
	next := *t.set.Load()
	edit(&next)
	t.set.Store(&next)
}

// Any reports whether there is a token that is good now.
func (t *Tokens) Any() bool {
	now := time.Now()
	return slices.ContainsFunc(t.look().tokens, func(g good) bool { return g.valid(now) })
}

// Shadowed are the names of the tokens of the store that are not let in, as the configuration has a token of
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
		snap = t.store.look(s.generated)
	}
	if v := t.view.Load(); v != nil && v.set == s && v.snap == snap {
		return v
	}
	v := newView(s, snap)
	t.view.Store(v) // one that is older already is made anew with the next look
	return v
}
