package curl

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestAnAnswerIsToldInFull(t *testing.T) {
	var got atomic.Pointer[http.Request]
	port := listen(t, "127.0.0.1:0", answering(func(r *http.Request) string {
		got.Store(r)
		return reply("200 Fine", "Server: lab\r\nX-Two: 1\r\nX-Two: 2\r\n", "hello\n")
	}))
	r, res := ask(t, fmt.Sprintf(`{"target": "a.lab.internal", "scheme": "http", "port": %d, "path": "/x?q=%%20",
		"headers": ["X-Mine: one two"]}`, port))
	s := r.Steps[0]
	if r.Status != 200 || r.Failure != "" || len(r.Steps) != 1 || s.Reason != "Fine" || s.HTTPVersion != "1.1" ||
		s.Address != "127.0.0.1" || s.Port != port || s.BodyBytes != 6 || s.HeaderCount != 5 || s.Truncated ||
		header(s, "server") != "lab" || s.TLS != nil || s.Redirect != nil || s.Timing.Total <= 0 {
		t.Errorf("report = %+v", r)
	}
	if want := fmt.Sprintf("http://a.lab.internal:%d/x?q=%%20", port); string(r.URL) != want {
		t.Errorf("url = %s, want %s", r.URL, want)
	}
	if !strings.HasSuffix(res.Stdout, "\r\n\r\nhello\n") || !strings.HasPrefix(res.Stdout,
		"HTTP/1.1 200 Fine\r\n") {
		t.Errorf("stdout = %q, want headers and body as they came", res.Stdout)
	}
	q := got.Load()
	if q.Host != fmt.Sprintf("a.lab.internal:%d", port) || q.RequestURI != "/x?q=%20" || q.Method != "GET" ||
		q.Header.Get("X-Mine") != "one two" {
		t.Errorf("the server saw %+v", q)
	}
}

func TestMethodsAreWhatTheySay(t *testing.T) {
	var method atomic.Value
	port := listen(t, "127.0.0.1:0", answering(func(r *http.Request) string {
		method.Store(r.Method)
		if r.Method == "HEAD" {
			return "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
		}
		return reply("204 No Content", "Allow: GET\r\n", "")
	}))
	for _, c := range []struct{ args, want string }{
		{`, "method": "HEAD"`, "HEAD"}, {`, "extra_args": "-I"`, "HEAD"}, {`, "method": "OPTIONS"`, "OPTIONS"},
		{`, "method": "GET"`, "GET"}, {``, "GET"},
	} {
		r, _ := ask(t, args(port, c.args))
		if got := method.Load(); got != c.want || r.Steps[0].Method != c.want || r.Failure != "" {
			t.Errorf("Call(%s) asked with %v, %+v; want %s", c.args, got, r, c.want)
		}
	}
}

// Each flag of the table is one that this curl takes.
func TestEveryFlagWorks(t *testing.T) {
	port := listen(t, "127.0.0.1:0", always(reply("200 OK", "", "hello")))
	for _, extra := range []string{
		"-X GET", "-I", "--max-redirs 3", "-H Accept:text/html", "-k", "-r 0-3", "--range=2-", "--max-filesize 100",
		"--connect-timeout 2", "-m 5", "-0", "--http1.1", "--http2", "--tlsv1.2", "--tlsv1.3", "--tls-max 1.3",
		"--no-alpn",
		"-s -i -N -g -q --path-as-is",
	} {
		r, res := ask(t, args(port, `, "extra_args": "`+extra+`"`))
		if r.Status != 200 || res.ReturnCode != 0 {
			t.Errorf("Call(%s) = %+v, stderr %s; want status 200", extra, r, res.Stderr)
		}
	}
	for _, version := range []string{"1.0", "1.1", "2"} {
		if r, _ := ask(t, args(port, `, "http_version": "`+version+`"`)); r.Status != 200 {
			t.Errorf("Call with http_version %s = %+v, want status 200", version, r)
		}
	}
	if r, _ := ask(t, args(port, `, "http_version": "2-prior-knowledge"`)); r.Failure == "" {
		t.Errorf("Call with HTTP/2 to a server of HTTP/1.1 = %+v, want a failure", r)
	}
}

// What cannot be is refused before anything is sent, with both of the arguments that do not go together.
func TestArgumentsThatDoNotGoTogether(t *testing.T) {
	b := bench(t, sdktest.Options{})
	for _, c := range []struct {
		args string
		want []string // in the refusal; nil: there is none
	}{
		{`, "extra_args": "--tlsv1.3 --tls-max 1.2"`, []string{"--tlsv1.3", "--tls-max 1.2"}},
		{`, "extra_args": "--tlsv1.3 --tls-max 1.3"`, nil},
		{`, "extra_args": "--tlsv1.2 --tls-max 1.2"`, nil},
		{`, "max_time_sec": 240`, nil},
		{`, "max_time_sec": 24, "max_redirects": 9`, nil},
		{`, "max_redirects": 9`, nil},
		{`, "max_time_sec": 240, "max_redirects": 1`, []string{"480", "sec of at most 120", "timeout_sec"}},
		{`, "max_time_sec": 24.1, "max_redirects": 9`, []string{"241", "max_redirects 9", "timeout_sec"}},
	} {
		_, err := b.Call(t.Context(), "CurlTool", args(1, c.args))
		if c.want == nil {
			if err != nil {
				t.Errorf("Call(%s) = %v", c.args, err)
			}
			continue
		}
		if sdk.KindOf(err) != sdk.KindValidation || len(b.Executed()) > 5 {
			t.Errorf("Call(%s) = %v, want a %s", c.args, err, sdk.KindValidation)
			continue
		}
		text := err.Error() + " " + sdk.AsError(err).Suggestion
		for _, part := range c.want {
			if !strings.Contains(text, part) {
				t.Errorf("Call(%s) = %q, want %q in it", c.args, text, part)
			}
		}
	}
	spec := Tool().Spec()
	if d, least := spec.DefaultTimeout, (maxSeconds+30)*time.Second; d < least || d > spec.MaxTimeout {
		t.Errorf("the default deadline is %v, of at most %v; want %v at least", d, spec.MaxTimeout, least)
	}
}

// The host that says no is an answer.
func TestFailuresAreResults(t *testing.T) {
	for _, c := range []struct {
		name, args string
		serve      func(net.Conn)
		code       int
		status     int
	}{
		{"nobody listens", "", nil, 7, 0},
		{"no answer", `, "max_time_sec": 0.3`, silent, 28, 0},
		{"closed without an answer", "", always(""), 52, 0},
		{"no HTTP", "", always("SSH-2.0-OpenSSH_9.2\r\n"), 1, 0},
		{"no TLS", `, "scheme": "https"`, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1<<14))
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad\r\n\r\n"))
		}, 35, 0},
		{"cut short", "", always("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), 18, 200},
		{"too large", `, "max_bytes": 10`, always(reply("200 OK", "", "more than ten")), 63, 200},
		{"a zero byte in a header", "", always("HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n"), 8, 200},
	} {
		port := 1
		if c.serve != nil {
			port = listen(t, "127.0.0.1:0", c.serve)
		}
		arguments := args(port, c.args)
		if strings.Contains(c.args, "https") {
			arguments = fmt.Sprintf(`{"target": "127.0.0.1", "port": %d}`, port)
		}
		r, res := ask(t, arguments)
		s := r.Steps[0]
		if s.FailureCode != c.code || s.Failure == "" || r.Failure != s.Failure || s.Status != c.status ||
			res.ReturnCode != c.code || s.Detail == "" {
			t.Errorf("%s: report = %+v, want the code %d", c.name, r, c.code)
		}
	}
}

// endless sends for ever, or until nobody reads any more.
func endless(head, piece string) func(net.Conn) {
	return func(conn net.Conn) {
		_, err := conn.Write([]byte(head))
		for err == nil {
			_, err = conn.Write([]byte(piece))
		}
	}
}

func TestServersWithoutEndAreBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		check func(Step) bool
	}{
		{"a body", endless("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("a", 1<<16)), func(s Step) bool {
			return s.FailureCode == 28 && s.Status == 200 && s.BodyBytes > 0
		}},
		{"headers", endless("HTTP/1.1 200 OK\r\n", "X-Flood: "+strings.Repeat("a", 100)+"\r\n"), func(s Step) bool {
			return s.FailureCode == 56 && s.HeaderCount > maxHeaders && len(s.Headers) == maxHeaders && s.Truncated
		}},
		{"a header", endless("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("a", 1<<16)), func(s Step) bool {
			return s.FailureCode != 0 && s.Truncated
		}},
		{"a first line", endless("HTTP/1.1 200 ", strings.Repeat("a", 1<<16)), func(s Step) bool {
			return s.FailureCode != 0
		}},
		{"early hints", endless("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), func(s Step) bool {
			return s.FailureCode != 0 && s.HeaderCount == 0
		}},
	} {
		port := listen(t, "127.0.0.1:0", c.serve)
		b := bench(t, sdktest.Options{MaxStdout: 1000})
		res, err := b.Call(t.Context(), "CurlTool", args(port, `, "max_time_sec": 1.5`))
		if err != nil {
			t.Errorf("%s without end: %v", c.name, err)
			continue
		}
		if r := report(t, res); !c.check(r.Steps[0]) || len(res.Stdout) > 1000 {
			t.Errorf("%s without end: step = %+v, %d bytes of stdout", c.name, r.Steps[0], len(res.Stdout))
		}
	}
}

func TestProgressTellsHowFarItIs(t *testing.T) {
	port := listen(t, "127.0.0.1:0", always(reply("200 OK", "", strings.Repeat("a", 3*moreBytes))))
	var told []string
	b := bench(t, sdktest.Options{Event: func(ev sdk.Event) {
		if ev.Progress != nil {
			_, what, _ := strings.Cut(ev.Progress.Message, "/: ")
			told = append(told, what)
		}
	}})
	if _, err := b.Call(t.Context(), "CurlTool", args(port, "")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"connecting", "connected", "the request is sent", "status 200, 2 headers"} {
		if !slices.Contains(told, want) {
			t.Errorf("progress = %q, want %q in it", told, want)
		}
	}
	if !slices.ContainsFunc(told, func(s string) bool { return strings.HasSuffix(s, "bytes of the body") }) {
		t.Errorf("progress = %q, want bytes of the body", told)
	}
}

func TestTheDeadlineKeepsWhatCame(t *testing.T) {
	port := listen(t, "127.0.0.1:0", func(conn net.Conn) {
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nX-Here: yes\r\n\r\nslow"))
		silent(conn)
	})
	res, err := bench(t, sdktest.Options{Timeout: time.Second}).Call(t.Context(), "CurlTool", args(port, ""))
	if sdk.KindOf(err) != sdk.KindTimeout {
		t.Fatalf("Call() = %v, want a %s", err, sdk.KindTimeout)
	}
	if s := report(t, res).Steps[0]; s.Status != 200 || header(s, "x-here") != "yes" || s.Failure == "" {
		t.Errorf("step = %+v, want the headers that came, and a failure", s)
	}
}

func TestACancelledCallEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	port := listen(t, "127.0.0.1:0", func(conn net.Conn) {
		cancel()
		silent(conn)
	})
	_, err := bench(t, sdktest.Options{}).Call(ctx, "CurlTool", args(port, ""))
	if sdk.KindOf(err) != sdk.KindCancelled {
		t.Errorf("Call() = %v, want a %s", err, sdk.KindCancelled)
	}
}

func TestConformance(t *testing.T) {
	port := listen(t, "127.0.0.1:0", silent)
	sdktest.Conformance(t, plugin(), sdktest.Sample{
		Tool:  "CurlTool",
		Quick: `{"target": "127.0.0.1", "scheme": "http", "port": 1}`,
		Slow:  args(port, `, "max_time_sec": 60`),
	})
}
