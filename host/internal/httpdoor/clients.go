package httpdoor

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/conns"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// authenticate lets only known clients in, before anything of the body is read.
func (d *Door) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := d.recognise(r)
		if err != nil {
			d.stranger(w, r, err)
			return
		}
		next.ServeHTTP(w, d.with(r, id))
	})
}

// identify says in the context who calls: the name of the credential, or where none is asked for, the address. A
// request with a bad credential or none goes on as nobody; that somebody showed a bad one is told all the same.
func (d *Door) identify(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := d.recognise(r)
		if err != nil {
			leave(w, r)
			id = auth.Identity{}
		}
		if err != nil && !errors.Is(err, auth.ErrNone) {
			status, e := strangerError(err)
			d.refused(r, status, e)
		}
		next(w, d.with(r, id))
	})
}

// open lets everybody in, and looks at no credential: who watches whether the host lives is not to wait for the
// issuer of tokens, nor to try them.
func (d *Door) open(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := auth.Identity{}
		if d.cfg.Clients == nil {
			id.Client = visitOf(r).remote
		} else {
			leave(w, r)
		}
		next(w, d.with(r, id))
	})
}

// leave has the connection closed after the answer: strangers keep none from those who may call.
func leave(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	conns.Leaving(r.Context())
}

// with puts the client of a request into its context.
func (d *Door) with(r *http.Request, id auth.Identity) *http.Request {
	ctx := origin.With(r.Context(), origin.Origin{
		Client: id.Client, Door: origin.REST, Remote: visitOf(r).remote, Trace: trace(r),
	})
	if d.cfg.Clients != nil && id.Client != "" {
		ctx = auth.With(ctx, id)
	}
	return r.WithContext(ctx)
}

// tooManyError is of an address that showed too many credentials that were not good.
type tooManyError struct{ wait time.Duration }

func (e *tooManyError) Error() string {
	return "too many credentials that are not valid came from this address"
}

// recognise finds out who calls. A credential from an address that failed too often is not looked at, but for one
// that was good from there before, and for one of our own making, which nobody guesses: who shares an address with
// somebody who does goes on working.
func (d *Door) recognise(r *http.Request) (auth.Identity, error) {
	if id, ok := r.Context().Value(peerKey{}).(auth.Identity); ok {
		return id, nil
	}
	v := visitOf(r)
	if d.cfg.Clients == nil {
		return auth.Identity{Client: v.remote, Role: auth.Admin}, nil
	}
	shown := credentials(r)
	if !shown.HasBearer && shown.Certificate == nil {
		return auth.Identity{}, auth.ErrNone
	}
	known := familiar{v.remote, fingerprint(shown)}
	wait, blocked := d.blocked(v.remote)
	if blocked && !strings.HasPrefix(shown.Bearer, auth.TokenPrefix) && !d.familiar.Contains(known) {
		return auth.Identity{}, &tooManyError{wait}
	}
	id, err := d.cfg.Clients.Authenticate(r.Context(), shown)
	switch {
	case err == nil:
		conns.Known(r.Context())
		d.familiar.Add(known, struct{}{})
	case errors.Is(err, auth.ErrBad) && !errors.Is(err, auth.ErrForbidden) && d.cfg.Failures != nil:
		d.familiar.Remove(known) // it may have been withdrawn
		if wait, ok := d.cfg.Failures.Fail(v.remote); !ok {
			return auth.Identity{}, &tooManyError{wait}
		}
	}
	return id, err
}

// familiar is a credential that was good from an address.
type familiar struct {
	remote string
	sum    [sha256.Size]byte
}

// maxFamiliar is how many are remembered, the last ones used.
const maxFamiliar = 4096

func (d *Door) blocked(remote string) (wait time.Duration, blocked bool) {
	if d.cfg.Failures == nil {
		return 0, false
	}
	return d.cfg.Failures.Blocked(remote)
}

func fingerprint(shown auth.Credentials) [sha256.Size]byte {
	if shown.HasBearer {
		return sha256.Sum256([]byte(shown.Bearer))
	}
	return sha256.Sum256(shown.Certificate.Raw)
}

// credentials are what a request shows. Of several headers none is believed; a token in the query is not looked at,
// as it would stand in logs.
func credentials(r *http.Request) auth.Credentials {
	var shown auth.Credentials
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		shown.HasBearer = true
		scheme, token, _ := strings.Cut(headers[0], " ")
		if len(headers) == 1 && strings.EqualFold(scheme, "Bearer") {
			shown.Bearer = token
		}
	}
	shown.Certificate = certificate(r)
	return shown
}

// certificate is that of the client, verified by TLS.
func certificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

// stranger answers a request of nobody who may come in.
func (d *Door) stranger(w http.ResponseWriter, r *http.Request, err error) {
	leave(w, r)
	status, e := strangerError(err)
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		w.Header().Set("WWW-Authenticate", d.challenge(r, err))
	}
	d.refuse(w, r, status, e)
}

// strangerError is what such a request is answered.
func strangerError(err error) (status int, e *tool.Error) {
	var many *tooManyError
	switch {
	case errors.As(err, &many):
		e = tool.Errorf(tool.KindRateLimited, "%w", err).Suggest("wait, and send a valid token")
		e.RetryAfter = many.wait
		return http.StatusTooManyRequests, e
	case errors.Is(err, auth.ErrUnavailable):
		e = tool.Errorf(tool.KindUnavailable, "the token cannot be checked now: %w", err).Suggest("try again in a while")
		e.RetryAfter = issuerRetry
		return http.StatusServiceUnavailable, e
	case errors.Is(err, auth.ErrForbidden):
		return http.StatusForbidden, tool.Errorf(tool.KindForbidden, "%w", err).
			Suggest("ask the operator, or the issuer of the token, for a role")
	}
	return http.StatusUnauthorized, unauthenticated(err)
}

// issuerRetry is when it is worth asking again about a token whose issuer is away.
const issuerRetry = 10 * time.Second

func unauthenticated(err error) *tool.Error {
	const next = "send the header Authorization: Bearer TOKEN; gatehouse token show prints the generated one, " +
		"gatehouse token create makes another"
	if errors.Is(err, auth.ErrNone) {
		return tool.Errorf(tool.KindUnauthenticated, "a valid bearer token is required").Suggest(next)
	}
	return tool.Errorf(tool.KindUnauthenticated, "a valid bearer token is required: %w", err).Suggest(next)
}

// challenge is what WWW-Authenticate says.
//
// Source: RFC 6750 section 3, RFC 9728 section 5.1
func (d *Door) challenge(r *http.Request, err error) string {
	c := `Bearer realm="gatehouse"`
	if d.cfg.Issuer != "" {
		c += `, resource_metadata="` + baseOf(r) + metadataPath + mcpPath + `"`
	}
	switch {
	case errors.Is(err, auth.ErrForbidden):
		c += `, error="insufficient_scope"`
	case !errors.Is(err, auth.ErrNone):
		c += `, error="invalid_token"`
	}
	return c
}

// valid makes the question whether the client of a request may still do what it does: its credential can be
// withdrawn, or be another under the same name, while it listens.
func (d *Door) valid(ctx context.Context) func() bool {
	id, known := auth.From(ctx)
	if d.cfg.Clients == nil || !known {
		return func() bool { return d.cfg.Clients == nil }
	}
	return func() bool { return d.cfg.Clients.Valid(id) }
}

type peerKey struct{}
