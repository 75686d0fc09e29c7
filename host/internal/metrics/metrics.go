// Package metrics holds the instruments of the host, as one struct on a registry of its own.
//
//	m := metrics.New()
//	m.Started("NmapTool")
//	m.Finished("NmapTool", tool.KindTimeout, 3*time.Second, true)
//	http.Handle("/metrics", m.Handler())
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Unknown is the label of every tool that there is not: what callers invent never becomes a label.
const Unknown = "unknown"

// Metrics are the instruments. Labels are names of tools, kinds of errors and route templates only.
type Metrics struct {
	registry *prometheus.Registry
	total    *prometheus.CounterVec   // tool, status, error_type
	errors   *prometheus.CounterVec   // tool, error_type
	duration *prometheus.HistogramVec // tool
	active   *prometheus.GaugeVec     // tool
	breaker  *prometheus.GaugeVec     // tool
	http     *prometheus.HistogramVec // endpoint
}

// New makes the instruments.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcp_tool_execution_total", Help: "Calls that ended, refused ones too.",
		}, []string{"tool", "status", "error_type"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mcp_tool_errors_total", Help: "Calls that ended with an error.",
		}, []string{"tool", "error_type"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mcp_tool_execution_duration_seconds", Help: "From the door and back, waiting included.",
			Buckets: []float64{.001, .005, .025, .1, .5, 1, 5, 15, 60, 300, 600, 3600},
		}, []string{"tool"}),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mcp_tool_active_executions", Help: "Calls under way.",
		}, []string{"tool"}),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mcp_circuit_breaker_state", Help: "0 closed, 1 open, 2 half open.",
		}, []string{"tool"}),
		http: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mcp_http_request_duration_seconds", Help: "By route template.",
			Buckets: []float64{.001, .005, .025, .1, .5, 1, 5, 15, 60, 300, 600},
		}, []string{"endpoint"}),
	}
	m.registry.MustRegister(m.total, m.errors, m.duration, m.active, m.breaker, m.http,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Started counts a call that passed every gate.
func (m *Metrics) Started(name string) { m.active.WithLabelValues(name).Inc() }

// Finished counts a call that ended; kind is empty when it went well, ran is whether it was counted by
// Started.
func (m *Metrics) Finished(name string, kind tool.Kind, elapsed time.Duration, ran bool) {
	if ran {
		m.active.WithLabelValues(name).Dec()
	}
	status := "success"
	if kind != "" {
		if !kind.Known() { // only kinds of the table become labels
			kind = tool.KindUnknown
		}
		status = "error"
		m.errors.WithLabelValues(name, string(kind)).Inc()
	}
	m.total.WithLabelValues(name, status, string(kind)).Inc()
	m.duration.WithLabelValues(name).Observe(elapsed.Seconds())
}

// Breaker shows the state of a tool's breaker: 0 closed, 1 open, 2 half open.
func (m *Metrics) Breaker(name string, state int) {
	m.breaker.WithLabelValues(name).Set(float64(state))
}

// Request counts an HTTP request under its route template.
func (m *Metrics) Request(endpoint string, elapsed time.Duration) {
	m.http.WithLabelValues(endpoint).Observe(elapsed.Seconds())
}

// Handler serves the instruments as Prometheus text.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
