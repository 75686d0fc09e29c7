package conns

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"runtime"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
)

// server is a real one on loopback.
type server struct {
	*httptest.Server
	conns *Conns
}

func (s *server) Stats() Stats { return s.conns.Stats() }

// serve starts a server. When the test ends, nothing may be left of it.
func serve(t *testing.T, cfg Config, secure bool, h http.HandlerFunc) *server {
	t.Helper()
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
	cs := New(cfg)
	s := &server{httptest.NewUnstartedServer(h), cs}
	s.Listener = cs.Listener(s.Listener)
	s.Config.ConnState, s.Config.ConnContext = cs.State, cs.Context
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		s.Server.Close()
		hosttest.Eventually(t, "slots to be free", func() bool { return cs.Stats().Open == 0 })
		hosttest.Eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
		hosttest.Eventually(t, "descriptors to be closed", func() bool {
			return countDescriptors(t) <= descriptors
		})
	})
	return s
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// dial opens a connection from an address of loopback, closed when the test ends.
func (s *server) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// slow opens connections that never send a whole header, or hello.
func (s *server) slow(t *testing.T, from string, number int) {
	t.Helper()
	for range number {
		nc := s.dial(t, from)
		part := "GET / HTTP/1.1\r\nHost: x\r\n"
		if s.TLS != nil {
			part = "\x16\x03\x01"
		}
		_, _ = io.WriteString(nc, part) // it may be evicted already
	}
}

// client is one with an address of its own.
func (s *server) client(t *testing.T, from string, keepAlive bool) *http.Client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	tr := &http.Transport{DialContext: d.DialContext, DisableKeepAlives: !keepAlive}
	if s.TLS != nil {
		tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // it is loopback
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// get sends a request and returns the status and whether the connection was used before; 0: no answer.
func (s *server) get(t *testing.T, c *http.Client, path string) (status int, reused bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Logf("Get = %v", err)
		return 0, reused
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Logf("Read = %v", err)
		return 0, reused
	}
	return res.StatusCode, reused
}
