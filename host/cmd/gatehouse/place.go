package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/peer"
)

// place is where a running host is asked.
type place struct {
	base   string       // address, without a slash at the end
	client *http.Client // takes its token nowhere else
	socket bool         // a Unix socket
	pinned bool         // TLS, with exactly the certificate of the configuration
}

// place finds the host: where --url says, else where the configuration has its administrators.
func (o remote) place(cfg config.Config) (place, error) {
	transport := &http.Transport{}
	shown, err := o.certificates()
	if err != nil {
		return place{}, err
	}
	transport.TLSClientConfig = &tls.Config{Certificates: shown}
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
		p.base, p.pinned = "https://"+address, true
		transport.TLSClientConfig, err = ownCertificate(cfg.TLS, shown)
		return p, err
	}
	return p, nil
}

// certificates are those of the client, which the flags name.
func (o remote) certificates() ([]tls.Certificate, error) {
	if o.certFile == "" && o.keyFile == "" {
		return nil, nil
	}
	if o.certFile == "" || o.keyFile == "" {
		return nil, errors.New("--cert-file and --key-file belong together; name both")
	}
	pair, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
	if err != nil {
		return nil, fmt.Errorf("the client certificate: %w", err)
	}
	return []tls.Certificate{pair}, nil
}

// trusts says why the token that a host generated is not shown at a place: it is the key to this machine's host, and
// to nobody else's.
func (p place) trusts(stateDir string) error {
	if p.pinned || p.socket {
		return nil
	}
	u, err := url.Parse(p.base)
	if err != nil {
		return err
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.IsLoopback() {
		return fmt.Errorf("the generated token is of this machine's host and not sent to %s; name a token for it with "+
			"--token-file, or set GATEHOUSE_TOKEN", u.Host)
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]), 10, 16)
	if err != nil {
		return err
	}
	uids, known := peer.Listeners(netip.AddrPortFrom(addr, uint16(port)))
	for _, uid := range uids {
		if known && uid != 0 && uid != os.Geteuid() && uid != ownerOf(stateDir) {
			return fmt.Errorf("the generated token is not sent to %s: a process of the user %d listens there, who is neither "+
				"root nor the owner of %s; say with --url where the host is", u.Host, uid, stateDir)
		}
	}
	return nil
}

// ownerOf is the number of the user whom a file is of; -1: nobody knows.
func ownerOf(name string) int {
	info, err := os.Stat(name)
	if err != nil {
		return -1
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(st.Uid)
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// ownCertificate makes a client that speaks to a host with exactly the certificate of the configuration: its names
// need not be those of the address, nor its issuer known to this machine.
func ownCertificate(cfg config.TLS, shown []tls.Certificate) (*tls.Config, error) {
	raw, err := os.ReadFile(cfg.CertFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w; name the host with --url", err)
	}
	own, _ := pem.Decode(raw)
	if own == nil || own.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("tls.cert_file: %s does not begin with a certificate; name the host with --url", cfg.CertFile)
	}
	return &tls.Config{
		Certificates:       shown,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares the whole certificate
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Bytes) {
				return errors.New("the certificate is another than that of tls.cert_file")
			}
			return nil
		},
	}, nil
}
