package conns

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
)

func TestAcceptWaitsWhileAllAreActive(t *testing.T) {
	for says, relieve := range map[string]func(*testing.T, *fixture, net.Conn){
		"one ends":         func(_ *testing.T, _ *fixture, nc net.Conn) { _ = nc.Close() },
		"one becomes idle": func(_ *testing.T, f *fixture, nc net.Conn) { f.State(nc, http.StateIdle) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(Config{Max: 2})
			f.fill(t, "1a")
			busy := from("10.0.0.1")
			nc := f.arrive(t, busy)
			f.bring(t, nc, 'a')
			var came atomic.Pointer[net.Conn]
			go func() {
				if nc, err := f.l.Accept(); err == nil {
					came.Store(&nc)
				}
			}()
			f.feed <- from("10.0.0.2")
			synctest.Wait()
			if s := f.checkSums(t); came.Load() != nil || s.Active != 2 {
				t.Errorf("%s: Accept has returned, Stats = %+v, want it to wait", says, s)
			}
			relieve(t, f, nc)
			synctest.Wait()
			if s := f.checkSums(t); came.Load() == nil || busy.closed.Load() != 1 || s.Open != 2 || s.Pending != 1 {
				t.Errorf("%s: Stats = %+v, want the next in", says, s)
			}
		})
	}
}

func TestAWaitingAcceptReturnsWhenTheListenerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(Config{Max: 1})
		f.fill(t, "1a")
		late, result := from("10.0.0.2"), make(chan error, 1)
		go func() {
			_, err := f.l.Accept()
			result <- err
		}()
		f.feed <- late
		synctest.Wait()
		if err := f.l.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := <-result; !errors.Is(err, net.ErrClosed) || late.closed.Load() != 1 {
			t.Errorf("Accept = %v, want the listener closed, and what it had in its hand", err)
		}
		if s := f.checkSums(t); s.Open != 1 {
			t.Errorf("Stats = %+v, want what is served left alone", s)
		}
	})
}

func TestTooFewDescriptorsCostAConnection(t *testing.T) {
	for err, evicts := range map[error]bool{
		&net.OpError{Op: "accept", Err: syscall.EMFILE}:       true,
		&net.OpError{Op: "accept", Err: syscall.ECONNABORTED}: false,
	} {
		f := newFixture(Config{Max: 9})
		peers := f.fill(t, "1a 2i 3p")
		f.feed <- err
		if _, got := f.l.Accept(); !errors.Is(got, err) {
			t.Errorf("Accept = %v, want %v passed on", got, err)
		}
		if got := peers[2].closed.Load() == 1; got != evicts || f.checkSums(t).Evicted == 1 != evicts {
			t.Errorf("%v: evicted = %v, want %v", err, got, evicts)
		}
	}
}
