package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// endpoints are the routes of the door.
type endpoints struct {
	seconds *prometheus.HistogramVec

	mu    sync.RWMutex
	known []string
}

// Endpoints says which routes there are, by template; requests of all others are counted under Other.
func (m *Metrics) Endpoints(templates []string) {
	e := &m.endpoints
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, gone := range e.known {
		if !slices.Contains(templates, gone) && gone != Other {
			e.seconds.DeleteLabelValues(gone)
		}
	}
	e.known = append(slices.Clone(templates), Other)
	for _, name := range e.known {
		e.seconds.WithLabelValues(name)
	}
}

// Request counts an HTTP request under its route template.
func (m *Metrics) Request(endpoint string, elapsed time.Duration) {
	e := &m.endpoints
	e.mu.RLock()
	defer e.mu.RUnlock()
	if !slices.Contains(e.known, endpoint) {
		endpoint = Other
	}
	e.seconds.WithLabelValues(endpoint).Observe(elapsed.Seconds())
}
