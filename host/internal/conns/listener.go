package conns

import (
	"errors"
	"net"
	"syscall"
)

// listener counts what it accepts.
type listener struct {
	net.Listener
	conns  *Conns
	closed bool // guarded by Conns.mu
}

// Listener wraps a listener, so that all that it accepts is counted. There may be several, under one bound.
// TLS goes on top, as http.Server.ServeTLS has it: net/http must see a *tls.Conn.
func (cs *Conns) Listener(l net.Listener) net.Listener { return &listener{Listener: l, conns: cs} }

// Accept returns the next connection that there is room for. When all are active, it waits for one to end,
// with the next in its hand.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if scarce(err) {
				l.conns.relieve()
			}
			return nil, err
		}
		c := l.conns.wrap(nc)
		evicted, what := l.seat(c)
		if evicted != nil {
			_ = evicted.shut() // nobody is left to be told
		}
		if what == enters {
			return c, nil
		}
		_ = nc.Close()
		if what == waits {
			return nil, net.ErrClosed
		}
	}
}

// seat finds room for a connection. It waits in vain only when the listener is closed.
func (l *listener) seat(c *conn) (evicted *conn, _ verdict) {
	l.conns.mu.Lock()
	defer l.conns.mu.Unlock()
	for !l.closed {
		evicted, what := l.conns.seatLocked(c)
		if what != waits {
			return evicted, what
		}
		l.conns.changed.Wait()
	}
	return nil, waits
}

// Close closes the listener, not what it has accepted. It may be called more than once.
func (l *listener) Close() error {
	l.conns.mu.Lock()
	l.closed = true
	l.conns.changed.Broadcast()
	l.conns.mu.Unlock()
	return l.Listener.Close()
}

// scarce is whether an error of accept says that descriptors or memory are used up.
func scarce(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}
