package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Sources are asked when somebody reads the metrics. A nil one has nothing to tell. They must not block.
type Sources struct {
	Plugins func() []PluginSample
	Queue   func() map[string]int // tool -> calls that wait for a slot
	Buckets func() int            // of the rate limiter, in use
	Health  func() HealthSample
	Audit   func() AuditSample
	Events  func() EventsSample
	HTTP    func() HTTPSample
}

// PluginSample is what is known of a plugin.
type PluginSample struct {
	Name     string // when two have one name, the first is shown
	State    string // of package fleet
	Pid      int    // 0: no process
	Restarts int
	Draining int // old processes that still finish calls
}

// HealthSample is the health of the host.
type HealthSample struct {
	Status tool.HealthStatus
	Checks map[string]map[tool.HealthStatus]int // critical, important or informational -> status -> checks
}

// AuditSample is how the audit trail goes.
type AuditSample struct {
	Lines    uint64 // written since the start
	Failures uint64 // of writing or syncing
	Lost     uint64 // decisions that are not in the trail
	Seq      uint64 // of the last line
	Failing  bool   // it cannot be written now
}

// EventsSample is how the event stream goes.
type EventsSample struct {
	Published uint64
	Streams   int    // clients that listen
	Dropped   uint64 // streams that were ended because their reader was too slow
}

// HTTPSample is how the doors of HTTP are.
type HTTPSample struct {
	Connections map[string]int // pending, idle or active -> open now
	Evicted     uint64         // connections closed to make room
	Over        uint64         // connections beyond what their client may have
	Certificate time.Time      // when the certificate ends; zero: there is none
}

// Values of labels.
var (
	pluginStates   = []string{"starting", "ready", "unhealthy", "backoff", "quarantined", "stopped", "idle"}
	healthStatuses = []tool.HealthStatus{tool.Healthy, tool.Degraded, tool.Unhealthy} // by mcp_health_status
	priorities     = []string{"critical", "important", "informational"}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What is asked at a scrape.
var (
	pluginState    = desc("mcp_plugin_state", "1 for the state that the plugin is in.", "plugin", "state")
	pluginRestarts = desc("mcp_plugin_restarts_total", "Times that the plugin was started again.", "plugin")
	pluginDraining = desc("mcp_plugin_draining",
		"Old processes of the plugin that still finish calls.", "plugin")
	pluginMemory = desc("mcp_plugin_resident_memory_bytes",
		"Resident memory of the plugin's process, without the programs that it runs.", "plugin")
	pluginCPU = desc("mcp_plugin_cpu_seconds_total",
		"CPU time of the plugin's process, without the programs that it runs.", "plugin")
	queueDepth   = desc("mcp_tool_queue_depth", "Calls that wait for a slot.", "tool")
	buckets      = desc("mcp_rate_limit_buckets", "Buckets of clients and tools in use.")
	health       = desc("mcp_health_status", "0 healthy, 1 degraded, 2 unhealthy.")
	healthChecks = desc("mcp_health_checks", "Checks of the last round.", "priority", "status")
	auditLines   = desc("mcp_audit_lines_total", "Lines written to the audit trail.")
	auditFails   = desc("mcp_audit_failures_total", "Failed attempts to write to the audit trail.")
	auditLost    = desc("mcp_audit_lost_lines_total", "Decisions that are missing in the audit trail.")
	auditFailing = desc("mcp_audit_failing", "1 while the audit trail cannot be written.")
	auditSeq     = desc("mcp_audit_sequence", "Number of the last line of the audit trail.")
	published    = desc("mcp_events_published_total", "Events published on the event stream.")
	streams      = desc("mcp_event_streams", "Clients that listen to the event stream.")
	dropped      = desc("mcp_event_streams_dropped_total", "Event streams ended because of a slow reader.")
	connections  = desc("mcp_http_connections", "Connections that are open.", "state")
	evicted      = desc("mcp_http_connections_evicted_total", "Connections closed to make room for others.")
	over         = desc("mcp_http_connections_over_total", "Connections beyond what their client may have.")
	certificate  = desc("mcp_tls_certificate_expiry_timestamp_seconds", "When the host's certificate ends.")
)

// asked collects what Sources tell, when somebody reads.
type asked struct {
	from  Sources
	shown func(tool string) bool
	usage func(pid int) (rss, cpu float64, err error)
}

var _ prometheus.Collector = (*asked)(nil)

// Describe implements [prometheus.Collector].
func (s *asked) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		pluginState, pluginRestarts, pluginDraining, pluginMemory, pluginCPU, queueDepth, buckets, health,
		healthChecks, auditLines, auditFails, auditLost, auditSeq, auditFailing, published, streams, dropped,
		connections, evicted, over, certificate,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *asked) Collect(out chan<- prometheus.Metric) {
	to := sender(out)
	if s.from.Plugins != nil {
		s.plugins(to, s.from.Plugins())
	}
	if s.from.Queue != nil {
		for name, n := range s.from.Queue() {
			if s.shown(name) {
				to.gauge(queueDepth, float64(n), name)
			}
		}
	}
	if s.from.Buckets != nil {
		to.gauge(buckets, float64(s.from.Buckets()))
	}
	if s.from.Health != nil {
		to.health(s.from.Health())
	}
	if s.from.Audit != nil {
		a := s.from.Audit()
		to.counter(auditLines, float64(a.Lines))
		to.counter(auditFails, float64(a.Failures))
		to.counter(auditLost, float64(a.Lost))
		to.gauge(auditSeq, float64(a.Seq))
		to.gauge(auditFailing, one(a.Failing))
	}
	if s.from.Events != nil {
		e := s.from.Events()
		to.counter(published, float64(e.Published))
		to.gauge(streams, float64(e.Streams))
		to.counter(dropped, float64(e.Dropped))
	}
	if s.from.HTTP != nil {
		to.http(s.from.HTTP())
	}
}

// plugins shows each name once: two series of the same labels would fail the whole scrape.
func (s *asked) plugins(to sender, all []PluginSample) {
	seen := make(map[string]bool)
	for _, p := range all {
		name := label(p.Name)
		if seen[name] || len(seen) == maxPlugins {
			continue
		}
		seen[name] = true
		for _, state := range pluginStates {
			to.gauge(pluginState, one(state == p.State), name, state)
		}
		to.counter(pluginRestarts, float64(p.Restarts), name)
		to.gauge(pluginDraining, float64(p.Draining), name)
		if p.Pid == 0 {
			continue
		}
		if rss, cpu, err := s.usage(p.Pid); err == nil { // else it ended just now
			to.gauge(pluginMemory, rss, name)
			to.counter(pluginCPU, cpu, name)
		}
	}
}

// usage asks the system about a process.
func usage(pid int) (rss, cpu float64, err error) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second) // a collector is given no context
	defer stop()
	p := &process.Process{Pid: int32(pid)}
	memory, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, 0, err
	}
	times, err := p.TimesWithContext(ctx)
	if err != nil {
		return 0, 0, err
	}
	return float64(memory.RSS), times.User + times.System, nil
}

// sender sends what was collected.
type sender chan<- prometheus.Metric

func (to sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (to sender) counter(d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (to sender) health(h HealthSample) {
	for value, status := range healthStatuses {
		if status == h.Status {
			to.gauge(health, float64(value))
		}
		for _, p := range priorities {
			to.gauge(healthChecks, float64(h.Checks[p][status]), p, string(status))
		}
	}
}

func (to sender) http(h HTTPSample) {
	for state, n := range h.Connections {
		to.gauge(connections, float64(n), state)
	}
	to.counter(evicted, float64(h.Evicted))
	to.counter(over, float64(h.Over))
	if !h.Certificate.IsZero() {
		to.gauge(certificate, float64(h.Certificate.Unix()))
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
