package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"time"
)

// view is the configuration and the store as one. It is not changed once it is in force.
type view struct {
	set      *TokensInForce
	snap     *snapshot // nil: there is no store
	tokens   []good
	byName   map[string]int // client name -> index of tokens
	shadowed []string

	words  [][4]uint64 // the hash of each secret, parallel to owners
	owners []owner
}

// good is a token that is let in.
type good struct {
	Token
	former []former
}

// owner is whose a secret is, and until when it is good.
type owner struct {
	token int       // index of tokens
	until time.Time // zero: as long as the token
}

func newView(s *TokensInForce, snap *snapshot) *view {
	v := &view{set: s, snap: snap, byName: make(map[string]int)}
	for _, t := range s.List {
		v.add(good{Token: t})
	}
	if snap == nil || snap.err != nil {
		return v
	}
	if g := snap.generated; g != nil && s.Generated {
		v.addStored(g)
	}
	for i := range snap.tokens {
		v.addStored(&snap.tokens[i])
	}
	return v
}

func (v *view) addStored(r *record) {
	if _, taken := v.byName[r.Name]; taken || slices.Contains(v.set.Reserved, r.Name) {
		v.shadowed = append(v.shadowed, r.Name)
		return
	}
	v.add(good{Token: r.token(), former: r.Former})
}

func (v *view) add(g good) {
	at := len(v.tokens)
	v.tokens = append(v.tokens, g)
	v.byName[g.Name] = at
	v.words = append(v.words, words(g.SHA256))
	v.owners = append(v.owners, owner{token: at})
	for _, f := range g.former {
		v.words = append(v.words, words(f.SHA256))
		v.owners = append(v.owners, owner{token: at, until: f.Until})
	}
}

// find finds the owner of a secret by its hash. An identity that has run out is found as well.
func (v *view) find(sum [sha256.Size]byte) (Identity, bool) {
	at := match(v.words, words(sum))
	if at < 0 {
		return Identity{}, false
	}
	o := v.owners[at]
	id := v.tokens[o.token].identity()
	id.proof = sum
	if !o.until.IsZero() && (id.Expires.IsZero() || o.until.Before(id.Expires)) {
		id.Expires = o.until
	}
	return id, true
}

// match returns the index of a hash, or -1. It reads all of every hash, and its way does not depend on what
// they are. [subtle.ConstantTimeCompare] does the same a byte at a time: ten times as slow, which 1000 tokens
// would make the greater part of a request.
func match(all [][4]uint64, wanted [4]uint64) int {
	found := 0 // index + 1
	for i := len(all) - 1; i >= 0; i-- {
		h := &all[i]
		differs := (h[0] ^ wanted[0]) | (h[1] ^ wanted[1]) | (h[2] ^ wanted[2]) | (h[3] ^ wanted[3])
		differs = (differs | -differs) >> 63 // 1, or 0 when all bits agree
		found = subtle.ConstantTimeSelect(int(differs), found, i+1)
	}
	return found - 1
}

func words(sum [sha256.Size]byte) (w [4]uint64) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(sum[8*i:])
	}
	return w
}

func (g *good) valid(now time.Time) bool { return g.Expires.IsZero() || now.Before(g.Expires) }

// accepts reports whether a secret is one of a token, by its hash.
func (g *good) accepts(sum [sha256.Size]byte, now time.Time) bool {
	ok := subtle.ConstantTimeCompare(sum[:], g.SHA256[:])
	for _, f := range g.former {
		if now.Before(f.Until) {
			ok |= subtle.ConstantTimeCompare(sum[:], f.SHA256[:])
		}
	}
	return ok == 1
}
