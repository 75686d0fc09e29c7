package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Bounds of a connection.
const (
	headerTimeout = 10 * time.Second
	headerGrace   = 10 * time.Millisecond // of silence, before it may have to make room
	idleTimeout   = 30 * time.Second
	maxHeader     = 12 << 10 // net/http adds 4 KiB of its own
)

// Serve serves on a listener, within the budget, until ctx ends. It then takes nothing new, lets calls in flight
// finish for at most grace, and cancels what is left.
func (d *Door) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	calls, cancelCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelCalls()
	streams, endStreams := context.WithCancel(calls)
	defer endStreams()
	srv := d.server(context.WithValue(calls, closingKey{}, streams))
	srv.RegisterOnShutdown(endStreams) // nothing waits for streams that have no end
	if d.cfg.Closing != nil {
		srv.RegisterOnShutdown(d.cfg.Closing)
	}
	failed := make(chan error, 1) // closed by nobody; holds the one result of Serve
	go func() { failed <- d.accept(srv, l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	err := shutdown(context.WithoutCancel(ctx), srv, cancelCalls, grace)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// server is HTTP/1.1 alone: what bounds a connection here would bound all streams of HTTP/2 together.
func (d *Door) server(base context.Context) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: d, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, // net/http would answer OPTIONS * past all locks
		Protocols:                    &protocols,
		TLSConfig:                    d.cfg.TLS,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext:                  d.connection,
		ConnState:                    d.state,
		ErrorLog:                     d.serverLog(),
	}
}

// accept serves what comes, with TLS if there is a certificate.
func (d *Door) accept(srv *http.Server, l net.Listener) error {
	l = d.conns.Listener(buffered{l})
	if d.cfg.TLS != nil {
		return srv.ServeTLS(l, "", "")
	}
	return srv.Serve(plain{l})
}

// connection notes who is at the other end, where the system knows it.
func (d *Door) connection(ctx context.Context, c net.Conn) context.Context {
	ctx = d.conns.Context(ctx, c)
	if h, ok := c.(*heads); ok {
		ctx = context.WithValue(ctx, headsKey{}, h)
	}
	if d.cfg.Peer == nil {
		return ctx
	}
	if id, ok := d.cfg.Peer(c); ok {
		ctx = context.WithValue(ctx, peerKey{}, id)
	}
	return ctx
}

// shutdown escalates: wait, cancel, close.
func shutdown(ctx context.Context, srv *http.Server, cancelCalls func(), grace time.Duration) error {
	patient, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if srv.Shutdown(patient) == nil {
		return nil
	}
	cancelCalls() // whoever is still running ends its tool and answers
	brief, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if srv.Shutdown(brief) == nil {
		return nil
	}
	if err := srv.Close(); err != nil {
		return fmt.Errorf("close http: %w", err)
	}
	return nil
}

func (d *Door) state(c net.Conn, s http.ConnState) {
	if h, ok := c.(*heads); ok {
		h.turn(s)
	}
	d.conns.State(c, s)
}
