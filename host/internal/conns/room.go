package conns

import "time"

// seatLocked takes a new connection in if it may be, and if need be evicts one for it, which the caller
// closes. entered is false while none yields.
func (cs *Conns) seatLocked(c *conn) (evicted *conn, entered bool) {
	if cs.cfg.Max > 0 && len(cs.open) >= cs.cfg.Max {
		if evicted = cs.victimLocked(); evicted == nil {
			return nil, false
		}
		cs.evictLocked(evicted)
	}
	cs.addLocked(c)
	return evicted, true
}

func (cs *Conns) evictLocked(c *conn) {
	cs.evicted++
	cs.removeLocked(c)
}

// victimLocked finds the connection that makes room; nil: none yields. Nobody who is known goes while a pending one
// only needs to have had its time.
func (cs *Conns) victimLocked() *conn {
	var first *conn
	for _, c := range cs.open {
		if cs.yields(c) && (first == nil || c.before(first)) {
			first = c
		}
	}
	if first != nil && first.rank() == lastRank && cs.in[pending] > 0 {
		return nil
	}
	return first
}

// yields is whether a connection does nothing that anybody needs.
func (cs *Conns) yields(c *conn) bool {
	switch c.state {
	case pending:
		return c.starved(cs.cfg.Grace)
	case active:
		grace := cs.cfg.Grace
		return c.leaving || grace > 0 && !c.handled.Load() && time.Since(cs.epoch)-c.begun >= grace
	}
	return true
}

// before is whether a connection makes room before another does.
func (c *conn) before(other *conn) bool {
	if a, b := c.rank(), other.rank(); a != b {
		return a < b
	}
	if a, b := c.crowd(), other.crowd(); a != b {
		return a > b
	}
	return c.since < other.since
}

// lastRank is of idle connections of somebody who is known.
const lastRank = 3

// rank is lower for those that are worth less.
func (c *conn) rank() int {
	switch {
	case c.state == pending:
		return 0
	case c.state == active: // it is leaving
		return 1
	case !c.known.Load():
		return 2
	}
	return lastRank
}

// crowd is how many connections of its state the client has. Those in other states do not count: with them,
// the one new connection of a client that is being served would go before a hundred that strangers have left
// lying about, one each. Who stands for many is not made to pay for them.
func (c *conn) crowd() int {
	if c.exempt {
		return 1
	}
	return c.client.in[c.state]
}

// relieve evicts a connection, if one can be, because there are too few descriptors for the next.
func (cs *Conns) relieve() {
	cs.mu.Lock()
	evicted := cs.victimLocked()
	if evicted != nil {
		cs.evictLocked(evicted)
	}
	cs.mu.Unlock()
	if evicted != nil {
		_ = evicted.shut() // nobody is left to be told
	}
}
