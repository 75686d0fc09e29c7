package call

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// minHint is the shortest wait that a full tool asks for: less would only bring the caller back into the
// same queue.
const minHint = time.Second

var errQueueFull = errors.New("the queue is full")

// slots bounds how many calls of a tool run at a time. Who comes first is served first: the semaphore
// queues in order.
type slots struct {
	size    int
	sem     *semaphore.Weighted
	busy    atomic.Int64 // slots held
	waiting atomic.Int64 // calls in the queue
	average atomic.Int64 // ns of a run, moving; a lost update costs nothing, it is a hint
}

func newSlots(size int) *slots { return &slots{size: size, sem: semaphore.NewWeighted(int64(size))} }

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

// acquire takes a slot, at once or after a wait that ends with ctx or at a time. The queue holds at most
// queue calls.
func (s *slots) acquire(ctx context.Context, until time.Time, queue int) error {
	if !s.sem.TryAcquire(1) {
		if err := s.wait(ctx, until, queue); err != nil {
			return err
		}
	}
	s.busy.Add(1)
	return nil
}

func (s *slots) wait(ctx context.Context, until time.Time, queue int) error {
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(queue) {
		return errQueueFull
	}
	ctx, stop := context.WithDeadline(ctx, until)
	defer stop()
	return s.sem.Acquire(ctx, 1)
}

// release gives a slot back.
func (s *slots) release() {
	s.busy.Add(-1)
	s.sem.Release(1)
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
