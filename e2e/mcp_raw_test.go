package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// rawClient is a client that writes its messages itself, and sees those of the host as they come.
type rawClient struct {
	t   *testing.T
	way way
	pid int // of its host

	host    *host        // over HTTP
	session string       // over HTTP, up to 2025-11-25
	from    chan int     // over HTTP, the ports of this machine that calls came from
	in      io.Writer    // on stdio
	out     chan message // on stdio; closed at its end
	log     *logBuffer
}

// raw starts a host of its own for such a client.
func (w way) raw(t *testing.T, plugins string, settings ...string) *rawClient {
	t.Helper()
	settings = append([]string{"STATE_DIRECTORY=" + t.TempDir()}, settings...)
	if !w.stdio {
		return w.rawAt(t, serve(t, plugins, settings...))
	}
	c := &rawClient{t: t, way: w, out: make(chan message, 10_000), log: &logBuffer{}}
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, plugins))
	cmd.Env, cmd.Stderr = environment(t, settings...), c.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.in, c.pid = in, cmd.Process.Pid
	go c.read(out)
	t.Cleanup(func() {
		defer time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }).Stop()
		_ = in.Close()    // the host may have gone first
		for range c.out { // to its end
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the host ended with %v:\n%s", err, c.log)
		}
	})
	c.greet()
	return c
}

// rawAt is one of a host that serves HTTP.
func (w way) rawAt(t *testing.T, h *host) *rawClient {
	t.Helper()
	c := &rawClient{t: t, way: w, host: h, pid: h.cmd.Process.Pid, log: h.log, from: make(chan int, 1000)}
	c.greet()
	return c
}

// read reads stdout, on which there must be nothing but messages.
func (c *rawClient) read(out io.Reader) {
	defer close(c.out)
	lines := bufio.NewScanner(out)
	for lines.Buffer(nil, 16<<20); lines.Scan(); {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.Version != "2.0" {
			c.t.Errorf("stdout has a line that is no message: %.200s", lines.Bytes())
		}
		c.out <- m
	}
}

// greet begins a session, where there are sessions.
func (c *rawClient) greet() {
	c.t.Helper()
	if c.way.revision == modern {
		return
	}
	hello := c.message("hello", "initialize", object{
		"protocolVersion": c.way.revision, "capabilities": object{},
		"clientInfo": object{"name": "raw", "version": "1"},
	})
	if c.host == nil {
		c.write(hello)
		c.answer(c.out, `"hello"`)
	} else {
		r := c.host.send(c.t, "POST", "/mcp", hello, acceptMCP...)
		if c.session = r.header.Get("Mcp-Session-Id"); c.session == "" {
			c.t.Fatalf("initialize = %+v, want a session", r)
		}
	}
	c.tell("notifications/initialized", object{})
}

// write writes a line on stdio.
func (c *rawClient) write(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatalf("the host does not read: %v\n%s", err, c.log)
	}
}

// object is one of JSON.
type object = map[string]any

// message is one of the client's; id nil: a notification. A request of 2026-07-28 says who asks.
func (c *rawClient) message(id any, method string, params object) string {
	c.t.Helper()
	params = maps.Clone(params)
	m := object{"jsonrpc": "2.0", "method": method, "params": params}
	if id != nil {
		m["id"] = id
	}
	if c.way.revision == modern && id != nil {
		meta := object{
			"io.modelcontextprotocol/protocolVersion":    modern,
			"io.modelcontextprotocol/clientInfo":         object{"name": "raw", "version": "1"},
			"io.modelcontextprotocol/clientCapabilities": object{},
		}
		if given, ok := params["_meta"].(object); ok {
			maps.Copy(meta, given)
		}
		params["_meta"] = meta
	}
	raw, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(raw)
}

// header are those of a message over HTTP.
func (c *rawClient) header(method, name string) []string {
	all := append([]string{"Mcp-Protocol-Version", c.way.revision}, acceptMCP...)
	if c.way.revision != modern {
		return append(all, "Mcp-Session-Id", c.session)
	}
	if all = append(all, "Mcp-Method", method); name != "" {
		all = append(all, "Mcp-Name", name)
	}
	return all
}

// tell sends a notification.
func (c *rawClient) tell(method string, params object) {
	c.t.Helper()
	if c.host == nil {
		c.write(c.message(nil, method, params))
		return
	}
	r := c.host.send(c.t, "POST", "/mcp", c.message(nil, method, params), c.header(method, "")...)
	wantStatus(c.t, method, r.status, http.StatusAccepted)
}

// begin calls a tool. What belongs to the request comes from the channel: over HTTP that alone, and its end.
func (c *rawClient) begin(id any, name, arguments string, meta object) (told <-chan message, goAway func()) {
	c.t.Helper()
	const method = "tools/call"
	body := c.message(id, method, object{"name": name, "arguments": json.RawMessage(arguments), "_meta": meta})
	if c.host == nil {
		c.write(body)
		return c.out, func() {}
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	c.t.Cleanup(cancel)
	out := make(chan message, 1000)
	go c.exchange(ctx, body, c.header(method, name), out)
	return out, cancel
}

// exchange sends a request over HTTP, and reads what comes on its stream. Of an answer that is no message
// nothing comes.
func (c *rawClient) exchange(ctx context.Context, body string, header []string, out chan<- message) {
	defer close(out)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		c.from <- i.Conn.LocalAddr().(*net.TCPAddr).Port
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.host.url+"/mcp", strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+c.host.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // it went away before the first word came
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Buffer(nil, 16<<20); lines.Scan(); {
		text := strings.TrimPrefix(lines.Text(), "data: ")
		var m message
		if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &m) == nil {
			out <- m
		}
	}
}

// hungUp waits until the host has let go of the connection from a port: then it knows that the client has
// gone.
func (c *rawClient) hungUp(port int) {
	c.t.Helper()
	theirs := fmt.Sprintf(":%04X", port)
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond) // the kernel tells nobody
	defer tick.Stop()
	for {
		raw, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			c.t.Fatal(err)
		}
		open := slices.ContainsFunc(strings.Split(string(raw), "\n"), func(line string) bool {
			f := strings.Fields(line) // number, local and remote address, state in hexadecimal: 01 to 0B, 06 is over
			return len(f) > 3 && strings.HasSuffix(f[2], theirs) && f[3] != "06"
		})
		if !open {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			c.t.Fatalf("the host does not let go of the connection from port %d", port)
		}
	}
}

// next waits for a message.
func (c *rawClient) next(from <-chan message) message {
	c.t.Helper()
	select {
	case m, more := <-from:
		if !more {
			c.t.Fatalf("the stream has ended:\n%s", c.log)
		}
		return m
	case <-time.After(patience):
		c.t.Fatalf("no message comes:\n%s", c.log)
		return message{}
	}
}

// answer waits for the answer to a request, and returns what came before it too.
func (c *rawClient) answer(from <-chan message, id string) (answer message, before []message) {
	c.t.Helper()
	for {
		m := c.next(from)
		if string(m.ID) == id && m.Method == "" {
			return m, before
		}
		before = append(before, m)
	}
}
