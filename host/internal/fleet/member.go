package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// member is one plugin file, whether it has a process or not. Its goroutine, run, takes it through its
// states:
//
//	run    until its file is gone, or ctx ends
//	  due    no process: waits until there is to be one      judge.go
//	  live   a process, and those that follow it without a gap      life.go
//	  fail   why that ended, and what becomes of it
//
// Others tell it what they want by orders, and then poke it.
type member struct {
	fleet    *Fleet
	path     string // of the file
	pace     pace
	tried    func()             // tells the fleet, once
	poked    chan struct{}      // holds one token when there may be news in orders; closed by nobody
	turn     chan struct{}      // held while configuring: the last policy to arrive must be the newest
	settling sync.Mutex         // held while entries are made: the last ones to be set must be the newest
	retired  sync.WaitGroup     // processes that finish their calls
	sought   discover.Candidate // that was looked for among what is remembered; of the goroutine alone

	mu       sync.Mutex // guards what follows
	orders   orders
	state    State
	reason   string // why it is in the state, when that is no error
	since    time.Time
	err      error // why it is not ready
	heirErr  error // why a newer file does not serve, while an older one does
	pause    pause // what a failure left behind
	restarts int
	name     string           // its own, else the file's
	version  string           // of the last good start
	offered  *offering        // by the last good start, or as remembered; nil: nothing is known
	entries  []*catalog.Entry // made of it, with the settings in force
	current  *generation      // nil: none
	draining []*generation    // finish their calls
	pid      int              // of the process, also of one that is being ended; 0: none
	trying   int              // orders.asked of the last start, or of what was dealt with since
	settled  int              // the last of orders.asked that was dealt with
	absent   time.Time        // when its file was first missed; zero: it is there
	changed  chan struct{}    // closed at the next change of what is above
}

// orders are what is wanted of a member.
type orders struct {
	candidate discover.Candidate
	gone      bool   // the file is gone: end
	halted    bool   // somebody asked to stop it
	halt      string // why
	renew     string // why another process shall take the place of the one there is; "": it need not
	demand    int    // calls that wait for a process
	asked     int    // grows when somebody asks, or the file changes: what failed before is tried again
}

// pause is the time after a failure.
type pause struct {
	err     error
	state   State     // Backoff, Quarantined, or Starting for a file that is not complete yet
	until   time.Time // zero: for ever
	asked   int       // it ends when orders.asked grows
	pending bool      // there is one
}

// errRefused is in the chain of what makes a plugin unfit whatever its process does.
var errRefused = errors.New("refused")

func newMember(f *Fleet, c discover.Candidate) *member {
	return &member{
		fleet: f, path: c.Path, orders: orders{candidate: c}, pace: newPace(f.cfg, f.random), tried: func() {},
		poked: make(chan struct{}, 1), turn: make(chan struct{}, 1), state: Starting, since: time.Now(),
		name: c.Name, changed: make(chan struct{}),
	}
}

// run keeps the plugin until its file is gone, or ctx ends, and returns when nothing is left of it.
func (m *member) run(ctx context.Context) {
	defer m.tried()
	for m.due(ctx) {
		if err := m.live(ctx); err != nil && ctx.Err() == nil {
			m.fail(err)
		}
	}
	m.become(Stopped, nil, m.farewell(ctx))
	m.retired.Wait()
}

// HostEnds is the reason of plugins that are stopped because the host ends.
const HostEnds = "the host ends"

func (m *member) farewell(ctx context.Context) string {
	if ctx.Err() != nil {
		return HostEnds
	}
	return "its file is gone"
}

// fail decides what follows on a failure.
func (m *member) fail(err error) {
	p := pause{err: err, pending: true}
	now := time.Now()
	switch {
	case errors.Is(err, proc.ErrUnfinished):
		p.state, p.until = Starting, now.Add(unfinishedPause)
	case errors.Is(err, errRefused), errors.Is(err, proc.ErrUnusable), errors.Is(err, proc.ErrChanged):
		p.state = Quarantined
	default:
		wait, left := m.pace.failed(now)
		if p.state = Quarantined; left {
			p.state, p.until = Backoff, now.Add(wait)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p.asked = m.trying
	m.pause = p
}

// unfinishedPause is how soon a file that is still being written is looked at again, when nothing is heard of
// it before.
const unfinishedPause = 100 * time.Millisecond

// poke has the goroutine look at its orders.
func (m *member) poke() {
	select {
	case m.poked <- struct{}{}:
	default: // it will look anyway
	}
}

// order changes what is wanted.
func (m *member) order(change func(*orders)) {
	m.mu.Lock()
	change(&m.orders)
	m.mu.Unlock()
	m.poke()
}

// see takes note of what a scan found at the member's path.
func (m *member) see(c discover.Candidate) {
	m.mu.Lock()
	m.absent = time.Time{}
	same := m.orders.candidate.Same(c)
	m.mu.Unlock()
	if !same {
		m.order(func(o *orders) {
			o.candidate = c
			o.asked++
		})
	}
}

// missing tells for how long there has been no file.
func (m *member) missing(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent.IsZero() {
		m.absent = now
	}
	return now.Sub(m.absent)
}

// dismiss ends the member: its file is gone. Its tools go at once, calls in flight are let end.
func (m *member) dismiss() {
	m.settling.Lock()
	m.mu.Lock()
	m.entries = nil
	m.mu.Unlock()
	m.settling.Unlock()
	m.order(func(o *orders) { o.gone = true })
}

// dir is the plugin directory that the file was found in.
func (m *member) dir() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.orders.candidate.Dir
}
