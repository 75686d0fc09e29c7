// Package oidc recognises the clients that show a token of one OpenID Connect issuer: a JWT that it signed,
// for us, with a name and a role among its claims. The issuer may be down when the host starts, and for a
// while later: it is asked when the first token comes, and seldom after that, whatever tokens come. An
// [Issuer] is what auth.Config.Issuer wants.
//
//	issuer, err := oidc.New(oidc.Config{
//		Issuer: "https://id.example.org/realms/lab", Audience: []string{"https://gatehouse.example.org"},
//		RoleClaim: "realm_access.roles", Admins: []string{"gatehouse-admin"}, DefaultRole: auth.Viewer})
//	defer issuer.Close()
//	clients := auth.NewClients(auth.Config{Issuer: issuer.Authenticate})
//
// How long a key that the issuer withdrew is still believed in: an hour at most while the issuer can be
// reached and tokens come, two hours whatever happens. An identity is good as long as its token, and no longer
// than those two hours: what it began, such as a stream of events or a call that is queued, ends then, and who
// shows the token again is looked at anew.
package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// Errors of [Issuer.Authenticate], beside those that have [auth.ErrBad] alone in the chain.
var (
	// ErrUnavailable is of a token of which nothing can be said, because the issuer's keys cannot be had. It
	// does not have [auth.ErrBad] in the chain: the token may be good.
	ErrUnavailable = errors.New("the issuer of tokens cannot be reached just now; try again in a few seconds")

	// ErrNoRole is of a token that is good, and of somebody who may not do anything here. It has
	// [auth.ErrBad] in the chain.
	ErrNoRole error = noRole{}
)

type noRole struct{}

func (noRole) Error() string { return "the token is good, but its claims give no role here" }
func (noRole) Unwrap() error { return auth.ErrBad }

// Config says whose tokens are good, and what for.
type Config struct {
	Issuer   string   // its URL, exactly as its tokens have it in iss; https, or http on a loopback address
	Audience []string // a token must be for one of them

	// NameClaim holds the client's name. It must be one that users cannot choose for themselves, or they can
	// be somebody else. Empty: sub. Claims are named as tokens have them; where there is no claim of the
	// whole name, its dots lead into objects: realm_access.roles.
	NameClaim string

	// RoleClaim holds what the client is: a list of strings, or one string with blanks between, as scope has it.
	// Whoever is several things gets the highest role. Empty: only DefaultRole counts.
	RoleClaim                string
	Admins, Callers, Viewers []string
	DefaultRole              auth.Role // of all others: auth.Viewer, auth.Caller; empty: they are refused

	CA     *x509.CertPool // who signed the issuer's certificate; nil: CAFile
	CAFile string         // the same, PEM, read once; empty: those that the system trusts
	Client *http.Client   // for requests to the issuer, its redirects apart; nil: one of one's own, with CA

	Logger *slog.Logger     // nil: none
	Now    func() time.Time // nil: time.Now
}

const (
	maxSeen = 1000            // tokens that are remembered
	seenFor = 5 * time.Minute // at most
)

// Issuer knows the tokens of an issuer. Its methods may be called concurrently.
type Issuer struct {
	cfg      Config
	roles    map[string]auth.Role // what RoleClaim holds -> the highest role of it
	keys     *keys
	verifier gooidc.Config
	seen     *lru.Cache[[sha256.Size]byte, seen] // hash of a token -> whose it was found to be
}

// seen is a token that was good. Which were not is not remembered: that would be the sender's to fill.
type seen struct {
	id    auth.Identity
	until time.Time
	keys  [sha256.Size]byte // by which it was verified; others may not have its key any more
}

// New makes an Issuer. It asks nobody for anything.
func New(cfg Config) (*Issuer, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	client, err := cfg.client()
	if err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	i := &Issuer{cfg: cfg, roles: cfg.roles()}
	i.keys = newKeys((&source{issuer: cfg.Issuer, client: client}).fetch, cfg.Now, cfg.Logger)
	i.verifier = gooidc.Config{SupportedSigningAlgs: algorithms, SkipClientIDCheck: true, Now: cfg.Now}
	i.seen, err = lru.New[[sha256.Size]byte, seen](maxSeen)
	return i, err
}

// Prepare begins to fetch the keys, so that those who come first need not wait. It does not wait itself.
func (i *Issuer) Prepare() { i.keys.start() }

// Close ends a request to the issuer that may be under way, and waits for that. No other is begun later.
func (i *Issuer) Close() error {
	i.keys.close()
	return nil
}

// Authenticate recognises the client that shows a token. Its errors have [auth.ErrBad] or [ErrUnavailable] in
// the chain, and say nothing that the issuer does not tell everybody. A few wait for the issuer's keys at a
// time; others, who would have to, get [ErrUnavailable] at once: anybody can make up a token for which to wait.
func (i *Issuer) Authenticate(ctx context.Context, bearer string) (auth.Identity, error) {
	if len(bearer) > maxToken {
		return auth.Identity{}, refuse("it has %d bytes; allowed are %d", len(bearer), maxToken)
	}
	sum, now := sha256.Sum256([]byte(bearer)), i.cfg.Now()
	if id, ok := i.remembered(sum, now); ok {
		return id, nil
	}
	if err := checkHeader(bearer); err != nil {
		return auth.Identity{}, err
	}
	id, by, err := i.verify(ctx, bearer, now)
	if err != nil {
		return auth.Identity{}, err
	}
	until := now.Add(seenFor)
	if id.Expires.Before(until) {
		until = id.Expires
	}
	i.seen.Add(sum, seen{id: id, until: until, keys: by.sum})
	return id, nil
}

// remembered finds a token that was good a moment ago, as long as the keys are the same and still trusted.
func (i *Issuer) remembered(sum [sha256.Size]byte, now time.Time) (auth.Identity, bool) {
	s, ok := i.seen.Get(sum)
	if !ok || !now.Before(s.until) {
		return auth.Identity{}, false
	}
	current := i.keys.current.Load()
	return s.id, current.trusted(now) && current.sum == s.keys
}

// verify looks at a token twice: go-oidc does, and [Issuer.identify] more strictly (go-oidc lets a token in
// five minutes before its nbf, knows one audience, and takes the last of two claims of one name). It says by
// which keys the token is good.
func (i *Issuer) verify(ctx context.Context, bearer string, now time.Time) (auth.Identity, *set, error) {
	a := attempt{keys: i.keys}
	_, err := gooidc.NewVerifier(i.cfg.Issuer, &a, &i.verifier).Verify(ctx, bearer)
	switch {
	case a.err != nil:
		return auth.Identity{}, nil, a.err
	case a.payload == nil:
		return auth.Identity{}, nil, refuse("it is not a signed JWT")
	}
	id, ours := i.identify(a.payload, now)
	if ours == nil && err != nil {
		ours = refuse("its claims are not those of a JWT")
	}
	return id, a.by, ours
}

// refuse is the error of a token that is not good.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{auth.ErrBad}, args...)...)
}
