package oidc

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// transport answers requests in the place of an issuer.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// hang is an issuer that takes requests, and answers none.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// madeUp has the form of a token, and a signature of nobody.
const madeUp = "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.e30.eHh4"

// Anybody can make up tokens of keys that the issuer may have: nothing that waits for it is without number.
func TestStrangersDoNotAllWaitForTheIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, err := New(Config{
			Issuer: "https://id.example.org", Audience: []string{"g"}, DefaultRole: auth.Viewer,
			Client: &http.Client{Transport: transport(hang)},
		})
		if err != nil {
			t.Fatal(err)
		}
		const strangers = 200
		for round := range 2 { // who waited gave up its place
			var waiting atomic.Int32
			var all sync.WaitGroup
			begin := time.Now()
			for range strangers {
				waiting.Add(1)
				all.Go(func() {
					defer waiting.Add(-1)
					_, err := issuer.Authenticate(t.Context(), madeUp)
					if !errors.Is(err, ErrUnavailable) || errors.Is(err, auth.ErrBad) {
						t.Errorf("Authenticate = %v, want ErrUnavailable", err)
					}
				})
			}
			synctest.Wait()
			if n := waiting.Load(); n != maxWaiting || !time.Now().Equal(begin) {
				t.Errorf("round %d: %d of %d made-up tokens wait for the issuer, want %d", round, n, strangers, maxWaiting)
			}
			all.Wait()
			if took := time.Since(begin); took != patience {
				t.Errorf("round %d: the last waited %v, want %v", round, took, patience)
			}
			time.Sleep(failPause) // of synctest's time
		}
		if err := issuer.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	})
}

// However many strangers wait, whose key is known does not have to.
func TestStrangersDoNotKeepOthersWaiting(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	wantClient(t, issuer, server.token("alice"), "alice")
	token := server.token("bob")
	clock.pass(pause)
	server.behave(manners{"keys": "hang"})
	for range maxWaiting {
		go func() { _, _ = issuer.Authenticate(t.Context(), madeUp) }()
	}
	server.ask("GET", "/arrived", nil)
	wantClient(t, issuer, token, "bob")
}

// What a token began ends with it, or after as long as keys are believed.
func TestHowLongAnIdentityIsGood(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	until := func(end time.Duration) string {
		return server.sign(wish{Claims: claims(server.url, m{"exp": start.Add(end).Unix()})})
	}
	long := until(24 * time.Hour)
	for _, row := range []struct {
		says, token string
		pass, want  time.Duration // want is from the start on
	}{
		{"a short one", until(10 * time.Minute), 0, 10 * time.Minute},
		{"as long as keys", until(trustedFor), 0, trustedFor},
		{"a long one", long, 0, trustedFor},
		{"a long one, remembered", long, seenFor - time.Second, trustedFor},
		{"a long one, looked at anew", long, time.Second, trustedFor + seenFor},
	} {
		clock.pass(row.pass)
		if id := wantClient(t, issuer, row.token, "alice"); !id.Expires.Equal(start.Add(row.want)) {
			t.Errorf("%s: it expires %v after the start, want %v", row.says, id.Expires.Sub(start), row.want)
		}
	}
}
