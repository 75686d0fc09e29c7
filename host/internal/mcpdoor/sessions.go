package mcpdoor

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
)

// Bounds of sessions over HTTP. One that began with an ordinary initialize keeps 10.5 KB until it ends (measured; a
// test holds it to 16 KiB), most of it the queue of what it is to be told. What initialize says of the client is
// kept too, at up to fifty times its text: who mounts the endpoint bounds that.
const (
	maxSessions          = 512
	maxSessionsPerClient = 32
)

// sessions knows whose each session is. mcp-go takes whoever knows the id of a session for its client; here it is a
// session of the credential that opened it. Beyond the bounds one is ended, of the client's own first. Nothing else
// ends a session but its client: that it is silent for a night is no reason, as an editor that waits for what it is
// told is silent.
type sessions struct {
	end func(id string) // tells mcp-go; called without the lock

	mu      sync.Mutex
	byID    map[string]*owned
	all     *list.List     // of *owned; the last one used is in front
	clients map[string]int // client -> sessions; only of those that have any
}

// owned is a session of a client.
type owned struct {
	id, client string
	ended      context.Context // of the session: its streams end with it
	hangUp     context.CancelFunc

	// Guarded by the lock of all sessions.
	place *list.Element // nil: it has ended
	open  int           // requests under way, streams among them
}

func newSessions() *sessions {
	return &sessions{byID: make(map[string]*owned), all: list.New(), clients: make(map[string]int)}
}

// open begins a session of a client, in a request of it that is under way until done.
func (s *sessions) open(client string) *owned {
	id := "mcp-session-" + uuid.NewString() // 122 random bits; the form is mcp-go's
	o := &owned{id: id, client: client, open: 1}
	o.ended, o.hangUp = context.WithCancel(context.Background())
	s.mu.Lock()
	s.byID[o.id], o.place = o, s.all.PushFront(o)
	s.clients[client]++
	surplus := s.surplusLocked(client)
	s.mu.Unlock()
	if surplus != nil {
		s.end(surplus.id)
	}
	return o
}

// surplusLocked forgets the session that is one too many, if one is.
func (s *sessions) surplusLocked(client string) *owned {
	own := s.clients[client] > maxSessionsPerClient
	if !own && s.all.Len() <= maxSessions {
		return nil
	}
	var surplus *owned
	for e := s.all.Back(); e != nil; e = e.Prev() {
		o := e.Value.(*owned)
		switch {
		case own && o.client != client:
			continue
		case o.open == 0: // the one of those that nobody uses that was silent for longest
			s.forgetLocked(o)
			return o
		case surplus == nil: // else the one of all
			surplus = o
		}
	}
	s.forgetLocked(surplus) // there is one: the new session is in use
	return surplus
}

// forgetLocked ends a session and its streams. Calls of it go on, and have their answers: that a session has ended
// is no word of its client that a call is to be cancelled, which has a notification of its own.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
// and #sending-messages-to-the-server (a disconnection is no cancellation either)
func (s *sessions) forgetLocked(o *owned) {
	s.all.Remove(o.place)
	o.place = nil
	delete(s.byID, o.id)
	if s.clients[o.client]--; s.clients[o.client] == 0 {
		delete(s.clients, o.client)
	}
	o.hangUp()
}

// findLocked returns a session of a client, and notes that it is used; nil: the client has no such session.
func (s *sessions) findLocked(id, client string) *owned {
	o := s.byID[id]
	if o == nil || o.client != client {
		return nil
	}
	s.all.MoveToFront(o.place)
	return o
}

// of reports whether a session is there and of a client.
func (s *sessions) of(id, client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(id, client) != nil
}

// begin returns the session of a request that begins, until done; nil: the client has no such session.
func (s *sessions) begin(id, client string) *owned {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.findLocked(id, client)
	if o != nil {
		o.open++
	}
	return o
}

// done ends a request. If its session ended before, mcp-go may keep something of it that it learned later: of an
// initialize that was overtaken the whole session.
func (s *sessions) done(o *owned) {
	s.mu.Lock()
	o.open--
	late := o.place == nil && o.open == 0
	if o.place != nil {
		s.all.MoveToFront(o.place)
	}
	s.mu.Unlock()
	if late {
		s.end(o.id)
	}
}

func (s *sessions) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.byID[id]; o != nil {
		s.forgetLocked(o)
	}
}

// visit is one request to the endpoint; its context carries it to where mcp-go asks for the id of a new session.
type visit struct{ opened *owned }

type visitKey struct{}

// manager is what mcp-go asks about the sessions of one request.
type manager struct {
	*sessions
	client string
	visit  *visit // nil: of no request: of mcp-go's own cleaning
}

var (
	_ server.SessionIdManager         = manager{}
	_ server.SessionIdManagerResolver = (*sessions)(nil)
)

var errNoSession = errors.New("no such session")

// ResolveSessionIdManager implements [server.SessionIdManagerResolver].
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return manager{sessions: s}
	}
	v, _ := r.Context().Value(visitKey{}).(*visit)
	return manager{sessions: s, client: clientOf(r), visit: cmp.Or(v, &visit{})}
}

func clientOf(r *http.Request) string { return cmp.Or(origin.From(r.Context()).Client, "stdio") }

// Generate implements [server.SessionIdManager].
func (m manager) Generate() string {
	m.visit.opened = m.open(m.client)
	return m.visit.opened.id
}

// Validate implements [server.SessionIdManager].
func (m manager) Validate(id string) (terminated bool, err error) {
	if !m.of(id, m.client) {
		return false, errNoSession
	}
	return false, nil
}

// Terminate implements [server.SessionIdManager].
func (m manager) Terminate(id string) (notAllowed bool, err error) {
	if m.visit == nil || m.of(id, m.client) {
		m.forget(id)
	}
	return false, nil
}
