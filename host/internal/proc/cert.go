package proc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// envClientCert is the variable in which go-plugin's AutoMTLS gives a plugin the host's certificate.
const envClientCert = "PLUGIN_CLIENT_CERT"

// hostSide is the host's half of go-plugin's AutoMTLS, for one process: a key pair of its own, which that
// plugin alone trusts, and trust in nobody until the plugin's certificate has come with its handshake.
//
// go-plugin would make a P-521 pair, of which each operation takes Go some milliseconds: with its self-signed
// certificate 5 ms of the host's time and 3 of the plugin's in each start. P-256 takes a twentieth of that,
// and the TLS libraries of other languages know it.
func hostSide() (config *tls.Config, certificate string, err error) {
	cert, err := newCert()
	if err != nil {
		return nil, "", fmt.Errorf("make a certificate: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      x509.NewCertPool(), // go-plugin puts a pool with the plugin's in its place
		MinVersion:   tls.VersionTLS12,
		ServerName:   certName,
	}, string(text), nil
}

// certName is what go-plugin writes into the certificates of both sides.
const certName = "localhost"

// newCert makes a self-signed certificate. It is its own authority: the plugin has nothing else to trust.
func newCert() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return tls.Certificate{}, err
	}
	const day = 24 * time.Hour
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: certName, Organization: []string{"Gatehouse"}},
		DNSNames:     []string{certName},
		NotBefore:    now.Add(-day),           // a clock that is set back must not end a plugin's calls
		NotAfter:     now.Add(30 * 365 * day), // as long as the process, which nobody limits
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
