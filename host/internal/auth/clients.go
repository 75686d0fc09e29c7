package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Errors of [Clients.Authenticate].
var (
	// ErrNone is of a request that shows nothing.
	ErrNone = errors.New("no credential was shown")
	// ErrForbidden is in the chain when the credential is good, and lets nobody in here.
	ErrForbidden = errors.New("the credential gives no rights here")
	// ErrUnavailable is in the chain when nobody knows: the issuer of the token cannot be asked.
	ErrUnavailable = errors.New("the credential cannot be looked at now")
	// ErrBad is in the chain of every other error: what was shown is not good, or not good any more.
	ErrBad = errors.New("the credential is not valid")
)

// Credentials are what a request shows. A bearer token is looked at first; where one is shown that is not
// good, the certificate does not help.
type Credentials struct {
	Bearer      string            // without the scheme
	HasBearer   bool              // whether there was the header Authorization at all
	Certificate *x509.Certificate // of TLS, verified by it; nil: none
}

// Config is what [Clients] are made of. All fields may be zero; nobody is let in then.
type Config struct {
	Tokens       *Tokens
	Certificates func() []Certificate // in force now
	// Issuer recognises the tokens of an issuer. Its errors have ErrBad, ErrForbidden or ErrUnavailable in the
	// chain.
	Issuer func(ctx context.Context, bearer string) (Identity, error)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Clients knows all who may come in.
type Clients struct {
	cfg Config
}

// NewClients makes the set.
func NewClients(cfg Config) *Clients {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Clients{cfg: cfg}
}

// Authenticate recognises a client. Errors are ErrNone, or have ErrUnavailable or ErrBad in the chain, and
// say no more than the one who shows the credential may know.
func (c *Clients) Authenticate(ctx context.Context, shown Credentials) (Identity, error) {
	switch {
	case shown.HasBearer:
		return c.bearer(ctx, shown.Bearer)
	case shown.Certificate != nil:
		return c.certificate(shown.Certificate)
	}
	return Identity{}, ErrNone
}

// Valid reports whether a client that came in still may: its credential can be withdrawn, exchanged for
// another under the same name, or run out, while it waits or listens.
func (c *Clients) Valid(id Identity) bool { return c.valid(id) }

func (c *Clients) bearer(ctx context.Context, bearer string) (Identity, error) {
	if c.cfg.Tokens != nil {
		if id, ok := c.cfg.Tokens.find(bearer); ok {
			return c.fresh(id)
		}
	}
	if c.cfg.Issuer != nil && strings.Count(bearer, ".") == 2 { // as a JWT has it
		id, err := c.cfg.Issuer(ctx, bearer)
		if err != nil {
			return Identity{}, err
		}
		return c.fresh(id)
	}
	return Identity{}, fmt.Errorf("%w: the token is not known", ErrBad)
}

// fresh lets an identity through that has not run out.
func (c *Clients) fresh(id Identity) (Identity, error) {
	if c.expired(id) {
		return Identity{}, fmt.Errorf("%w: it has expired", ErrBad)
	}
	return id, nil
}

func (c *Clients) expired(id Identity) bool {
	return !id.Expires.IsZero() && !c.cfg.Now().Before(id.Expires)
}

func (c *Clients) valid(id Identity) bool {
	switch {
	case c.expired(id):
		return false
	case id.Kind == ByToken:
		return c.cfg.Tokens != nil && c.cfg.Tokens.holds(id, c.cfg.Now())
	case id.Kind == ByCertificate:
		return c.maps(id)
	}
	return true
}

// Authorize says whether the client of a context may call a tool; the error is an [*tool.Error] of kind
// forbidden. A context without one is of stdio, or of a door that asks for no credential: it may call
// everything.
func (c *Clients) Authorize(ctx context.Context, client, name string) error {
	id, known := From(ctx)
	switch {
	case !known:
		return nil
	case !c.Valid(id):
		return tool.Errorf(tool.KindForbidden, "the credential of the client %s is not valid any more", client).
			Suggest("ask the operator for another")
	case id.Role == Viewer:
		return tool.Errorf(tool.KindForbidden, "the client %s may look at tools, not call them", client).
			Suggest("ask the operator for a token with the role caller")
	case !id.MayCall(name):
		return tool.Errorf(tool.KindForbidden, "the client %s may not call %s", client, name).
			Suggest("it may call: %s", strings.Join(id.Tools, ", "))
	}
	return nil
}

// Rate is the rate of the client of a context, which is for each tool that it calls; zeros when it has none
// of its own.
func (c *Clients) Rate(ctx context.Context) (requests int, per time.Duration) {
	id, _ := From(ctx)
	return id.Rate.Requests, id.Rate.Per
}
