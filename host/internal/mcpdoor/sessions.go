package mcpdoor

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Bounds of sessions over HTTP. An ordinary one keeps 2 KB until it ends (a test holds it to 4 KiB).
const (
	maxSessions          = 512
	maxSessionsPerClient = 32

	// sessionIdle is how long a session is kept that has neither a request nor a stream. A client that waits for
	// what it is told has a stream.
	sessionIdle = 24 * time.Hour
)

// sessions knows whose each session is: it is one of the credential that opened it, and whoever else knows its id has
// nothing of it. Beyond the bounds one is ended, of the client's own first.
type sessions struct {
	idle  time.Duration
	begin func(*session) // is told of each before anybody else knows it
	end   func(*session) // is told of each that has ended; called without the lock, like begin

	mu      sync.Mutex
	byID    map[string]*owned
	all     *list.List     // of *owned; the last one used is in front
	clients map[string]int // client -> sessions; only of those that have any
	sweeper *time.Timer    // nil: there is nothing to sweep
	closed  bool           // no sweeper is started any more
}

// owned is a session of a client.
type owned struct {
	*session
	client string
	ended  context.Context // of the session: its streams end with it
	hangUp context.CancelFunc

	// Guarded by the lock of all sessions.
	place     *list.Element // nil: it has ended
	open      int           // requests under way, streams among them
	listening bool          // it has its stream
	used      time.Time
}

func newSessions(begin, end func(*session)) *sessions {
	return &sessions{
		idle: sessionIdle, begin: begin, end: end,
		byID: make(map[string]*owned), all: list.New(), clients: make(map[string]int),
	}
}

// open begins a session of a client, in a request of it that is under way until done.
func (s *sessions) open(client string) *owned {
	o := &owned{session: newSession(uuid.NewString()), client: client, open: 1, used: time.Now()} // 122 random bits
	o.ended, o.hangUp = context.WithCancel(context.Background())
	s.begin(o.session)
	s.mu.Lock()
	s.byID[o.id], o.place = o, s.all.PushFront(o)
	s.clients[client]++
	surplus := s.surplusLocked(client)
	s.sweepLaterLocked()
	s.mu.Unlock()
	if surplus != nil {
		s.end(surplus.session)
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
// is no word of its client that a call is to be cancelled, which has a notification of its own. What they ask meanwhile
// fails, see [session.dismiss].
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
	s.useLocked(o)
	return o
}

func (s *sessions) useLocked(o *owned) {
	o.used = time.Now()
	s.all.MoveToFront(o.place)
}

// of reports whether a session is there and of a client.
func (s *sessions) of(id, client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(id, client) != nil
}

// enter returns the session of a request that begins, until done; nil: the client has no such session.
func (s *sessions) enter(id, client string) *owned {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.findLocked(id, client)
	if o != nil {
		o.open++
	}
	return o
}

// done ends a request.
func (s *sessions) done(o *owned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.open--
	if o.place != nil {
		s.useLocked(o)
	}
}

// listen takes the one stream of a session, until deaf; false: it has one.
func (s *sessions) listen(o *owned) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.listening {
		return false
	}
	o.listening = true
	return true
}

func (s *sessions) deaf(o *owned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.listening = false
}

// forget ends a session; once.
func (s *sessions) forget(o *owned) {
	s.mu.Lock()
	there := o.place != nil
	if there {
		s.forgetLocked(o)
	}
	s.mu.Unlock()
	if there {
		s.end(o.session)
	}
}

// endAll ends all sessions; last: no others are swept any more.
func (s *sessions) endAll(last bool) {
	s.forgetIf(func(*owned) bool { return true })
	if !last {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.sweeper != nil {
		s.sweeper.Stop()
	}
}

func (s *sessions) forgetIf(which func(*owned) bool) {
	var gone []*owned
	s.mu.Lock()
	for e := s.all.Back(); e != nil; {
		o := e.Value.(*owned)
		if e = e.Prev(); which(o) {
			s.forgetLocked(o)
			gone = append(gone, o)
		}
	}
	s.mu.Unlock()
	for _, o := range gone {
		s.end(o.session)
	}
}

// sweepLaterLocked makes sure that idle sessions are looked for when the first can be one.
func (s *sessions) sweepLaterLocked() {
	last := s.all.Back()
	if s.closed || s.sweeper != nil || last == nil {
		return
	}
	wait := max(s.idle-time.Since(last.Value.(*owned).used), s.idle/24) // one in use may stand last for long
	s.sweeper = time.AfterFunc(wait, s.sweep)
}

// sweep ends sessions that have been idle for too long.
func (s *sessions) sweep() {
	now := time.Now()
	s.forgetIf(func(o *owned) bool { return o.open == 0 && now.Sub(o.used) >= s.idle })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeper = nil
	s.sweepLaterLocked()
}
