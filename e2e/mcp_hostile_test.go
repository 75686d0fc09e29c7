package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	longLine   = 64 << 20  // bytes
	moreOfPeak = 48 << 10  // KiB that hostile input may cost a host
	mostOfPeak = 128 << 10 // KiB that a host may have at all
)

// wantFault holds an error of JSON-RPC to what it must say; id "": it is of no request.
func wantFault(t *testing.T, m message, id string, code int, says string) {
	t.Helper()
	if id == "" {
		id = "null"
	}
	if string(m.ID) != id || !strings.Contains(string(m.Error), fmt.Sprintf(`"code":%d,`, code)) ||
		!strings.Contains(string(m.Error), says) {
		t.Errorf("the answer is id %s, error %s, result %.100s; want id %s, code %d and %q", m.ID, m.Error, m.Result, id,
			code, says)
	}
}

// alive holds that the host answers on stdio still.
func (c *rawClient) alive(id string) {
	c.t.Helper()
	c.write(c.message(id, "tools/call", object{"name": "NoopTool", "arguments": object{"text": "still here"}}))
	if m, _ := c.answer(c.out, fmt.Sprintf("%q", id)); !strings.Contains(string(m.Result), "still here") {
		c.t.Errorf("a good call afterwards = %s %s", m.Result, m.Error)
	}
}

func TestOnStdioABadLineCostsNobodyButItself(t *testing.T) {
	for _, w := range waysOfMCP {
		if !w.stdio {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			c := w.raw(t, "lab")
			c.alive("before")
			before := peak(t, c.pid)
			if _, err := io.CopyN(c.in, letters{}, longLine); err != nil {
				t.Fatal(err)
			}
			c.write("")
			wantFault(t, c.next(c.out), "", -32600, "at most 1048576 bytes")
			if rise := peak(t, c.pid) - before; rise > moreOfPeak {
				t.Errorf("a line of 64 MiB raised the host by %d KiB, want at most %d", rise, moreOfPeak)
			}
			for _, row := range []struct {
				line, id string
				code     int
				says     string
			}{
				{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\xffng\"}", "", -32700, "UTF-8"},
				{`{"jsonrpc":"2.0","id":1,"method":"ping"`, "", -32700, ""},
				{`{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`, "", -32700, "/id"},
				{`{"jsonrpc":"2.0","id":[1],"method":"ping"}`, "", -32600, "id"},
				{`{"jsonrpc":"2.0","id":1,"Method":"ping"}`, "", -32600, "write it method"},
				{`[]`, "", -32600, ""},
				{`{"jsonrpc":"2.0","id":77,"result":{}}`, "", -32600, "nothing was asked"},
				{strings.Repeat("[", 100) + strings.Repeat("]", 100), "", -32700, ""},
			} {
				c.write(row.line)
				wantFault(t, c.next(c.out), row.id, row.code, row.says)
			}
			c.alive("after")
			if _, err := io.WriteString(c.in, `{"jsonrpc":"2.0","id":9,"method":"pi`); err != nil { // and then the end
				t.Fatal(err)
			}
		})
	}
}

// letters is a line without an end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestIdsThatAreInUseOrWereNeverSeenDisturbNobody(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			c, tells := w.raw(t, "lab"), newWitness(t)
			first, _ := c.begin(8, "WitnessTool", tells.arguments(0), object{})
			r := tells.meet()
			for _, id := range []any{"8", 9, "no such", 1.5, nil} {
				if c.host != nil && w.revision == modern {
					break // there a cancellation is the end of a stream
				}
				c.tell("notifications/cancelled", object{"requestId": id})
			}
			again, _ := c.begin(8, "NoopTool", `{"text":"twice"}`, object{})
			m, _ := c.answer(again, "8")
			if c.host != nil && w.revision == modern {
				if !strings.Contains(string(m.Result), "twice") { // another exchange, and so another id
					t.Errorf("the second request of an id = %s %s", m.Result, m.Error)
				}
			} else {
				wantFault(t, m, "8", -32600, "under way")
			}
			r.say("undisturbed")
			r.hangUp()
			if m, _ := c.answer(first, "8"); !strings.Contains(string(m.Result), "undisturbed") {
				t.Errorf("the first request of the id = %s %s, want it undisturbed", m.Result, m.Error)
			}
			third, _ := c.begin(8, "NoopTool", `{"text":"free again"}`, object{})
			if m, _ := c.answer(third, "8"); !strings.Contains(string(m.Result), "free again") {
				t.Errorf("a request of an id that is free = %s %s", m.Result, m.Error)
			}
		})
	}
}

const (
	unreadCalls = 100
	muchOutput  = `{"bytes":60000}` // of which a model gets 20,000 characters
)

// TestWhoNeverReadsOnStdioKeepsTheHostSmall has a hundred answers wait for who does not read them, and then
// reads.
func TestWhoNeverReadsOnStdioKeepsTheHostSmall(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, "lab"))
	file, log := filepath.Join(t.TempDir(), "gatehouse.yaml"), &logBuffer{}
	writeFile(t, file, fmt.Sprintf("tools: {HostileTool: {concurrency: %d}}\n", unreadCalls))
	cmd.Env = environment(t, "MCP_CONFIG_FILE="+file)
	cmd.Stderr = log
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
	c := &rawClient{t: t, way: waysOfMCP[1], in: in, out: make(chan message, 2*unreadCalls), log: log}
	for i := range unreadCalls {
		c.begin(i, "HostileTool", muchOutput, object{})
	}
	log.waitFor(t, `"tool":"HostileTool"`, unreadCalls) // all have ended
	if got := peak(t, cmd.Process.Pid); got > mostOfPeak {
		t.Errorf("with %d answers that nobody reads the host had %d KiB, want at most %d", unreadCalls, got,
			mostOfPeak)
	}
	go c.read(out)
	for range unreadCalls {
		if m := c.next(c.out); len(m.Error) > 0 || !strings.Contains(string(m.Result), "IGNORE PREVIOUS") {
			t.Fatalf("an answer is %s %.1000s", m.Error, m.Result)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	for range c.out {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the host ended with %v:\n%s", err, log)
	}
}

// TestWhoNeverReadsOverHTTPIsNoticedByNobody opens connections, asks for as much as there is on each, and does
// not read.
func TestWhoNeverReadsOverHTTPIsNoticedByNobody(t *testing.T) {
	const (
		deaf = 40        // fewer than the connections of one client
		each = 4 << 10   // KiB that one may cost: a page of 1 MiB, written out
		page = 1_048_576 // bytes, the largest
	)
	h := serve(t, "lab", "STATE_DIRECTORY="+t.TempDir())
	c := waysOfMCP[3].rawAt(t, h)
	other := h.as(h.command(t, "token", "create", "other"))
	var rep hostileReport
	waysOfMCP[3].at(t, h, mcp.ClientOptions{}).call("HostileTool", fmt.Sprintf(`{"bytes":%d}`, page), &rep)
	before := peak(t, c.pid)
	for i := range deaf {
		c.shout(i, "tools/call", "HostileTool", object{"name": "HostileTool", "arguments": object{"bytes": 60_000}})
	}
	h.log.waitFor(t, `"tool":"HostileTool"`, deaf+1)
	for i := range deaf {
		uri := fmt.Sprintf("execution://%s/stdout?limit=%d", rep.ID, page)
		conn := c.shout(i, "resources/read", uri, object{"uri": uri})
		if _, err := io.ReadFull(conn, make([]byte, 16)); err != nil {
			t.Fatal(err) // with its first bytes all of an answer is there
		}
		other.ask(t, "POST", execute, "{}", 200, nil)
	}
	answer, _ := waysOfMCP[3].rawAt(t, other).begin(1, "NoopTool", `{"text":"served"}`, object{})
	if a, _ := c.answer(answer, "1"); !strings.Contains(string(a.Result), "served") {
		t.Errorf("another client's call = %s %s", a.Result, a.Error)
	}
	h.health(t, "catalog", "healthy")
	if rise := peak(t, c.pid) - before; rise > deaf*each {
		t.Errorf("%d connections that nobody reads raised the host by %d KiB, want at most %d", deaf, rise,
			deaf*each)
	}
}

// shout sends a request on a connection of its own, which has room for next to nothing, and does not read.
func (c *rawClient) shout(id int, method, name string, params object) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.host.address(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(1); err != nil {
		c.t.Fatal(err)
	}
	body := c.message(id, method, params)
	req, err := http.NewRequest(http.MethodPost, c.host.url+"/mcp", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.host.token)
	req.Header.Set("Content-Type", "application/json")
	all := c.header(method, name)
	for i := 0; i+1 < len(all); i += 2 {
		req.Header.Add(all[i], all[i+1])
	}
	if err := req.Write(conn); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// TestAThousandSessionsAreBoundedAndBelongToWhoOpenedThem has one client open sessions without end.
func TestAThousandSessionsAreBoundedAndBelongToWhoOpenedThem(t *testing.T) {
	mary, bob, _ := neighbours(t)
	before := waysOfMCP[2].rawAt(t, bob)
	peakBefore := peak(t, before.pid)
	var all []*rawClient
	for range 1000 {
		all = append(all, waysOfMCP[2].rawAt(t, mary))
	}
	status := func(c *rawClient, session string) int {
		t.Helper()
		header := append([]string{"Mcp-Session-Id", session, "Mcp-Protocol-Version", legacy}, acceptMCP...)
		return c.host.send(t, "POST", "/mcp", c.message(1, "ping", object{}), header...).status
	}
	const kept = 32 // of one client
	wantStatus(t, "the newest session", status(all[999], all[999].session), 200)
	wantStatus(t, "the oldest that is kept", status(all[1000-kept], all[1000-kept].session), 200)
	wantStatus(t, "the one before it", status(all[999-kept], all[999-kept].session), 404)
	wantStatus(t, "the very first", status(all[0], all[0].session), 404)
	wantStatus(t, "that of another client, from before", status(before, before.session), 200)
	if rise := peak(t, before.pid) - peakBefore; rise > moreOfPeak {
		t.Errorf("1000 sessions raised the host by %d KiB, want at most %d", rise, moreOfPeak)
	}
	for _, forged := range []string{
		before.session, "", "x", "../../etc/passwd", neverID, strings.ToUpper(all[999].session),
		strings.Repeat("a", 5000),
	} {
		want := 404
		if forged == "" {
			want = 400
		}
		if got := status(all[999], forged); got != want && (forged != "" || got != 404) {
			t.Errorf("the forged session %.40q = %d, want %d", forged, got, want)
		}
	}
	header := []string{"Mcp-Session-Id", before.session, "Mcp-Protocol-Version", legacy}
	wantStatus(t, "the end of another client's session", mary.status(t, "DELETE", "/mcp", "", header...), 404)
	wantStatus(t, "that session afterwards", status(before, before.session), 200)
	wantStatus(t, "the end of one's own", bob.status(t, "DELETE", "/mcp", "", header...), 200)
	wantStatus(t, "that session afterwards", status(before, before.session), 404)
}
