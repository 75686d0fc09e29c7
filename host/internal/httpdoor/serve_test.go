package httpdoor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// wire is a listener in memory: its connections are pipes, whose deadlines follow the clock of a bubble.
type wire struct {
	conns  chan net.Conn
	closed chan struct{} // closed by Close
	once   sync.Once
}

func newWire() *wire { return &wire{conns: make(chan net.Conn), closed: make(chan struct{})} }

var _ net.Listener = (*wire)(nil)

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) Addr() net.Addr { return &net.UnixAddr{Name: "wire", Net: "unix"} }

func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case w.conns <- theirs:
		return ours, nil
	case <-w.closed:
		return nil, errors.New("connection refused")
	}
}

// site is a door that is served on a wire.
type site struct {
	*wire
	client *http.Client
	stop   func()     // asks Serve to end
	ended  chan error // gets the one result of Serve
}

// open serves a door with a grace of 10 s. To be used in a bubble, which holds that no goroutine is left
// behind.
func open(t *testing.T, changes ...func(*Config)) *site {
	t.Helper()
	d := newDoor(t, changes...)
	ctx, cancel := context.WithCancel(t.Context())
	s := &site{wire: newWire(), stop: cancel, ended: make(chan error, 1)}
	transport := &http.Transport{DialContext: s.dial, DisableCompression: true}
	s.client = &http.Client{Transport: transport}
	go func() { s.ended <- d.Serve(ctx, s.wire, 10*time.Second) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-s.ended; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		s.ended <- nil
	})
	return s
}

// post calls a tool and returns status and body.
func (s *site) post(ctx context.Context, body io.Reader) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/tools/ATool/execute", body)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

// raw writes bytes on a connection of its own and returns what comes back until the other side closes it,
// and when.
func (s *site) raw(t *testing.T, text string) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	c, err := s.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, text) }() // the other side may close first
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("read the answer: %v", err)
	}
	return string(answer), time.Since(start)
}

func TestACallMayTakeLongerThanItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			select {
			case <-time.After(time.Hour):
				return tool.Result{}, nil
			case <-ctx.Done():
				return tool.Result{}, ctx.Err()
			}
		}))
		for _, body := range []io.Reader{strings.NewReader(`{}`),
			io.MultiReader(strings.NewReader(`{}`))} { // declared, in chunks
			start := time.Now()
			status, text, err := s.post(t.Context(), body)
			if err != nil || status != 200 || time.Since(start) < time.Hour {
				t.Errorf("POST = %d %s, %v after %v, want 200 after an hour", status, text, err, time.Since(start))
			}
		}
	})
}

func TestAClientThatGoesAwayCancelsItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, cancelled := make(chan struct{}), make(chan error, 1) // closed by, and sent to by, the call
		s := open(t, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			close(began)
			<-ctx.Done()
			cancelled <- ctx.Err()
			return tool.Result{}, ctx.Err()
		}))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-began
			cancel()
		}()
		if status, text, err := s.post(ctx, strings.NewReader(`{}`)); !errors.Is(err, context.Canceled) {
			t.Errorf("POST = %d %s, %v, want it cancelled", status, text, err)
		}
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("the call's context ends with %v, want %v", err, context.Canceled)
		}
	})
}

func TestABodyThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	const head = " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	mcp := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	const good = "Authorization: Bearer secret\r\n"
	for _, row := range []struct{ says, text, want string }{
		{"a call without a token", "POST /tools/ATool/execute" + head + "Content-Length: 9\r\n\r\n", "401"},
		{"in chunks", "POST /tools/ATool/execute" + head + "Transfer-Encoding: chunked\r\n\r\n", "401"},
		{"half of it", "POST /tools/ATool/execute" + head + "Content-Length: 9\r\n\r\n{", "401"},
		{"no route", "POST /nowhere" + head + "Content-Length: 9\r\n\r\n", "401"},
		{"a foreign host", "POST /tools HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n", "403"},
		{"a method that is not allowed", "PUT /tools" + head + "Content-Length: 9\r\n\r\n", "401"},
		{"an open route with a body", "GET /livez" + head + "Content-Length: 9\r\n\r\n", "200"},
		{"MCP without a token", "POST /mcp" + head + "Content-Length: 9\r\n\r\n", "401"},
		{"a call with a token", "POST /tools/ATool/execute" + head + good + "Content-Length: 9\r\n\r\n{", "408"},
		{"a call with a token, in chunks",
			"POST /tools/ATool/execute" + head + good + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "408"},
		{"MCP with a token", "POST /mcp" + head + good + "Accept: */*\r\nContent-Length: 9\r\n\r\n{", "408"},
		{"a wrong media type", "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\n" + good +
			"Content-Length: 9\r\n\r\n", "415"},
		{"headers without an end", "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n", ""},
		{"nothing", "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, withTokens, func(c *Config) { c.MCP = mcp })
			answer, took := s.raw(t, row.text)
			_, status, _ := strings.Cut(answer, " ")
			if !strings.HasPrefix(status, row.want) || (answer == "") != (row.want == "") {
				t.Errorf("%s: answer = %.60q, want %s", row.says, answer, row.want)
			}
			if took > 2*bodyTimeout {
				t.Errorf("%s: the connection was held for %v, want at most %v", row.says, took, 2*bodyTimeout)
			}
		})
	}
}

// A connection is used again, and what one request left of deadlines is not the next one's.
func TestAConnectionIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialled atomic.Int64
		s := open(t, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
			return tool.Result{}, ctx.Err()
		}), func(c *Config) {
			c.MCP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // a stream, as of GET /mcp
				w.WriteHeader(http.StatusOK)
				for i := range 3 {
					_ = http.NewResponseController(w).Flush()
					select {
					case <-time.After(time.Minute):
						fmt.Fprintln(w, i)
					case <-r.Context().Done():
						return
					}
				}
			})
		})
		transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn,
			error) {
			dialled.Add(1)
			return s.dial(ctx, network, addr)
		}}
		defer transport.CloseIdleConnections()
		s.client.CloseIdleConnections()
		s.client.Transport = transport
		get := func(path, want string) {
			t.Helper()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, http.NoBody)
			r.Header.Set("Accept", "*/*")
			resp, err := s.client.Do(r)
			if err != nil {
				t.Fatalf("GET %s = %v", path, err)
			}
			defer resp.Body.Close()
			if raw, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(raw), want) {
				t.Errorf("GET %s = %q, %v, want %q in it", path, raw, err, want)
			}
		}
		for range 2 {
			get("/livez", "alive")
			get("/mcp", "0\n1\n2\n")
			if status, text, err := s.post(t.Context(), strings.NewReader(`{}`)); status != 200 || err != nil {
				t.Errorf("POST = %d %s, %v, want 200", status, text, err)
			}
			if status, _, err := s.post(t.Context(), strings.NewReader(`[]`)); status != 400 || err != nil {
				t.Errorf("POST [] = %d, %v, want 400", status, err)
			}
		}
		if n := dialled.Load(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		c, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-time.After(stallTimeout + time.Second) // of the bubble's clock
		if answer, err := io.ReadAll(c); err != nil || len(answer) > 0 {
			t.Errorf("the answer is %q (%v), want the connection closed", answer, err)
		}
	})
}

func TestHeadersHaveAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		c, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			_, _ = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "+strings.Repeat("x",
				32<<10)) // refused on its way
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answer = %v, %v, want 431", resp, err)
		}
		if err == nil {
			_ = resp.Body.Close() // nothing is read of it
		}
	})
}

// answer is what post returned.
type answer struct {
	status int
	body   string
	err    error
}

// calls starts a call and waits until everything that can happen at once has happened.
func (s *site) calls(t *testing.T) chan answer {
	t.Helper()
	got := make(chan answer, 1) // gets the one answer
	go func() {
		status, body, err := s.post(t.Context(), strings.NewReader(`{}`))
		got <- answer{status, body, err}
	}()
	synctest.Wait()
	return got
}

func TestACallInFlightMayFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closing atomic.Int64
		s := open(t, func(c *Config) { c.Closing = func() { closing.Add(1) } },
			calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
				select {
				case <-time.After(9 * time.Second): // less than the grace
					return tool.Result{Stdout: "finished"}, nil
				case <-ctx.Done():
					return tool.Result{}, ctx.Err()
				}
			}))
		got := s.calls(t)
		s.stop()
		synctest.Wait()
		if closing.Load() != 1 {
			t.Errorf("Closing was called %d times, want once", closing.Load())
		}
		if c, err := s.dial(t.Context(), "", ""); err == nil {
			_ = c.Close() // it should not be there
			t.Error("a new connection is taken, want none")
		}
		select {
		case err := <-s.ended:
			t.Fatalf("Serve = %v while a call is in flight", err)
		default:
		}
		if a := <-got; a.err != nil || a.status != 200 || !strings.Contains(a.body, "finished") {
			t.Errorf("the call in flight = %+v, want it finished", a)
		}
	})
}

func TestAfterTheGraceACallIsCancelledAndAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			<-ctx.Done()
			<-time.After(time.Second) // of the bubble's clock: its tool is ended
			return tool.Result{Stdout: "partial"}, tool.Errorf(tool.KindTimeout, "ended")
		}))
		got := s.calls(t)
		start := time.Now()
		s.stop()
		if a := <-got; a.err != nil || a.status != 200 || !strings.Contains(a.body, "partial") {
			t.Errorf("the call in flight = %+v, want what it got so far", a)
		}
		if took := time.Since(start); took != 11*time.Second {
			t.Errorf("the answer came after %v, want the grace of 10 s and the second that it took", took)
		}
	})
}

func TestServeReturnsWhateverACallDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{}) // closed by the test
		s := open(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
			<-release
			return tool.Result{}, nil
		}))
		got := s.calls(t)
		start := time.Now()
		s.stop()
		err := <-s.ended
		if took := time.Since(start); err != nil || took > 16*time.Second {
			t.Errorf("Serve = %v after %v, want nil after 15 s", err, took)
		}
		s.ended <- err
		if a := <-got; a.err == nil {
			t.Errorf("the call that would not end = %+v, want its connection closed", a)
		}
		close(release)
	})
}

func TestServeSaysWhyItCannot(t *testing.T) {
	w := newWire()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newDoor(t).Serve(t.Context(), w, time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed listener = %v, want %v", err, net.ErrClosed)
	}
}

// The same once over a real network.
func TestServeOverTCP(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, cancelled := make(chan struct{}), make(chan struct{}) // closed by the call
	d := newDoor(t, withTokens, calling(func(ctx context.Context, r tool.Request) (tool.Result, error) {
		if string(r.Arguments) == "{}" {
			return tool.Result{Stdout: r.Client}, nil
		}
		close(began)
		<-ctx.Done()
		close(cancelled)
		return tool.Result{}, ctx.Err()
	}))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1) // gets the one result of Serve
	go func() { ended <- d.Serve(ctx, l, time.Minute) }()
	defer http.DefaultClient.CloseIdleConnections()
	post := func(ctx context.Context, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, "POST", "http://"+l.Addr().String()+"/tools/ATool/execute",
			strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer secret")
		return http.DefaultClient.Do(r)
	}
	resp, err := post(t.Context(), "{}")
	if err != nil {
		t.Fatalf("POST = %v", err)
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it is read
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(raw), `"stdout":"ci"`) {
		t.Errorf("POST = %d %s, %v, want the report", resp.StatusCode, raw, err)
	}
	leaving, leave := context.WithCancel(t.Context())
	go func() {
		<-began
		leave()
	}()
	if resp, err := post(leaving, `{"wait":true}`); err == nil {
		_ = resp.Body.Close() // it should not be there
		t.Errorf("POST = %d, want the client gone", resp.StatusCode)
	}
	<-cancelled
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}
