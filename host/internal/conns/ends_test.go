package conns

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
)

func TestEverySlotIsGivenBackHoweverAConnectionEnds(t *testing.T) {
	var aborted atomic.Int32
	started := make(chan struct{}) // closed by nobody
	s := serve(t, Config{Max: 3}, false, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("boom")
		case "/abort":
			started <- struct{}{}
			<-r.Context().Done()
			aborted.Add(1)
		case "/hijack":
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack = %v", err)
				return
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = nc.Close()
		case "/large":
			w.Header().Set("Connection", "close")
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	})
	for i := range 10 {
		c := s.client(t, "127.0.0.1", false)
		for path, want := range map[string]int{"/panic": 0, "/hijack": 200, "/large": 413, "/": 200} {
			if got, _ := s.get(t, c, path); got != want {
				t.Errorf("%s = %d, want %d", path, got, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/abort", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-started
			cancel()
		}()
		if res, err := c.Do(r); err == nil {
			_ = res.Body.Close()
			t.Errorf("Do = %v, want it cancelled", res.Status)
		}
		hosttest.Eventually(t, "the handler to end", func() bool { return aborted.Load() == int32(i+1) })
		hosttest.Eventually(t, "slots to be free", func() bool { return s.Stats().Open == 0 })
	}
}

func TestAHijackedConnectionIsActiveUntilItIsClosed(t *testing.T) {
	hijacked := make(chan net.Conn, 1) // closed by nobody
	s := serve(t, Config{Max: 2}, false, func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack = %v", err)
		}
		hijacked <- nc
	})
	far := s.dial(t, "127.0.0.1")
	_, _ = io.WriteString(far, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	nc := <-hijacked
	s.slow(t, "127.0.0.2", 5)
	hosttest.Eventually(t, "strangers to give way", func() bool { return s.Stats().Evicted == 4 })
	if st := s.Stats(); st.Active != 1 || st.Pending != 1 {
		t.Errorf("Stats = %+v, want the hijacked one to stay", st)
	}
	_, _ = fmt.Fprintln(nc, "still here")
	if line, err := bufio.NewReader(far).ReadString('\n'); line != "still here\n" {
		t.Errorf("Read = %q, %v, want the connection to work", line, err)
	}
	_ = nc.Close()
	if st := s.Stats(); st.Active != 0 || st.Open != 1 {
		t.Errorf("Stats = %+v, want its slot free", st)
	}
}

// A second header that does not end makes an idle connection no less idle.
func TestHalfASecondHeaderIsIdle(t *testing.T) {
	s := serve(t, Config{Max: 1}, false, ok)
	far := s.dial(t, "127.0.0.1")
	_, _ = io.WriteString(far, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost:")
	res, err := http.ReadResponse(bufio.NewReader(far), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if status, _ := s.get(t, s.client(t, "127.0.0.2", false), "/"); status != http.StatusOK {
		t.Errorf("status = %d, want room made", status)
	}
	if n, err := far.Read(make([]byte, 1)); err == nil {
		t.Errorf("Read = %d bytes, want the half request closed", n)
	}
}

func TestHTTP2ConnectionsAreCountedAlike(t *testing.T) {
	cs := New(Config{Max: 2})
	release := make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("Proto = %s, want HTTP/2", r.Proto)
		}
		Known(r.Context())
		if r.URL.Path == "/wait" {
			<-release
		}
	}))
	srv.Listener, srv.EnableHTTP2 = cs.Listener(srv.Listener), true
	srv.Config.ConnState, srv.Config.ConnContext = cs.State, cs.Context
	srv.StartTLS()
	defer srv.Close()
	done := make(chan error, 1) // closed by nobody
	go func() {
		res, err := srv.Client().Get(srv.URL + "/wait")
		if err == nil {
			err = res.Body.Close()
		}
		done <- err
	}()
	hosttest.Eventually(t, "the request to be served", func() bool { return cs.Stats().Active == 1 })
	close(release)
	if err := <-done; err != nil {
		t.Errorf("Get = %v", err)
	}
	hosttest.Eventually(t, "the connection to be idle", func() bool { return cs.Stats().Idle == 1 })
}
