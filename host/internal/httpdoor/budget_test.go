package httpdoor

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/events"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAClientHasOnlySoManyStreams(t *testing.T) {
	listening := make(chan struct{})
	clients, _ := clientsOf(auth.Token{Name: "a", SHA256: auth.Hash("a"), Role: auth.Viewer},
		auth.Token{Name: "b", SHA256: auth.Hash("b"), Role: auth.Viewer})
	d := newDoor(t, func(c *Config) {
		c.Clients, c.Budget.StreamsPerClient, c.Events = clients, 2, events.New(events.Config{})
		c.MCP = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				listening <- struct{}{}
				<-r.Context().Done()
			}
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	listen := func(token string) {
		r := request("GET", "/mcp", "", "Authorization", "Bearer "+token).WithContext(ctx)
		go func() {
			serve(d, r)
			ended <- struct{}{}
		}()
		<-listening
	}
	listen("a")
	listen("a")
	for _, path := range []string{"/mcp", "/events"} {
		w := serve(d, request("GET", path, "", "Authorization", "Bearer a"))
		checkProblem(t, w, 429, tool.KindRateLimited)
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("GET %s: no Retry-After", path)
		}
	}
	if w := serve(d, request("POST", "/mcp", "{}", "Authorization", "Bearer a")); w.Code != 200 {
		t.Errorf("POST /mcp beside two streams = %d, want 200", w.Code)
	}
	listen("b")
	cancel()
	for range 3 {
		<-ended
	}
	if n := len(d.streams.open); n != 0 {
		t.Errorf("%d clients have streams after their end, want none", n)
	}
}

// A reader that takes a little again and again gets the whole answer; see also TestAClientThatDoesNotReadIsLetGo.
func TestASlowReaderIsNotAStalledOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		s := open(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{Stdout: strings.Repeat("x", size)}, nil
		}))
		c, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const ask = "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
			"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
		if _, err := io.WriteString(c, ask); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReaderSize(slow{c}, 8<<10), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if took := time.Since(start); err != nil || len(raw) < size || took < 10*stallTimeout {
			t.Errorf("read %d bytes in %v, %v; want %d in more than %v", len(raw), took, err, size, 10*stallTimeout)
		}
	})
}

// slow reads at most 8 KiB in 5 s of the bubble's clock.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Second)
	return s.Conn.Read(p[:min(len(p), 8<<10)])
}

// An answer that takes long to come about is not late: see that no deadline of writing runs meanwhile.
func TestALongCallIsNotAStalledReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, calling(func(context.Context, tool.Request) (tool.Result, error) {
			time.Sleep(time.Hour) // of the bubble's clock
			return tool.Result{Stdout: "found"}, nil
		}))
		for range 2 { // the second time after a deadline of the first has passed
			if status, body, err := s.post(t.Context(), strings.NewReader("{}")); status != 200 || err != nil {
				t.Errorf("POST = %d %s, %v, want 200", status, body, err)
			}
		}
	})
}

// 100-continue is net/http's own doing: it must not meet the deadline of the answer before.
func TestADeadlineDoesNotOutliveItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		c, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		in := bufio.NewReader(c)
		const ask = "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
			"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
		for range 3 {
			if _, err := io.WriteString(c, ask); err != nil {
				t.Fatal(err)
			}
			if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
				t.Fatalf("the answer begins %q, %v, want 100 Continue", line, err)
			}
			_, _ = in.ReadString('\n')
			if _, err := io.WriteString(c, "{}"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("the answer = %v, %v, want 200", resp, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
			time.Sleep(idleTimeout - time.Second) // of the bubble's clock
		}
	})
}

func TestAdministratorsCanBeApart(t *testing.T) {
	whole := newDoor(t, withEverything, withRoles)
	public, admin := whole.WithoutAdmin(), whole.AdminOnly(Side{Hosts: Hosts{Names: []string{"gatehouse"}}})
	for _, row := range []struct {
		method, path, body string
		public, admin      int
	}{
		{"GET", "/tools", "", 200, 200},
		{"GET", "/plugins", "", 200, 200},
		{"GET", "/livez", "", 200, 200},
		{"GET", "/metrics", "", 200, 200},
		{"POST", "/tools/ATool/execute", "{}", 200, 404},
		{"POST", "/tools/ATool/plan", "{}", 200, 404},
		{"POST", "/mcp", "{}", 200, 404},
		{"GET", "/events", "", 0, 404}, // a stream
		{"POST", "/tools/ATool/enable", "", 404, 200},
		{"POST", "/tools/ATool/disable", "", 404, 200},
		{"POST", "/tools/ATool/breaker/open", "", 404, 200},
		{"POST", "/plugins/ATool/restart", "", 404, 200},
		{"POST", "/plugins/pin", "", 405, 200},
		{"GET", "/config", "", 404, 200},
		{"GET", "/tokens", "", 404, 200},
		{"POST", "/tokens", `{"name": "x"}`, 404, 201},
		{"DELETE", "/tokens/ci", "", 404, 200},
		{"POST", "/tokens/ci/rotate", "", 404, 200},
	} {
		for _, side := range []struct {
			door *Door
			host string
			want int
		}{{public, "127.0.0.1", row.public}, {admin, "gatehouse", row.admin}} {
			if side.want == 0 {
				continue
			}
			r := request(row.method, row.path, row.body, "Authorization", "Bearer admin")
			r.Host = side.host
			if w := serve(side.door, r); w.Code != side.want {
				t.Errorf("%s %s at %s = %d %s, want %d", row.method, row.path, side.host, w.Code, w.Body, side.want)
			}
		}
	}
	r := request("GET", "/tools", "", "Authorization", "Bearer admin")
	if w := serve(admin, r); w.Code != 403 {
		t.Errorf("GET /tools of administrators by the name of the others = %d, want 403", w.Code)
	}
}

func TestItIsNoProxy(t *testing.T) {
	r := request("CONNECT", "/", "")
	r.Host, r.URL.Path = "8.8.8.8:80", ""
	checkProblem(t, serve(newDoor(t, withTokens), r), 405, tool.KindValidation)
}

// OPTIONS * is answered by net/http itself, past every lock, unless it is told not to.
func TestOptionsOfTheServerAreLockedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, withTokens)
		answer, _ := s.raw(t, "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 401") {
			t.Errorf("OPTIONS * = %.80q, want 401", answer)
		}
	})
}
