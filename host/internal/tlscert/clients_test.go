package tlscert

import (
	"crypto/tls"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func newLogger(to io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }

func TestCertificatesOfClients(t *testing.T) {
	ours, theirs := newAuthority(t, "clients"), newAuthority(t, "clients") // of the same name
	shown := map[string][]tls.Certificate{
		"none":                nil,
		"a good one":          ours.issue(t, "alice", year).client(t),
		"an expired one":      ours.issue(t, "alice", -time.Hour).client(t),
		"one of another CA":   theirs.issue(t, "alice", year).client(t),
		"a self-made one":     selfMade(t).client(t),
		"one of the server's": nil, // below
	}
	for how, greetings := range map[tls.ClientAuthType]map[string]string{
		tls.VerifyClientCertIfGiven:    {"none": "nobody", "a good one": "alice"},
		tls.RequireAndVerifyClientCert: {"a good one": "alice"},
	} {
		s := newScene(t, withClients(t, ours, how))
		shown["one of the server's"] = s.ca.issue(t, "alice", year).client(t)
		for says, certs := range shown {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				got, _, _, err := s.visit(func(c *tls.Config) {
					c.MaxVersion = version
					if certs != nil {
						c.GetClientCertificate = always(certs)
					}
				})
				if want := greetings[says]; got != want || (err == nil) != (want != "") {
					t.Errorf("%v, %s, %s: greeted as %q, %v, want %q",
						how, says, tls.VersionName(version), got, err, want)
				}
			}
		}
	}
}

// always shows a certificate, whatever CAs the server names.
func always(certs []tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
}

func selfMade(t *testing.T) pair {
	t.Helper()
	a := newAuthority(t, "alice")
	p := a.issue(t, "alice", year)
	return pair{append(p.cert, a.pem...), p.key}
}

func TestVersionsAndProtocols(t *testing.T) {
	s := newScene(t, nil)
	for version, want := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		_, _, state, err := s.visit(func(c *tls.Config) {
			c.MinVersion, c.MaxVersion = version, version
			c.NextProtos = []string{"h2", "http/1.1"}
		})
		if (err == nil) != want {
			t.Errorf("%s: %v, want it to be good: %v", tls.VersionName(version), err, want)
		}
		if err == nil && state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s: the protocol is %q, want http/1.1", tls.VersionName(version), state.NegotiatedProtocol)
		}
	}
	_, _, _, err := s.visit(func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	if err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("h2 alone: %v, want it to be refused", err)
	}
}

// resuming remembers sessions, and shows a certificate.
func resuming(certs []tls.Certificate, version uint16) func(*tls.Config) {
	cache := tls.NewLRUClientSessionCache(1)
	return func(c *tls.Config) {
		c.ClientSessionCache, c.MaxVersion = cache, version
		c.GetClientCertificate = always(certs)
	}
}

func TestASessionDoesNotOutliveTheCAOfItsClient(t *testing.T) {
	ours, others := newAuthority(t, "clients"), newAuthority(t, "new clients")
	for _, how := range []tls.ClientAuthType{tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			s := newScene(t, withClients(t, ours, how))
			alice := resuming(ours.issue(t, "alice", year).client(t), version)
			for _, resumed := range []bool{false, true} {
				got, _, state, err := s.visit(alice)
				if got != "alice" || state.DidResume != resumed {
					t.Fatalf("greeted as %q, %v, resumed: %v, want alice and %v", got, err, state.DidResume, resumed)
				}
			}
			replace(t, s.cfg.ClientCAFile, others.pem)
			for range 2 {
				if got, _, state, err := s.visit(alice); err == nil {
					t.Errorf("%v, %s: greeted as %q, resumed: %v, want to be refused after the CA changed",
						how, tls.VersionName(version), got, state.DidResume)
				}
			}
			bob := resuming(others.issue(t, "bob", year).client(t), version)
			if got, _, _, err := s.visit(bob); got != "bob" {
				t.Errorf("greeted as %q, %v, want bob, whom the new CA signed", got, err)
			}
		}
	}
}

// TestTicketsOfAnotherGenerationAreNotRead: nor does a new list of CAs that has the old one among them let
// sessions live on, whatever crypto/tls checks of its own.
func TestTicketsOfAnotherGenerationAreNotRead(t *testing.T) {
	ours := newAuthority(t, "clients")
	s := newScene(t, withClients(t, ours, tls.RequireAndVerifyClientCert))
	alice := resuming(ours.issue(t, "alice", year).client(t), tls.VersionTLS13)
	for range 2 {
		if _, _, _, err := s.visit(alice); err != nil {
			t.Fatal(err)
		}
	}
	replace(t, s.cfg.ClientCAFile, append(ours.pem, newAuthority(t, "more").pem...))
	got, _, state, err := s.visit(alice)
	if got != "alice" || state.DidResume {
		t.Errorf("greeted as %q, %v, resumed: %v, want alice, anew", got, err, state.DidResume)
	}
}

func TestKeysOfTicketsGrowOld(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	pass := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	s := newScene(t, func(c *Config) {
		c.now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	session := resuming(make([]tls.Certificate, 1), tls.VersionTLS12) // which does not renew a ticket
	for _, row := range []struct {
		says    string
		passes  time.Duration
		resumed bool
	}{
		{"a new session", 0, false},
		{"an hour later", time.Hour, true},
		{"when another key is in use", ticketsFor - time.Hour, true},
		{"when the key is forgotten", 2 * ticketsFor, false},
	} {
		pass(row.passes)
		if _, _, state, err := s.visit(session); err != nil || state.DidResume != row.resumed {
			t.Errorf("%s: %v, resumed: %v, want %v", row.says, err, state.DidResume, row.resumed)
		}
	}
}
