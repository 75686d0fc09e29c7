package conns

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
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
	victim := f.victimLocked()
	f.mu.Unlock()
	if victim != nil {
		t.Error("an active connection makes room, because it was refused once before")
	}
}

// A connection whose header lies there unread is not ended by those that come after it.
func TestOneThatWasNotReadYetIsNoSlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(Config{Max: 2, Grace: 10 * time.Millisecond})
		ready, silent := from("10.0.0.1"), newSilent("10.0.0.2")
		f.arrive(t, ready)
		slow := f.arrive(t, silent.peer)
		slow.(*conn).Conn = silent
		read := make(chan struct{}) // closed when the silent one was closed
		go func() {
			defer close(read)
			_, _ = slow.Read(make([]byte, 1))
		}()
		synctest.Wait()
		start := time.Now()
		f.arrive(t, from("10.0.0.3"))
		if took := time.Since(start); took < 10*time.Millisecond || took > time.Second {
			t.Errorf("the third is in after %v, want after the grace of 10 ms", took)
		}
		<-read
		if ready.closed.Load() != 0 || silent.closed.Load() != 1 {
			t.Errorf("closed %d and %d times, want the silent one to have made room", ready.closed.Load(), silent.closed.Load())
		}
	})
}

// Who is known keeps his connection while strangers come in crowds, each with its time to say something.
func TestACrowdOfNewOnesCostsNobodyWhoIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(Config{Max: 2, Grace: 10 * time.Millisecond})
		known := f.fill(t, "1k")[0]
		stranger := newSilent("10.0.0.2")
		nc := f.arrive(t, stranger.peer)
		nc.(*conn).Conn = stranger
		go func() { _, _ = nc.Read(make([]byte, 1)) }()
		f.arrive(t, from("10.0.0.3"))
		if known.closed.Load() != 0 || stranger.closed.Load() != 1 {
			t.Errorf("closed %d and %d times, want the stranger to have made room", known.closed.Load(), stranger.closed.Load())
		}
	})
}

// net/http refuses a head that is too large by itself, and lingers: no handler ever has such a connection.
func TestOneThatNoHandlerHasMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(Config{Max: 2, Grace: 10 * time.Millisecond})
		served, refused := from("10.0.0.1"), from("10.0.0.2")
		for _, p := range []*peer{served, refused} {
			nc := f.arrive(t, p)
			f.bring(t, nc, 'a')
			if p == served {
				_ = Over(f.Context(t.Context(), nc)) // as a handler begins
			}
		}
		f.arrive(t, from("10.0.0.3"))
		if served.closed.Load() != 0 || refused.closed.Load() != 1 {
			t.Errorf("closed %d and %d times, want the one without a handler to have made room", served.closed.Load(), refused.closed.Load())
		}
	})
}

// silent says nothing until it is closed.
type silent struct {
	*peer
	end chan struct{} // closed by Close
}

func newSilent(addr string) *silent { return &silent{from(addr), make(chan struct{})} }

func (s *silent) Read([]byte) (int, error) {
	<-s.end
	return 0, net.ErrClosed
}

func (s *silent) Close() error {
	close(s.end)
	return s.peer.Close()
}
