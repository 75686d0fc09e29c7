package executions

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// lock begins a write transaction on the database of a directory, as another program might, and returns what
// ends it.
func lock(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	db, err := connect(filepath.Join(dir, fileName), "_txlock=immediate", busyTimeout, 1)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(errors.Join(err, db.Close()))
	}
	unlock = func() { _ = errors.Join(tx.Rollback(), db.Close()) } // the second time it does nothing
	t.Cleanup(unlock)
	return unlock
}

// retryIn is how long a book leaves its database alone from now on.
func retryIn(t testing.TB, b *Book) time.Duration {
	t.Helper()
	if err := b.flushing.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.flushing.unlock()
	return time.Until(b.retry.at)
}

func orphanCount(b *Book) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.orphans)
}

func TestALockedDatabaseKeepsNobodyFromReading(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		living := healthy(t, Config{Dir: dir})
		id := run(t, living, "what it printed", nil)
		flush(t, living)
		lock(t, dir)
		starting := open(t, Config{Dir: dir})
		if err := starting.Healthy(); err == nil {
			t.Error("Healthy of a host that starts = nil, want that the database is locked")
		}
		for name, b := range map[string]*Book{"a living host": living, "a starting host": starting} {
			at := time.Now()
			list, _, err := b.List(Filter{})
			if got := ids(list); err != nil || !slices.Equal(got, []string{id}) {
				t.Errorf("%s: List = %v, %v; want %s", name, got, err, id)
			}
			if x := get(t, b, id); x.State != Completed {
				t.Errorf("%s: it is %s, want completed", name, x.State)
			}
			if rep, err := b.Report(id); err != nil || rep.Stdout != "what it printed" {
				t.Errorf("%s: Report = %+v, %v; want what it printed", name, rep, err)
			}
			if got := readAll(t, b, id, Stdout, 5); got != "what it printed" {
				t.Errorf("%s: stdout = %q, want what it printed", name, got)
			}
			if waited := time.Since(at); waited != 0 {
				t.Errorf("%s: reading waited %v, want it not to wait", name, waited)
			}
		}
	})
}

func TestWhatIsInMemoryIsReadWhenTheDatabaseFails(t *testing.T) {
	b := healthy(t, Config{Dir: t.TempDir()})
	stored := run(t, b, "stored", nil)
	flush(t, b)
	if err := b.flushing.lock(t.Context()); err != nil { // the flusher has no turn
		t.Fatal(err)
	}
	defer b.flushing.unlock()
	ended, running := run(t, b, "ended", nil), begin(t, b, nil)
	print(b, running, tool.Stdout, "running")
	if err := b.store.Load().reader.Close(); err != nil {
		t.Fatal(err)
	}
	list, _, err := b.List(Filter{})
	if got := ids(list); err != nil || !slices.Equal(got, []string{running, ended}) {
		t.Errorf("List = %v, %v; want what is in memory", got, err)
	}
	for id, want := range map[string]string{ended: "ended", running: "running"} {
		if rep, err := b.Report(id); err != nil || rep.Stdout != want {
			t.Errorf("Report(%s) = %+v, %v; want %q", want, rep, err, want)
		}
		if got := readAll(t, b, id, Stdout, 3); got != want || get(t, b, id).ID != id {
			t.Errorf("stdout = %q, want %q", got, want)
		}
	}
	if _, err := b.Get(stored); reason(err) != ReasonStoreFails {
		t.Errorf("Get of what is not in memory = %v, want %s", err, ReasonStoreFails)
	}
	if list, _, err := b.List(Filter{Tool: "Another"}); reason(err) != ReasonStoreFails {
		t.Errorf("List of what is not in memory = %v, %v; want %s", ids(list), err, ReasonStoreFails)
	}
}

func TestALockedDatabaseHoldsUpNoDetachedOne(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := healthy(t, Config{Dir: dir})
		unlock := lock(t, dir)
		begin := func(when string, most time.Duration) {
			at := time.Now()
			err := b.Begin(Execution{ID: newID(), Detached: true}, nil)
			if waited := time.Since(at); !errors.Is(err, ErrMemoryOnly) || waited > most {
				t.Errorf("%s: Begin = %v after %v, want %v within %v", when, err, waited, ErrMemoryOnly, most)
			}
		}
		begin("at first", firstPatience)
		if err := b.Healthy(); err != nil {
			t.Errorf("Healthy = %v, want nothing to follow from a short wait", err)
		}
		<-time.After(2 * flushEvery)
		begin("while the flusher waits for it", firstPatience)
		<-time.After(busyTimeout)
		if err := b.Healthy(); err == nil {
			t.Error("Healthy = nil, want the database to be known as locked")
		}
		for range 20 {
			begin("known to be locked", 0)
			<-time.After(flushEvery)
		}
		unlock()
		<-time.After(retryMost + 2*flushEvery)
		synctest.Wait()
		if n := count(t, b, `select count(*) from executions`); b.Healthy() != nil || n != 22 {
			t.Errorf("Healthy = %v, %d rows; want all 22 written", b.Healthy(), n)
		}
	})
}

func TestALockedDatabaseIsLeftAloneAfterEachAttempt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := healthy(t, Config{Dir: dir})
		lock(t, dir)
		run(t, b, "x", nil)
		for _, want := range []time.Duration{1, 2, 4} {
			at := time.Now()
			if err := b.flush(t.Context(), true); err == nil || time.Since(at) < busyTimeout {
				t.Fatalf("flush = %v after %v, want it to wait for the lock", err, time.Since(at))
			}
			if got := retryIn(t, b); got != want*retryFirst {
				t.Errorf("it is tried again in %v, want %v", got, want*retryFirst)
			}
		}
	})
}

func TestDeleteLosesItsPatienceWithALockedDatabase(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := healthy(t, Config{Dir: dir})
		id := run(t, b, "x", nil)
		flush(t, b)
		unlock := lock(t, dir)
		at := time.Now()
		err := b.Delete(id)
		if waited := time.Since(at); reason(err) != ReasonStoreFails || waited > askPatience {
			t.Errorf("Delete = %v after %v, want %s within %v", err, waited, ReasonStoreFails, askPatience)
		}
		if !errors.Is(err, errBusy) {
			t.Errorf("Delete = %v, want it to say that the database is busy", err)
		}
		unlock()
		if err := b.Delete(id); err != nil {
			t.Errorf("Delete afterwards = %v", err)
		}
	})
}

func TestClosingALockedDatabaseIsBounded(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := healthy(t, Config{Dir: dir})
		known := begin(t, b, detached)
		unlock := lock(t, dir)
		lost := begin(t, b, nil)
		<-time.After(quietFor + 2*flushEvery) // the flusher waits for the lock now
		at := time.Now()
		err := b.Close()
		if waited := time.Since(at); waited > closePatience {
			t.Errorf("Close took %v, want at most %v", waited, closePatience)
		}
		if err == nil || !strings.Contains(err.Error(), "2 were not written") || !errors.Is(err, errBusy) {
			t.Errorf("Close = %v, want what was not written, and why", err)
		}
		unlock()
		next := healthy(t, Config{Dir: dir})
		if x := get(t, next, known); x.State != Interrupted {
			t.Errorf("what was known is %s, want interrupted", x.State)
		}
		if _, err := next.Get(lost); reason(err) != ReasonNoSuch {
			t.Errorf("Get of what was lost = %v, want %s", err, ReasonNoSuch)
		}
	})
}

func TestALockedDatabaseMakesNoOrphans(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const most = 20
		b := healthy(t, Config{Dir: dir, Limits: Limits{MaxCount: most}})
		written := begin(t, b, nil)
		<-time.After(quietFor + 2*flushEvery)
		synctest.Wait()
		if n := count(t, b, `select count(*) from executions where id = ?`, written); n != 1 {
			t.Fatalf("%d rows of what runs, want one", n)
		}
		unlock := lock(t, dir)
		b.End(written, Outcome{})
		for range 3 {
			for range most {
				run(t, b, "x", nil)
			}
			failed := make(chan error)
			go func() { failed <- b.flush(t.Context(), true) }()
			synctest.Wait()      // it has them in hand, and waits for the lock
			for range most / 2 { // which push out half of them now, and the other half the next time
				run(t, b, "x", nil)
			}
			if err := <-failed; err == nil {
				t.Fatal("flush = nil, want it to fail")
			}
			if n := orphanCount(b); n != 1 {
				t.Errorf("%d rows are to be deleted, want that of the one which was written", n)
			}
		}
		unlock()
		flush(t, b)
		n, left := count(t, b, `select count(*) from executions where id = ?`, written), orphanCount(b)
		if n != 0 || left != 0 {
			t.Errorf("%d rows of what was pushed out, %d to be deleted; want none", n, left)
		}
		if n := count(t, b, `select count(*) from executions`); n != most {
			t.Errorf("%d rows, want %d", n, most)
		}
	})
}

func TestOrphansAreBounded(t *testing.T) {
	b := open(t, Config{Dir: t.TempDir()})
	if err := b.flushing.lock(t.Context()); err != nil { // the flusher has no turn
		t.Fatal(err)
	}
	defer b.flushing.unlock()
	b.mu.Lock()
	for range maxOrphans + 10 {
		b.orphanLocked(&entry{x: Execution{ID: newID()}, stored: true})
	}
	b.mu.Unlock()
	if n := orphanCount(b); n != maxOrphans {
		t.Errorf("%d are remembered, want %d", n, maxOrphans)
	}
}
