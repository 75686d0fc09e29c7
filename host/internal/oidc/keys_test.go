package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// wantFetches checks how often the keys were asked for.
func wantFetches(t *testing.T, server *testIssuer, want int, says string) {
	t.Helper()
	if c := server.counts(); c["keys"] != want || c["discovery"] != want {
		t.Errorf("%s: the issuer was asked %v, want %d times for each", says, c, want)
	}
}

func wantUnavailable(t *testing.T, i *Issuer, token, says string) {
	t.Helper()
	_, err := i.Authenticate(t.Context(), token)
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, auth.ErrBad) || err.Error() != ErrUnavailable.Error() {
		t.Errorf("%s: Authenticate = %v, want ErrUnavailable and no word more", says, err)
	}
}

func wantBad(t *testing.T, i *Issuer, token, says string) {
	t.Helper()
	if id, err := i.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrBad) {
		t.Errorf("%s: Authenticate = %+v, %v, want ErrBad", says, id, err)
	}
}

func TestOverTLS(t *testing.T) {
	ca := newCA(t)
	server := startIssuer(t, "127.0.0.1:0", ca)
	token := server.token("alice")
	for says, change := range map[string]func(*Config){
		"the CA as a pool": func(c *Config) { c.CA = ca.pool },
		"the CA in a file": func(c *Config) { c.CAFile = ca.caFile },
		"a client":         func(c *Config) { c.Client = ca.client },
	} {
		issuer, _ := newIssuer(t, server.url, change)
		if id, err := issuer.Authenticate(t.Context(), token); err != nil || id.Client != "oidc:alice" {
			t.Errorf("%s: Authenticate = %+v, %v, want oidc:alice", says, id, err)
		}
	}
	stranger, _ := newIssuer(t, server.url, nil)
	wantUnavailable(t, stranger, token, "a certificate that nobody knows")
	other, _ := newIssuer(t, server.url, func(c *Config) { c.CA = newCA(t).pool })
	wantUnavailable(t, other, token, "a certificate of another CA")
	wantFetches(t, server, 3, "those who do not trust it do not ask")
}

func TestTheIssuerIsDownAtTheStart(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	address := strings.TrimPrefix(server.url, "http://")
	server.stop()
	var log bytes.Buffer
	issuer, clock := newIssuer(t, server.url, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	server = startIssuer(t, address, nil)
	token := server.token("alice")
	server.stop()
	for range 3 {
		wantUnavailable(t, issuer, token, "down")
	}
	clock.pass(failPause)
	wantUnavailable(t, issuer, token, "still down")
	issuer.keys.running.Wait()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("the log has %d warnings, want 1:\n%s", n, &log)
	}
	server = startIssuer(t, address, nil)
	token = server.token("bob")
	wantUnavailable(t, issuer, token, "up, but asked a moment ago")
	wantFetches(t, server, 0, "within the pause")
	clock.pass(failPause)
	wantClient(t, issuer, token, "bob")
	issuer.keys.running.Wait()
	if !strings.Contains(log.String(), "again") {
		t.Errorf("the log does not tell the end of the outage:\n%s", &log)
	}
}

func TestNewKeys(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	old := server.token("alice")
	wantClient(t, issuer, old, "alice")
	unseen := server.token("carol")
	server.rotate()
	token := server.token("bob")
	wantBad(t, issuer, token, "a new key at once")
	clock.pass(pause - time.Second)
	wantBad(t, issuer, token, "a new key within the pause")
	wantFetches(t, server, 1, "within the pause")
	clock.pass(time.Second)
	wantClient(t, issuer, token, "bob")
	wantFetches(t, server, 2, "after the pause")
	wantBad(t, issuer, unseen, "signed with a key that was withdrawn")
	wantBad(t, issuer, old, "remembered, of a key that was withdrawn")
}

func TestANewKeyWithoutAName(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	wantClient(t, issuer, server.token("alice"), "alice")
	server.rotate()
	clock.pass(pause)
	wantClient(t, issuer, server.sign(wish{NoKid: true, Claims: claims(server.url, m{"sub": "bob"})}), "bob")
	wantFetches(t, server, 2, "no key fits")
}

func TestFloods(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	wantClient(t, issuer, server.token("alice"), "alice")
	own := newECKey(t)
	for round := range 3 {
		for n := range 50 {
			for _, kid := range []string{"", "ES-1", fmt.Sprintf("new-%d-%d", round, n)} {
				token, err := signWith(own, "ES256", kid, wish{Claims: claims(server.url, nil)})
				if err != nil {
					t.Fatal(err)
				}
				wantBad(t, issuer, token, "a flood")
			}
		}
		wantFetches(t, server, 1+round, "a flood")
		clock.pass(pause)
	}
	for range 50 {
		wantBad(t, issuer, server.token("alice")+"A", "the known key, and a wrong signature")
	}
	wantFetches(t, server, 3, "the known key, and a wrong signature")
}

func TestKeysAreAskedForAgain(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	wantClient(t, issuer, server.token("alice"), "alice")
	clock.pass(freshFor - time.Second)
	wantClient(t, issuer, server.token("bob"), "bob")
	wantFetches(t, server, 1, "an hour is not over")
	clock.pass(time.Second)
	server.behave(manners{"keys": "hang"})
	wantClient(t, issuer, server.token("carol"), "carol") // and does not wait
	server.ask("GET", "/arrived", nil)
	wantFetches(t, server, 2, "an hour is over")
}

func TestAnOutage(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, clock := newIssuer(t, server.url, nil)
	wantClient(t, issuer, server.token("alice"), "alice")
	first, last, unseen := server.token("bob"), server.token("carol"), server.token("dave")
	server.behave(manners{"discovery": "down"})
	clock.pass(trustedFor - time.Second)
	wantClient(t, issuer, first, "bob")
	issuer.keys.running.Wait()
	token, err := signWith(newECKey(t), "ES256", "new", wish{Claims: claims(server.url, nil)})
	if err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, issuer, token, "a new key, and the issuer is down")
	wantClient(t, issuer, last, "carol")
	clock.pass(time.Second)
	wantUnavailable(t, issuer, unseen, "the keys are too old")
	wantUnavailable(t, issuer, last, "remembered, and the keys are too old")
	server.behave(nil)
	clock.pass(failPause)
	wantClient(t, issuer, unseen, "dave")
	wantClient(t, issuer, last, "carol")
}

func TestARequestEndsWhileTheIssuerHangs(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	server.behave(manners{"keys": "hang"})
	issuer, _ := newIssuer(t, server.url, nil)
	token := server.token("alice")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := issuer.Authenticate(ctx, token)
		ended <- err
	}()
	server.ask("GET", "/arrived", nil)
	cancel()
	if err := <-ended; !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Authenticate = %v, want ErrUnavailable and context.Canceled", err)
	}
	if err := issuer.Close(); err != nil { // which must not hang
		t.Errorf("Close = %v, want nil", err)
	}
	wantUnavailable(t, issuer, token, "closed")
	wantFetches(t, server, 1, "closed")
}

func TestManyComeAtOnce(t *testing.T) {
	server := startIssuer(t, "127.0.0.1:0", nil)
	issuer, _ := newIssuer(t, server.url, nil)
	var all sync.WaitGroup
	for n := range maxWaiting {
		token := server.token(fmt.Sprintf("client-%d", n%5))
		all.Go(func() {
			if _, err := issuer.Authenticate(t.Context(), token); err != nil {
				t.Errorf("Authenticate = %v, want nil", err)
			}
		})
	}
	all.Wait()
	wantFetches(t, server, 1, "many at once")
}

// fetched is a fetch that takes as long as it is let.
func heldKeys(fetch func(context.Context) (*set, error)) *keys {
	return newKeys(fetch, time.Now, slog.New(slog.DiscardHandler))
}

func TestAFetchDoesNotEndWithWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, want := make(chan struct{}), new(set)
		k := heldKeys(func(ctx context.Context) (*set, error) {
			select {
			case <-release:
				return want, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		first, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := k.get(first); !errors.Is(err, context.Canceled) {
				t.Errorf("get = %v, want context.Canceled", err)
			}
		}()
		synctest.Wait()
		got := make(chan *set)
		go func() {
			s, _ := k.get(t.Context())
			got <- s
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		if s := <-got; s != want {
			t.Errorf("get = %v, want the keys", s)
		}
		k.close()
	})
}

func TestAFetchEndsAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		k := heldKeys(func(ctx context.Context) (*set, error) {
			asked++
			<-ctx.Done()
			return nil, ctx.Err()
		})
		begin := time.Now()
		for range 3 {
			if _, err := k.get(t.Context()); !errors.Is(err, ErrUnavailable) {
				t.Errorf("get = %v, want ErrUnavailable", err)
			}
		}
		if took := time.Since(begin); took != patience || asked != 1 {
			t.Errorf("three took %v and asked %d times, want %v and once", took, asked, patience)
		}
		time.Sleep(failPause) // of synctest's time
		if _, err := k.get(t.Context()); !errors.Is(err, ErrUnavailable) || asked != 2 {
			t.Errorf("get = %v after %d fetches, want ErrUnavailable after 2", err, asked)
		}
		k.close()
		time.Sleep(failPause)
		if _, err := k.get(t.Context()); !errors.Is(err, ErrUnavailable) || asked != 2 {
			t.Errorf("closed: get = %v after %d fetches, want ErrUnavailable, and no other", err, asked)
		}
	})
}

func TestCloseEndsAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := heldKeys(func(ctx context.Context) (*set, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		k.start()
		begin := time.Now()
		k.close()
		if took := time.Since(begin); took != 0 {
			t.Errorf("close took %v, want it to end the fetch at once", took)
		}
	})
}
