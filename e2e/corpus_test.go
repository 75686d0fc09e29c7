package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostileLine is a request of testdata/http, and what must become of it.
type hostileLine struct {
	ID, Method, Path, Body, Raw string
	Headers                     map[string]string
	Auth                        bool
	BodyB64                     string     `json:"body_b64"`
	BodyGen                     *generated `json:"body_gen"`
	HeaderGen                   *generated `json:"header_gen"`
	NeedsSession                bool       `json:"needs_session"`
	Repeat                      int
	Drip                        *drip
	Expect, Why                 string
	Codes                       []int
	hasRaw                      bool
}

// generated is a text that is too long to be written down.
type generated struct {
	Name, Prefix, Repeat, Suffix string
	Count                        int
}

func (g generated) text() string { return g.Prefix + strings.Repeat(g.Repeat, g.Count) + g.Suffix }

// drip is how slow a client is.
type drip struct {
	EveryMs     int  `json:"every_ms"`
	ReadNothing bool `json:"read_nothing"`
	Within      int  `json:"closed_within_s"`
}

func hostileLines(t *testing.T) []hostileLine {
	t.Helper()
	var all []hostileLine
	for _, name := range []string{"corpus", "more"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "http", name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(raw) {
			var l hostileLine
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			l.hasRaw = bytes.Contains(line, []byte(`"raw":`))
			all = append(all, l)
		}
	}
	if len(all) < 100 {
		t.Fatalf("%d lines, want all of them", len(all))
	}
	return all
}

// attacker sends lines to a host.
type attacker struct {
	*host
	session string
	counter atomic.Int64
}

func newAttacker(t *testing.T, h *host) *attacker {
	t.Helper()
	a := &attacker{host: h}
	a.session = a.initialize(t)
	return a
}

// initialize opens a session at /mcp.
func (a *attacker) initialize(t *testing.T) string {
	t.Helper()
	const body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	id := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != http.StatusOK || id == "" {
		t.Fatalf("initialize = %d, session %q", resp.StatusCode, id)
	}
	return id
}

// bytes are the request of a line, as they go over the wire.
func (a *attacker) bytes(t *testing.T, l hostileLine) []byte {
	t.Helper()
	own := ""
	if l.Auth {
		own = "Authorization: Bearer " + a.token + "\r\n"
	}
	if l.hasRaw {
		first, rest, _ := strings.Cut(l.Raw, "\r\n")
		if rest == "" || strings.HasPrefix(first, "PRI ") {
			return []byte(l.Raw)
		}
		return []byte(first + "\r\n" + own + rest)
	}
	body := l.Body
	if l.BodyB64 != "" {
		raw, err := base64.StdEncoding.DecodeString(l.BodyB64)
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	}
	if l.BodyGen != nil {
		body = l.BodyGen.text()
	}
	fill := strings.NewReplacer("$TOKEN", a.token, "$N", strconv.FormatInt(a.counter.Add(1), 10))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n%s", l.Method, fill.Replace(l.Path), own)
	a.headers(&b, l, fill, len(body))
	b.WriteString("\r\n")
	if l.Headers["Transfer-Encoding"] == "chunked" {
		fmt.Fprintf(&b, "%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	} else {
		b.WriteString(body)
	}
	return b.Bytes()
}

func (a *attacker) headers(b *bytes.Buffer, l hostileLine, fill *strings.Replacer, size int) {
	if l.Headers["Host"] == "" {
		b.WriteString("Host: 127.0.0.1:8080\r\n")
	}
	if l.NeedsSession {
		fmt.Fprintf(b, "Mcp-Session-Id: %s\r\n", a.session)
	}
	for name, value := range l.Headers {
		fmt.Fprintf(b, "%s: %s\r\n", name, fill.Replace(value))
	}
	if l.HeaderGen != nil {
		fmt.Fprintf(b, "%s: %s\r\n", l.HeaderGen.Name, l.HeaderGen.text())
	}
	if size > 0 && l.Headers["Content-Length"] == "" && l.Headers["Transfer-Encoding"] == "" {
		fmt.Fprintf(b, "Content-Length: %d\r\n", size)
	}
}

// dial opens a connection of its own for a line.
func (a *attacker) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// send sends a line and returns the answer, read to the end of its body.
func (a *attacker) send(t *testing.T, l hostileLine) (status int, header http.Header, body string) {
	t.Helper()
	c := a.dial(t)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	go func() { _, _ = c.Write(a.bytes(t, l)) }() // the other side may answer, and close, before all of it
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: l.Method})
	if err != nil {
		t.Errorf("%s (%s): no answer: %v", l.ID, l.Why, err)
		return 0, nil, ""
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%s (%s): read the answer: %v", l.ID, l.Why, err)
	}
	return resp.StatusCode, resp.Header, string(raw)
}

// attack sends a line and holds the answer against what is expected.
func (a *attacker) attack(t *testing.T, l hostileLine) {
	t.Helper()
	status, header, body := a.send(t, l)
	good := len(l.Codes) == 0 || slices.Contains(l.Codes, status)
	switch l.Expect {
	case "4xx":
		good = good && status >= 400 && status < 500
	case "2xx":
		good = good && status == 200
	case "not2xx":
		good = good && status/100 != 2
	case "rpc-error":
		good = good && strings.Contains(body, `"error":{`) && !strings.Contains(body, `"result"`)
	case "tool-error":
		good = good && strings.Contains(body, `"isError":true`)
	case "no-cors":
		for name := range header {
			good = good && !strings.HasPrefix(name, "Access-Control-")
		}
	default:
		t.Fatalf("%s: nobody knows what %q is", l.ID, l.Expect)
	}
	if !good || status >= 500 {
		t.Errorf("%s (%s): %s %s = %d %.300s, want %s %v", l.ID, l.Why, l.Method, l.Path, status, body, l.Expect, l.Codes)
	}
}

// drips sends a line slowly, and sees that the host closes the connection in time.
func (a *attacker) drips(t *testing.T, l hostileLine) {
	t.Helper()
	c := a.dial(t)
	defer c.Close()
	if _, err := c.Write(a.bytes(t, l)); err != nil {
		t.Errorf("%s: %v", l.ID, err)
		return
	}
	within := time.Duration(l.Drip.Within) * time.Second
	if l.Drip.ReadNothing {
		<-time.After(within) // what the line is about
		a.closed(t, l, c)
		return
	}
	closed := make(chan struct{}) // closed by the reader
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, c)
	}()
	tick, late := time.NewTicker(time.Duration(l.Drip.EveryMs)*time.Millisecond), time.After(within)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return
		case <-tick.C:
			_, _ = c.Write([]byte("x")) // it may be closed in this moment
		case <-late:
			t.Errorf("%s (%s): the connection is open after %v", l.ID, l.Why, within)
			return
		}
	}
}

// closed sees that the host has closed a connection of which nothing was read.
func (a *attacker) closed(t *testing.T, l hostileLine, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second)) // for what lies in the buffers
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s (%s): the connection is open after %d s", l.ID, l.Why, l.Drip.Within)
	}
}

// floods sends a line many times at once, each on a connection that stays open, and counts the answers.
func (a *attacker) floods(t *testing.T, l hostileLine) {
	t.Helper()
	answers := make(map[int]int)
	var conns []net.Conn
	for range l.Repeat {
		c := a.dial(t)
		conns = append(conns, c)
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(a.bytes(t, l)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: no answer after %v: %v", l.ID, answers, err)
			break
		}
		answers[resp.StatusCode]++
		_ = resp.Body.Close // a stream, which ends with its connection
	}
	for _, c := range conns {
		_ = c.Close()
	}
	for status := range answers {
		if !slices.Contains(l.Codes, status) {
			t.Errorf("%s (%s): answers %v, want %v alone", l.ID, l.Why, answers, l.Codes)
		}
	}
	if answers[200] == 0 || answers[200] > 16 {
		t.Errorf("%s (%s): %d of %d were let in, want 1 to 16", l.ID, l.Why, answers[200], l.Repeat)
	}
}

// TestHostileRequests sends every line of testdata/http once.
func TestHostileRequests(t *testing.T) {
	h := serve(t, "plugins", "MCP_AUTH_MAX_FAILURES=100000")
	a := newAttacker(t, h)
	t.Run("at once", func(t *testing.T) {
		for _, l := range hostileLines(t) {
			switch {
			case l.Drip != nil:
				t.Run(l.ID, func(t *testing.T) {
					t.Parallel()
					a.drips(t, l)
				})
			case l.Repeat > 0:
				a.floods(t, l)
			default:
				a.attack(t, l)
			}
		}
	})
	text, _ := h.log.read()
	if i := strings.IndexAny(text, "\r\x1b"); i >= 0 {
		t.Errorf("the log has a raw control character: %q", text[max(0, i-80):min(len(text), i+80)])
	}
}

// TestSlowConnectionsKeepNobodyOut holds far more connections open than there may be, none of which ever comes to the
// end of a header, and calls beside them, over one connection and over a new one each time.
func TestSlowConnectionsKeepNobodyOut(t *testing.T) {
	h := serve(t, "lab")
	a := newAttacker(t, h)
	for range 500 {
		c := a.dial(t)
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.Write([]byte("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")); err != nil {
			t.Fatal(err)
		}
	}
	for _, fresh := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: fresh}}
		for range 50 {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/tools", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+h.token)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("a connection for each request: %t: %v", fresh, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a connection for each request: %t: %d, want 200", fresh, resp.StatusCode)
			}
		}
		client.CloseIdleConnections()
	}
}
