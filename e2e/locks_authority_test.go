package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"
)

// authority signs certificates, in memory.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

// pair is a certificate and its key, in PEM.
type pair struct {
	cert, key string
	serial    string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	p := a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "an authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	a.pem = p.cert
	return a
}

// issue signs a certificate for servers and clients; the first one an authority signs is its own.
func (a *authority) issue(t *testing.T, cert *x509.Certificate) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(0, 2, 0)
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = cert, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert == nil {
		a.key = key
		if a.cert, err = x509.ParseCertificate(raw); err != nil {
			t.Fatal(err)
		}
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), cert.SerialNumber.String(),
	}
}

// server is a certificate for 127.0.0.1.
func (a *authority) server(t *testing.T) pair {
	t.Helper()
	return a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "gatehouse"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
}

// named is a certificate with one name of each kind that is given.
func (a *authority) named(t *testing.T, cn, dns, uri, email string) pair {
	t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: cn}}
	if dns != "" {
		c.DNSNames = []string{dns}
	}
	if email != "" {
		c.EmailAddresses = []string{email}
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = []*url.URL{u}
	}
	return a.issue(t, c)
}

// client trusts the authority, and shows a certificate if it is given one, whoever the server says it trusts.
func (a *authority) client(t *testing.T, shown ...pair) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	cfg := &tls.Config{RootCAs: roots}
	for _, p := range shown {
		cert, err := tls.X509KeyPair([]byte(p.cert), []byte(p.key))
		if err != nil {
			t.Fatal(err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// tlsFiles are where a host looks for its certificate.
type tlsFiles struct{ cert, key, clients string }

func (a *authority) files(t *testing.T) tlsFiles {
	t.Helper()
	dir := t.TempDir()
	f := tlsFiles{filepath.Join(dir, "host.crt"), filepath.Join(dir, "host.key"),
		filepath.Join(dir, "clients.crt")}
	f.put(t, a.server(t))
	writeFile(t, f.clients, a.pem)
	return f
}

func (f tlsFiles) put(t *testing.T, p pair) {
	t.Helper()
	replace(t, f.key, p.key)
	replace(t, f.cert, p.cert)
}
