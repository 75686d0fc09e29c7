package probe

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Nothing here connects to anything but 127.0.0.0/8.

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "tls", Version: "test", Tools: []sdk.Tool{Tool()}, Prompts: Prompts()}
}

// serve lets f have each connection to a port of its own, until the test ends. All that was begun is waited
// for.
func serve(t testing.TB, f func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex // guards open
	open := make(map[net.Conn]bool)
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			all.Go(func() {
				f(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// speaking is a server of Go's library.
func speaking(config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) {
		c := tls.Server(conn, config)
		if c.Handshake() == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

// signed makes a certificate from a template, signed by itself unless by says otherwise.
func signed(t testing.TB, template *x509.Certificate, key crypto.Signer,
	by *tls.Certificate) tls.Certificate {
	t.Helper()
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey.(crypto.Signer)
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(1)
	}
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour),
			time.Now().Add(90*24*time.Hour+time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	if by != nil {
		c.Certificate = append(c.Certificate, by.Certificate...)
	}
	return c
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// ask makes a call, which has to succeed.
func ask(t *testing.T, args string) (Report, sdk.Result) {
	t.Helper()
	b := sdktest.New(t, plugin(), sdktest.Options{Hosts: map[string][]string{"www.lab.internal": {"127.0.0.1"}}})
	res, err := b.Call(t.Context(), "TLSTool", args)
	if err != nil {
		t.Fatalf("Call(%s) = %v", args, err)
	}
	return decoded(t, res), res
}

func decoded(t *testing.T, res sdk.Result) (r Report) {
	t.Helper()
	if err := json.Unmarshal(res.Data, &r); err != nil {
		t.Fatalf("data %q: %v", res.Data, err)
	}
	return r
}

func at(port int, more string) string {
	return fmt.Sprintf(`{"target": "127.0.0.1", "port": %d%s}`, port, more)
}

func protocol(r Report, version string) Protocol {
	i := slices.IndexFunc(r.Protocols, func(p Protocol) bool { return p.Version == version })
	if i < 0 {
		return Protocol{}
	}
	return r.Protocols[i]
}

func suiteNames(p Protocol) (names []string) {
	for _, s := range p.Suites {
		names = append(names, s.Name)
	}
	return names
}

func codes(r Report) (list []string) {
	for _, f := range r.Findings {
		list = append(list, f.Code)
	}
	return list
}

func TestAServiceOfToday(t *testing.T) {
	ca := signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Lab CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, ecKey(t), nil)
	leaf := signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "www"}, DNSNames: []string{"www.lab.internal"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, SerialNumber: big.NewInt(0xabc),
	}, rsaKey(), &ca)
	port := serve(t, speaking(&tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"h2"}}))

	r, res := ask(t, fmt.Sprintf(`{"target": "www.lab.internal", "port": %d}`, port))
	if n := r.Negotiated; n == nil || n.Version != "TLS 1.3" || n.Protocol != "h2" || !n.Completed {
		t.Errorf("negotiated = %+v, want TLS 1.3 with h2", n)
	}
	if !r.Reachable || !r.TLS || !r.Complete || r.ServerName != "www.lab.internal" || r.Address != "127.0.0.1" {
		t.Errorf("report = %+v, want a whole one of www.lab.internal", r)
	}
	if r.ChainSent != 2 || len(r.Chain) != 2 {
		t.Fatalf("chain = %+v, want two certificates", r.Chain)
	}
	c := r.Chain[0]
	if c.Subject != "CN=www" || c.Issuer != "CN=Lab CA" || c.DaysLeft != 90 || c.Key != "RSA" ||
		c.KeyBits != 2048 ||
		c.Self || c.CA || c.Serial != "abc" || len(c.SHA256) != 64 || c.Signature != "ECDSA-SHA256" ||
		!slices.Equal(c.Names, []sdk.Untrusted{"www.lab.internal", "127.0.0.1"}) {
		t.Errorf("certificate = %+v", c)
	}
	if ca := r.Chain[1]; !ca.CA || !ca.Self || ca.Key != "ECDSA" || ca.KeyBits != 256 {
		t.Errorf("certificate of the CA = %+v", ca)
	}
	if r.Trust == nil || r.Trust.Trusted || r.Trust.Problem == "" || !r.Trust.NameMatch {
		t.Errorf("trust = %+v, want an authority that nobody knows, and the right name", r.Trust)
	}
	if p := protocol(r, "TLS 1.3"); !p.Offered || len(p.Suites) != 3 || !p.Complete {
		t.Errorf("TLS 1.3 = %+v, want three suites", p)
	}
	p := protocol(r, "TLS 1.2")
	if want := "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"; !p.Offered || !slices.Contains(suiteNames(p), want) {
		t.Errorf("TLS 1.2 = %+v, want %s", p, want)
	}
	if p := protocol(r, "TLS 1.1"); p.Offered || p.Why != "alert protocol_version" {
		t.Errorf("TLS 1.1 = %+v, want it refused", p)
	}
	if !strings.Contains(res.Stdout, "TLS_AES_128_GCM_SHA256") {
		t.Errorf("stdout = %q, want the suites", res.Stdout)
	}
	if got := codes(r); !slices.Contains(got, "untrusted") || slices.Contains(got, "old_protocol") {
		t.Errorf("findings = %v", got)
	}
}
