package conns

import (
	"io"
	"net/http"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
)

func bothWays(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("tls", func(t *testing.T) { test(t, true) })
}

func ok(w http.ResponseWriter, r *http.Request) {
	Known(r.Context())
	_, _ = io.WriteString(w, "ok")
}

func TestSlowConnectionsKeepNobodyOut(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		s := serve(t, Config{Max: 100}, secure, ok)
		s.slow(t, "127.0.0.1", 500)
		healthy := s.client(t, "127.0.0.1", false)
		answered := 0
		for range 100 {
			s.slow(t, "127.0.0.1", 3)
			if status, reused := s.get(t, healthy, "/"); status == http.StatusOK && !reused {
				answered++
			}
		}
		if st := s.Stats(); answered != 100 || st.Open > 100 || st.Evicted < 500 {
			t.Errorf("%d of 100 were answered, Stats = %+v, want all, and at most 100 open", answered, st)
		}
	})
}

func TestAKnownClientStaysConnectedInAFlood(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		s := serve(t, Config{Max: 20}, secure, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/known" {
				Known(r.Context())
			}
		})
		friend := s.client(t, "127.0.0.1", true)
		s.get(t, friend, "/known")
		stayed := 0
		for range 30 {
			s.slow(t, "127.0.0.2", 10)
			stranger := s.client(t, "127.0.0.2", true) // stays idle
			s.get(t, stranger, "/")
			if status, reused := s.get(t, friend, "/known"); status == http.StatusOK && reused {
				stayed++
			}
		}
		if st := s.Stats(); stayed != 30 || st.Evicted < 200 {
			t.Errorf("the connection was used again %d times of 30, Stats = %+v, want it to stay", stayed, st)
		}
	})
}

func TestOneClientTakesNothingFromAnother(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		release := make(chan struct{})
		s := serve(t, Config{Max: 100, MaxPerClient: 4}, secure, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case Over(r.Context()):
				w.Header().Set("Connection", "close")
				w.WriteHeader(http.StatusTooManyRequests)
			case r.URL.Path == "/wait":
				<-release
			}
		})
		greedy, other := s.client(t, "127.0.0.1", false), s.client(t, "127.0.0.2", false)
		done := make(chan int, 4) // closed by nobody; one status of each
		for range 4 {
			go func() {
				status, _ := s.get(t, greedy, "/wait")
				done <- status
			}()
		}
		hosttest.Eventually(t, "four to be served", func() bool { return s.Stats().Active == 4 })
		if status, _ := s.get(t, greedy, "/"); status != http.StatusTooManyRequests {
			t.Errorf("the fifth of one client = %d, want it told that there are too many", status)
		}
		if status, _ := s.get(t, other, "/"); status != http.StatusOK {
			t.Errorf("the first of another client = %d, want it served", status)
		}
		close(release)
		for range 4 {
			if status := <-done; status != http.StatusOK {
				t.Errorf("one of the four = %d, want it undisturbed", status)
			}
		}
		hosttest.Eventually(t, "four to be closed", func() bool { return s.Stats().Open == 0 })
		if status, _ := s.get(t, greedy, "/"); status != http.StatusOK {
			t.Errorf("the next of the first client = %d, want it served again", status)
		}
	})
}

func TestWhoComesWhileAllAreActiveIsServedWhenOneEnds(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		release := make(chan struct{})
		s := serve(t, Config{Max: 2}, secure, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-release
			}
		})
		done := make(chan int, 3) // closed by nobody; one status of each
		get := func(path string) {
			status, _ := s.get(t, s.client(t, "127.0.0.1", true), path)
			done <- status
		}
		go get("/wait")
		go get("/wait")
		hosttest.Eventually(t, "two to be served", func() bool { return s.Stats().Active == 2 })
		go get("/")
		release <- struct{}{} // its connection is idle then, and makes room
		for range 2 {
			if status := <-done; status != http.StatusOK {
				t.Errorf("status = %d, want the one that ends served, and the one that waited", status)
			}
		}
		close(release)
		if status := <-done; status != http.StatusOK {
			t.Errorf("status = %d, want the other served to its end", status)
		}
	})
}
