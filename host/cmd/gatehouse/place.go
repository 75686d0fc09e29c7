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
	base      string       // address, without a slash at the end
	client    *http.Client // takes its token nowhere else
	transport *http.Transport
	socket    bool // a Unix socket
	pinned    bool // TLS, with exactly the certificate of the configuration
}

// place finds the host: where --url says, else where the configuration has its administrators.
func (o remote) place(cfg config.Config) (place, error) {
	transport := &http.Transport{}
	shown, err := o.certificates()
	if err != nil {
		return place{}, err
	}
	transport.TLSClientConfig = &tls.Config{Certificates: shown}
	p := place{transport: transport, client: &http.Client{Transport: transport, CheckRedirect: noRedirects}}
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
	address = reachable(address)
	p.base = "http://" + address
	if cfg.TLS.On() {
		p.base, p.pinned = "https://"+address, true
		transport.TLSClientConfig, err = ownCertificate(cfg.TLS, shown)
		return p, err
	}
	return p, nil
}

// reachable is an address by which a listener on all addresses is reached from this machine.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil || !addr.IsUnspecified():
		return address
	case addr.Unmap().Is4():
		return net.JoinHostPort("127.0.0.1", port)
	}
	return net.JoinHostPort("::1", port)
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

// errStranger is in the chain when the generated token was not shown, as it is the key to this machine's host and to
// nobody else's.
var errStranger = errors.New("the generated token is shown to the host of this machine alone")

// guard lets a place be spoken to only if it is this machine's host, as far as the system can tell. It looks at each
// connection, since a name may stand for several addresses.
func (p place) guard(stateDir string) {
	if p.pinned || p.socket {
		return
	}
	p.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if err := ofOurHost(c, stateDir); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

// ofOurHost reports why a connection does not lead to a process of root, of this user or of the owner of the state
// directory, on this machine.
func ofOurHost(c net.Conn, stateDir string) error {
	remote, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return err
	}
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return err
	}
	if to := remote.Addr().Unmap(); !to.IsLoopback() && to != local.Addr().Unmap() {
		return fmt.Errorf("%w, and not sent to %v; name a token for it with --token-file, or set GATEHOUSE_TOKEN",
			errStranger, remote)
	}
	uids, known := peer.Listeners(remote)
	for _, uid := range uids {
		if known && uid != 0 && uid != os.Geteuid() && uid != ownerOf(stateDir) {
			return fmt.Errorf("%w: at %v a process of the user %d listens, who is neither root nor the owner of %s; say with "+
				"--url where the host is", errStranger, remote, uid, stateDir)
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
	own, rest := pem.Decode(raw)
	for own != nil && own.Type != "CERTIFICATE" { // the key may stand in the same file
		own, rest = pem.Decode(rest)
	}
	if own == nil {
		return nil, fmt.Errorf("tls.cert_file: %s has no certificate; name the host with --url", cfg.CertFile)
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
