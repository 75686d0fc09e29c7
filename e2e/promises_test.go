package e2e

import (
	"encoding/json"
	"math"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// breaker is the state of a tool's breaker as GET /tools shows it.
func (h *host) breaker(t *testing.T, name string) string {
	t.Helper()
	var view struct {
		Breaker struct{ State string } `json:"circuit_breaker"`
	}
	h.ask(t, http.MethodGet, "/tools/"+name, "", 200, &view)
	return view.Breaker.State
}

// TestTheBreakerTellsBrokenFromRefusedAndFromDown makes each tool's breaker open at the first failure.
func TestTheBreakerTellsBrokenFromRefusedAndFromDown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "tools:\n  NmapTool: {failure_threshold: 1}\n  CrashTool: {failure_threshold: 1}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file)
	closed := freePort(t)
	for _, arguments := range []string{
		`{"target":"127.0.0.1","extra_args":"-iL x"}`,                 // the tool says no
		`{"target":"8.8.8.8"}`,                                        // the host says no
		`{"target":"127.0.0.1","extra_args":"-sT -p ` + closed + `"}`, // the target's port is closed
	} {
		h.rest(t, "NmapTool", arguments)
		if got := h.breaker(t, "NmapTool"); got != "CLOSED" {
			t.Errorf("after %s the breaker is %s, want CLOSED", arguments, got)
		}
	}
	lab := serve(t, "lab", "MCP_CONFIG_FILE="+file)
	if _, kind := lab.rest(t, "CrashTool", `{}`); kind != "unavailable" {
		t.Errorf("CrashTool = %q, want unavailable", kind)
	}
	if got := lab.breaker(t, "CrashTool"); got != "OPEN" {
		t.Errorf("after a crash the breaker is %s, want OPEN", got)
	}
	if _, kind := lab.rest(t, "CrashTool", `{}`); kind != "circuit_breaker_open" {
		t.Errorf("the next call = %q, want circuit_breaker_open", kind)
	}
	if got := lab.breaker(t, "NoopTool"); got != "CLOSED" {
		t.Errorf("the breaker of another tool is %s, want CLOSED", got)
	}
}

func TestTheRateLimitSaysWhenToComeBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "tools: {NoopTool: {rate_requests: 2, rate_per: 100}}\n")
	h := serve(t, "lab", "MCP_CONFIG_FILE="+file)
	for range 2 {
		h.ask(t, http.MethodPost, "/tools/NoopTool/execute", "{}", 200, nil)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/tools/NoopTool/execute",
		strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var problem struct {
		RetryAfter float64 `json:"retry_after"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	header, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64)
	if resp.StatusCode != 429 || err != nil || header != math.Ceil(problem.RetryAfter) {
		t.Errorf("status %d, Retry-After %q, retry_after %v; want 429 and the same time",
			resp.StatusCode, resp.Header.Get("Retry-After"), problem.RetryAfter)
	}
	if problem.RetryAfter <= 0 || problem.RetryAfter > 50 { // a token comes every 50 s
		t.Errorf("retry_after = %v, want at most 50", problem.RetryAfter)
	}
	h.ask(t, http.MethodPost, "/tools/TrueTool/execute", "{}", 200, nil) // has a bucket of its own
}

// TestNothingThatACallerSendsForgesALogLine sends what would be lines of their own, escapes of a terminal and
// characters that turn the direction of writing around.
func TestNothingThatACallerSendsForgesALogLine(t *testing.T) {
	evil := "10.0.0.1\n{\"@level\":\"info\",\"@message\":\"forged\"}\r\n\x1b[2K\u202e\u2028"
	body, err := json.Marshal(map[string]string{"target": evil})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"structured", "simple"} {
		t.Run(format, func(t *testing.T) {
			h := serve(t, "plugins", "LOG_FORMAT="+format)
			if _, kind := h.rest(t, "PingTool", string(body)); kind != "validation_error" {
				t.Fatalf("the call = %q, want validation_error", kind)
			}
			h.stop()
			for line := range strings.Lines(h.log.String()) {
				line = strings.TrimSuffix(line, "\n")
				if strings.ContainsAny(line, "\x1b\r\u202e\u2028") || strings.HasPrefix(line, `{"@level":"info","@message":"forged"`) {
					t.Errorf("a forged line, or one with bare control characters: %q", line)
				}
				if format == "structured" && !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %q", line)
				}
			}
			if !strings.Contains(h.log.String(), "forged") {
				t.Errorf("the log does not have the call at all:\n%s", h.log)
			}
		})
	}
}
