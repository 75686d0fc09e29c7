package executions

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Cancel ends an execution that waits or runs; why is the cause of its context. It does not wait for the
// end. The error is of kind validation_error when there is none or it has ended, and unavailable when
// another host runs it.
func (b *Book) Cancel(id string, why error) error {
	l, err := b.find(id)
	switch {
	case err != nil:
		return err
	case l.x.State.Ended():
		return ended(l.x)
	case l.entry == nil:
		return b.cancelElsewhere(l)
	}
	b.mu.Lock()
	cancel := l.entry.cancel
	b.mu.Unlock()
	if cancel == nil {
		x, err := b.Get(id)
		if err == nil && x.State.Ended() { // just now
			err = ended(x)
		}
		if err != nil {
			return err
		}
		return tool.Errorf(tool.KindValidation, "execution %s cannot be cancelled", l.x.ID)
	}
	cancel(why)
	return nil
}

// cancelElsewhere says why an execution that this host does not run cannot be cancelled: its host may live,
// or be dead without that having been noticed.
func (b *Book) cancelElsewhere(l look) error {
	if err := b.sweepNow(); err != nil {
		return unreadable(err)
	}
	var err error
	if l, err = b.find(l.x.ID); err != nil {
		return err
	}
	if l.x.State.Ended() {
		return ended(l.x)
	}
	pid := 0
	if s := b.store.Load(); s != nil {
		pid, err = s.pid(l.boot)
	}
	if err != nil {
		return b.readError(l.x.ID, err)
	}
	return ofOtherHost(l.x, pid)
}

// sweepNow looks after dead hosts at once.
func (b *Book) sweepNow() error {
	ctx, release, err := b.hold(askPatience)
	if err != nil {
		return err
	}
	defer release()
	return b.write(ctx, false, func(s *store) error { return s.sweep(ctx, time.Now()) })
}

// Delete forgets an execution that has ended. The error is of kind validation_error when there is none, or
// it has not ended, and unavailable when the database cannot be had within about two seconds.
func (b *Book) Delete(id string) error {
	ctx, release, err := b.hold(askPatience) // nothing is between memory and database
	if err != nil {
		return unreadable(err)
	}
	defer release()
	l, err := b.find(id)
	switch {
	case err != nil:
		return err
	case !l.x.State.Ended():
		return notEnded(l.x)
	case l.entry == nil:
		return b.deleteRow(ctx, l.x.ID)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked(l.entry)
	b.orphanLocked(l.entry) // of the time when it ran
	return nil
}

func (b *Book) deleteRow(ctx context.Context, id string) error {
	found := false
	err := b.write(ctx, false, func(s *store) (err error) {
		found, err = s.remove(ctx, id)
		return err
	})
	switch {
	case err != nil:
		return unreadable(err)
	case !found:
		return noSuch(id)
	}
	return nil
}
