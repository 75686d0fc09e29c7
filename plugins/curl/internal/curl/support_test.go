package curl

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Nothing here connects to anything but 127.0.0.0/8.

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "curl", Version: "test", Tools: []sdk.Tool{Tool()}, Prompts: Prompts()}
}

// names are what the tests' host knows; the address of the last is out of scope.
var names = map[string][]string{
	"a.lab.internal": {"127.0.0.1"}, "b.lab.internal": {"127.0.0.2"}, "far.lab.internal": {"192.0.2.1"},
	"half.lab.internal": {"127.0.0.1", "192.0.2.1"},
}

func bench(t testing.TB, o sdktest.Options) *sdktest.Bench {
	t.Helper()
	o.Hosts = names
	return sdktest.New(t, plugin(), o)
}

// listen accepts on one address until the test ends, and lets f have each connection. All that was begun is
// waited for.
func listen(t testing.TB, address string, f func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex // guards open
	open := make(map[net.Conn]bool)
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			all.Go(func() {
				f(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// silent accepts, and never says a word.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// answering reads one request, and answers with raw bytes.
func answering(answer func(*http.Request) string) func(net.Conn) {
	return func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, answer(r))
	}
}

func always(text string) func(net.Conn) { return answering(func(*http.Request) string { return text }) }

// reply is a response with these headers, each with its end of line, and a body.
func reply(status, headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, headers,
		len(body), body)
}

// args are those of a request to a port of 127.0.0.1, in JSON, without TLS.
func args(port int, more string) string {
	return fmt.Sprintf(`{"target": "127.0.0.1", "scheme": "http", "port": %d%s}`, port, more)
}

func report(t testing.TB, res sdk.Result) Report {
	t.Helper()
	var r Report
	if err := json.Unmarshal(res.Data, &r); err != nil || len(r.Steps) == 0 {
		t.Fatalf("data %q: %v; want a step at least", res.Data, err)
	}
	return r
}

// asking are the benches of the tests that run: testing.TB -> *sdktest.Bench.
var asking sync.Map

// ask makes a call that has to succeed, whatever its request came to.
func ask(t testing.TB, arguments string) (Report, sdk.Result) {
	t.Helper()
	b, ok := asking.Load(t)
	if !ok {
		b = bench(t, sdktest.Options{Timeout: 30 * time.Second})
		asking.Store(t, b)
		t.Cleanup(func() { asking.Delete(t) })
	}
	res, err := b.(*sdktest.Bench).Call(t.Context(), "CurlTool", arguments)
	if err != nil {
		t.Fatalf("Call(%s) = %v; stderr: %s", arguments, err, res.Stderr)
	}
	return report(t, res), res
}

func header(s Step, name string) string {
	for _, h := range s.Headers {
		if strings.EqualFold(string(h.Name), name) {
			return string(h.Value)
		}
	}
	return ""
}
