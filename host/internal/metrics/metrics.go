// Package metrics holds the instruments of the host, as one struct on a registry of its own. [Metrics] counts
// what its methods are told; what others know better (plugins, queues, audit trail) it asks of [Sources] when
// somebody reads; [Observation] is what is to be told of a call that ended.
//
//	m := metrics.New(metrics.Config{Version: "v1.2.0", Sources: metrics.Sources{Queue: router.Waiting}})
//	m.Tools([]string{"NmapTool"})
//	m.Received("NmapTool", false)
//	m.Finished(metrics.Observation{Tool: "NmapTool", Gate: "rate", Kind: tool.KindRateLimited})
//	http.Handle("/metrics", m.Handler())
//
// Nothing that a client says becomes a label: a tool is one of the catalog or [Unknown], a gate, a kind, a
// verdict and a state are of fixed lists, an endpoint is a route of the door or [Other].
package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// The labels of what is in no list.
const (
	Unknown = "unknown" // of a tool that is not in the catalog
	Other   = "other"   // of a gate or an endpoint, and of plugins beyond the most
)

// Bounds of what comes from plugins: a directory with more of them is shown in part.
const (
	maxTools   = 1024
	maxPlugins = 1024
)

// Config says who asks. Every field may be zero.
type Config struct {
	Version, Revision string // of the build; empty: "unknown"

	// Known reports whether a tool is in the catalog. It is asked about names that Tools has not named, for
	// the moment between a new catalog and Tools; nil: no such tool is known.
	Known   func(tool string) bool
	Sources Sources
}

// Metrics are the instruments. All methods may be used at the same time.
type Metrics struct {
	registry  *prometheus.Registry
	known     func(string) bool
	vecs      vecs
	tools     tools
	endpoints endpoints
	plugins   plugins
	reloads   *prometheus.CounterVec // outcome
	refused   *prometheus.CounterVec // error_type
	reloaded  prometheus.Gauge
}

// vecs are the instruments of the way of a call, by tool.
type vecs struct {
	received, total, errors, refusals, plans *prometheus.CounterVec
	output, truncated, transitions           *prometheus.CounterVec
	active, breaker                          *prometheus.GaugeVec
	duration, queued                         *prometheus.HistogramVec
	byTool                                   []interface{ DeletePartialMatch(prometheus.Labels) int }
}

// New makes the instruments.
func New(cfg Config) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), known: cfg.Known}
	if m.known == nil {
		m.known = func(string) bool { return false }
	}
	make := promauto.With(m.registry)
	m.vecs, m.plugins = newVecs(make), newPlugins(make)
	m.endpoints.seconds = make.NewHistogramVec(prometheus.HistogramOpts{
		Name: "mcp_http_request_duration_seconds", Help: "Time of HTTP requests, by route.",
		Buckets: []float64{.001, .005, .025, .1, .5, 1, 5, 15, 60, 300, 600},
	}, []string{"endpoint"})
	m.refused = make.NewCounterVec(prometheus.CounterOpts{
		Name: "mcp_http_refusals_total", Help: "HTTP requests that never became a call, by error.",
	}, []string{"error_type"})
	for _, k := range tool.Kinds() {
		m.refused.WithLabelValues(string(k))
	}
	m.reloads = make.NewCounterVec(prometheus.CounterOpts{
		Name: "mcp_config_reloads_total", Help: "Attempts to load the configuration again, by outcome.",
	}, []string{"outcome"})
	m.reloaded = make.NewGauge(prometheus.GaugeOpts{
		Name: "mcp_config_last_reload_success_timestamp_seconds",
		Help: "When the configuration in force was loaded.",
	})
	for _, outcome := range []string{applied, partial, rejected} {
		m.reloads.WithLabelValues(outcome)
	}
	buildInfo(make, cfg)
	m.registry.MustRegister(&asked{from: cfg.Sources, shown: m.shown, usage: usage},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Tools(nil)
	m.Endpoints(nil)
	return m
}

func newVecs(make promauto.Factory) vecs {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return make.NewCounterVec(
			prometheus.CounterOpts{Name: name, Help: help}, append([]string{"tool"}, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return make.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"tool"})
	}
	seconds := func(name, help string, buckets ...float64) *prometheus.HistogramVec {
		return make.NewHistogramVec(
			prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"tool"})
	}
	v := vecs{
		received: counter("mcp_tool_calls_received_total", "Calls that arrived, refused ones too; no plans."),
		total: counter("mcp_tool_execution_total", "Calls that ended, refused ones too; no plans.",
			"status", "error_type"),
		errors:   counter("mcp_tool_errors_total", "Calls that ended with an error.", "error_type"),
		refusals: counter("mcp_tool_refusals_total", "Calls that a gate refused.", "gate"),
		plans: counter("mcp_tool_plans_total", "Dry runs that ended, by verdict or by error.",
			"verdict", "error_type"),
		output: counter("mcp_tool_output_bytes_total", "Bytes of output that were kept.", "stream"),
		truncated: counter("mcp_tool_truncated_outputs_total", "Outputs that were cut at the limit.",
			"stream"),
		transitions: counter("mcp_circuit_breaker_transitions_total", "Changes of a breaker's state.",
			"to"),
		active:  gauge("mcp_tool_active_executions", "Calls that passed every gate and run."),
		breaker: gauge("mcp_circuit_breaker_state", "0 closed, 1 open, 2 half open."),
		duration: seconds("mcp_tool_execution_duration_seconds",
			"Time of calls that passed every gate, from the door and back, waiting included.",
			.001, .005, .025, .1, .5, 1, 5, 15, 60, 300, 600, 3600),
		queued: seconds("mcp_tool_queue_wait_seconds", "Time that calls waited for a slot.",
			.001, .01, .1, .5, 1, 5, 15, 60, 300, 600),
	}
	v.byTool = append(v.byTool, v.received, v.total, v.errors, v.refusals, v.plans, v.output, v.truncated,
		v.transitions, v.active, v.breaker, v.duration, v.queued)
	return v
}

func buildInfo(make promauto.Factory, cfg Config) {
	known := func(s string) string {
		if s == "" {
			return Unknown
		}
		return s
	}
	make.NewGaugeVec(prometheus.GaugeOpts{Name: "mcp_build_info", Help: "The build that runs; always 1."},
		[]string{"version", "goversion", "revision"}).
		WithLabelValues(known(cfg.Version), runtime.Version(), known(cfg.Revision)).Set(1)
}

// The outcomes of loading the configuration again.
const (
	applied  = "applied"
	partial  = "partial" // it is in force, but a plugin did not take it
	rejected = "rejected"
)

// Rejected counts an attempt to load the configuration again that changed nothing.
func (m *Metrics) Rejected() { m.reloads.WithLabelValues(rejected).Inc() }

// Reload counts a configuration that was put into force while the host runs; whole says whether every plugin
// took it. The first one, at the start, is told by Loaded.
func (m *Metrics) Reload(whole bool, at time.Time) {
	outcome := applied
	if !whole {
		outcome = partial
	}
	m.reloads.WithLabelValues(outcome).Inc()
	m.Loaded(at)
}

// HTTPRefused counts a request that never became a call.
func (m *Metrics) HTTPRefused(k tool.Kind) {
	if !k.Known() {
		k = tool.KindUnknown
	}
	m.refused.WithLabelValues(string(k)).Inc()
}

// Loaded says since when the configuration in force is.
func (m *Metrics) Loaded(at time.Time) { m.reloaded.Set(float64(at.UnixMilli()) / 1000) }
