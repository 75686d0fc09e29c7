package conns

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// peer is the server's end of a connection from somewhere.
type peer struct {
	net.Conn
	from   net.Addr
	closed atomic.Int32 // times
}

func (p *peer) RemoteAddr() net.Addr { return p.from }
func (p *peer) Close() error         { p.closed.Add(1); return nil }

func from(addr string) *peer {
	if addr == "" {
		return &peer{from: &net.UnixAddr{Name: "@", Net: "unix"}}
	}
	return &peer{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 9))}
}

// feed is a listener that accepts what the test sends.
type feed chan any // *peer or error; closed by Close

func (f feed) Accept() (net.Conn, error) {
	switch next := (<-f).(type) {
	case *peer:
		return next, nil
	case error:
		return nil, next
	}
	return nil, net.ErrClosed
}
func (f feed) Close() error   { close(f); return nil }
func (f feed) Addr() net.Addr { return &net.TCPAddr{} }

// fixture has connections of fake peers.
type fixture struct {
	*Conns
	feed feed
	l    net.Listener
}

func newFixture(cfg Config) *fixture {
	cs, f := New(cfg), make(feed, 2)
	return &fixture{cs, f, cs.Listener(f)}
}

// arrive lets a peer come, and returns its connection.
func (f *fixture) arrive(t *testing.T, p *peer) net.Conn {
	t.Helper()
	f.feed <- p
	nc, err := f.l.Accept()
	if err != nil {
		t.Fatalf("Accept = %v, want a connection of %v", err, p.from)
	}
	return nc
}

// bring puts a connection that has come into a state: p is pending, a active, l leaving, i idle, k idle of a known
// one.
func (f *fixture) bring(t *testing.T, nc net.Conn, state byte) {
	t.Helper()
	switch state {
	case 'k':
		Known(f.Context(t.Context(), nc))
		f.bring(t, nc, 'i')
	case 'i':
		f.bring(t, nc, 'a')
		f.State(nc, http.StateIdle)
	case 'l':
		f.bring(t, nc, 'a')
		Leaving(f.Context(t.Context(), nc))
	case 'a':
		f.State(nc, http.StateNew)
		f.State(nc, http.StateActive)
	}
}

// fill lets peers come: "1a 2p" is one from 10.0.0.1, active, and one from 10.0.0.2, pending; 0 is a unix
// socket and 9 is exempt.
func (f *fixture) fill(t *testing.T, peers string) (all []*peer) {
	t.Helper()
	for word := range strings.FieldsSeq(peers) {
		p := from(host(word[0]))
		all = append(all, p)
		f.bring(t, f.arrive(t, p), word[1])
	}
	return all
}

func host(digit byte) string {
	if digit == '0' {
		return ""
	}
	return fmt.Sprintf("10.0.0.%c", digit)
}

func exempt9(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.9") }

// checkSums holds Stats against itself, and returns it.
func (f *fixture) checkSums(t *testing.T) Stats {
	t.Helper()
	s := f.Stats()
	if s.Open != s.Pending+s.Idle+s.Active || s.Pending < 0 || s.Idle < 0 || s.Active < 0 {
		t.Errorf("Stats = %+v, want the states to add up", s)
	}
	if f.cfg.Max > 0 && s.Open > f.cfg.Max {
		t.Errorf("Stats = %+v, want at most %d", s, f.cfg.Max)
	}
	return s
}
