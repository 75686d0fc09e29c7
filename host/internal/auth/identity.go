package auth

import (
	"context"
	"path"
	"time"
)

// Role says what a client may do.
type Role string

// The roles.
const (
	Viewer Role = "viewer" // look, not call
	Caller Role = "caller" // call tools
	Admin  Role = "admin"  // everything
)

// Kind is by what a client was recognised.
type Kind string

// The kinds of credentials.
const (
	ByToken       Kind = "token"
	ByIssuer      Kind = "oidc"        // a token of an OpenID Connect issuer
	ByCertificate Kind = "certificate" // of TLS
	ByPeer        Kind = "peer"        // the process at the other end of a Unix socket
)

// Rate is a token bucket: so many calls within a time. The zero Rate is none of one's own.
type Rate struct {
	Requests int           // 0: as for others
	Per      time.Duration // 0: as for others
}

// Identity is a client that was recognised, and what it may.
type Identity struct {
	Client  string // its name in logs and trail, unique over all kinds; the key of its budgets
	Kind    Kind
	Role    Role
	Tools   []string  // names or globs; empty: all
	Rate    Rate      // of each tool that it calls
	Expires time.Time // zero: never

	// proof tells credentials of one name apart: the hash of a token, the fingerprint of a certificate.
	proof [32]byte
	// subject is the one of a certificate by which it was recognised.
	subject string
}

// MayCall reports whether a tool is among those that the client may call, whatever its role.
func (id Identity) MayCall(tool string) bool {
	for _, g := range id.Tools {
		if ok, err := path.Match(g, tool); err == nil && ok {
			return true
		}
	}
	return len(id.Tools) == 0
}

type identityKey struct{}

// With puts a client into a context.
func With(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// From is the client of a context; ok is false where no credential was asked for.
func From(ctx context.Context) (id Identity, ok bool) {
	id, ok = ctx.Value(identityKey{}).(Identity)
	return id, ok
}
