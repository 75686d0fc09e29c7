package plugintest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// coreVersion is the version of the handshake itself.
const coreVersion = "1"

// handshake is the line with which a plugin says where it serves.
type handshake struct {
	version     int    // of the protocol
	socket      string // path
	certificate *x509.Certificate
}

// parseHandshake reads "1|1|unix|/path/of/socket|grpc|CERT". The socket must lie directly in dir. The
// errors say what a plugin's author has to write in place of what is there.
func parseHandshake(line, dir string) (handshake, error) {
	var h handshake
	fields := strings.Split(line, "|")
	if len(fields) < 5 {
		return h, fmt.Errorf("the first line on stdout is %q; wanted is 1|1|unix|/path/of/socket|grpc|CERTIFICATE",
			clip(line, 120))
	}
	if fields[0] != coreVersion {
		return h, fmt.Errorf("the first field is %q; wanted is %s, the version of the handshake", clip(fields[0],
			20), coreVersion)
	}
	version, err := strconv.Atoi(fields[1])
	if err != nil {
		return h, fmt.Errorf("the second field is %q; wanted is the version of the protocol, %d", clip(fields[1],
			20), wire.ProtocolVersion)
	}
	h.version, h.socket = version, fields[3]
	switch {
	case fields[2] != "unix":
		return h, fmt.Errorf("the network is %q; wanted is unix", clip(fields[2], 20))
	case filepath.Clean(h.socket) != h.socket || filepath.Dir(h.socket) != dir:
		return h, fmt.Errorf("the socket is %q; it must lie directly in the directory PLUGIN_UNIX_SOCKET_DIR, %s",
			clip(h.socket, 120), dir)
	case fields[4] != "grpc":
		return h, fmt.Errorf("the protocol is %q; wanted is grpc", clip(fields[4], 20))
	}
	if len(fields) < 6 || fields[5] == "" {
		return h, nil
	}
	h.certificate, err = parseCertificate(fields[5])
	return h, err
}

func parseCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("the certificate is no base64 without padding: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	if err := c.VerifyHostname(wire.CertificateName); err != nil {
		return nil, fmt.Errorf("the certificate must be for %s: %w", wire.CertificateName, err)
	}
	return c, nil
}

// hostSide is a certificate of a host's, which a plugin has to trust and to demand.
type hostSide struct {
	pair tls.Certificate
	pem  string
}

func newHostSide() (hostSide, error) {
	pair, err := wire.NewCertificate()
	if err != nil {
		return hostSide{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	return hostSide{pair: pair, pem: string(text)}, nil
}

// toPlugin is how a caller with a certificate, or without any, talks to the plugin of a handshake. It shows
// its certificate whatever authorities the plugin names: theirs are made by nobody.
func toPlugin(plugin *x509.Certificate, own ...tls.Certificate) *tls.Config {
	trusted := x509.NewCertPool()
	trusted.AddCert(plugin)
	c := &tls.Config{RootCAs: trusted, ServerName: wire.CertificateName, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2"}}
	if len(own) > 0 {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own[0], nil }
	}
	return c
}
