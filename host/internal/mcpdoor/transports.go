package mcpdoor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// stdioWorkers is how many calls of the one client run at a time here; the gates behind set the real
// limits. Beyond it mcp-go would run a call on its read loop, and no cancel could reach it.
const stdioWorkers = 100

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
	server    *server.StreamableHTTPServer
	sessions  *sessions
	heartbeat time.Duration
}

var _ http.Handler = (*HTTP)(nil)

// HTTP makes the endpoint. It speaks the revisions up to 2025-11-25: in the stateless one mcp-go keeps the
// ids of all clients' requests in one space, and any client could cancel any other's call. Its sweeper of idle
// sessions is not used: it looks at the starts of requests alone, so that it would end those that listen.
func (d *Door) HTTP() *HTTP {
	h := &HTTP{sessions: newSessions(), heartbeat: heartbeat}
	h.server = server.NewStreamableHTTPServer(d.server, server.WithSessionIdManagerResolver(h.sessions),
		server.WithStreamableHTTPLogger(d.cfg.Logger),
		server.WithDisableLocalhostProtection(true), // who mounts it checks Host, of names that it allows too
		server.WithStreamableHTTPProtocolVersions(mcp.LegacyProtocolVersions()...))
	h.sessions.end = h.end
	return h
}

// Knows reports whether the session that a request names is one of its client's. mcp-go itself asks for POST alone: a
// GET of an id that somebody made up would begin a session, and one of another's would take its stream over.
func (h *HTTP) Knows(r *http.Request) bool {
	ids := r.Header.Values(server.HeaderKeySessionID)
	if len(ids) == 0 {
		return r.Method == http.MethodPost // which begins with initialize
	}
	return len(ids) == 1 && h.sessions.of(ids[0], clientOf(r))
}

// end has mcp-go drop what it keeps of a session, in the one way that it has: the client's own.
func (h *HTTP) end(id string) {
	r, err := http.NewRequest(http.MethodDelete, "/", http.NoBody)
	if err != nil { // of constants
		return
	}
	r.Header.Set(server.HeaderKeySessionID, id)
	h.server.ServeHTTP(nobody{}, r)
}

// nobody reads an answer.
type nobody struct{}

func (nobody) Header() http.Header         { return make(http.Header) }
func (nobody) Write(p []byte) (int, error) { return len(p), nil }
func (nobody) WriteHeader(int)             {}

// ServeHTTP serves one request. Host, origin, credential, size, and what the client accepts are the business of who
// mounts it; who has asked Knows before can give a better answer to a request of no session of its client.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	defer func() {
		if v.opened != nil {
			h.sessions.done(v.opened)
		}
	}()
	id := r.Header.Get(server.HeaderKeySessionID)
	if id == "" && r.Method == http.MethodPost {
		h.server.ServeHTTP(w, r)
		return
	}
	o := h.sessions.begin(id, clientOf(r))
	if o == nil {
		http.Error(w, "there is no such session; begin one with initialize", http.StatusNotFound)
		return
	}
	defer h.sessions.done(o)
	if r.Method == http.MethodGet {
		h.listen(o, w, r)
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
