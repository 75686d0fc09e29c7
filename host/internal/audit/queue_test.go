package audit

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
)

// Lines that are written together succeed and fail together, and each appender is told the truth of its own.
func TestEachOfManyAppendersIsToldWhatBecameOfItsLine(t *testing.T) {
	var writes int // written by one at a time
	faults := disk{write: func(f *os.File, p []byte) (int, error) {
		if writes++; writes%3 == 0 {
			n, _ := f.Write(p[:len(p)/2])
			return n, syscall.EIO
		}
		return f.Write(p)
	}}
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
	_ = trail.Append(typical(Admin)) // one of two works
	_ = trail.Append(typical(Admin))
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Notes > 0 || r.Files < 10 {
		t.Errorf("Verify = %+v, want many files and nothing to tell", r)
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
