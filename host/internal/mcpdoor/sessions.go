package mcpdoor

import (
	"cmp"
	"container/list"
	"errors"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
)

// Bounds of sessions over HTTP. Each costs some 10 KB until it ends.
const (
	maxSessions          = 1024
	maxSessionsPerClient = 64
)

// sessions knows whose each session is. mcp-go takes whoever knows the id of a session for its client; here it is a
// session of the credential that opened it. Beyond the bounds the session that was silent for longest is ended, of
// the client's own first.
type sessions struct {
	end func(id string) // tells mcp-go; called without the lock

	mu      sync.Mutex
	byID    map[string]*list.Element // session id -> element of all
	all     *list.List               // of owned; the last one used is in front
	clients map[string]int           // client -> sessions; only of those that have any
}

type owned struct{ id, client string }

func newSessions() *sessions {
	return &sessions{byID: make(map[string]*list.Element), all: list.New(), clients: make(map[string]int)}
}

// open begins a session of a client.
func (s *sessions) open(client string) (id string) {
	id = "mcp-session-" + uuid.NewString() // 122 random bits; the form is mcp-go's
	s.mu.Lock()
	s.byID[id] = s.all.PushFront(owned{id, client})
	s.clients[client]++
	surplus := s.surplusLocked(client)
	s.mu.Unlock()
	if surplus != "" {
		s.end(surplus)
	}
	return id
}

// surplusLocked forgets the session that is one too many, if one is.
func (s *sessions) surplusLocked(client string) (id string) {
	own := s.clients[client] > maxSessionsPerClient
	if !own && s.all.Len() <= maxSessions {
		return ""
	}
	for e := s.all.Back(); e != nil; e = e.Prev() {
		if old := e.Value.(owned); !own || old.client == client {
			s.forgetLocked(e)
			return old.id
		}
	}
	return ""
}

func (s *sessions) forgetLocked(e *list.Element) {
	old := s.all.Remove(e).(owned)
	delete(s.byID, old.id)
	if s.clients[old.client]--; s.clients[old.client] == 0 {
		delete(s.clients, old.client)
	}
}

// of reports whether a session is there and of a client, and notes that it is used.
func (s *sessions) of(id, client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil || e.Value.(owned).client != client {
		return false
	}
	s.all.MoveToFront(e)
	return true
}

func (s *sessions) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil {
		s.forgetLocked(e)
	}
}

// manager is what mcp-go asks about the sessions of one request.
type manager struct {
	*sessions
	client string
	any    bool // of no request: of mcp-go's own cleaning
}

var (
	_ server.SessionIdManager         = manager{}
	_ server.SessionIdManagerResolver = (*sessions)(nil)
)

var errNoSession = errors.New("no such session")

// ResolveSessionIdManager implements [server.SessionIdManagerResolver].
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return manager{sessions: s, any: true}
	}
	return manager{sessions: s, client: clientOf(r)}
}

func clientOf(r *http.Request) string { return cmp.Or(origin.From(r.Context()).Client, "stdio") }

// Generate implements [server.SessionIdManager].
func (m manager) Generate() string { return m.open(m.client) }

// Validate implements [server.SessionIdManager].
func (m manager) Validate(id string) (terminated bool, err error) {
	if !m.of(id, m.client) {
		return false, errNoSession
	}
	return false, nil
}

// Terminate implements [server.SessionIdManager].
func (m manager) Terminate(id string) (notAllowed bool, err error) {
	if m.any || m.of(id, m.client) {
		m.forget(id)
	}
	return false, nil
}
