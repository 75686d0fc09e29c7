package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// start is when tests begin. Only the certificates of TLS live in the time of the machine.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is one that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const audience = "https://gatehouse.example.org"

// newIssuer makes what is tested, for an issuer.
func newIssuer(t testing.TB, url string, change func(*Config)) (*Issuer, *clock) {
	t.Helper()
	c := newClock()
	cfg := Config{
		Issuer: url, Audience: []string{audience, "gatehouse"}, RoleClaim: "roles",
		Admins: []string{"boss"}, Callers: []string{"worker"}, Viewers: []string{"guest"}, Now: c.Now,
	}
	if change != nil {
		change(&cfg)
	}
	i, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	})
	return i, c
}

// claims are those of a good token of a worker, with changes; a nil takes a claim away.
func claims(url string, changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": url, "aud": audience, "sub": "alice", "roles": []string{"worker"},
		"iat": start.Unix(), "exp": start.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// a good token of somebody.
func (i *testIssuer) token(sub string) string {
	i.t.Helper()
	end := start.Add(24 * time.Hour).Unix()
	return i.sign(wish{Claims: claims(i.url, map[string]any{"sub": sub, "exp": end})})
}

// wantClient checks that a token is somebody's.
func wantClient(t testing.TB, i *Issuer, token, client string) auth.Identity {
	t.Helper()
	id, err := i.Authenticate(t.Context(), token)
	if err != nil || id.Client != "oidc:"+client {
		t.Fatalf("Authenticate = %+v, %v, want the client oidc:%s", id, err, client)
	}
	return id
}

// testCA signed the certificate of an issuer on 127.0.0.1.
type testCA struct {
	pool              *x509.CertPool
	client            *http.Client
	caFile            string
	certFile, keyFile string
}

func newCA(t *testing.T) *testCA {
	t.Helper()
	dir := t.TempDir()
	caKey, leafKey := newECKey(t), newECKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER := signCert(t, ca, ca, caKey, caKey)
	p := &testCA{
		pool:   x509.NewCertPool(),
		caFile: writePEM(t, dir, "ca.pem", "CERTIFICATE", caDER),
		certFile: writePEM(t, dir, "cert.pem", "CERTIFICATE",
			signCert(t, leaf, ca, leafKey, caKey)),
		keyFile: writePEM(t, dir, "key.pem", "EC PRIVATE KEY", marshalKey(t, leafKey)),
	}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	p.pool.AddCert(parsed)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool}}
	p.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return p
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signCert(t *testing.T, cert, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func marshalKey(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, dir, name, kind string, der []byte) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
