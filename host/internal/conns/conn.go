package conns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// state is what a connection is doing.
type state uint8

const (
	pending state = iota // its first header is not complete
	idle                 // between two requests
	active

	states = iota
)

// gone is the place of a connection that is no longer, or not yet, in the list.
const gone = -1

// conn is a connection that is counted.
type conn struct {
	net.Conn
	conns   *Conns
	key     netip.Addr // of the client; the zero Addr: it has no IP address
	exempt  bool       // from the bound per client, if there is one
	bounded bool       // counts against it

	known   atomic.Bool // a good credential came over it
	closed  atomic.Bool
	served  atomic.Bool  // it was active once
	handled atomic.Bool  // a handler has its request
	reads   atomic.Bool  // it waits for bytes just now, before its first header is complete
	waits   atomic.Int64 // ns since Conns.epoch, when it began to; 0: it has not yet

	client  *client // guarded by Conns.mu, as all below
	at      int     // place in the list of open ones, or gone
	state   state
	leaving bool          // is answered and to be closed; only while it is active
	over    bool          // is active as one more than its client may have
	since   uint64        // in ticks
	begun   time.Duration // since Conns.epoch, when it became active
}

func (cs *Conns) wrap(nc net.Conn) *conn {
	c := &conn{Conn: nc, conns: cs, at: gone, exempt: true}
	if addr := address(nc.RemoteAddr()); addr.IsValid() {
		c.key = key(addr)
		c.exempt = cs.cfg.Exempt != nil && cs.cfg.Exempt(addr)
	}
	c.bounded = cs.cfg.MaxPerClient > 0 && !c.exempt
	return c
}

// address is the IP address of a peer, if it has one.
func address(a net.Addr) netip.Addr {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// key is the address under which a client is counted. Whoever has an IPv6 address mostly has all of its /64.
func key(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if net, err := addr.Prefix(64); err == nil {
			return net.Addr()
		}
	}
	return addr
}

// Read notes how long a connection waits for its first header.
func (c *conn) Read(p []byte) (int, error) {
	if c.served.Load() || c.conns.cfg.Grace <= 0 {
		return c.Conn.Read(p)
	}
	c.waits.CompareAndSwap(0, int64(time.Since(c.conns.epoch))+1)
	c.reads.Store(true)
	n, err := c.Conn.Read(p)
	c.reads.Store(false)
	return n, err
}

// starved is whether a pending connection waits for bytes, and began to long enough ago: a few now and then do not
// count.
func (c *conn) starved(grace time.Duration) bool {
	since := c.waits.Load()
	return grace <= 0 || c.reads.Load() && time.Since(c.conns.epoch)-time.Duration(since) >= grace
}

// Close closes the connection, and then gives its slot back. It may be called more than once.
func (c *conn) Close() error {
	err := c.shut()
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	c.conns.removeLocked(c)
	return err
}

// shut closes what is below, once.
func (c *conn) shut() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.Conn.Close()
}

// CloseWrite ends one direction, if what is below can. net/http does so when it has answered before it has
// read all, lest the answer be lost in a reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("close the writing end of a %T: %w", c.Conn, errors.ErrUnsupported)
}

// NetConn returns the connection that is counted.
func (c *conn) NetConn() net.Conn { return c.Conn }

// find finds ours below a connection; nil: it is none of ours.
func find(nc net.Conn) *conn {
	for {
		switch c := nc.(type) {
		case *conn:
			return c
		case interface{ NetConn() net.Conn }: // *tls.Conn
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

type connKey struct{}

// Context is for http.Server.ConnContext.
func (cs *Conns) Context(ctx context.Context, nc net.Conn) context.Context {
	if c := find(nc); c != nil {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// Over is whether the connection of a request is one more than its client may have. The handler then answers
// 429 and closes. It asks first of all: a connection of which no handler has asked is one that net/http refuses itself,
// and may linger with.
func Over(ctx context.Context) bool {
	c, _ := ctx.Value(connKey{}).(*conn)
	if c == nil {
		return false
	}
	c.handled.Store(true)
	if !c.bounded {
		return false
	}
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	return c.over
}

// Leaving says that the connection of a request is answered with a refusal and then closed. It makes room as if it
// were not active: with a part of the body still to come, net/http keeps it open for a while.
func Leaving(ctx context.Context) {
	c, _ := ctx.Value(connKey{}).(*conn)
	if c == nil {
		return
	}
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	if c.state != active || c.at == gone {
		return
	}
	c.conns.countLocked(c, -1)
	c.leaving = true
	c.conns.countLocked(c, +1)
	c.conns.changed.Broadcast()
}

// Gone is whether the client behind a request has closed its end, or half of it. net/http notices that by one read
// in the background, which whoever sends a byte more than his request uses up.
func Gone(ctx context.Context) bool {
	c, _ := ctx.Value(connKey{}).(*conn)
	if c == nil {
		return false
	}
	below, ok := c.Conn.(syscall.Conn)
	return ok && hungUp(below)
}

// Known says that whoever is behind the connection of a request has shown a good credential. It may be called
// on each request.
func Known(ctx context.Context) {
	if c, _ := ctx.Value(connKey{}).(*conn); c != nil && !c.known.Load() {
		c.known.Store(true)
	}
}
