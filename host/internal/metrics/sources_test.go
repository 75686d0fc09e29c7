package metrics

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func withPlugins(samples ...PluginSample) *Metrics {
	return New(Config{Sources: Sources{Plugins: func() []PluginSample { return samples }}})
}

func TestAPluginIsInOneState(t *testing.T) {
	m := withPlugins(PluginSample{Name: "nmap", State: "backoff", Restarts: 3},
		PluginSample{Name: "odd", State: "invented"})
	wantLines(t, m,
		`mcp_plugin_state{plugin="nmap",state="backoff"} 1`,
		`mcp_plugin_state{plugin="nmap",state="ready"} 0`,
		`mcp_plugin_restarts_total{plugin="nmap"} 3`, `mcp_plugin_state{plugin="odd",state="ready"} 0`)
	lackLines(t, m, "invented", `mcp_plugin_resident_memory_bytes{`)
}

func TestMemoryAndTimeOfAPluginAreThoseOfItsProcess(t *testing.T) {
	text := scrape(t, withPlugins(PluginSample{Name: "nmap", Pid: os.Getpid()}))
	for _, line := range []string{
		`mcp_plugin_resident_memory_bytes\{plugin="nmap"\} [1-9]\.?\d*e\+0[678]`,
		`mcp_plugin_cpu_seconds_total\{plugin="nmap"\} \d`,
	} {
		if !regexp.MustCompile(line).MatchString(text) {
			t.Errorf("the scrape lacks %s:\n%s", line, ours(text))
		}
	}
}

func TestAPluginThatEndsDuringTheScrapeCostsNothingElse(t *testing.T) {
	out := make(chan prometheus.Metric, 100)
	(&asked{
		from: Sources{
			Plugins: func() []PluginSample { return []PluginSample{{Name: "nmap", Pid: 1, State: "ready"}} },
			Buckets: func() int { return 5 },
		},
		usage: func(int) (float64, float64, error) { return 0, 0, errors.New("no such process") },
	}).Collect(out)
	close(out)
	got := make(map[*prometheus.Desc]int)
	for metric := range out {
		got[metric.Desc()]++
	}
	want := map[*prometheus.Desc]int{
		pluginState: len(pluginStates), pluginRestarts: 1, pluginDraining: 1, buckets: 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("Collect sent %v, want state, restarts, old processes and buckets only", got)
	}
}

// Two files may bear one name, and a file's name may be any bytes; neither may fail the scrape.
func TestNamesOfPluginsCannotFailTheScrape(t *testing.T) {
	m := withPlugins(PluginSample{Name: "nmap", State: "ready"}, PluginSample{Name: "nmap", State: "backoff"},
		PluginSample{Name: "a\xff\n\"", State: "ready"}, PluginSample{Name: "a\xfe\n\"", State: "ready"})
	wantLines(t, m, `mcp_plugin_state{plugin="nmap",state="ready"} 1`,
		`mcp_plugin_state{plugin="a`+"\uFFFD"+`\n\"",state="ready"} 1`)
}

func TestWhatOthersKnowIsAskedAtTheScrape(t *testing.T) {
	m := everything()
	wantLines(t, m,
		`mcp_tool_queue_depth{tool="NmapTool"} 3`,
		`mcp_rate_limit_buckets 7`,
		`mcp_health_status 1`,
		`mcp_health_checks{priority="critical",status="healthy"} 2`,
		`mcp_health_checks{priority="critical",status="unhealthy"} 0`,
		`mcp_health_checks{priority="important",status="degraded"} 1`,
		`mcp_audit_lines_total 10`, `mcp_audit_failures_total 1`, `mcp_audit_lost_lines_total 2`,
		`mcp_audit_sequence 99`, `mcp_audit_failing 1`,
		`mcp_events_published_total 5`, `mcp_event_streams 1`, `mcp_event_streams_dropped_total 1`,
		`mcp_http_connections{state="active"} 2`, `mcp_http_connections{state="idle"} 3`,
		`mcp_http_connections_evicted_total 7`, `mcp_http_connections_over_total 4`,
		`mcp_tls_certificate_expiry_timestamp_seconds 1.8e+09`,
	)
	lackLines(t, m, "invented")
	m.Tools(nil)
	lackLines(t, m, "mcp_tool_queue_depth")
}

func TestWhereNobodyKnowsNothingIsShown(t *testing.T) {
	lackLines(t, New(Config{}), "mcp_plugin", "mcp_audit", "mcp_event", "mcp_health", "mcp_rate",
		"queue_depth")
	healthOf := func(s tool.HealthStatus) *Metrics {
		return New(Config{Sources: Sources{Health: func() HealthSample { return HealthSample{Status: s} }}})
	}
	lackLines(t, healthOf(""), "mcp_health_status")
	wantLines(t, healthOf(tool.Unhealthy), "mcp_health_status 2")
}
