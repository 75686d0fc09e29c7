package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// errBudget is why no further connection is made.
var errBudget = errors.New("no further connections: the budget is used up")

// connect makes one connection to the pinned address, which ends by itself when its time is up.
func (s *session) connect() (net.Conn, error) {
	if int64(s.report.Connections) >= s.budget() {
		return nil, errBudget
	}
	s.report.Connections++
	deadline := time.Now().Add(s.wait)
	ctx, cancel := context.WithDeadline(s.ctx, deadline)
	defer cancel()
	conn, err := s.call.DialContext(ctx, "tcp", s.dial)
	if err != nil {
		return nil, err
	}
	s.report.Reachable = true
	return conn, conn.SetDeadline(deadline)
}

// on runs f over a new connection; a call that is cancelled closes it.
func (s *session) on(f func(net.Conn) error) error {
	conn, err := s.connect()
	if err == nil {
		stop := context.AfterFunc(s.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		err = f(conn)
		stop()
		_ = conn.Close()
	}
	return cmp.Or(s.over(), err)
}

// over says why the call is at its end, or nil. A connection may see the deadline before the context does.
func (s *session) over() error {
	if end, ok := s.ctx.Deadline(); ok && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	return s.ctx.Err()
}

// look does all the asking. An error is that of the call: cancelled, or past its deadline.
func (s *session) look(now time.Time) error {
	s.tell(0, "connecting to "+s.dial)
	chain, err := s.handshake()
	if over := s.over(); err != nil && over != nil {
		return over
	}
	if !s.report.Reachable {
		s.report.Failure, s.report.Complete = unreachable(err), false
		return nil
	}
	over := s.offers(&chain)
	s.judge(chain, now)
	if over == nil {
		s.missing(err)
	}
	return over
}

// missing says why there is less in the report than there should be; err is that of the handshake.
func (s *session) missing(err error) {
	r := &s.report
	switch {
	case !r.TLS && r.Failure == "":
		r.Failure = "no version of TLS was agreed on: " + r.Protocols[0].Why
	case r.TLS && r.ChainSent == 0:
		r.Complete = false
		r.Failure = "no certificate was seen: " + unfinished(err)
	}
}

// unfinished says in words why a handshake of Go's library was not completed. What cannot be read is not
// told in its words: they have texts of the server's in them.
func unfinished(err error) string {
	switch {
	case err == nil:
		return "the server sent none"
	case isTimeout(err):
		return "the handshake had no answer in time"
	case closed(err):
		return "the server closed the connection in the handshake"
	case strings.Contains(err.Error(), "x509:"):
		return "the server's certificate cannot be read"
	}
	return "the handshake failed: " + short(err.Error()).Clean()
}

// handshake is that of a client of today that believes everything. The chain comes with an error too, when
// it was seen before that.
func (s *session) handshake() (chain [][]byte, err error) {
	var seen *Negotiated
	asked, keyed := false, false
	config := &tls.Config{
		InsecureSkipVerify: true, // nothing is sent; what is wrong is told, see judge
		ServerName:         s.report.ServerName,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       everySuite(),
		NextProtos:         []string{"h2", "http/1.1"},
		VerifyConnection: func(cs tls.ConnectionState) error {
			for _, c := range cs.PeerCertificates {
				chain = append(chain, c.Raw)
			}
			seen = negotiated(cs)
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		},
		// Up to TLS 1.2 there are keys when what the server signed has been checked, if the suite has it sign.
		KeyLogWriter: told(func() { keyed = true }),
	}
	err = s.on(func(conn net.Conn) error { return tls.Client(conn, config).HandshakeContext(s.ctx) })
	if seen != nil {
		seen.Completed, seen.ClientCertificate = err == nil, asked
		seen.signed = asked && (seen.Version == versionName(tls.VersionTLS13) ||
			keyed && !strings.HasPrefix(seen.Suite, "TLS_RSA_"))
		s.report.Negotiated, s.report.TLS = seen, true
	}
	s.forged = err != nil && strings.Contains(err.Error(), "invalid signature by the server certificate")
	s.count(err)
	return chain, err
}

// proven reports whether the server has shown in a handshake that it has the key of its certificate: to its end, or
// as far as our lack of a certificate let it go. A request for one alone proves nothing: up to TLS 1.2 it can be sent
// without any signature, and with the key exchange of RSA a server signs nothing at all. In TLS 1.3 it is answered
// after the signature.
func (n *Negotiated) proven() bool { return n != nil && (n.Completed || n.signed) }

// told is a writer that keeps nothing, and tells that something was written.
type told func()

func (f told) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// everySuite is all that Go can do.
func everySuite() []uint16 {
	var ids []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, suite.ID)
	}
	return ids
}

func negotiated(cs tls.ConnectionState) *Negotiated {
	return &Negotiated{
		Version: versionName(cs.Version), Suite: tls.CipherSuiteName(cs.CipherSuite),
		Protocol: sdk.Untrusted(cs.NegotiatedProtocol), Stapled: len(cs.OCSPResponse) > 0,
	}
}

// count keeps the number of connections in a row that brought no answer.
func (s *session) count(err error) {
	if isTimeout(err) {
		s.silent++
		return
	}
	s.silent = 0
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// unreachable says in words why there was no connection.
func unreachable(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nobody listens on this port"
	case isTimeout(err):
		return "no answer to the connection: the host is down, or a firewall drops what is sent to this port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to this address from the host's machine"
	}
	return fmt.Sprintf("no connection: %v", err)
}

// judge reads the chain, and says whether it is to be believed.
func (s *session) judge(chain [][]byte, now time.Time) {
	r := &s.report
	r.ChainSent = len(chain)
	if len(chain) == 0 {
		return
	}
	var parsed []*x509.Certificate
	for i, der := range chain[:min(len(chain), maxChain)] {
		c, err := x509.ParseCertificate(der)
		r.Chain = append(r.Chain, certificate(der, c, err, now))
		if err == nil && (i == len(parsed)) {
			parsed = append(parsed, c)
		}
	}
	if len(parsed) == 0 {
		r.Trust = &Trust{Problem: "the server's certificate cannot be read",
			NameWhy: "the server's certificate cannot be read"}
		return
	}
	r.Trust = s.trust(parsed, now)
}

// nameOrAddress is what the certificate must be for.
func (s *session) nameOrAddress() string {
	if s.report.ServerName != "" {
		return s.report.ServerName
	}
	return s.addr.String()
}
