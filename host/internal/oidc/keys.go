package oidc

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	freshFor   = time.Hour        // keys are not asked for again
	trustedFor = 2 * time.Hour    // they are used, while newer ones cannot be had
	pause      = 10 * time.Second // between two fetches
	failPause  = 5 * time.Second  // after one that failed
	patience   = 10 * time.Second // that a fetch may take
	maxWaiting = 32               // callers that wait for one
)

// set is the issuer's keys as they were at one time. It is never changed.
type set struct {
	keys []jose.JSONWebKey
	sum  [sha256.Size]byte // of the document that they came in
	at   time.Time         // when it was asked for
}

func (s *set) trusted(now time.Time) bool { return s != nil && now.Sub(s.at) < trustedFor }

// verify checks a signature. known is false where a key that the issuer did not have then may have made it:
// its name is new, or there is no name, and none of the keys fits.
func (s *set) verify(jws *jose.JSONWebSignature) (payload []byte, known bool) {
	kid, alg := jws.Signatures[0].Protected.KeyID, jws.Signatures[0].Protected.Algorithm
	for _, key := range s.keys {
		if kid != "" && key.KeyID != kid || key.Algorithm != "" && key.Algorithm != alg {
			continue
		}
		known = kid != ""
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, known
}

// keys are the issuer's, fetched when they are wanted: by one fetch at a time, which the few who may wait share,
// and which goes on when they go; and not before a pause is over, whatever tokens come. (go-oidc's own set of
// keys asks the issuer for each token that is not good: whoever can reach us could make us overrun it.)
type keys struct {
	fetch func(context.Context) (*set, error)
	now   func() time.Time
	log   *slog.Logger

	current atomic.Pointer[set] // nil: none yet

	ctx     context.Context // of fetches; ended by close
	end     context.CancelFunc
	running sync.WaitGroup // fetches

	waiting chan struct{} // holds one for each caller that waits; never closed

	mu       sync.Mutex
	fetching chan struct{} // closed by the fetch under way when it is over; nil: there is none
	next     time.Time     // no fetch before
	failed   error         // why the last one did
}

func newKeys(fetch func(context.Context) (*set, error), now func() time.Time, log *slog.Logger) *keys {
	k := &keys{fetch: fetch, now: now, log: log, waiting: make(chan struct{}, maxWaiting)}
	k.ctx, k.end = context.WithCancel(context.Background())
	return k
}

func (k *keys) close() {
	k.mu.Lock()
	k.end()
	k.mu.Unlock()
	k.running.Wait()
}

// get returns keys that are trusted. Those that are no longer fresh do, while others are on their way.
func (k *keys) get(ctx context.Context) (*set, error) {
	have, now := k.current.Load(), k.now()
	if !have.trusted(now) {
		return k.newer(ctx, have)
	}
	if now.Sub(have.at) >= freshFor {
		k.start()
	}
	return have, nil
}

// newer returns other keys than old: those that are there by now, else those that a fetch brings. It returns
// old when it is not time to ask again; the issuer's word is a few seconds old then.
func (k *keys) newer(ctx context.Context, old *set) (*set, error) {
	if done := k.start(); done != nil {
		if err := k.wait(ctx, done); err != nil {
			return nil, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	current := k.current.Load()
	if current == old && k.failed != nil || !current.trusted(k.now()) {
		return nil, ErrUnavailable
	}
	return current, nil
}

// wait waits for the end of a fetch, if not too many do.
func (k *keys) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case k.waiting <- struct{}{}:
	default:
		return ErrUnavailable
	}
	defer func() { <-k.waiting }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// start begins a fetch, or joins the one under way. It returns nil when it is not time for one.
func (k *keys) start() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetching == nil && k.ctx.Err() == nil && !k.now().Before(k.next) {
		k.fetching = make(chan struct{})
		k.running.Go(k.run)
	}
	return k.fetching
}

func (k *keys) run() {
	at := k.now()
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	got, err := k.fetch(ctx)
	if err == nil {
		got.at = at
	}
	k.tell(k.finish(got, err), err)
}

// finish ends a fetch, and returns why the one before it failed.
func (k *keys) finish(got *set, err error) (before error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = k.now().Add(failPause)
	if err == nil {
		k.current.Store(got)
		k.next = k.now().Add(pause)
	}
	before, k.failed = k.failed, err
	close(k.fetching)
	k.fetching = nil
	return before
}

// tell logs the begin of an outage, another reason for it, and its end.
func (k *keys) tell(before, err error) {
	switch {
	case k.ctx.Err() != nil: // our doing
	case err != nil && (before == nil || before.Error() != err.Error()):
		k.log.Warn("the keys of the issuer of tokens cannot be fetched", "error", err)
	case err == nil && before != nil:
		k.log.Info("the keys of the issuer of tokens can be fetched again")
	}
}

// attempt is the key set of one token: go-oidc passes on the text of errors only.
type attempt struct {
	keys    *keys
	payload []byte
	by      *set // that verified it
	err     error
}

// VerifySignature is for go-oidc, which calls it after it has checked the algorithm.
func (a *attempt) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	a.payload, a.err = a.check(ctx, jwt)
	return a.payload, a.err
}

func (a *attempt) check(ctx context.Context, jwt string) (payload []byte, err error) {
	jws, err := jose.ParseSignedCompact(jwt, joseAlgorithms)
	if err != nil {
		return nil, refuse("it is not a signed JWT")
	}
	if a.by, err = a.keys.get(ctx); err != nil {
		return nil, err
	}
	payload, known := a.by.verify(jws)
	if !known {
		old := a.by
		if a.by, err = a.keys.newer(ctx, old); err != nil {
			return nil, err
		}
		if a.by != old {
			payload, known = a.by.verify(jws)
		}
	}
	switch {
	case payload != nil:
		return payload, nil
	case !known:
		return nil, refuse("the issuer has no key that made its signature")
	}
	return nil, refuse("its signature is wrong")
}
