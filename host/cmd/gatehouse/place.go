package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

// place is where a running host is asked.
type place struct {
	base   string       // address, without a slash at the end
	client *http.Client // takes its token nowhere else
	socket bool         // a Unix socket
}

// place finds the host: where --url says, else where the configuration has its administrators.
func (o remote) place(cfg config.Config) (place, error) {
	transport := &http.Transport{}
	p := place{client: &http.Client{Transport: transport, CheckRedirect: noRedirects}}
	network, address, apart := cfg.Admin.Network()
	switch {
	case o.url != "":
		u, err := url.Parse(o.url)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return p, fmt.Errorf("--url %q is not an address such as http://127.0.0.1:8080", o.url)
		}
		p.base = strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/")
		return p, nil
	case network == "unix":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		p.base, p.socket = "http://"+adminHost, true
		return p, nil
	case cfg.Server.Port == 0 && !apart:
		return p, errors.New("server.port is 0, so nobody knows where the host listens; say it with --url")
	case !apart:
		address = net.JoinHostPort(cfg.Server.Host, strconv.Itoa(cfg.Server.Port))
	}
	p.base = "http://" + address
	if cfg.TLS.On() {
		var err error
		p.base = "https://" + address
		transport.TLSClientConfig, err = ownCertificate(cfg.TLS)
		return p, err
	}
	return p, nil
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// ownCertificate makes a client that speaks to a host with exactly the certificate of the configuration: its names
// need not be those of the address, nor its issuer known to this machine.
func ownCertificate(cfg config.TLS) (*tls.Config, error) {
	raw, err := os.ReadFile(cfg.CertFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w; name the host with --url", err)
	}
	own, _ := pem.Decode(raw)
	if own == nil || own.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("tls.cert_file: %s does not begin with a certificate; name the host with --url", cfg.CertFile)
	}
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares the whole certificate
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Bytes) {
				return errors.New("the certificate is another than that of tls.cert_file")
			}
			return nil
		},
	}, nil
}
