package audit

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// broken is a disk that fails as long as its fields say so.
type broken struct {
	mu       sync.Mutex // guards the rest
	write    error
	partly   int // bytes that a failing write writes all the same
	head     error
	sync     error
	truncate error
	synced   int
}

func (b *broken) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *broken) disk() disk {
	return disk{
		write: func(f *os.File, p []byte) (int, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.write == nil {
				return f.Write(p)
			}
			n, _ := f.Write(p[:min(b.partly, len(p))])
			if errors.Is(b.write, errShort) {
				return n, nil
			}
			return n, b.write
		},
		writeAt: func(f *os.File, p []byte, at int64) (int, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.head != nil {
				return 0, b.head
			}
			return f.WriteAt(p, at)
		},
		sync: func(*os.File) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.synced++
			return b.sync
		},
		truncate: func(f *os.File, size int64) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.truncate != nil {
				return b.truncate
			}
			return f.Truncate(size)
		},
	}
}

func TestAWriteThatFailsLeavesNothingOfALine(t *testing.T) {
	for name, fault := range map[string]func(*broken){
		"nothing written":   func(b *broken) { b.write = syscall.ENOSPC },
		"half a line":       func(b *broken) { b.write, b.partly = syscall.ENOSPC, 300 },
		"a line, an error":  func(b *broken) { b.write, b.partly = syscall.EIO, 1<<20 },
		"a line, no head":   func(b *broken) { b.head = syscall.EIO },
		"less, no error":    func(b *broken) { b.write, b.partly = errShort, 10 },
		"torn, no way back": func(b *broken) { b.write, b.partly, b.truncate = syscall.EIO, 300, syscall.EIO },
	} {
		t.Run(name, func(t *testing.T) {
			var b broken
			dir := t.TempDir()
			trail := open(t, Config{Dir: dir, disk: b.disk()})
			appendAll(t, trail, typical(Accept))
			b.set(func() { fault(&b) })
			for range 3 {
				err := trail.Append(typical(Accept))
				if err == nil || errors.Is(err, ErrKept) || errors.Is(err, ErrLost) {
					t.Fatalf("Append = %v, want a refusal", err)
				}
			}
			if trail.Err() == nil {
				t.Error("Err() = nil, want why nothing can be written")
			}
			b.set(func() { b.write, b.head, b.truncate = nil, nil, nil })
			appendAll(t, trail, typical(Accept))
			closeTrail(t, trail)
			if trail.Err() != nil {
				t.Errorf("Err() = %v, want nil", trail.Err())
			}
			wantUnbroken(t, dir)
			if n := count(events(t, dir), Accept); n != 2 {
				t.Errorf("the trail has %d accepts, want the 2 that were acknowledged", n)
			}
		})
	}
}

// errShort stands for a write that wrote less without an error.
var errShort = errors.New("short")

func count(all []string, e Event) (n int) {
	for _, one := range all {
		if one == string(e) {
			n++
		}
	}
	return n
}

// A line that stands in the file and cannot be taken back is acknowledged: the call is in the trail, once.
func TestALineThatCannotBeTakenBackStays(t *testing.T) {
	var b broken
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, disk: b.disk()})
	b.set(func() { b.head, b.truncate = syscall.EIO, syscall.EIO })
	if err := trail.Append(typical(Accept)); err != nil || trail.Err() == nil {
		t.Fatalf("Append = %v, Err = %v; want the line acknowledged, and the failure told", err, trail.Err())
	}
	b.set(func() { b.head, b.truncate = nil, nil })
	appendAll(t, trail, typical(Refuse))
	closeTrail(t, trail)
	wantUnbroken(t, dir)
	if got := strings.Join(events(t, dir), " "); got != "accept refuse" {
		t.Errorf("the trail has %q, want accept and refuse", got)
	}
}

func TestWhatCouldNotBeWrittenComesLaterInOrder(t *testing.T) {
	var b broken
	var told []error
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, disk: b.disk(), Changed: func(err error) { told = append(told, err) }})
	appendAll(t, trail, typical(Accept))
	b.set(func() { b.write = syscall.ENOSPC })
	for _, e := range []struct {
		event Event
		want  error
	}{
		{Exec, ErrKept}, {Refuse, ErrLost}, {Finish, ErrKept}, {Plan, ErrLost}, {Refuse, ErrLost},
		{Accept, syscall.ENOSPC}, {Admin, ErrKept},
	} {
		if err := trail.Append(typical(e.event)); !errors.Is(err, e.want) {
			t.Errorf("Append(%s) = %v, want %v", e.event, err, e.want)
		}
	}
	if s := trail.Status(); s.Kept != 3 || s.Lost != 3 || s.Seq != 1 || s.Err == nil {
		t.Errorf("Status() = %+v, want 3 kept, 3 lost", s)
	}
	b.set(func() { b.write = nil })
	appendAll(t, trail, typical(Accept))
	want := []string{"accept", "exec", "finish", "admin", "gap", "accept"}
	if got := events(t, dir); !slices.Equal(got, want) {
		t.Errorf("the trail has %q, want %q", got, want)
	}
	if gap := lines(t, dir)[4]; gap["lost"] != 3.0 || gap["lost_refuse"] != 2.0 || gap["lost_plan"] != 1.0 {
		t.Errorf("the gap says %v, want 2 refusals and 1 plan", gap)
	}
	if r := wantUnbroken(t, dir); r.Lost != 3 {
		t.Errorf("Verify = %+v, want 3 lost lines", r)
	}
	if len(told) != 2 || told[0] == nil || told[1] != nil {
		t.Errorf("Changed was told %v, want a failure and its end", told)
	}
}

func TestACallThatRunsAllTheSameIsWrittenLater(t *testing.T) {
	var b broken
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, Continue: true, disk: b.disk()})
	b.set(func() { b.write = syscall.ENOSPC })
	if err := trail.Append(typical(Accept)); !errors.Is(err, ErrKept) {
		t.Errorf("Append = %v, want ErrKept", err)
	}
	b.set(func() { b.write = nil })
	appendAll(t, trail, typical(Finish))
	if got := strings.Join(events(t, dir), " "); got != "accept finish" {
		t.Errorf("the trail has %q, want accept and finish", got)
	}
}

func TestWhatIsKeptInMemoryIsBounded(t *testing.T) {
	var b broken
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, disk: b.disk()})
	b.set(func() { b.write = syscall.ENOSPC })
	for range maxKept {
		if err := trail.Append(typical(Finish)); !errors.Is(err, ErrKept) {
			t.Fatalf("Append = %v, want ErrKept", err)
		}
	}
	if err := trail.Append(typical(Finish)); !errors.Is(err, ErrLost) {
		t.Errorf("Append = %v, want ErrLost", err)
	}
	b.set(func() { b.write = nil })
	closeTrail(t, trail) // writes what it can
	if got := events(t, dir); count(got, Finish) != maxKept || got[len(got)-1] != "gap" {
		t.Errorf("the trail has %d lines and ends with %s, want %d and a gap", len(got), got[len(got)-1], maxKept+1)
	}
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	var b broken
	trail := open(t, Config{Dir: t.TempDir(), disk: b.disk()})
	b.set(func() { b.write = syscall.ENOSPC })
	_ = trail.Append(typical(Finish))
	_ = trail.Append(typical(Refuse))
	if err := trail.Close(); err == nil || !strings.Contains(err.Error(), "2 lines are lost") {
		t.Errorf("Close() = %v, want that 2 lines are lost", err)
	}
}

func TestAProcessThatHoldsTheLockForeverStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		stopped, err := openHead(dir, disk{})
		if err == nil {
			err = stopped.lock()
		}
		mine, err2 := openHead(dir, disk{})
		if err = errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{lockPatience, 0, 0} {
			begun := time.Now()
			err := mine.lock()
			if waited := time.Since(begun); !errors.Is(err, syscall.EWOULDBLOCK) ||
				waited < want || waited > want+time.Second {
				t.Errorf("lock number %d = %v after %v, want a refusal after %v", i+1, err, waited, want)
			}
		}
		stopped.unlock()
		if err := mine.lock(); err != nil || mine.patience != lockPatience {
			t.Errorf("lock = %v, want nil and patience again", err)
		}
		if err := errors.Join(stopped.file.Close(), mine.file.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatWaitsIsWrittenWithoutANewCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b broken
		trail := open(t, Config{Dir: t.TempDir(), disk: b.disk()})
		b.set(func() { b.write = syscall.ENOSPC })
		_ = trail.Append(typical(Finish))
		b.set(func() { b.write = nil })
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if s := trail.Status(); s.Kept != 0 || s.Seq != 1 || s.Err != nil {
			t.Errorf("Status() = %+v, want the line written", s)
		}
		closeTrail(t, trail)
	})
}

func TestASyncHappensWhenItWasAskedFor(t *testing.T) {
	for sync, want := range map[Sync]int{SyncAlways: 10, SyncInterval: 1, SyncNever: 0} {
		t.Run(string(sync), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b broken
				trail := open(t, Config{Dir: t.TempDir(), Sync: sync, disk: b.disk()})
				for range 10 {
					appendAll(t, trail, typical(Accept))
				}
				time.Sleep(5 * time.Second) // nothing happens after the first
				synctest.Wait()
				b.set(func() {
					if b.synced != want {
						t.Errorf("%d syncs of 10 lines within a second, want %d", b.synced, want)
					}
				})
				closeTrail(t, trail)
			})
		})
	}
}

func TestASyncThatFailsRefusesCallsUntilOneWorks(t *testing.T) {
	for _, sync := range []Sync{SyncAlways, SyncInterval} {
		t.Run(string(sync), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b broken
				dir := t.TempDir()
				trail := open(t, Config{Dir: dir, Sync: sync, disk: b.disk()})
				appendAll(t, trail, typical(Accept))
				b.set(func() { b.sync = syscall.EIO })
				_ = trail.Append(typical(Exec)) // written, and dirty
				time.Sleep(1100 * time.Millisecond)
				synctest.Wait()
				if trail.Err() == nil {
					t.Error("Err() = nil, want the failed sync")
				}
				if err := trail.Append(typical(Accept)); !errors.Is(err, syscall.EIO) {
					t.Errorf("Append = %v, want EIO", err)
				}
				if err := trail.Append(typical(Finish)); err == nil || errors.Is(err, ErrKept) {
					t.Errorf("Append = %v, want an error, and nothing kept: the line is written", err)
				}
				b.set(func() { b.sync = nil })
				appendAll(t, trail, typical(Accept))
				closeTrail(t, trail)
				wantUnbroken(t, dir)
				want := []string{"accept", "exec", "accept", "finish", "accept"}
				if got := events(t, dir); !slices.Equal(got, want) {
					t.Errorf("the trail has %q, want %q", got, want)
				}
			})
		})
	}
}

func TestARotationThatFailsIsMadeLater(t *testing.T) {
	var b broken
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, MaxFileSize: 4096, disk: b.disk()})
	for i := range 60 {
		b.set(func() {
			b.write, b.partly, b.head = nil, 0, nil
			switch i % 4 {
			case 1:
				b.write, b.partly = syscall.ENOSPC, 100
			case 3:
				b.head = syscall.EIO
			}
		})
		_ = trail.Append(typical(Finish))
	}
	b.set(func() { b.write, b.head = nil, nil })
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); count(events(t, dir), Finish) != 60 || r.Notes > 0 || r.Files < 10 {
		t.Errorf("Verify = %+v, want 60 lines in many files", r)
	}
}

func TestConcurrentAppendsMakeOneChain(t *testing.T) {
	dir := t.TempDir()
	trails := []*Trail{open(t, Config{Dir: dir, MaxFileSize: 8192}), open(t, Config{Dir: dir, MaxFileSize: 8192})}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 25 {
				e := typical(Finish)
				e.ExecutionID = fmt.Sprint(i, ".", n)
				if err := trails[i%2].Append(e); err != nil {
					t.Errorf("Append = %v, want nil", err)
				}
				_ = trails[i%2].Status()
			}
		})
	}
	all.Wait()
	for _, trail := range trails {
		closeTrail(t, trail)
	}
	if r := wantUnbroken(t, dir); r.Lines-uint64(r.Files)+1 != 200 || r.Notes > 0 {
		t.Errorf("Verify = %+v, want 200 lines", r)
	}
}
