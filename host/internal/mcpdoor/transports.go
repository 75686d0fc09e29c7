package mcpdoor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	// stdioWorkers is how many calls of the one client run at a time here; the gates behind set the real
	// limits. Beyond it mcp-go would run a call on its read loop, and no cancel could reach it.
	stdioWorkers = 100
	// sessionTTL must be longer than the longest call: the sweeper looks at the starts of requests.
	sessionTTL = 2 * time.Hour
)

// ServeStdio talks to the one client that started this process, until its stream ends or ctx does. Nothing
// but JSON-RPC is written to out.
func (d *Door) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	s := server.NewStdioServer(d.server)
	server.WithWorkerPoolSize(stdioWorkers)(s)
	s.SetErrorLogger(slog.NewLogLogger(d.cfg.Logger.Handler(), slog.LevelDebug))
	if err := s.Listen(ctx, newLineLimiter(in, maxLine), out); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("serve stdio: %w", err)
	}
	return nil
}

// HTTP is the Streamable HTTP endpoint.
type HTTP struct {
	server *server.StreamableHTTPServer
}

var _ http.Handler = (*HTTP)(nil)

// HTTP makes the endpoint. It speaks the revisions up to 2025-11-25: in the stateless one mcp-go keeps the
// ids of all clients' requests in one space, and any client could cancel any other's call.
func (d *Door) HTTP() *HTTP {
	return &HTTP{server: server.NewStreamableHTTPServer(d.server,
		server.WithStateful(true), server.WithSessionIdleTTL(sessionTTL), server.WithStreamableHTTPLogger(d.cfg.Logger),
		server.WithStreamableHTTPProtocolVersions(mcp.LegacyProtocolVersions()...))}
}

// ServeHTTP serves one request. Host, origin, credential and size are the business of who mounts it.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !acceptable(r) {
		http.Error(w, "Accept must list application/json and text/event-stream", http.StatusNotAcceptable)
		return
	}
	h.server.ServeHTTP(w, r)
}

// CloseSessions ends the streams of all clients, so that a shutdown need not wait for them.
func (h *HTTP) CloseSessions(ctx context.Context) { h.server.CloseSessions(ctx) }

// Close ends the endpoint and what it runs in the background.
func (h *HTTP) Close(ctx context.Context) error {
	if err := h.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("close mcp: %w", err)
	}
	return nil
}

// acceptable holds what the protocol asks of Accept: POST takes JSON and event streams, GET event streams.
func acceptable(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.Contains(accept, "*/*") {
		return true
	}
	stream := strings.Contains(accept, "text/event-stream")
	switch r.Method {
	case http.MethodPost:
		return stream && strings.Contains(accept, "application/json")
	case http.MethodGet:
		return stream
	default:
		return true
	}
}
