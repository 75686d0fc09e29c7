package call

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// minHint is the shortest wait that a full tool asks for: less would only bring the caller back into the
// same queue.
const minHint = time.Second

// Why a call gets no place in the queue, or loses it.
var (
	errQueueFull  = errors.New("the queue is full")
	errClientFull = errors.New("too many calls of the client wait already")
	errShed       = errors.New("the place went to a client with fewer calls in the queue")
)

// slots bounds how many calls of a tool run at a time, and how many wait. Who comes first is served first. A
// full queue is shared out: a client that has fewer calls in it takes a place from the one that has most.
type slots struct {
	size    int
	average atomic.Int64 // ns of a run, moving; a lost update costs nothing, it is a hint

	mu       sync.Mutex     // guards what follows; nobody waits under it
	busy     int            // slots held; while somebody waits, all of them
	queue    []*waiter      // who came first stands first
	byClient map[string]int // client -> its calls in the queue, at least one
}

// waiter is a call in the queue. It is taken out of it, under the lock, by whoever decides about it: a
// release, an arrival that takes its place, or itself when it gives up.
type waiter struct {
	client string
	done   chan error // holds one: nil, it has its slot; errShed, it has not
}

// queueing is what an arrival must find in the queue.
type queueing struct {
	client    string
	length    int // calls that may wait, of all clients
	perClient int // of this one; 0: no fixed number
}

func newSlots(size int) *slots { return &slots{size: size, byClient: make(map[string]int)} }

// renewed returns the slots for new settings: the same ones, or fresh ones for new calls. Calls that hold
// or await an old slot are not counted against the new ones, so that for a while there may be more of them
// than the new number.
func (s *slots) renewed(set catalog.Settings) *slots {
	if s.size == set.Concurrency {
		return s
	}
	fresh := newSlots(set.Concurrency)
	fresh.average.Store(s.average.Load())
	return fresh
}

// await waits for the slot of a waiter, at most until ctx ends or a time comes; without one there is nothing to wait
// for.
func (s *slots) await(ctx context.Context, until time.Time, w *waiter) error {
	if w == nil {
		return nil
	}
	ctx, stop := context.WithDeadline(ctx, until)
	defer stop()
	select {
	case err := <-w.done:
		if err == nil && ctx.Err() != nil { // both at once, and nobody would wait for the run
			s.release()
			err = ctx.Err()
		}
		return err
	case <-ctx.Done():
		return s.leave(w, ctx.Err())
	}
}

// enter takes a slot that is free, and gives no waiter then; or a place in the queue; or says why not.
func (s *slots) enter(q queueing) (*waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.busy < s.size:
		s.busy++
		return nil, nil
	case q.perClient > 0 && s.byClient[q.client] >= q.perClient:
		return nil, errClientFull
	case len(s.queue) >= q.length && (q.length == 0 || !s.shedLocked(q.client)):
		return nil, errQueueFull
	}
	w := &waiter{client: q.client, done: make(chan error, 1)}
	s.queue = append(s.queue, w)
	s.byClient[q.client]++
	return w, nil
}

// leave gives up a place in the queue. Who was given the slot in the same moment hands it on.
func (s *slots) leave(w *waiter, why error) error {
	s.mu.Lock()
	i := slices.Index(s.queue, w)
	if i >= 0 {
		s.removeLocked(i)
	}
	s.mu.Unlock()
	if i < 0 && <-w.done == nil {
		s.release()
	}
	return why
}

// shedLocked makes room for a client: of the client with the most calls in the queue, the newest leaves it,
// if that still leaves it as many as the other will have. So nobody is kept out, a client alone has the whole
// queue, and two that come in turns do not push each other out for ever.
func (s *slots) shedLocked(client string) bool {
	most := 0
	for _, n := range s.byClient {
		most = max(most, n)
	}
	if most < s.byClient[client]+2 {
		return false
	}
	for i := len(s.queue) - 1; i >= 0; i-- {
		if w := s.queue[i]; s.byClient[w.client] == most {
			s.removeLocked(i)
			w.done <- errShed
			return true
		}
	}
	return false
}

func (s *slots) removeLocked(i int) {
	client := s.queue[i].client
	s.queue = slices.Delete(s.queue, i, i+1)
	if s.byClient[client]--; s.byClient[client] == 0 {
		delete(s.byClient, client)
	}
}

// release gives a slot back, to the first in the queue if there is one.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.busy--
		return
	}
	first := s.queue[0]
	s.removeLocked(0)
	first.done <- nil
}

// load is how many slots are held, and how many calls wait.
func (s *slots) load() (busy, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy, len(s.queue)
}

// waitingOf is how many calls of a client wait.
func (s *slots) waitingOf(client string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byClient[client]
}

// ranFor notes how long a run took.
func (s *slots) ranFor(d time.Duration) {
	if avg := s.average.Load(); avg > 0 {
		d = (3*time.Duration(avg) + d) / 4
	}
	s.average.Store(int64(d))
}

// hint guesses how long it takes until the queue has moved by one place.
func (s *slots) hint() time.Duration {
	return max(time.Duration(s.average.Load())/time.Duration(s.size), minHint)
}
