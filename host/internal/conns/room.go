package conns

// verdict is what becomes of a new connection.
type verdict int

const (
	enters verdict = iota
	waits          // until something changes
	leaves
)

// seatLocked takes a new connection in if it may be, and if need be evicts one for it, which the caller
// closes. A client that has what it may have makes room itself; if all of its own are active, the new one
// comes in flagged, for the server to say why, but nobody else makes room for it, and there are few of those.
func (cs *Conns) seatLocked(c *conn) (evicted *conn, _ verdict) {
	who := cs.clients[c.key]
	full := cs.cfg.Max > 0 && len(cs.open) >= cs.cfg.Max
	switch {
	case c.bounded && who != nil && who.bounded >= cs.cfg.MaxPerClient:
		evicted = cs.victimLocked(func(o *conn) bool { return o.client == who && o.bounded && !o.over })
		if evicted != nil {
			break
		}
		c.over = true
		cs.over++
		if full || who.over >= cs.cfg.MaxPerClient/4+1 {
			evicted = cs.victimLocked(func(o *conn) bool { return o.client == who && o.over })
			if evicted == nil {
				return nil, leaves
			}
		}
	case full:
		evicted = cs.victimLocked(func(*conn) bool { return true })
		if evicted == nil {
			return nil, waits
		}
	}
	if evicted != nil {
		cs.evictLocked(evicted)
	}
	cs.addLocked(c)
	return evicted, enters
}

func (cs *Conns) evictLocked(c *conn) {
	cs.evicted++
	cs.removeLocked(c)
}

// victimLocked finds the connection that makes room, of those that are asked about; nil: all are active.
func (cs *Conns) victimLocked(among func(*conn) bool) *conn {
	var first *conn
	for _, c := range cs.open {
		if c.yields() && among(c) && (first == nil || c.before(first)) {
			first = c
		}
	}
	return first
}

// yields is whether a connection does nothing that anybody needs.
func (c *conn) yields() bool { return c.state != active || c.leaving }

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
	return 3
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
	evicted := cs.victimLocked(func(*conn) bool { return true })
	if evicted != nil {
		cs.evictLocked(evicted)
	}
	cs.mu.Unlock()
	if evicted != nil {
		_ = evicted.shut() // nobody is left to be told
	}
}
