package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool // the connection, behind the answer
}

// problem is what these tests read of a refusal.
type problem struct {
	Kind       string  `json:"error_type"`
	RetryAfter float64 `json:"retry_after"`
	Detail     string
}

func (r reply) problem(t *testing.T) (p problem) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%q is no problem: %v", r.body, err)
	}
	return p
}

// send sends a request with the host's token, if it has one, and more headers.
func (h *host) send(t *testing.T, method, path, body string, header ...string) reply {
	t.Helper()
	resp := h.open(t, method, path, body, header...)
	defer resp.Body.Close()
	defer impatient(resp)() // it may be a stream that should not be
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s = %s: %v", method, path, resp.Status, err)
	}
	return reply{resp.StatusCode, resp.Header, string(raw), resp.Close}
}

// impatient closes an answer that does not end, unless it is told to stop.
func impatient(resp *http.Response) (stop func() bool) {
	return time.AfterFunc(patience, func() { _ = resp.Body.Close() }).Stop
}

// open sends a request whose answer may have no end.
func (h *host) open(t *testing.T, method, path, body string, header ...string) *http.Response {
	t.Helper()
	resp, err := h.try(t, method, path, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

// try sends a request that need not be answered.
func (h *host) try(t *testing.T, method, path, body string, header ...string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	return h.client.Do(req)
}

// status sends a request and returns the status alone; what stays open is closed.
func (h *host) status(t *testing.T, method, path, body string, header ...string) int {
	t.Helper()
	resp := h.open(t, method, path, body, header...)
	_ = resp.Body.Close()
	return resp.StatusCode
}

const (
	execute = "/tools/NoopTool/execute"

	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`
)

// acceptMCP is the header that /mcp wants.
var acceptMCP = []string{"Accept", "application/json, text/event-stream"}

// wantStatus compares what a request came to.
func wantStatus(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %d, want %d", what, got, want)
	}
}

// refusedLine is what these tests read of a line of the trail, sums of a flood included.
type refusedLine struct {
	Event, Client, Remote, Door string
	Actor, Action, Error, Rule  string
	ErrorType                   string `json:"error_type"`
	CorrelationID               string `json:"correlation_id"`
	Repeats                     int
	Facts                       map[string]string
}

// trailText is the whole trail of a host.
func (h *host) trailText(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(stateOf(t, h), "audit", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no trail of the host: %v", err)
	}
	var text strings.Builder
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(raw)
	}
	return text.String()
}

// stateOf is the state directory of a host.
func stateOf(t *testing.T, h *host) string {
	t.Helper()
	return filepath.Join(h.setting(t, "XDG_STATE_HOME"), "gatehouse")
}

// trailed are the lines of the trail of a host that are of an event.
func (h *host) trailed(t *testing.T, event string) (found []refusedLine) {
	t.Helper()
	for raw := range strings.Lines(h.trailText(t)) {
		var l refusedLine
		if err := json.Unmarshal([]byte(raw), &l); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if l.Event == event {
			found = append(found, l)
		}
	}
	return found
}
