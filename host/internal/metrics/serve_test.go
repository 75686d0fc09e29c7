package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestTheJSONFormHasWhatThePrometheusFormHas(t *testing.T) {
	m := everything()
	w := httptest.NewRecorder()
	m.JSON().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var got struct {
		Timestamp time.Time
		Tools     map[string]map[string]float64
		Metrics   []struct {
			Name, Type, Help string
			Samples          []struct {
				Labels  map[string]string
				Value   *float64
				Count   *uint64
				Buckets map[string]uint64
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("the JSON form is none: %v\n%s", err, w.Body)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/json" || got.Timestamp.IsZero() {
		t.Errorf("Content-Type = %q, timestamp = %v, want application/json and a time", kind, got.Timestamp)
	}
	calls := float64(len(outcomes) + len(gates))
	if n := got.Tools["NmapTool"]; n["executions"] != calls || n["received"] != calls ||
		n["refused"] != float64(len(gates)) || n["errors"] != calls-1 || n["active"] != 0 {
		t.Errorf("tools.NmapTool = %v, want %v executions", n, calls)
	}
	types := make(map[string]string)
	for _, f := range got.Metrics {
		types[f.Name] = f.Type
		for _, s := range f.Samples {
			if (s.Value == nil) == (s.Count == nil) {
				t.Errorf("%s%v has neither a value nor a count, or both", f.Name, s.Labels)
			}
		}
	}
	for name, want := range map[string]string{
		"mcp_tool_execution_total": "counter", "mcp_tool_active_executions": "gauge",
		"mcp_tool_execution_duration_seconds": "histogram", "go_gc_duration_seconds": "summary",
	} {
		if types[name] != want {
			t.Errorf("type of %s = %q, want %q", name, types[name], want)
		}
	}
}

func TestANumberThatJSONCannotSayIsNull(t *testing.T) {
	for v, want := range map[float64]string{1.5: "1.5", math.Inf(1): "null", math.Inf(-1): "null"} {
		if got, err := json.Marshal(ref(v)); string(got) != want || err != nil {
			t.Errorf("Marshal(%v) = %s, %v, want %s", v, got, err, want)
		}
	}
	if got, err := json.Marshal(ref(math.NaN())); string(got) != "null" || err != nil {
		t.Errorf("Marshal(NaN) = %s, %v, want null", got, err)
	}
}

func TestTheSummaryTellsOfTheBusiestTools(t *testing.T) {
	var names []string
	for i := range maxSummary + 20 {
		names = append(names, fmt.Sprintf("T%d", i))
	}
	m := of(append(names, "idle")...)
	for i, name := range names {
		for range 1 + i/maxSummary { // the last twenty twice
			call(m, Observation{Tool: name, Ran: true, Elapsed: 2 * time.Second})
		}
	}
	call(m, Observation{Gate: "lookup", Kind: tool.KindToolNotFound})
	m.Received("T0", false)
	m.Started("T0")
	s := m.Summary()
	n := int64(len(names) + 20 + 1)
	want := Tally{Received: n + 1, Finished: n, Refused: 1, Errors: 1, Active: 1, AverageSeconds: 2,
		elapsed: time.Duration(n-1) * 2 * time.Second}
	if s.Calls != want {
		t.Errorf("Summary().Calls = %+v, want %+v", s.Calls, want)
	}
	if len(s.Tools) != maxSummary || s.More != 21 || s.Tools[names[len(names)-1]].Finished != 2 {
		t.Errorf("Summary() has %d tools and %d more, want %d and 21, the busiest first", len(s.Tools),
			s.More, maxSummary)
	}
}
