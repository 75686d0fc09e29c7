package conns

import (
	"testing"
	"testing/synctest"
)

// Who waits is let in as soon as one of those that are served has been refused.
func TestAWaitingAcceptIsWokenByOneThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(Config{Max: 2})
		refused := from("10.0.0.1")
		nc := f.arrive(t, refused)
		f.bring(t, nc, 'a')
		f.fill(t, "2a")
		entered := make(chan struct{}) // closed when the third is in
		go func() {
			defer close(entered)
			f.arrive(t, from("10.0.0.3"))
		}()
		synctest.Wait()
		if n := f.Stats().Open; n != 2 {
			t.Fatalf("%d are open while all are active, want 2", n)
		}
		Leaving(f.Context(t.Context(), nc))
		<-entered
		if refused.closed.Load() != 1 {
			t.Error("the one that was refused is open, want it to have made room")
		}
		f.checkSums(t)
	})
}

// Leaving is of one request: what is served afterwards over the same connection is active like any other.
func TestLeavingEndsWithTheRequest(t *testing.T) {
	f := newFixture(Config{Max: 1})
	p := from("10.0.0.1")
	nc := f.arrive(t, p)
	f.bring(t, nc, 'l')
	f.bring(t, nc, 'i') // it came back after all, and is idle and then active again
	f.bring(t, nc, 'a')
	f.mu.Lock()
	victim := f.victimLocked(func(*conn) bool { return true })
	f.mu.Unlock()
	if victim != nil {
		t.Error("an active connection makes room, because it was refused once before")
	}
}
