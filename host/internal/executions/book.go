package executions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	flushEvery = time.Second      // between two writes
	sweepEvery = 5 * time.Second  // between two looks at dead hosts
	tendEvery  = time.Minute      // between two looks at old age
	quietFor   = time.Second      // a call that takes less has no row while it runs
	flushEarly = 8 << 20          // bytes of ended executions that are not left to wait
	retryFirst = time.Second      // after a failure of the database
	retryMost  = 30 * time.Second // doubled up to this
	maxOrphans = 4096             // rows that are to be deleted, and whose ids are remembered
)

// How long one waits for the database, the locks and the work together.
const (
	openPatience  = 5 * time.Second        // Open
	firstPatience = 250 * time.Millisecond // a detached execution, which has a slot meanwhile
	askPatience   = 2 * time.Second        // who deletes, or cancels what another host runs
	closePatience = 2 * time.Second        // Close
)

// Book remembers executions. All methods may be called concurrently.
type Book struct {
	cfg    Config
	boot   string // names this book among those that share a directory
	limits atomic.Pointer[Limits]
	log    *slog.Logger

	mu      sync.Mutex        // guards what follows; nothing is read or written under it
	all     map[string]*entry // id -> what is in memory
	live    map[string]*entry // id -> those of all that have not ended
	ended   shelf             // those of all that have
	orphans map[string]bool   // id -> there is a row of it that is to be deleted, and counts for nothing
	counts  Stats
	failure error // of the database; nil: it works, or there is none
	closed  bool

	// flushing is held while the database is written by the flusher, and by Delete: what it holds in hand
	// cannot be deleted behind its back.
	flushing gate
	store    atomic.Pointer[store] // nil: memory only, or it fails; set under flushing
	retry    backoff               // guarded by flushing
	tended   time.Time             // guarded by flushing
	swept    time.Time             // guarded by flushing
	left     bool                  // guarded by flushing: the database is closed for good

	wake chan struct{}   // one place; the flusher takes
	done chan struct{}   // closed by the flusher
	life context.Context // ends with Close, which stops all that waits for the database
	stop context.CancelCauseFunc
	once sync.Once
	last error // of Close
}

// Stats are numbers of a book.
type Stats struct {
	Queued, Running int    // in this host
	Waiting         int    // ended, in memory alone
	WaitingBytes    int64  // of these
	Kept            int    // in the database, ended, of all hosts that share it; as of the last write
	KeptBytes       int64  // of these, as stored
	Written         uint64 // ended executions that were written, since Open
	Unwritten       uint64 // ended executions that left memory unwritten, too old or too many, since Open
}

// Open opens the book of a directory, or begins one. What was left by hosts that are no more becomes
// [Interrupted]. An error is one of the configuration: a database that cannot be used is told by
// [Book.Healthy], and tried again.
func Open(cfg Config) (*Book, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	b := &Book{
		cfg: cfg, boot: newBoot(), log: cfg.Logger,
		all: make(map[string]*entry), live: make(map[string]*entry), ended: newShelf(),
		orphans: make(map[string]bool), flushing: make(gate, 1),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.life, b.stop = context.WithCancelCause(context.Background())
	b.limits.Store(&cfg.Limits)
	ctx, cancel := b.patience(openPatience)
	defer cancel()
	if err := b.flush(ctx, true); err != nil {
		b.publish(err) // although it may be that it only took too long: nothing works yet
	}
	go b.run()
	return b, nil
}

// SetLimits puts other limits into force, for what is captured from now on, and for what is kept within
// about a minute.
func (b *Book) SetLimits(l Limits) error {
	if err := l.validate(); err != nil {
		return err
	}
	l = l.complete()
	b.limits.Store(&l)
	return nil
}

// Begin takes in an execution that has a slot, or a place in the queue. Of e it takes what a caller can
// know: from State on only Created (zero: now) and Timeout count. cancel ends the call, with why as its
// cause; nil: it cannot be cancelled.
//
// A detached one is in the database, on the disk, when Begin returns nil. It waits for that a quarter of a
// second at most, and not at all while the database is known to fail. The errors are [ErrClosed], one of kind
// validation_error for an id that is no UUID or there already, and [ErrMemoryOnly].
func (b *Book) Begin(e Execution, cancel context.CancelCauseFunc) error {
	id, err := checkID(e.ID)
	if err != nil {
		return err
	}
	n := newEntry(e, id, cancel)
	if err := b.enter(n); err != nil || !e.Detached {
		return err
	}
	return b.writeFirst(n)
}

func (b *Book) enter(n *entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return ErrClosed
	case b.all[n.x.ID] != nil:
		return tool.Errorf(tool.KindValidation, "there is an execution %s already", n.x.ID).
			With("reason", ReasonBadID)
	}
	b.all[n.x.ID], b.live[n.x.ID] = n, n
	return nil
}

// Start says that an execution has its slot and runs.
func (b *Book) Start(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.liveLocked(id); e != nil && e.x.State == Queued {
		e.x.State, e.x.Started = Running, time.Now().UTC()
		e.changed()
	}
}

// Event takes what a call tells while it runs: output and progress; the rest is nothing to remember. It keeps
// nothing of ev.Output.Data.
func (b *Book) Event(id string, ev tool.Event) {
	if ev.Output == nil && ev.Progress == nil {
		return
	}
	l := b.limits.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.liveLocked(id)
	if e == nil {
		return
	}
	if ev.Output != nil {
		e.print(*ev.Output, l)
	}
	if ev.Progress != nil {
		e.progress(*ev.Progress)
	}
	e.changed()
}

// End says what an execution came to. Output that no event brought is taken from the result.
func (b *Book) End(id string, o Outcome) {
	l := b.limits.Load()
	if o.Finished.IsZero() {
		o.Finished = time.Now()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.liveLocked(id)
	if e == nil {
		return
	}
	e.end(o, l)
	b.putAwayLocked(e, l)
	e.changed()
}

// liveLocked is nil when there is none. An id of other letters than Begin's is no other execution.
func (b *Book) liveLocked(id string) *entry {
	if e := b.live[id]; e != nil {
		return e
	}
	if lower, err := checkID(id); err == nil {
		return b.live[lower]
	}
	return nil
}

// putAwayLocked takes an execution that has ended off the live ones, and makes room for it.
func (b *Book) putAwayLocked(e *entry, l *Limits) {
	delete(b.live, e.x.ID)
	b.ended.add(e)
	b.trimLocked(l, time.Time{})
	if b.cfg.Dir != "" && b.ended.room.bytes[0]+b.ended.room.bytes[1] >= flushEarly {
		b.wakeUp()
	}
}

// trimLocked pushes out what is too much, and what ended before a time.
func (b *Book) trimLocked(l *Limits, before time.Time) {
	for {
		class, over := l.victim(b.ended.room)
		if !over {
			if class = b.ended.older(before); class < 0 {
				return
			}
		}
		e := b.ended.oldest(class)
		b.forgetLocked(e)
		b.orphanLocked(e)
		b.counts.Unwritten++
	}
}

// forgetLocked takes what has ended out of memory.
func (b *Book) forgetLocked(e *entry) {
	delete(b.all, e.x.ID)
	b.ended.remove(e)
}

// orphanLocked has the row deleted that there may be of what was forgotten. There are no more such rows than
// executions ran when the database ceased to work; should there be too many all the same, the rest of the
// rows stays, and becomes [Interrupted] when this host is gone.
func (b *Book) orphanLocked(e *entry) {
	if e.stored && b.cfg.Dir != "" && len(b.orphans) < maxOrphans {
		b.orphans[e.x.ID] = true
	}
}

func (b *Book) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Stats returns the numbers of this moment.
func (b *Book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.counts
	for _, e := range b.live {
		if e.x.State == Queued {
			s.Queued++
		} else {
			s.Running++
		}
	}
	r := b.ended.room
	s.Waiting, s.WaitingBytes = r.count[0]+r.count[1], r.bytes[0]+r.bytes[1]
	return s
}

// Healthy says why executions are kept in memory only although there is a directory, as far as the last
// attempt tells; nil: they are not.
func (b *Book) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failure
}

// errHostEnds is the error of what ran when the book was closed.
var errHostEnds = errors.New("the host ended before the execution did; what was captured until then is kept")

// Interrupt says that the host ends: what has not ended becomes [Interrupted], and whatever its call comes to
// afterwards is not taken; Begin returns [ErrClosed]. The calls themselves are left alone. It writes nothing,
// and does not wait: the flusher has it from here on. It may be called again.
//
// A host that ends calls Interrupt, then ends its calls, then calls Close. The other way round, what it ends
// itself would look as if somebody had cancelled it.
func (b *Book) Interrupt() {
	l, now := b.limits.Load(), time.Now().UTC()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, e := range b.live {
		e.x.interrupt(now)
		e.size = e.weigh()
		b.putAwayLocked(e, l)
		e.changed()
	}
}

// Close does what [Book.Interrupt] does, writes what is in memory, and ends. It takes about two seconds at
// most: with a database that is locked, or fails, the rest is lost, and the error says how much that was.
// What other hosts see as running then becomes Interrupted when they look. Close may be called again.
func (b *Book) Close() error {
	b.once.Do(func() {
		b.Interrupt()
		b.stop(ErrClosed)
		<-b.done
		ctx, cancel := context.WithTimeoutCause(context.Background(), closePatience, errBusy)
		defer cancel()
		err := b.flush(ctx, true)
		if s := b.Stats(); err != nil && s.Waiting > 0 {
			b.last = fmt.Errorf("executions: %d were not written: %w", s.Waiting, err)
		}
		b.leave(ctx)
	})
	return b.last
}

// leave gives the database back.
func (b *Book) leave(ctx context.Context) {
	_ = b.flushing.lock(context.Background()) // whoever has it lost its patience when life ended
	defer b.flushing.unlock()
	b.left = true
	if s := b.store.Swap(nil); s != nil {
		b.last = errors.Join(b.last, s.leave(ctx))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cfg.Dir != "" {
		b.failure = ErrClosed
	}
}

// interrupt is what becomes of an execution whose host has ended.
func (e *Execution) interrupt(at time.Time) {
	e.State, e.Finished, e.ReturnCode = Interrupted, at, noReturnCode
	e.Elapsed = max(at.Sub(e.Created), 0)
	e.ErrorType, e.Error = tool.KindUnavailable, errHostEnds.Error()
}
