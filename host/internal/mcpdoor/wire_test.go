package mcpdoor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// sent is a message of the door's, as far as tests look at it.
type sent struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

func (m sent) String() string {
	switch {
	case m.Method != "":
		return m.Method
	case m.Error != nil:
		return fmt.Sprintf("%s: error %d", m.ID, m.Error.Code)
	}
	return string(m.ID) + ": result"
}

func readSent(t testing.TB, raw string) sent {
	t.Helper()
	var m sent
	if err := json.Unmarshal([]byte(raw), &m); err != nil || m.Version != "2.0" {
		t.Errorf("the door wrote %q (%v), want JSON-RPC", raw, err)
	}
	return m
}

// wire is a client of stdio that writes lines and reads them.
type wire struct {
	t     testing.TB
	in    *io.PipeWriter
	out   *bufio.Reader
	stop  context.CancelFunc // of ServeStdio's context
	ended chan error         // gets the one result of ServeStdio
}

// wire joins a client to ServeStdio, which ends with the test.
func (b *bed) wire(t testing.TB) *wire {
	t.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &wire{t: t, in: toServer, out: bufio.NewReader(fromServer), stop: cancel, ended: make(chan error, 1)}
	go func() {
		w.ended <- b.ServeStdio(ctx, in, out)
		_ = out.Close() // never fails
	}()
	t.Cleanup(func() {
		cancel()
		_ = toServer.Close()   // never fails
		_ = fromServer.Close() // never fails
	})
	return w
}

func (w *wire) send(lines ...string) {
	w.t.Helper()
	if _, err := io.WriteString(w.in, strings.Join(lines, "\n")+"\n"); err != nil {
		w.t.Errorf("send %.80q: %v", lines, err)
	}
}

// next is the next message of the door's.
func (w *wire) next() sent {
	w.t.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.t.Fatalf("read: %v", err)
	}
	return readSent(w.t, line)
}

// open begins a session.
func (w *wire) open(capabilities string) {
	w.t.Helper()
	w.send(strings.Replace(initializeBody, `"capabilities":{}`, `"capabilities":`+capabilities, 1))
	if m := w.next(); m.Result == nil {
		w.t.Fatalf("initialize = %v, want a result", m)
	}
	w.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// close ends the client's stream, and returns what else the door says and with which error it ends.
func (w *wire) close() (rest []sent, err error) {
	w.t.Helper()
	_ = w.in.Close() // never fails
	for {
		line, err := w.out.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return rest, <-w.ended
		}
		if err != nil {
			w.t.Fatalf("read: %v", err)
		}
		rest = append(rest, readSent(w.t, line))
	}
}

// callBody calls ATool with a target, which says what the call is to do.
func callBody(id, target string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"ATool","arguments":{"target":"` +
		target + `"}}}`
}

func pingBody(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}` }

func cancelBody(id string) string {
	return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`
}

// modernMeta is what a message of the stateless revision says of itself, with more behind it.
func modernMeta(capabilities, more string) string {
	return `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":` + capabilities + more + `}`
}

func modernCall(id, target, capabilities, more string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"ATool","arguments":{"target":"` +
		target + `"},` + modernMeta(capabilities, more) + `}}`
}

func modernList(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/list","params":{` + modernMeta("{}", "") + `}}`
}

func listenBody(id, wanted string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"subscriptions/listen","params":{"notifications":` + wanted + `,` +
		modernMeta("{}", "") + `}}`
}

// target is what a call is to do.
func target(r tool.Request) string {
	var args struct{ Target string }
	if err := json.Unmarshal(r.Arguments, &args); err != nil {
		return err.Error()
	}
	return args.Target
}

// until makes calls that end with their context, or when they are let go.
type until struct {
	began chan string   // gets the target of each that has begun
	ended chan string   // gets the target of each whose context has ended
	free  chan struct{} // closed: they may end
}

func newUntil() *until {
	return &until{began: make(chan string, 1000), ended: make(chan string, 1000), free: make(chan struct{})}
}

func (u *until) call(ctx context.Context, r tool.Request) (tool.Result, error) {
	u.began <- target(r)
	select {
	case <-ctx.Done():
		u.ended <- target(r)
		return tool.Result{}, ctx.Err()
	case <-u.free:
		return tool.Result{Stdout: "done"}, nil
	}
}
