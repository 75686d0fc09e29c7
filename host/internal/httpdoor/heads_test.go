package httpdoor

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answers sends texts over one connection, each after the answer to the one before, and returns their statuses.
func (s *site) answers(t *testing.T, texts ...string) (statuses []int) {
	t.Helper()
	c, err := s.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for _, text := range texts {
		go func() { _, _ = io.WriteString(c, text) }() // the other side may answer before all of it
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%.60q: no answer: %v", text, err)
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
	return statuses
}

const okHead = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

// Who is wrong is told so, and not that the server was.
func TestNetHTTPBlamesNoServerForItsClients(t *testing.T) {
	for name, head := range map[string]string{
		"gzip, chunked": "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"xchunked":      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"identity + CL": "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		"twice":         "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/2.0":      "GET / HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n",
		"HTTP/3.0":      "GET / HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t)
			if got := s.answers(t, okHead, head); len(got) != 2 || got[0] != 200 || got[1] != 400 {
				t.Errorf("%s, after a request that is well: %v, want 200 and 400", name, got)
			}
			if got := s.answers(t, head); len(got) != 1 || got[0] != 400 {
				t.Errorf("%s, first of all: %v, want 400", name, got)
			}
		})
	}
}

// A length that is said in two ways is read in two ways, by two servers on the way.
func TestAnAmbiguousMessageIsRefused(t *testing.T) {
	const post = "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	for _, row := range []struct {
		says, head string
		status     int
	}{
		{"length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
		{"chunks and length", "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
		{"both, with bare line ends", "Content-Length: 4\nTransfer-Encoding: chunked\n\n2\r\n{}\r\n0\r\n\r\n", 400},
		{"chunks alone", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200},
		{"length alone", "Content-Length: 2\r\n\r\n{}", 200},
		{"names of both in a value", "X-Note: Content-Length Transfer-Encoding\r\nContent-Length: 2\r\n\r\n{}", 200},
	} {
		for _, texts := range [][]string{{post + row.head}, {okHead, post + row.head}} {
			synctest.Test(t, func(t *testing.T) {
				got := open(t).answers(t, texts...)
				if len(got) != len(texts) || got[len(got)-1] != row.status {
					t.Errorf("%s, request %d: %v, want %d", row.says, len(texts), got, row.status)
				}
			})
		}
	}
}

// What is smuggled behind chunks is no request: the connection ends with the one that it came with.
func TestNothingIsServedBehindChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, _ := open(t).raw(t, "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"+okHead)
		if n := strings.Count(answer, "HTTP/1.1 "); n != 1 {
			t.Errorf("%d answers, want 1: %q", n, answer)
		}
	})
}

// A refusal is there at once, whatever was announced behind it.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	for name, head := range map[string]string{
		"foreign Host":   "POST /tools HTTP/1.1\r\nHost: evil.example\r\n",
		"foreign Origin": "POST /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\n",
		"fetch metadata": "POST /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n",
		"a method":       "POST /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n",
		"media type":     "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n",
		"no route":       "POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			c, err := open(t).dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			start := time.Now()
			if _, err := io.WriteString(c, head+"Content-Length: 2000\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 12)
			_, err = io.ReadFull(c, answer)
			if took := time.Since(start); took > time.Second || err != nil {
				t.Errorf("%s: %q after %v, %v, want it at once", name, answer, took, err)
			}
		})
	}
}

// A client whose window is full holds nothing for ever, not even with net/http's own words to it.
func TestAClientThatDoesNotTake100ContinueIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := open(t).dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const ask = "POST /tools/ATool/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
			"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
		if _, err := io.WriteString(c, ask); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // of the bubble's clock
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := c.Read(make([]byte, 64)); err != io.EOF {
			t.Errorf("an hour later Read = %d bytes, %v, want EOF", n, err)
		}
	})
}

// Heads are looked at in whatever pieces they come, and answers pass unchanged.
func FuzzHeads(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 3)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 1)
	f.Add(bytes.Repeat([]byte("x"), 2*maxSeen), 1000)
	f.Fuzz(func(t *testing.T, head []byte, size int) {
		whole, pieces := &heads{}, &heads{}
		whole.look(head)
		size = max(size, 1)
		for rest := head; len(rest) > 0 && !pieces.whole; rest = rest[min(size, len(rest)):] {
			pieces.look(rest[:min(size, len(rest))])
		}
		if whole.whole != pieces.whole || whole.ambiguous.Load() != pieces.ambiguous.Load() {
			t.Errorf("look(%q) = %t, in pieces of %d %t", head, whole.ambiguous.Load(), size, pieces.ambiguous.Load())
		}
	})
}

// With the kernel's own buffer of megabytes a slow reader would look like one that reads nothing.
func TestAConnectionHasASmallBuffer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := buffered{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = client.(*net.TCPConn).SetReadBuffer(32 << 10)
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	n, err := c.Write(make([]byte, 64<<20))
	if err == nil || n > 8<<20 {
		t.Errorf("Write = %d, %v to a client that reads nothing, want it to stop soon", n, err)
	}
}
