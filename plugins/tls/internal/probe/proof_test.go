package probe

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/plugins/tls/internal/hello"
	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Whoever has seen the certificate of another can send it; he cannot sign with its key.
func TestACertificateIsTrustedWithItsKeyAlone(t *testing.T) {
	ca := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, ecKey(t), nil)
	names := x509.Certificate{Subject: pkix.Name{CommonName: "www"}, DNSNames: []string{"www.lab.internal"}}
	short, long := names, names
	of := map[bool]tls.Certificate{ // for the key exchange of RSA
		false: signed(t, &short, ecKey(t), &ca), true: signed(t, &long, rsaKey(), &ca),
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		most    uint16
		stolen  bool // the certificate, without its key
		rsa     bool // the key exchange, in which nothing is signed
		asks    tls.ClientAuthType
		finding bool
	}{
		{"TLS 1.2", tls.VersionTLS12, false, false, tls.NoClientCert, false},
		{"TLS 1.3", tls.VersionTLS13, false, false, tls.NoClientCert, false},
		{"one that wants to know who asks", tls.VersionTLS12, false, false, tls.RequireAnyClientCert, false},
		{"TLS 1.2, stolen", tls.VersionTLS12, true, false, tls.NoClientCert, true},
		{"TLS 1.3, stolen", tls.VersionTLS13, true, false, tls.NoClientCert, true},
		{"TLS 1.2, stolen, asks", tls.VersionTLS12, true, false, tls.RequestClientCert, true},
		{"TLS 1.3, stolen, asks", tls.VersionTLS13, true, false, tls.RequestClientCert, true},
		{"RSA", tls.VersionTLS12, false, true, tls.NoClientCert, false},
		{"RSA, stolen", tls.VersionTLS12, true, true, tls.NoClientCert, false},
		{"RSA, stolen, asks", tls.VersionTLS12, true, true, tls.RequestClientCert, false},
	} {
		config := &tls.Config{Certificates: []tls.Certificate{of[c.rsa]}, MaxVersion: c.most, ClientAuth: c.asks}
		if c.rsa {
			config.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}
		switch {
		case c.stolen && c.rsa:
			config.Certificates[0].PrivateKey = other
		case c.stolen:
			config.Certificates[0].PrivateKey = ecKey(t)
		}
		port := serve(t, speaking(config))
		r := askTrusting(t, &ca, at(port, `, "server_name": "www.lab.internal", "quick": true`))
		if r.Trust == nil || r.Trust.Trusted == c.stolen || (r.Trust.Problem != "") != c.stolen ||
			!r.Trust.NameMatch {
			t.Errorf("%s: trust = %+v of %+v, want trusted %t", c.name, r.Trust, r.Negotiated, !c.stolen)
		}
		high := slices.ContainsFunc(r.Findings, func(f Finding) bool {
			return f.Code == "wrong_key" && f.Severity == "high"
		})
		if high != c.finding || slices.Contains(codes(r), "untrusted") != c.stolen {
			t.Errorf("%s: findings = %+v, want wrong_key %t", c.name, r.Findings, c.finding)
		}
	}
}

// What is read in the clear proves nothing.
func TestACertificateOfNoHandshakeIsNotTrusted(t *testing.T) {
	ca := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, ecKey(t), nil)
	leaf := signed(t, &x509.Certificate{DNSNames: []string{"www.lab.internal"}}, ecKey(t), &ca)
	port := serve(t, hearing(func(o offered) []byte {
		if o.version != hello.TLS10 {
			return refusal
		}
		return chosen(hello.TLS10, o.suites[0], certificates(leaf.Certificate[0])...)
	}))
	r := askTrusting(t, &ca, at(port, `, "server_name": "www.lab.internal", "quick": true`))
	if r.Negotiated != nil || r.Trust == nil || r.Trust.Trusted ||
		!strings.Contains(string(r.Trust.Problem), "prove") {
		t.Errorf("trust = %+v of %+v, want it not trusted", r.Trust, r)
	}
}

// askTrusting makes a call on a machine that trusts one authority.
func askTrusting(t *testing.T, ca *tls.Certificate, args string) Report {
	t.Helper()
	p := sdk.Plugin{Name: "tls", Version: "test", Tools: []sdk.Tool{tool(prober{
		now: time.Now,
		roots: func() (*x509.CertPool, error) {
			pool := x509.NewCertPool()
			pool.AddCert(ca.Leaf)
			return pool, nil
		},
	})}}
	res, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "TLSTool", args)
	if err != nil {
		t.Fatalf("Call(%s) = %v", args, err)
	}
	return decoded(t, res)
}

// TestARequestForACertificateProvesNothing sends a stolen certificate and asks for the client's, without a signature.
func TestARequestForACertificateProvesNothing(t *testing.T) {
	ca := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, ecKey(t), nil)
	leaf := signed(t, &x509.Certificate{DNSNames: []string{"www.lab.internal"}}, ecKey(t), &ca)
	request := []byte{13, 0, 0, 8, 1, 64, 0, 2, 4, 3, 0, 0} // ECDSA with SHA-256, of any authority
	port := serve(t, hearing(func(o offered) []byte {
		if slices.Contains(o.suites, 0xc02b) {
			return chosen(0x0303, 0xc02b, append(certificates(leaf.Certificate[0]), request...)...)
		}
		return refusal
	}))
	r := askTrusting(t, &ca, at(port, `, "server_name": "www.lab.internal", "quick": true`))
	if r.Trust == nil || r.Trust.Trusted || !strings.Contains(string(r.Trust.Problem), "prove") {
		t.Errorf("trust = %+v of %+v, want none: nothing was signed", r.Trust, r.Negotiated)
	}
}
