package metrics

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// scrape is what Prometheus reads.
func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("GET /metrics = %d %s, want 200 and text", w.Code, w.Header().Get("Content-Type"))
	}
	return w.Body.String()
}

func wantLines(t testing.TB, m *Metrics, lines ...string) {
	t.Helper()
	text := "\n" + scrape(t, m)
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the scrape lacks %s:\n%s", line, ours(text))
		}
	}
}

// ours are the lines of the host's own instruments.
func ours(text string) string {
	return strings.Join(regexp.MustCompile(`(?m)^mcp_.*$`).FindAllString(text, -1), "\n")
}

func TestACallIsActiveUntilItEnds(t *testing.T) {
	m := New()
	m.Started("NmapTool")
	m.Started("NmapTool")
	m.Started("PingTool")
	m.Finished("NmapTool", "", 2*time.Second, true)
	wantLines(t, m,
		`mcp_tool_active_executions{tool="NmapTool"} 1`,
		`mcp_tool_active_executions{tool="PingTool"} 1`,
		`mcp_tool_execution_total{error_type="",status="success",tool="NmapTool"} 1`,
		`mcp_tool_execution_duration_seconds_count{tool="NmapTool"} 1`,
		`mcp_tool_execution_duration_seconds_sum{tool="NmapTool"} 2`,
		`mcp_tool_execution_duration_seconds_bucket{tool="NmapTool",le="1"} 0`,
		`mcp_tool_execution_duration_seconds_bucket{tool="NmapTool",le="5"} 1`,
	)
	if text := scrape(t, m); strings.Contains(text, "mcp_tool_errors_total{") {
		t.Errorf("a call that went well is counted as an error:\n%s", ours(text))
	}
	m.Finished("NmapTool", tool.KindTimeout, 3*time.Second, true)
	m.Finished("PingTool", "", time.Millisecond, true)
	wantLines(t, m,
		`mcp_tool_active_executions{tool="NmapTool"} 0`,
		`mcp_tool_active_executions{tool="PingTool"} 0`,
		`mcp_tool_execution_total{error_type="timeout",status="error",tool="NmapTool"} 1`,
		`mcp_tool_errors_total{error_type="timeout",tool="NmapTool"} 1`,
		`mcp_tool_execution_duration_seconds_sum{tool="NmapTool"} 5`,
	)
}

func TestARefusedCallWasNeverActive(t *testing.T) {
	m := New()
	m.Started("NmapTool")
	m.Finished("NmapTool", tool.KindRateLimited, 0, false)
	m.Finished(Unknown, tool.KindToolNotFound, 0, false)
	wantLines(t, m,
		`mcp_tool_active_executions{tool="NmapTool"} 1`,
		`mcp_tool_execution_total{error_type="rate_limited",status="error",tool="NmapTool"} 1`,
		`mcp_tool_errors_total{error_type="rate_limited",tool="NmapTool"} 1`,
		`mcp_tool_execution_total{error_type="tool_not_found",status="error",tool="unknown"} 1`,
	)
	if text := scrape(t, m); strings.Contains(text, `mcp_tool_active_executions{tool="unknown"}`) {
		t.Errorf("a refused call touched the gauge:\n%s", ours(text))
	}
}

func TestTheStateOfABreakerIsShown(t *testing.T) {
	m := New()
	for state := range 3 {
		m.Breaker("NmapTool", state)
		wantLines(t, m, `mcp_circuit_breaker_state{tool="NmapTool"} `+string(rune('0'+state)))
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	m := New()
	m.Request("/tools/{name}/execute", 250*time.Millisecond)
	m.Request("/tools/{name}/execute", 250*time.Millisecond)
	wantLines(t, m,
		`mcp_http_request_duration_seconds_count{endpoint="/tools/{name}/execute"} 2`,
		`mcp_http_request_duration_seconds_sum{endpoint="/tools/{name}/execute"} 0.5`,
	)
}

// Every label is one of a few names, so that no caller can make the host keep series without end: a client's
// name, a
// target, an id or an address is never a label.
func TestTheSetOfLabelsIsBounded(t *testing.T) {
	m := New()
	for _, k := range tool.Kinds() {
		m.Started("NmapTool")
		m.Finished("NmapTool", k, time.Second, true)
	}
	for _, invented := range []tool.Kind{"invented", "another", "and\nanother"} {
		m.Finished("NmapTool", invented, time.Second, false)
	}
	m.Breaker("NmapTool", 1)
	m.Request("/tools", time.Second)
	known := map[string]bool{"tool": true, "status": true, "error_type": true, "endpoint": true, "le": true}
	text := ours(scrape(t, m))
	for _, label := range regexp.MustCompile(`[{,](\w+)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !known[label[1]] {
			t.Errorf("the label %s is not expected", label[1])
		}
		if label[1] == "error_type" && label[2] != "" && !tool.Kind(label[2]).Known() {
			t.Errorf("error_type = %q, want a kind of the table", label[2])
		}
	}
	wantLines(t, m, `mcp_tool_errors_total{error_type="unknown",tool="NmapTool"} 4`)
}

func TestTheProcessIsMeasuredToo(t *testing.T) {
	text := scrape(t, New())
	for _, name := range []string{"go_goroutines ", "go_memstats_heap_alloc_bytes "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("the scrape lacks %s", name)
		}
	}
}

// Two hosts in one process, as in tests, must not share instruments, nor clash.
func TestInstrumentsAreNotGlobal(t *testing.T) {
	a, b := New(), New()
	a.Started("NmapTool")
	if text := scrape(t, b); strings.Contains(text, "NmapTool") {
		t.Errorf("what one counts is seen by the other:\n%s", ours(text))
	}
}

func TestInstrumentsMayBeUsedTogether(t *testing.T) {
	m := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				m.Started("NmapTool")
				m.Finished("NmapTool", "", time.Second, true)
			}
			scrape(t, m)
		})
	}
	wg.Wait()
	wantLines(t, m, `mcp_tool_active_executions{tool="NmapTool"} 0`,
		`mcp_tool_execution_total{error_type="",status="success",tool="NmapTool"} 400`)
}
