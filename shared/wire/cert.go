package wire

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"
	"time"
)

// envClientCert is the variable in which go-plugin's AutoMTLS gives a plugin the host's certificate, as PEM.
const envClientCert = "PLUGIN_CLIENT_CERT"

// CertificateName is what stands in the certificates of both sides, as go-plugin writes it.
const CertificateName = "localhost"

// pluginSide is the plugin's half of go-plugin's AutoMTLS: a key pair of its own, and trust in the host's
// certificate alone.
//
// go-plugin would make a P-521 pair. That costs a plugin half of the time of its start (17 of 41 ms of CPU), and
// half a MiB for as long as it runs, which are tables of the curve. It lets its user bring a certificate, but does
// not announce that; so the line of the handshake passes through announce.
func pluginSide(host []byte) (*tls.Config, error) {
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(host) {
		return nil, errors.New("the host's certificate in " + envClientCert + " is none")
	}
	cert, err := NewCertificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    trusted,
		MinVersion:   tls.VersionTLS12,
		ServerName:   CertificateName,
	}, nil
}

// NewCertificate makes a self-signed certificate with a P-256 key, for one side of one connection between a host and
// a plugin. It is its own authority: the other side has nothing else to trust.
func NewCertificate() (tls.Certificate, error) {
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
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: CertificateName, Organization: []string{"Gatehouse"}},
		DNSNames:              []string{CertificateName},
		NotBefore:             now.Add(-day),           // a clock that is set back must not end a plugin's calls
		NotAfter:              now.Add(30 * 365 * day), // as long as the process, which nobody limits
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // of itself: the host trusts nothing else
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// ownStdout keeps what os.Stdout was, and what stood in its place until go-plugin took it. An os.File that nothing
// refers to any more is closed by its finalizer: the end of the pipe would end announce, and after it the standard
// output would be closed, whose number the next file gets.
var ownStdout struct{ real, pipe *os.File }

// announceOwn prepares a plugin that a host of AutoMTLS has started: it returns its half of TLS, and has the
// certificate announced in the handshake. Where there is no such host it returns nil, and go-plugin decides.
func announceOwn() (func() (*tls.Config, error), error) {
	host := os.Getenv(envClientCert)
	if host == "" {
		return nil, nil
	}
	config, err := pluginSide([]byte(host))
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdout := os.Stdout
	ownStdout.real, ownStdout.pipe = stdout, w
	os.Stdout = w // until go-plugin has written the handshake, and puts something else there
	// The goroutine ends with the process: nobody closes the pipe, see ownStdout.
	go announce(stdout, r, config.Certificates[0].Certificate[0])
	return func() (*tls.Config, error) { return config, nil }, nil
}

// handshakeFields is how many fields the line of go-plugin's handshake has: the versions of go-plugin's protocol
// and of ours, network, address, form of the protocol, certificate. Others may follow.
const handshakeFields = 6

// announce passes lines on. The first that is a handshake without a certificate gets one.
func announce(to io.Writer, from io.Reader, certificate []byte) {
	done := false
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadString('\n')
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if !done && len(fields) >= handshakeFields && fields[handshakeFields-1] == "" {
			done = true
			fields[handshakeFields-1] = base64.RawStdEncoding.EncodeToString(certificate)
			line = strings.Join(fields, "|") + "\n"
		}
		if _, writing := io.WriteString(to, line); err != nil || writing != nil {
			return
		}
	}
}

// serveError tells why a plugin cannot serve, and ends it, as go-plugin does.
func serveError(err error) {
	fmt.Fprintln(os.Stderr, "serve:", err)
	os.Exit(1)
}
