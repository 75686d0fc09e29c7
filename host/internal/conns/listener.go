package conns

import (
	"errors"
	"net"
	"syscall"
	"time"
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
	nc, err := l.Listener.Accept()
	if err != nil {
		if scarce(err) {
			l.conns.relieve()
		}
		return nil, err
	}
	c := l.conns.wrap(nc)
	evicted, entered := l.seat(c)
	if evicted != nil {
		_ = evicted.shut() // nobody is left to be told
	}
	if entered {
		return c, nil
	}
	return nil, errors.Join(net.ErrClosed, nc.Close())
}

// seat finds room for a connection. It waits in vain only when the listener is closed.
func (l *listener) seat(c *conn) (evicted *conn, entered bool) {
	l.conns.mu.Lock()
	defer l.conns.mu.Unlock()
	for !l.closed {
		if evicted, entered = l.conns.seatLocked(c); entered {
			return evicted, true
		}
		l.conns.waitLocked()
	}
	return nil, false
}

// waitLocked waits until something changes. That a connection has had its time is told by nobody.
func (cs *Conns) waitLocked() {
	if cs.cfg.Grace > 0 {
		defer time.AfterFunc(cs.cfg.Grace, func() {
			cs.mu.Lock()
			defer cs.mu.Unlock()
			cs.changed.Broadcast()
		}).Stop()
	}
	cs.changed.Wait()
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
