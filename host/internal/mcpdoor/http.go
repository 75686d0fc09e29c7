package mcpdoor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

const sessionHeader = server.HeaderKeySessionID

// Bounds of the requests whose client has gone without a word, and which go on. Beyond them a client's going away
// cancels.
const (
	maxDetached          = 256
	maxDetachedPerClient = 16
)

// HTTP is the Streamable HTTP endpoint, of all revisions: those with sessions, and the stateless one.
//
//	POST: message -.-> stateless: a session of its own -----.
//	               |-> initialize: a new session -----------+-> call -> mcp-go -> exchange: JSON, or a stream
//	               '-> session of the client: a request ----'
//	                                          cancelled, answers: at once
//	GET:  session of the client -> its one stream of what has changed
type HTTP struct {
	door     *Door
	sessions *sessions
	beat     time.Duration // between two comments of a stream
	patience time.Duration // until the first, of a request

	running group           // the requests
	calls   context.Context // of the requests; ends with the endpoint
	endAll  context.CancelFunc
	streams context.Context // of what has no end of its own; ends when the endpoint begins to end
	hangUp  context.CancelFunc

	mu       sync.Mutex     // guards what follows
	detached map[string]int // client -> requests whose client has gone; only of those that have any
	count    int            // of all clients
}

var _ http.Handler = (*HTTP)(nil)

// HTTP makes the endpoint. Close ends it.
func (d *Door) HTTP() *HTTP {
	h := &HTTP{door: d, beat: heartbeat, patience: patience, detached: make(map[string]int)}
	h.calls, h.endAll = context.WithCancel(context.Background())
	h.sessions = newSessions(func(s *session) { d.register(h.calls, s) }, func(s *session) {
		d.unregister(h.calls, s)
		s.dismiss()
	})
	h.streams, h.hangUp = context.WithCancel(h.calls)
	return h
}

func clientOf(r *http.Request) string { return cmp.Or(origin.From(r.Context()).Client, "stdio") }

// modernHeader reports whether a request says that it is of the stateless revision, or a later one.
func modernHeader(r *http.Request) bool {
	return mcp.IsModernProtocol(r.Header.Get(mcp.HeaderProtocolVersion))
}

// Knows reports whether the session that a request names is one of its client's. One of the stateless revision names
// none, whatever its headers have.
func (h *HTTP) Knows(r *http.Request) bool {
	ids := r.Header.Values(sessionHeader)
	switch {
	case modernHeader(r):
		return true
	case len(ids) == 0:
		return r.Method == http.MethodPost // which begins with initialize
	}
	return len(ids) == 1 && h.sessions.of(ids[0], clientOf(r))
}

// ServeHTTP serves one request. Host, origin, credential, size, and what the client accepts are the business of who
// mounts it; who has asked Knows before can give a better answer to a request of no session of its client. Every
// refusal is an error of JSON-RPC.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		h.post(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodDelete:
		notAllowed(w, "GET, POST, DELETE")
	case !knownVersion(w, r, nil):
	case modernHeader(r):
		notAllowed(w, "POST")
	case r.Method == http.MethodGet:
		h.listen(w, r)
	default:
		h.delete(w, r)
	}
}

func notAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	refuse(w, http.StatusMethodNotAllowed, nil, faultf(rpcmessage.InvalidRequest, "use %s", allowed))
}

// refuse answers with an error of JSON-RPC. id nil: it is of no request that could be told apart.
func refuse(w http.ResponseWriter, status int, id json.RawMessage, f *fault) {
	writeJSON(w, status, failure(id, f).line)
}

// knownVersion refuses a revision that we do not have. A client that names none is of one before the header.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#protocol-version-header
func knownVersion(w http.ResponseWriter, r *http.Request, id json.RawMessage) bool {
	versions := r.Header.Values(mcp.HeaderProtocolVersion)
	if len(versions) == 0 || len(versions) == 1 && mcp.IsValidProtocolVersion(versions[0]) {
		return true
	}
	refuse(w, http.StatusBadRequest, id, &fault{
		Code:    rpcmessage.InvalidRequest,
		Message: "the revision of " + mcp.HeaderProtocolVersion + " is none that this server has",
		Data:    map[string]any{"supported": mcp.ValidProtocolVersions},
	})
	return false
}

// enter finds the session of a request, until done, or says why there is none.
func (h *HTTP) enter(w http.ResponseWriter, r *http.Request, id json.RawMessage) *owned {
	ids := r.Header.Values(sessionHeader)
	if len(ids) == 0 {
		refuse(w, http.StatusBadRequest, id, faultf(rpcmessage.InvalidRequest,
			"the header %s is missing; begin a session with initialize", sessionHeader))
		return nil
	}
	var o *owned
	if len(ids) == 1 {
		o = h.sessions.enter(ids[0], clientOf(r))
	}
	if o == nil {
		refuse(w, http.StatusNotFound, id, faultf(rpcmessage.InvalidRequest,
			"there is no such session; begin a new one with initialize"))
	}
	return o
}

// delete ends a session.
func (h *HTTP) delete(w http.ResponseWriter, r *http.Request) {
	o := h.enter(w, r, nil)
	if o == nil {
		return
	}
	defer h.sessions.done(o)
	h.sessions.forget(o)
	w.WriteHeader(http.StatusOK)
}

// listen serves the stream of a session, until the client goes or the session ends. There is one of each, as what is
// told goes out on one stream alone.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
func (h *HTTP) listen(w http.ResponseWriter, r *http.Request) {
	o := h.enter(w, r, nil)
	if o == nil {
		return
	}
	defer h.sessions.done(o)
	x := newExchange(w, r)
	if !x.streams {
		refuse(w, http.StatusMethodNotAllowed, nil, faultf(rpcmessage.InvalidRequest, "here are streams of events alone"))
		return
	}
	if !h.sessions.listen(o) {
		refuse(w, http.StatusConflict, nil, faultf(rpcmessage.InvalidRequest, "the session has a stream; end that first"))
		return
	}
	defer h.sessions.deaf(o)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(o.ended, cancel)()
	defer context.AfterFunc(h.streams, cancel)()
	h.tell(ctx, x, o.inbox)
}

// tell writes what comes into an inbox to a stream, until ctx ends or nothing can be written.
func (h *HTTP) tell(ctx context.Context, x *exchange, b *inbox) {
	tick := time.NewTicker(h.beat)
	defer tick.Stop()
	for err := x.stream(); err == nil; {
		select {
		case <-ctx.Done():
			return
		case n := <-b.in:
			b.add(n)
		case <-b.wake:
		case <-tick.C:
			err = x.comment(ctx.Done())
		}
		if err == nil {
			err = pour(ctx.Done(), x, b)
		}
	}
}

// pour writes what waits, until giveUp is closed.
func pour(giveUp <-chan struct{}, x *exchange, b *inbox) error {
	for _, n := range b.take() {
		line, err := notificationLine(n)
		if err != nil {
			continue // mcp-go made it of our own values
		}
		if err := x.send(giveUp, line); err != nil {
			return err
		}
	}
	return nil
}

// read returns the message of a request: as who mounts the endpoint has read it, or from its body.
func (h *HTTP) read(w http.ResponseWriter, r *http.Request) (rpcmessage.Message, error) {
	if m, ok := rpcmessage.From(r.Context()); ok {
		return m, nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rpcmessage.MaxSize))
	if err != nil {
		return rpcmessage.Message{}, fmt.Errorf("the body cannot be read, or has more than %d bytes", rpcmessage.MaxSize)
	}
	return rpcmessage.Read(raw)
}

// CloseSessions ends the streams and sessions of all clients, so that a shutdown need not wait for them, nor for
// answers of people, nor for what waits for an execution. From now on a client that goes away cancels its requests.
func (h *HTTP) CloseSessions(context.Context) {
	h.hangUp()
	h.sessions.endAll(false)
}

// Close ends the endpoint: it cancels what is still running and waits for it, until ctx ends. It may be called twice.
func (h *HTTP) Close(ctx context.Context) error {
	h.hangUp()
	h.sessions.endAll(true)
	h.endAll()
	if err := h.running.wait(ctx); err != nil {
		return fmt.Errorf("close mcp: %w", err)
	}
	return nil
}

// detach lets a request go on whose client has gone; false: there are too many, or the endpoint ends.
func (h *HTTP) detach(v *visit) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v.over {
		return true
	}
	if h.streams.Err() != nil || h.count >= maxDetached || h.detached[v.client] >= maxDetachedPerClient {
		return false
	}
	v.detached = true
	h.count++
	h.detached[v.client]++
	return true
}

// settle notes that a request is over, with or without its client.
func (h *HTTP) settle(v *visit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.over = true
	if !v.detached {
		return
	}
	h.count--
	if h.detached[v.client]--; h.detached[v.client] == 0 {
		delete(h.detached, v.client)
	}
}
