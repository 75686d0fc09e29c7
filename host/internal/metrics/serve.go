package metrics

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Handler serves the instruments as Prometheus text, or as OpenMetrics to who asks for it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// A plugin that ends in the middle of a scrape must not cost the rest.
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// report is the JSON form.
type report struct {
	Timestamp time.Time        `json:"timestamp"`
	Tools     map[string]Tally `json:"tools"`
	Metrics   []family         `json:"metrics"`
}

type family struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Help    string   `json:"help"`
	Samples []sample `json:"samples"`
}

// sample has a value, or count, sum and buckets.
type sample struct {
	Labels  map[string]string  `json:"labels"`
	Value   *number            `json:"value,omitempty"`
	Count   *uint64            `json:"count,omitempty"`
	Sum     *number            `json:"sum,omitempty"`
	Buckets map[string]uint64  `json:"buckets,omitempty"`   // upper bound -> observations up to it
	Parts   map[string]*number `json:"quantiles,omitempty"` // quantile -> value
}

// number is a value; JSON has no word for those that are not finite.
type number float64

// MarshalJSON implements [json.Marshaler].
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return json.Marshal(f)
	}
	return []byte("null"), nil
}

// JSON serves the same as JSON, for those who have no Prometheus.
func (m *Metrics) JSON() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		families, err := m.registry.Gather()
		if err != nil && len(families) == 0 {
			http.Error(w, "the metrics cannot be read: "+err.Error(), http.StatusInternalServerError)
			return
		}
		r := report{Timestamp: time.Now().UTC(), Metrics: make([]family, 0, len(families))}
		r.Tools, _ = m.tallies()
		for _, f := range families {
			r.Metrics = append(r.Metrics, familyOf(f))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r) // the reader has gone
	})
}

func familyOf(f *dto.MetricFamily) family {
	types := map[dto.MetricType]string{
		dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge",
		dto.MetricType_HISTOGRAM: "histogram", dto.MetricType_SUMMARY: "summary",
	}
	out := family{Name: f.GetName(), Type: types[f.GetType()], Help: f.GetHelp(), Samples: []sample{}}
	if out.Type == "" {
		out.Type = "untyped"
	}
	for _, m := range f.GetMetric() {
		out.Samples = append(out.Samples, sampleOf(m))
	}
	return out
}

func sampleOf(m *dto.Metric) sample {
	s := sample{Labels: make(map[string]string)}
	for _, l := range m.GetLabel() {
		s.Labels[l.GetName()] = l.GetValue()
	}
	switch {
	case m.Histogram != nil:
		s.Count, s.Sum = m.Histogram.SampleCount, ref(m.Histogram.GetSampleSum())
		s.Buckets = make(map[string]uint64)
		for _, b := range m.Histogram.GetBucket() {
			s.Buckets[text(b.GetUpperBound())] = b.GetCumulativeCount()
		}
	case m.Summary != nil:
		s.Count, s.Sum = m.Summary.SampleCount, ref(m.Summary.GetSampleSum())
		s.Parts = make(map[string]*number)
		for _, q := range m.Summary.GetQuantile() {
			s.Parts[text(q.GetQuantile())] = ref(q.GetValue())
		}
	case m.Counter != nil:
		s.Value = ref(m.Counter.GetValue())
	case m.Gauge != nil:
		s.Value = ref(m.Gauge.GetValue())
	default:
		s.Value = ref(m.Untyped.GetValue())
	}
	return s
}

func ref(v float64) *number {
	n := number(v)
	return &n
}

// text writes a bound as the Prometheus format does.
func text(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
