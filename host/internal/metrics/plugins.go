package metrics

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// plugins count what happens to plugins. How a plugin is now, [Sources] are asked.
type plugins struct {
	mu      sync.Mutex
	known   map[string]bool // names that have series; they stay, so that what happened can still be read
	changes *prometheus.CounterVec
}

func newPlugins(make promauto.Factory) plugins {
	return plugins{known: map[string]bool{}, changes: make.NewCounterVec(prometheus.CounterOpts{
		Name: "mcp_plugin_transitions_total", Help: "Times that a plugin came into a state.",
	}, []string{"plugin", "state"})}
}

// PluginChanged counts that a plugin came into a state of package fleet.
func (m *Metrics) PluginChanged(name, state string) {
	if !slices.Contains(pluginStates, state) {
		state = Unknown
	}
	m.plugins.series(label(name)).WithLabelValues(state).Inc()
}

// series are those of a plugin, by state. Of more plugins than are shown, the rest is [Other].
func (p *plugins) series(name string) *prometheus.CounterVec {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known[name] && len(p.known) >= maxPlugins {
		name = Other
	}
	own := p.changes.MustCurryWith(prometheus.Labels{"plugin": name})
	if !p.known[name] {
		p.known[name] = true
		for _, state := range pluginStates { // the step from none to one is no increase to Prometheus
			own.WithLabelValues(state)
		}
	}
	return own
}

// label is a name as Prometheus takes it: that of a file may be any bytes.
func label(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
