package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/e2e/serving"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// patience bounds every wait for an event; a test that reaches it has failed.
const patience = 30 * time.Second

// host is a running gatehouse that serves HTTP.
type host struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	token string
	// client holds every answer against the OpenAPI document.
	client *http.Client
	log    *logBuffer
	ended  chan error // holds the one result of Wait
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu    sync.Mutex // guards buf and grown
	buf   bytes.Buffer
	grown chan struct{} // closed by the next Write
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grown != nil {
		close(b.grown)
		b.grown = nil
	}
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	text, _ := b.read()
	return text
}

// read returns the log and a channel that is closed when there is more.
func (b *logBuffer) read() (string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.grown == nil {
		b.grown = make(chan struct{})
	}
	return b.buf.String(), b.grown
}

// waitFor waits until the log has a text so many times.
func (b *logBuffer) waitFor(t *testing.T, want string, times int) {
	t.Helper()
	late := time.After(patience)
	for {
		text, more := b.read()
		if strings.Count(text, want) >= times {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("the log does not come to say %q:\n%s", want, text)
		}
	}
}

// environment is what a host is started with: a state directory of its own and the settings given, no more.
func environment(t *testing.T, settings ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "XDG_STATE_HOME=" + t.TempDir(),
		"MCP_RATE_LIMIT_REQUESTS=100000",
	}, settings...)
}

// serve starts a host on a free port with the plugins of a directory below bin, and waits until it serves.
func serve(t *testing.T, plugins string, settings ...string) *host {
	t.Helper()
	h := &host{t: t, log: &logBuffer{}, ended: make(chan error, 1)}
	h.cmd = exec.Command(filepath.Join(bin, "gatehouse"), "serve", "--transport", "http", "--port", "0",
		"--plugins-dir", filepath.Join(bin, plugins))
	h.cmd.Env = environment(t, settings...)
	stderr, err := h.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	serving := make(chan string, 1)
	go h.follow(stderr, serving)
	select {
	case h.url = <-serving:
	case err := <-h.ended:
		t.Fatalf("the host ended: %v\n%s", err, h.log)
	case <-time.After(patience):
		t.Fatalf("the host does not serve:\n%s", h.log)
	}
	h.token, h.client = h.showToken(), http.DefaultClient
	h.client = h.checked(t)
	return h
}

// follow reads the log to its end, and then the exit status.
func (h *host) follow(stderr io.Reader, at chan<- string) {
	for sc := bufio.NewScanner(io.TeeReader(stderr, h.log)); sc.Scan(); {
		if url := serving.Address(sc.Bytes()); url != "" {
			at <- url
		}
	}
	h.ended <- h.cmd.Wait()
}

// showToken is the token that the host generated, unless its environment has another for the command line.
func (h *host) showToken() string {
	for _, setting := range h.cmd.Env {
		if token, ok := strings.CutPrefix(setting, "GATEHOUSE_TOKEN="); ok {
			return token
		}
	}
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "token", "show")
	cmd.Env = h.cmd.Env
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("token show: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// stop asks the host to end and waits for it.
func (h *host) stop() {
	_ = h.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	h.wait()
}

func (h *host) wait() {
	select {
	case err := <-h.ended:
		h.ended <- err
	case <-time.After(patience):
		_ = h.cmd.Process.Kill()
		h.t.Errorf("the host does not end:\n%s", h.log)
	}
}

// do sends a request with the token and returns status and body.
func (h *host) do(ctx context.Context, method, path, body string, header ...string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

// bearer adds the token to each request of an MCP client.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

// connect joins the official Go client to a transport.
func connect(t *testing.T, transport mcp.Transport) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = session.Close() }) // the server may have gone first
	return session
}

// A door calls a tool and returns the report, or the kind of error in its place.
type door func(t *testing.T, name, arguments string) (tool.Report, tool.Kind)

// doors opens every way in, each to a host with the plugins of one directory.
func doors(t *testing.T, plugins string, settings ...string) map[string]door {
	h := serve(t, plugins, settings...)
	stdio := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, plugins))
	stdio.Env = environment(t, settings...)
	return map[string]door{
		"rest":  h.rest,
		"mcp":   mcpDoor(connect(t, &mcp.StreamableClientTransport{Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{h.token}}})),
		"stdio": mcpDoor(connect(t, &mcp.CommandTransport{Command: stdio})),
		"cli":   cliDoor(plugins, settings...),
	}
}

func (h *host) rest(t *testing.T, name, arguments string) (tool.Report, tool.Kind) {
	t.Helper()
	_, body, err := h.do(t.Context(), http.MethodPost, "/tools/"+name+"/execute", arguments)
	if err != nil {
		t.Fatal(err)
	}
	return parseReport(t, body)
}

// parseReport reads a report or a problem: they share error_type.
func parseReport(t *testing.T, body []byte) (tool.Report, tool.Kind) {
	t.Helper()
	var rep tool.Report
	if err := json.Unmarshal(body, &rep); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if rep.ErrorType == nil {
		return rep, ""
	}
	return rep, *rep.ErrorType
}

func mcpDoor(s *mcp.ClientSession) door {
	return func(t *testing.T, name, arguments string) (tool.Report, tool.Kind) {
		t.Helper()
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)})
		if err != nil {
			if strings.Contains(err.Error(), "not found") {
				return tool.Report{}, tool.KindToolNotFound
			}
			t.Fatalf("CallTool(%s): %v", name, err)
		}
		text, ok := res.Content[0].(*mcp.TextContent)
		if !ok {
			t.Fatalf("content is %T, want text", res.Content[0])
		}
		rep, kind := parseReport(t, []byte(text.Text))
		if res.IsError != (kind != "") {
			t.Errorf("isError is %t and error_type is %q", res.IsError, kind)
		}
		return rep, kind
	}
}

// cliDoor starts a host for each call, as a person at a prompt does.
func cliDoor(plugins string, settings ...string) door {
	return func(t *testing.T, name, arguments string) (tool.Report, tool.Kind) {
		t.Helper()
		var args map[string]json.RawMessage
		if err := json.Unmarshal([]byte(arguments), &args); err != nil {
			t.Fatal(err)
		}
		argv := []string{"call", name, "--json", "--plugins-dir", filepath.Join(bin, plugins)}
		for key, value := range args {
			argv = append(argv, "--arg", key+"="+string(value))
		}
		cmd := exec.Command(filepath.Join(bin, "gatehouse"), argv...)
		cmd.Env = environment(t, settings...)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return parseReport(t, out)
	}
}

// listen opens a port that answers nothing.
func listen(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
