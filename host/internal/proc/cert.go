package proc

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/shared/wire"
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
	cert, err := wire.NewCertificate()
	if err != nil {
		return nil, "", fmt.Errorf("make a certificate: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      x509.NewCertPool(), // go-plugin puts a pool with the plugin's in its place
		MinVersion:   tls.VersionTLS12,
		ServerName:   wire.CertificateName,
	}, string(text), nil
}
