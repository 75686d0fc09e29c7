package httpdoor

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// serveTCP serves a door over a real network until the test ends.
func serveTCP(t *testing.T, changes ...func(*Config)) (*Door, string) {
	t.Helper()
	d := newDoor(t, changes...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}) // closed when Serve returns
	go func() {
		defer close(ended)
		_ = d.Serve(ctx, l, 10*time.Millisecond)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return d, l.Addr().String()
}

// net/http notices by one read in the background that a client has gone, which a byte too many uses up.
func TestWhatAClientAskedForEndsWithIt(t *testing.T) {
	for _, request := range []string{
		"POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n",
	} {
		begun, ended := make(chan struct{}), make(chan struct{}) // closed by the handler
		wait := func(ctx context.Context) {
			close(begun)
			<-ctx.Done()
			close(ended)
		}
		_, address := serveTCP(t, func(c *Config) {
			c.MCP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				wait(r.Context())
			})
		}, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			wait(ctx)
			return tool.Result{}, ctx.Err()
		}))
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		<-begun
		if _, err := io.WriteString(c, "G"); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Fatalf("%.20s: the client has gone, and what it asked for still runs", request)
		}
	}
}

// Strangers whose refusals are under way take no place of those who are served, from one address or from many.
func TestStrangersKeepNobodyOut(t *testing.T) {
	for _, row := range []struct{ says, from, head string }{
		{"without a credential", "127.0.0.1",
			"POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"},
		{"with a foreign Host", "127.0.0.2", "POST / HTTP/1.1\r\nHost: evil.example\r\n"},
	} {
		clients, _ := clientsOf(auth.Token{Name: "a", SHA256: auth.Hash("a"), Role: auth.Caller})
		d, address := serveTCP(t, func(c *Config) {
			c.Clients, c.Budget = clients, Budget{Connections: 8, ConnectionsPerClient: 5}
		})
		for range 8 {
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(row.from)}}).Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if _, err := io.WriteString(c, row.head+"Content-Length: 2000\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		hosttest.Eventually(t, "the strangers to be refused", func() bool { return d.Connections().Pending == 0 })
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/tools", http.NoBody)
		req.Header.Set("Authorization", "Bearer a")
		transport := &http.Transport{}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatalf("%s: GET /tools beside them = %v", row.says, err)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: GET /tools beside them = %d, want 200", row.says, resp.StatusCode)
		}
	}
}

// What a client sends behind a request, while it is on its way into its handler, is read by net/http's background reader:
// heads must not be touched by both. Under the race detector this says so.
func TestHeadsAreOfOneGoroutine(t *testing.T) {
	_, address := serveTCP(t)
	one := "GET /livez HTTP/1.1\r\nHost: " + address + "\r\n\r\n"
	for range 300 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		for _, part := range []string{one + one, "G", one[1:]} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		_ = c.Close()
	}
}

// Only reading is bounded: a long call leaves the place for the next large message.
func TestALargeMessageTakesItsPlaceForItsReadingAlone(t *testing.T) {
	begun, end := make(chan struct{}, 2*maxLargeMCP), make(chan struct{})
	d := newDoor(t, func(c *Config) {
		c.MCP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			begun <- struct{}{}
			<-end
		})
	})
	ended := make(chan int, 2*maxLargeMCP)
	for range 2 * maxLargeMCP {
		body := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":"` + strings.Repeat("x", maxRESTBody) + `"}}`
		go func() { ended <- serve(d, request("POST", "/mcp", body)).Code }()
		<-begun // before the next
	}
	close(end)
	for range 2 * maxLargeMCP {
		if code := <-ended; code != http.StatusOK {
			t.Errorf("a large message beside others = %d, want 200", code)
		}
	}
}
