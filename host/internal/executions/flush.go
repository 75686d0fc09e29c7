package executions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of one transaction: another host, and the beginning of a detached execution, wait for it.
const (
	maxPages     = 500
	maxPageBytes = 16 << 20
)

// page is what is to be written of one execution, as it was at one moment.
type page struct {
	entry   *entry
	x       Execution
	version int
	first   bool      // there is no row of it, unless this is written
	from    [2]int64  // where out begins; what is before is in the database
	out     [2][]byte // of one that has ended, all of it
}

func (p *page) end(s tool.Stream) int64 { return p.from[s] + int64(len(p.out[s])) }

// pageLocked takes an execution in hand. From here on there may be a row of it.
func (e *entry) pageLocked() page {
	p := page{entry: e, x: e.x, version: e.version, first: !e.stored, from: e.written}
	if e.x.State.Ended() {
		p.from = [2]int64{}
	}
	for s := range p.out {
		p.out[s] = e.out[s][p.from[s]:]
	}
	e.stored = true
	return p
}

// gate is a lock for which one does not wait longer than one has time. It is a channel with one place.
type gate chan struct{}

func (g gate) lock(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) unlock() { <-g }

// patience is the time that something has which waits for the database. Close ends it early.
func (b *Book) patience(most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(b.life, most, errBusy)
}

// hold takes the database in hand for a time. Who has got it must release it.
func (b *Book) hold(most time.Duration) (ctx context.Context, release func(), err error) {
	ctx, cancel := b.patience(most)
	if err := b.flushing.lock(ctx); err != nil {
		cancel()
		return nil, nil, err
	}
	return ctx, func() { b.flushing.unlock(); cancel() }, nil
}

// backoff is when the database is tried again.
type backoff struct {
	at   time.Time
	wait time.Duration
}

func (r *backoff) failed(now time.Time) {
	r.wait = min(max(2*r.wait, retryFirst), retryMost)
	r.at = now.Add(r.wait)
}

// run is the flusher. It is the only goroutine of a book.
func (b *Book) run() {
	defer close(b.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.life.Done():
			return
		case <-b.wake:
		case <-tick.C:
		}
		_ = b.flush(b.life, false) // Healthy has it
	}
}

// flush writes what is due, and lets go of what is old. With force, a database that failed is tried at once.
func (b *Book) flush(ctx context.Context, force bool) error {
	for first := true; ; first = false {
		more, err := b.flushSome(ctx, force, first)
		if err != nil || !more {
			return err
		}
	}
}

// flushSome writes one portion, and reports whether there is more. Between two, others get the database who
// wait for it.
func (b *Book) flushSome(ctx context.Context, force, first bool) (more bool, err error) {
	if err := b.flushing.lock(ctx); err != nil {
		return false, err
	}
	defer b.flushing.unlock()
	now, l := time.Now(), b.limits.Load()
	b.mu.Lock()
	b.trimLocked(l, now.Add(-l.MaxAge))
	b.mu.Unlock()
	err = b.write(ctx, force, func(s *store) (err error) {
		more, err = b.flushTo(ctx, s, now, first)
		return err
	})
	return more && err == nil, err
}

// write does something with the database, which it opens where that is needed. One that is corrupt is moved
// aside, and the work done with the new one. It is called under flushing.
func (b *Book) write(ctx context.Context, force bool, work func(*store) error) error {
	switch {
	case b.cfg.Dir == "":
		return nil
	case b.left:
		return ErrClosed
	case !force && time.Now().Before(b.retry.at):
		return b.Healthy()
	}
	err := b.attempt(ctx, work)
	if isCorrupt(err) {
		if err = b.moveAside(ctx, err); err == nil {
			err = b.attempt(ctx, work)
		}
	}
	switch {
	case err == nil:
		b.retry = backoff{}
	case ctx.Err() != nil && b.store.Load() != nil:
		return context.Cause(ctx) // somebody's patience says nothing of the database
	default:
		b.retry.failed(time.Now()) // the attempt may have taken longer than the wait
	}
	b.publish(err)
	return err
}

func (b *Book) attempt(ctx context.Context, work func(*store) error) error {
	s, err := b.open(ctx)
	if err != nil {
		return err
	}
	if s.suspect.Load() {
		return errCorrupt
	}
	again, err := s.announce(ctx)
	if err != nil {
		return fmt.Errorf("say that this host lives: %w", err)
	}
	if again {
		b.log.Warn("the file by which other hosts see that this one lives was taken away; it was made again",
			"path", s.lock.Name())
	}
	return work(s)
}

// open is the database as it is at its path now. One that was taken away there is left, and a new one begun.
func (b *Book) open(ctx context.Context) (*store, error) {
	s := b.store.Load()
	if s != nil && s.inPlace() {
		return s, nil
	}
	if s != nil {
		b.log.Warn("the database of executions is gone; a new one is begun", "path", s.path)
		b.store.Store(nil)
		_ = s.close() // of a file that nobody finds any more
	}
	s, err := openStore(ctx, b.cfg.Dir, b.boot)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	for _, e := range b.all {
		e.written, e.known = [2]int64{}, 0 // it may be another file
	}
	b.mu.Unlock()
	if s.moved != "" {
		b.warnCorrupt(errCorrupt, s.moved)
	}
	b.tended, b.swept = time.Time{}, time.Time{}
	b.store.Store(s)
	return s, nil
}

// moveAside takes a database that turned out to be corrupt out of the way.
func (b *Book) moveAside(ctx context.Context, why error) error {
	s := b.store.Swap(nil)
	if s == nil {
		return why // it was moved when it was opened, and the new one is no better
	}
	_ = s.close() // it is corrupt
	to, err := setAside(ctx, b.cfg.Dir, s.file, time.Now())
	if err != nil {
		return errors.Join(why, err)
	}
	b.warnCorrupt(why, to)
	return nil
}

func (b *Book) warnCorrupt(why error, to string) {
	b.log.Error("the database of executions is corrupt; it was moved aside, and a new one begun",
		"error", why, "moved_to", to)
}

// flushTo writes a portion, and after the last one tends the rest of the database where that is due.
func (b *Book) flushTo(ctx context.Context, s *store, now time.Time, first bool) (more bool, err error) {
	d, more := b.due(now, first)
	if !d.empty() {
		if err := s.write(ctx, d); err != nil {
			b.unwritten(d)
			return false, fmt.Errorf("write executions: %w", err)
		}
		b.wrote(d)
	}
	if more {
		return true, nil
	}
	if err := b.sweepDue(ctx, s, now); err != nil {
		return false, err
	}
	tend := now.Sub(b.tended) >= tendEvery
	if first && d.empty() && !tend {
		return false, nil
	}
	if tend {
		b.tended = now
	}
	return false, b.retain(ctx, s, now, tend)
}

// sweepDue looks after dead hosts where that is due. One that was killed holds its lock until the last of its
// threads is gone, which may wait for a disk: so that is not done once a minute only.
func (b *Book) sweepDue(ctx context.Context, s *store, now time.Time) error {
	if now.Sub(b.swept) < sweepEvery {
		return nil
	}
	if err := s.sweep(ctx, now); err != nil {
		return fmt.Errorf("look after dead hosts: %w", err)
	}
	b.swept = now
	return nil
}

// retain applies the limits to the database.
func (b *Book) retain(ctx context.Context, s *store, now time.Time, tend bool) error {
	r, err := s.retain(ctx, *b.limits.Load(), now)
	if err == nil && tend {
		err = s.tidy(ctx)
	}
	if err != nil {
		return fmt.Errorf("delete old executions: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Kept, b.counts.KeptBytes = r.count[0]+r.count[1], r.bytes[0]+r.bytes[1]
	return nil
}

// due is what is to be written in one transaction.
type due struct {
	pages   []page
	orphans []string // ids
	room    int64    // bytes
}

func (d *due) empty() bool { return len(d.pages)+len(d.orphans) == 0 }

// take takes an execution in hand, and reports whether there is room for another.
func (d *due) take(e *entry) bool {
	p := e.pageLocked()
	d.pages = append(d.pages, p)
	d.room -= int64(entryCost+len(p.out[0])+len(p.out[1])) + p.x.DataBytes
	return len(d.pages) < maxPages && d.room > 0
}

// due takes in hand what is due, and reports whether that was too much for one transaction. What runs is
// always taken at once, and first: so it has one turn in each flush however fast it prints.
func (b *Book) due(now time.Time, running bool) (d due, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d.room = maxPageBytes
	for id := range b.orphans {
		d.orphans = append(d.orphans, id)
	}
	if running {
		for _, e := range b.live {
			settled := e.x.Detached || now.Sub(e.x.Created) >= quietFor
			if settled && e.version != e.known {
				d.take(e)
			}
		}
	}
	for _, row := range b.ended.rows {
		for at := row.Front(); at != nil; at = at.Next() {
			if !d.take(at.Value.(*entry)) {
				return d, true
			}
		}
	}
	return d, false
}

// wrote notes what is in the database now, and lets go of what has ended there.
func (b *Book) wrote(d due) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range d.orphans {
		delete(b.orphans, id)
	}
	for i := range d.pages {
		p := &d.pages[i]
		if !p.x.State.Ended() {
			p.entry.known = p.version
			p.entry.written = [2]int64{p.end(tool.Stdout), p.end(tool.Stderr)}
			continue
		}
		b.counts.Written++
		if p.entry.place != nil {
			b.forgetLocked(p.entry)
		}
	}
}

// unwritten notes that nothing of this came into the database: of what had no row, there is none to delete.
func (b *Book) unwritten(d due) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range d.pages {
		if p := &d.pages[i]; p.first {
			p.entry.stored = false
			delete(b.orphans, p.x.ID) // it may have been pushed out meanwhile
		}
	}
}

// writeFirst writes a detached execution before its call runs. Where that does not work, the flusher does it
// when it can.
func (b *Book) writeFirst(e *entry) error {
	err := b.Healthy()
	if err == nil {
		err = b.writeAlone(e)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMemoryOnly, err)
	}
	return nil
}

func (b *Book) writeAlone(e *entry) error {
	ctx, release, err := b.hold(firstPatience)
	if err != nil {
		return err
	}
	defer release()
	b.mu.Lock()
	d := due{pages: []page{e.pageLocked()}}
	b.mu.Unlock()
	err = b.write(ctx, false, func(s *store) error {
		if err := s.write(ctx, d); err != nil {
			return fmt.Errorf("write an execution: %w", err)
		}
		b.wrote(d)
		return nil
	})
	if err != nil {
		b.unwritten(d)
	}
	return err
}

// publish makes the state after an attempt visible, and logs when it is another one.
func (b *Book) publish(err error) {
	b.mu.Lock()
	was := b.failure
	b.failure = err
	b.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		b.log.Error("executions are kept in memory only", "error", err)
	case err == nil && was != nil:
		b.log.Info("executions are written again")
	}
}
