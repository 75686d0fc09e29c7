// Package conns bounds the connections of an HTTP server, in all and per client, and decides which one makes
// room: a new connection always gets in while some other is doing nothing. A bound that merely waits, such as
// netutil.LimitListener, lets a handful of connections that never send a header keep everybody out.
//
//	c := conns.New(conns.Config{Max: 100, MaxPerClient: 32})
//	srv := &http.Server{Handler: h, ConnState: c.State, ConnContext: c.Context}
//	err := srv.Serve(c.Listener(l))
//	// in the handler:
//	if conns.Over(r.Context()) { ... } // asked first of all: answer 429 and close
//	conns.Known(r.Context())           // the credential was good
//	conns.Leaving(r.Context())         // it was not, and the connection is closed
//
// A connection is pending until its first complete header has come, active while a request is served, and
// idle in between. When room is needed, the first of these goes, and its socket is closed at once: pending
// ones that have had time to say something; active ones that are leaving, or that no handler has; idle ones; idle
// ones of somebody who is known. Among equals one of the client goes that has most of them, and of those the one that waits longest.
// Other active ones stay. A client whose requests are being served over all the connections that it may have is
// told so over the next.
package conns

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Config says how many connections there may be.
type Config struct {
	Max          int // open at a time, of all listeners; 0: any number
	MaxPerClient int // active at a time of one IPv4 address or one IPv6 /64; 0: any number

	// Grace is how long a pending connection may wait for bytes before it has to make room. A burst of others must
	// not end one whose header is there and was not read yet.
	Grace time.Duration

	// Exempt are addresses that have no bound per client, such as proxies that stand for many; nil: none.
	// Whoever has no IP address, on a unix socket, is exempt anyway.
	Exempt func(netip.Addr) bool
}

// Stats are counts: the first four of now, the others since the start.
type Stats struct {
	Open, Pending, Idle, Active int

	Evicted uint64 // closed to make room
	Over    uint64 // requests over more connections than their client may have
}

// Conns are the open connections of a server. All methods may be called at any time.
type Conns struct {
	cfg   Config
	epoch time.Time

	mu      sync.Mutex // guards all below, and the fields of conn and client that say so
	changed *sync.Cond // a connection has ended, or has become evictable, or a listener was closed
	open    []*conn
	clients map[netip.Addr]*client // address, as key makes it -> who has connections from there
	ticks   uint64                 // changes of state, of all connections
	in      [states]int
	evicted uint64
	over    uint64
}

// client is who has connections open; all of it is guarded by Conns.mu.
type client struct {
	key   netip.Addr
	in    [states]int
	taken int // active ones that count against MaxPerClient
}

// New returns Conns with no connection.
func New(cfg Config) *Conns {
	cs := &Conns{cfg: cfg, epoch: time.Now(), clients: make(map[netip.Addr]*client)}
	cs.changed = sync.NewCond(&cs.mu)
	return cs
}

// Stats counts the connections.
func (cs *Conns) Stats() Stats {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return Stats{
		Open: len(cs.open), Pending: cs.in[pending], Idle: cs.in[idle], Active: cs.in[active],
		Evicted: cs.evicted, Over: cs.over,
	}
}

// State is for http.Server.ConnState. A second header that has half come is idle still: net/http says active
// when it is complete. A hijacked connection is active until it is closed.
func (cs *Conns) State(nc net.Conn, s http.ConnState) {
	c := find(nc)
	if c == nil || c.conns != cs {
		return
	}
	switch s {
	case http.StateActive, http.StateHijacked:
		cs.change(c, active)
	case http.StateIdle:
		cs.change(c, idle)
	}
}

func (cs *Conns) change(c *conn, to state) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c.at == gone {
		return
	}
	cs.countLocked(c, -1)
	c.state, c.since, c.leaving, c.over = to, cs.tickLocked(), false, false // over and leaving are of one request
	if to == active {
		c.served.Store(true)
		c.handled.Store(false)
		c.begun = time.Since(cs.epoch)
		cs.boundLocked(c)
	}
	cs.countLocked(c, +1)
	if to == idle || c.over {
		cs.changed.Broadcast()
	}
}

// boundLocked flags a connection that becomes active when its client has as many as it may have.
func (cs *Conns) boundLocked(c *conn) {
	if c.bounded && c.client.taken >= cs.cfg.MaxPerClient {
		c.over, c.leaving = true, true
		cs.over++
	}
}

// addLocked takes a connection in.
func (cs *Conns) addLocked(c *conn) {
	who := cs.clients[c.key]
	if who == nil {
		who = &client{key: c.key}
		cs.clients[c.key] = who
	}
	c.client, c.state, c.since, c.at = who, pending, cs.tickLocked(), len(cs.open)
	cs.open = append(cs.open, c)
	cs.countLocked(c, +1)
}

// removeLocked gives the slot of a connection back, once.
func (cs *Conns) removeLocked(c *conn) {
	if c.at == gone {
		return
	}
	cs.countLocked(c, -1)
	if c.client.in == [states]int{} {
		delete(cs.clients, c.client.key)
	}
	last := len(cs.open) - 1
	cs.open[c.at] = cs.open[last]
	cs.open[c.at].at = c.at
	cs.open[last] = nil
	cs.open = cs.open[:last]
	c.at = gone
	cs.changed.Broadcast()
}

// countLocked counts a connection, or no longer, wherever it is counted.
func (cs *Conns) countLocked(c *conn, by int) {
	cs.in[c.state] += by
	c.client.in[c.state] += by
	if c.state == active && c.bounded && !c.over && !c.leaving {
		c.client.taken += by
	}
}

func (cs *Conns) tickLocked() uint64 {
	cs.ticks++
	return cs.ticks
}
