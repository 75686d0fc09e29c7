package audit

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// Lines that are written together may fail together, and each appender is told the truth of its own.
func TestEachOfManyAppendersIsToldWhatBecameOfItsLine(t *testing.T) {
	t.Run("what is torn is taken back", func(t *testing.T) { manyAppenders(t, nil) })
	t.Run("what is torn cannot be taken back", func(t *testing.T) { manyAppenders(t, syscall.EIO) })
}

func manyAppenders(t *testing.T, truncate error) {
	var writes int // written by one at a time
	var mended atomic.Bool
	faults := disk{write: func(f *os.File, p []byte) (int, error) {
		if writes++; writes%3 == 0 && !mended.Load() {
			n, _ := f.Write(p[:3*len(p)/4])
			return n, syscall.EIO
		}
		return f.Write(p)
	}}
	if truncate != nil {
		faults.truncate = func(*os.File, int64) error { return truncate }
	}
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, MaxFileSize: 8 << 10, disk: faults})
	var mu sync.Mutex // guards want
	want := make(map[string]bool)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 50 {
				e := typical([]Event{Accept, Finish}[n%2])
				e.ExecutionID = fmt.Sprint(i, ".", n)
				err := trail.Append(e)
				mu.Lock()
				want[e.ExecutionID] = err == nil || errors.Is(err, ErrKept)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	mended.Store(true)
	appendAll(t, trail, typical(Admin)) // what waited comes with it
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Notes > 0 && truncate == nil || r.Files < 10 {
		t.Errorf("Verify = %+v, want many files and nothing to tell but torn lines", r)
	}
	got, place := make(map[string]bool), make(map[string]int)
	for _, l := range lines(t, dir) {
		id, _ := l["execution_id"].(string)
		if l["event"] == string(Accept) || l["event"] == string(Finish) {
			if got[id] {
				t.Errorf("%s is in the trail twice", id)
			}
			got[id] = true
			var i, n int
			if _, err := fmt.Sscanf(id, "%d.%d", &i, &n); err != nil || n < place[fmt.Sprint(i)] {
				t.Errorf("%s comes after %d of the same appender (%v)", id, place[fmt.Sprint(i)], err)
			}
			place[fmt.Sprint(i)] = n
		}
	}
	for id, written := range want {
		if got[id] != written {
			t.Errorf("%s is in the trail: %t, and Append said %t", id, got[id], written)
		}
	}
}

func TestABatchFillsFilesToTheirSizeAndNotBeyond(t *testing.T) {
	var b broken
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, MaxFileSize: 4096, disk: b.disk()})
	b.set(func() { b.write = syscall.ENOSPC })
	for range 200 {
		_ = trail.Append(typical(Finish))
	}
	b.set(func() { b.write = nil })
	trail.retry() // all of them at once
	closeTrail(t, trail)
	r := wantUnbroken(t, dir)
	if count(events(t, dir), Finish) != 200 || r.Files > 80 {
		t.Errorf("Verify = %+v, want 200 lines in full files", r)
	}
	for n := range r.Files {
		if size := len(read(t, dir, n+1)); size > 4096 {
			t.Errorf("file %d has %d bytes, want at most 4096", n+1, size)
		}
	}
}
