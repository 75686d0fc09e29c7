package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of a connection.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 12 << 10 // net/http adds 4 KiB of its own
)

// Serve serves on a listener, with at most maxConnections at a time, until ctx ends. It then takes nothing
// new, lets calls in flight finish for at most grace, and cancels what is left.
func (d *Door) Serve(ctx context.Context, l net.Listener, maxConnections int, grace time.Duration) error {
	calls, cancelCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelCalls()
	streams, endStreams := context.WithCancel(calls)
	defer endStreams()
	srv := &http.Server{
		Handler: d, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(calls, closingKey{}, streams)
		},
		ErrorLog: slog.NewLogLogger(d.cfg.Logger.Handler(), slog.LevelDebug),
	}
	srv.RegisterOnShutdown(endStreams) // nothing waits for streams that have no end
	if d.cfg.Closing != nil {
		srv.RegisterOnShutdown(d.cfg.Closing)
	}
	failed := make(chan error, 1) // closed by nobody; holds the one result of Serve
	go func() { failed <- srv.Serve(netutil.LimitListener(l, maxConnections)) }()
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

// ServeMetrics serves like Serve, but /metrics and /livez alone: for a port of its own.
func (d *Door) ServeMetrics(
	ctx context.Context, l net.Listener, maxConnections int, grace time.Duration,
) error {
	return d.MetricsOnly().Serve(ctx, l, maxConnections, grace)
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
