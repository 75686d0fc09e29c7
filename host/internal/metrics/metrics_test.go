package metrics

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
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

func lackLines(t testing.TB, m *Metrics, parts ...string) {
	t.Helper()
	text := ours(scrape(t, m))
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("the scrape has %s, want none:\n%s", part, text)
		}
	}
}

// ours are the lines of the host's own instruments.
func ours(text string) string {
	return strings.Join(regexp.MustCompile(`(?m)^mcp_.*$`).FindAllString(text, -1), "\n")
}

// of makes instruments that know tools.
func of(names ...string) *Metrics {
	m := New(Config{})
	m.Tools(names)
	return m
}

// call is a whole call.
func call(m *Metrics, o Observation) {
	m.Received(o.Tool, o.Plan)
	if o.Ran {
		m.Started(o.Tool)
	}
	m.Finished(o)
}

// everything is instruments of which each has been used.
func everything() *Metrics {
	m := New(Config{Version: "v1", Revision: "abc", Sources: Sources{
		Plugins: func() []PluginSample {
			return []PluginSample{{Name: "nmap", State: "ready", Pid: os.Getpid(), Restarts: 2}}
		},
		Queue:   func() map[string]int { return map[string]int{"NmapTool": 3} },
		Buckets: func() int { return 7 },
		Health: func() HealthSample {
			return HealthSample{Status: tool.Degraded, Checks: map[string]map[tool.HealthStatus]int{
				"critical": {tool.Healthy: 2}, "important": {tool.Degraded: 1}, "invented": {"invented": 1},
			}}
		},
		Audit: func() AuditSample {
			return AuditSample{Lines: 10, Failures: 1, Lost: 2, Seq: 99, Failing: true}
		},
		Events: func() EventsSample { return EventsSample{Published: 5, Streams: 1, Dropped: 1} },
		HTTP: func() HTTPSample {
			return HTTPSample{
				Connections: map[string]int{"active": 2, "idle": 3}, Evicted: 7, Over: 4, Certificate: time.Unix(1800000000, 0),
			}
		},
	}})
	m.Tools([]string{"NmapTool"})
	m.Endpoints([]string{"/tools"})
	for _, k := range outcomes {
		call(m, Observation{
			Tool: "NmapTool", Ran: true, Kind: k, TruncatedStdout: true, TruncatedStderr: true,
		})
	}
	for _, g := range gates {
		call(m, Observation{Tool: "NmapTool", Gate: g, Kind: tool.KindOutOfScope})
	}
	for _, v := range verdicts {
		call(m, Observation{Tool: "NmapTool", Plan: true, Verdict: v})
	}
	for _, state := range []int{1, 2, 0} {
		m.Breaker("NmapTool", state)
	}
	m.PluginChanged("nmap", "ready")
	m.Request("/tools", time.Second)
	m.Reload(true, time.Unix(1000, 0))
	m.Rejected()
	return m
}

func TestACallIsActiveUntilItEnds(t *testing.T) {
	m := of("NmapTool", "PingTool")
	m.Received("NmapTool", false)
	m.Received("PingTool", false)
	m.Started("NmapTool")
	m.Started("PingTool")
	wantLines(t, m, `mcp_tool_active_executions{tool="NmapTool"} 1`)
	m.Finished(Observation{Tool: "NmapTool", Ran: true, Elapsed: 2 * time.Second, Queued: time.Second,
		Stdout: 10, Stderr: 5, TruncatedStdout: true})
	wantLines(t, m,
		`mcp_tool_calls_received_total{tool="NmapTool"} 1`,
		`mcp_tool_active_executions{tool="NmapTool"} 0`,
		`mcp_tool_active_executions{tool="PingTool"} 1`,
		`mcp_tool_execution_total{error_type="",status="success",tool="NmapTool"} 1`,
		`mcp_tool_execution_duration_seconds_sum{tool="NmapTool"} 2`,
		`mcp_tool_execution_duration_seconds_bucket{tool="NmapTool",le="1"} 0`,
		`mcp_tool_execution_duration_seconds_bucket{tool="NmapTool",le="5"} 1`,
		`mcp_tool_queue_wait_seconds_sum{tool="NmapTool"} 1`,
		`mcp_tool_output_bytes_total{stream="stdout",tool="NmapTool"} 10`,
		`mcp_tool_output_bytes_total{stream="stderr",tool="NmapTool"} 5`,
		`mcp_tool_truncated_outputs_total{stream="stdout",tool="NmapTool"} 1`,
	)
	lackLines(t, m, `status="error"`, `truncated_outputs_total{stream="stderr"`)
	call(m, Observation{Tool: "NmapTool", Ran: true, Kind: tool.KindTimeout, Elapsed: 3 * time.Second})
	wantLines(t, m,
		`mcp_tool_execution_total{error_type="timeout",status="error",tool="NmapTool"} 1`,
		`mcp_tool_errors_total{error_type="timeout",tool="NmapTool"} 1`,
		`mcp_tool_execution_duration_seconds_sum{tool="NmapTool"} 5`,
	)
}

func TestARefusedCallIsCountedByItsGateAndTakesNoTime(t *testing.T) {
	m := of("NmapTool")
	call(m, Observation{Tool: "NmapTool", Gate: "rate", Kind: tool.KindRateLimited, Elapsed: time.Hour})
	call(m, Observation{Tool: "", Gate: "lookup", Kind: tool.KindToolNotFound})
	call(m, Observation{Tool: "NmapTool", Gate: "invented", Kind: tool.KindUnknown})
	wantLines(t, m,
		`mcp_tool_active_executions{tool="NmapTool"} 0`,
		`mcp_tool_execution_total{error_type="rate_limited",status="error",tool="NmapTool"} 1`,
		`mcp_tool_errors_total{error_type="rate_limited",tool="NmapTool"} 1`,
		`mcp_tool_refusals_total{gate="rate",tool="NmapTool"} 1`,
		`mcp_tool_refusals_total{gate="other",tool="NmapTool"} 1`,
		`mcp_tool_refusals_total{gate="lookup",tool="unknown"} 1`,
		`mcp_tool_execution_duration_seconds_count{tool="NmapTool"} 0`,
		`mcp_tool_queue_wait_seconds_count{tool="NmapTool"} 0`,
	)
}

func TestAPlanIsNoExecution(t *testing.T) {
	m := of("NmapTool")
	call(m, Observation{Tool: "NmapTool", Plan: true, Verdict: tool.Gated})
	call(m, Observation{Tool: "NmapTool", Plan: true, Verdict: "invented"})
	call(m, Observation{Tool: "NmapTool", Plan: true, Gate: "scope", Kind: tool.KindOutOfScope})
	wantLines(t, m,
		`mcp_tool_plans_total{error_type="",tool="NmapTool",verdict="gated"} 1`,
		`mcp_tool_plans_total{error_type="",tool="NmapTool",verdict=""} 1`,
		`mcp_tool_plans_total{error_type="out_of_scope",tool="NmapTool",verdict=""} 1`,
		`mcp_tool_calls_received_total{tool="NmapTool"} 0`,
		`mcp_tool_refusals_total{gate="scope",tool="NmapTool"} 0`,
		`mcp_tool_errors_total{error_type="out_of_scope",tool="NmapTool"} 0`,
		`mcp_tool_execution_total{error_type="",status="success",tool="NmapTool"} 0`,
	)
	lackLines(t, m, `status="error"`)
}

func TestTheStateOfABreakerAndItsChangesAreShown(t *testing.T) {
	m := of("NmapTool")
	wantLines(t, m, `mcp_circuit_breaker_state{tool="NmapTool"} 0`)
	for i, state := range []int{0, 1, 1, 2, 1, 7, -1} {
		m.Breaker("NmapTool", state)
		want := []int{0, 1, 1, 2, 1, 1, 1}[i]
		wantLines(t, m, fmt.Sprintf(`mcp_circuit_breaker_state{tool="NmapTool"} %d`, want))
	}
	wantLines(t, m, `mcp_circuit_breaker_transitions_total{to="open",tool="NmapTool"} 2`,
		`mcp_circuit_breaker_transitions_total{to="half_open",tool="NmapTool"} 1`)
	m.Breaker("invented", 1)
	lackLines(t, m, "invented", `mcp_circuit_breaker_state{tool="unknown"}`)
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	m := New(Config{})
	m.Endpoints([]string{"/tools", "/old"})
	m.Request("/tools", 250*time.Millisecond)
	m.Request("/tools", 250*time.Millisecond)
	m.Request("/invented", time.Second)
	wantLines(t, m,
		`mcp_http_request_duration_seconds_count{endpoint="/tools"} 2`,
		`mcp_http_request_duration_seconds_sum{endpoint="/tools"} 0.5`,
		`mcp_http_request_duration_seconds_count{endpoint="other"} 1`,
	)
	m.Endpoints([]string{"/tools"})
	lackLines(t, m, "/old")
	wantLines(t, m, `mcp_http_request_duration_seconds_count{endpoint="/tools"} 2`)
}

func TestReloadsAreCountedAndTheLastGoodOneIsDated(t *testing.T) {
	m := New(Config{Version: "v1.2.3"})
	m.Loaded(time.Unix(500, 0))
	wantLines(t, m, `mcp_config_last_reload_success_timestamp_seconds 500`,
		`mcp_config_reloads_total{outcome="applied"} 0`)
	m.Reload(true, time.Unix(1000, 0))
	m.Rejected()
	wantLines(t, m, `mcp_config_last_reload_success_timestamp_seconds 1000`,
		`mcp_config_reloads_total{outcome="applied"} 1`, `mcp_config_reloads_total{outcome="rejected"} 1`)
	if text := scrape(t, m); !regexp.MustCompile(
		`mcp_build_info\{goversion="go1[^"]+",revision="unknown",version="v1.2.3"\} 1`).MatchString(text) {
		t.Errorf("the build is not shown:\n%s", ours(text))
	}
}

// series counts the series of a scrape, apart from their values.
func series(t testing.TB, m *Metrics) map[string]bool {
	all := make(map[string]bool)
	for line := range strings.Lines(ours(scrape(t, m))) {
		all[line[:strings.LastIndexByte(line, ' ')]] = true
	}
	return all
}

// Every label is one of a few names, so that no caller can make the host keep series without end.
func TestInventedNamesMakeNoSeries(t *testing.T) {
	m := everything()
	for _, g := range append(gates, "invented") {
		call(m, Observation{Gate: g})
	}
	for _, k := range outcomes {
		call(m, Observation{Ran: true, Kind: k, TruncatedStdout: true, TruncatedStderr: true, Stdout: 1})
	}
	for _, v := range verdicts {
		for _, k := range outcomes {
			call(m, Observation{Plan: true, Verdict: v, Kind: k})
		}
	}
	before := series(t, m)
	for i := range 10_000 {
		name := fmt.Sprintf("invented\n%d\"} 1", i)
		call(m, Observation{Tool: name, Ran: i%2 == 0, Kind: tool.Kind(name), Gate: name, Stderr: i})
		call(m, Observation{Tool: name, Plan: true, Verdict: tool.Verdict(name), Kind: tool.Kind(name)})
		m.Breaker(name, i%3)
		m.Request(name, time.Second)
	}
	if after := series(t, m); !maps.Equal(before, after) {
		t.Errorf("%d series became %d", len(before), len(after))
	}
	known := map[string]bool{"tool": true, "status": true, "error_type": true, "endpoint": true, "le": true,
		"gate": true, "verdict": true, "stream": true, "to": true, "plugin": true, "state": true,
		"priority": true,
		"outcome":  true, "version": true, "goversion": true, "revision": true}
	for _, label := range regexp.MustCompile(`[{,](\w+)="`).FindAllStringSubmatch(ours(scrape(t, m)), -1) {
		if !known[label[1]] {
			t.Errorf("the label %s is not expected", label[1])
		}
	}
}

func TestTheNumberOfToolsIsBounded(t *testing.T) {
	var names []string
	for i := range maxTools + 10 {
		names = append(names, fmt.Sprintf("T%d", i))
	}
	m := of(names...)
	call(m, Observation{Tool: names[len(names)-1], Gate: "rate"})
	if n := len(m.tools.each); n != maxTools+1 {
		t.Errorf("%d tools have series, want %d and the unknown one", n, maxTools)
	}
	if s := m.Summary(); s.Tools[Unknown].Refused != 1 || len(s.Tools) != 1 {
		t.Errorf("Summary() = %+v, want the call under %s", s, Unknown)
	}
}

func TestTheNumberOfPluginsIsBounded(t *testing.T) {
	var samples []PluginSample
	for i := range maxPlugins + 10 {
		samples = append(samples, PluginSample{Name: fmt.Sprintf("p%d", i)})
	}
	text := scrape(t, withPlugins(samples...))
	if n := strings.Count(text, "\nmcp_plugin_restarts_total{"); n != maxPlugins {
		t.Errorf("%d plugins have series, want %d", n, maxPlugins)
	}
}

func TestTheProcessIsMeasuredToo(t *testing.T) {
	text := scrape(t, New(Config{}))
	for _, name := range []string{"go_goroutines ", "go_memstats_heap_alloc_bytes "} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("the scrape lacks %s", name)
		}
	}
}

// Two hosts in one process, as in tests, must not share instruments, nor clash.
func TestInstrumentsAreNotGlobal(t *testing.T) {
	a, b := of("NmapTool"), New(Config{})
	a.Started("NmapTool")
	lackLines(t, b, "NmapTool")
}

func TestInstrumentsMayBeUsedTogether(t *testing.T) {
	m := everything()
	lists := [][]string{{"NmapTool", "PingTool"}, {"NmapTool"}}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				call(m, Observation{Tool: "NmapTool", Ran: true, Elapsed: time.Second})
				call(m, Observation{Tool: "PingTool", Gate: gates[j%len(gates)], Kind: tool.KindOverloaded})
				m.Breaker("PingTool", j%3)
				if j%50 == i {
					m.Tools(lists[j%2])
					scrape(t, m)
					m.Summary()
				}
			}
		})
	}
	wg.Wait()
	m.Tools(lists[0])
	wantLines(t, m, `mcp_tool_active_executions{tool="NmapTool"} 0`, fmt.Sprintf(
		`mcp_tool_execution_total{error_type="",status="success",tool="NmapTool"} %d`, 8*200+1))
	before := int64(len(outcomes) + len(gates)) // of everything
	if s := m.Summary().Calls; s.Received != before+2*8*200 || s.Received != s.Finished || s.Active != 0 {
		t.Errorf("Summary().Calls = %+v, want %d received and finished", s, before+2*8*200)
	}
}
