package tlscert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// pair is a certificate and its key, in PEM.
type pair struct{ cert, key []byte }

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-100 * 24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes the certificate of a name, for servers at 127.0.0.1 and clients, that is good for a while from
// now.
func (a *authority) issue(t testing.TB, name string, lifetime time.Duration) pair {
	t.Helper()
	key := newKey(t)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-60 * 24 * time.Hour), NotAfter: time.Now().Add(lifetime),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pkcs8(t, key)}
}

func pkcs8(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p pair) client(t testing.TB) []tls.Certificate {
	t.Helper()
	cert, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{cert}
}

// write writes a file whose last change is long ago, so that its stamp alone tells it.
func write(t testing.TB, name string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, name)
}

// ages are all different, as times of changes are.
var ages struct {
	sync.Mutex
	n int
}

func age(t testing.TB, name string) {
	t.Helper()
	ages.Lock()
	ages.n++
	at := time.Now().Add(-time.Hour + time.Duration(ages.n)*time.Millisecond)
	ages.Unlock()
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file in the place of another at once.
func replace(t testing.TB, name string, raw []byte) {
	t.Helper()
	write(t, name+".new", raw)
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

const year = 365 * 24 * time.Hour

// scene is a keeper, its files, and a server that goes by it.
type scene struct {
	ca      *authority
	cfg     Config
	keeper  *Keeper
	log     *lockedBuffer
	address string
}

func newScene(t testing.TB, change func(*Config)) *scene {
	t.Helper()
	dir := t.TempDir()
	s := &scene{ca: newAuthority(t, "CA"), log: new(lockedBuffer)}
	s.cfg = Config{
		CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"),
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	}
	s.put(t, s.ca.issue(t, "first", year))
	if change != nil {
		change(&s.cfg)
	}
	keeper, err := New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.keeper = keeper
	s.address = serve(t, keeper)
	return s
}

// withClients makes clients show certificates of an authority.
func withClients(t testing.TB, ca *authority, how tls.ClientAuthType) func(*Config) {
	return func(c *Config) {
		c.ClientCAFile, c.ClientAuth = filepath.Join(filepath.Dir(c.CertFile), "clients.crt"), how
		write(t, c.ClientCAFile, ca.pem)
	}
}

func (s *scene) put(t testing.TB, p pair) {
	t.Helper()
	write(t, s.cfg.CertFile, p.cert)
	write(t, s.cfg.KeyFile, p.key)
}

// lockedBuffer is for handlers of slog, which write from anywhere.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) warnings() int { return strings.Count(b.String(), "level=WARN") }

// serve tells each client that gets in its name, or "nobody".
func serve(t testing.TB, k *Keeper) string {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(plain, k.TLS())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { greet(conn.(*tls.Conn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return plain.Addr().String()
}

func greet(conn *tls.Conn) {
	defer conn.Close()
	if conn.Handshake() != nil {
		return // the client sees it too
	}
	name := "nobody"
	if shown := conn.ConnectionState().VerifiedChains; len(shown) > 0 {
		name = shown[0][0].Subject.CommonName
	}
	_, _ = io.WriteString(conn, name)
}

// visit is one connection: as whom the server greets, and by which certificate it is known.
func (s *scene) visit(change func(*tls.Config)) (client, server string, state tls.ConnectionState, err error) {
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AddCert(s.ca.cert)
	if change != nil {
		change(cfg)
	}
	conn, err := tls.Dial("tcp", s.address, cfg)
	if err != nil {
		return "", "", state, err
	}
	defer conn.Close()
	raw, err := io.ReadAll(conn)
	if err == nil && len(raw) == 0 {
		err = fmt.Errorf("the server said nothing")
	}
	state = conn.ConnectionState()
	return string(raw), state.PeerCertificates[0].Subject.CommonName, state, err
}

// wantServer checks which certificate is in force.
func (s *scene) wantServer(t testing.TB, want, says string) {
	t.Helper()
	if _, got, _, err := s.visit(nil); err != nil || got != want {
		t.Errorf("%s: the server is %q, %v, want %q", says, got, err, want)
	}
}
