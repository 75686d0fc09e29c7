package excerpt

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func benchmark(b *testing.B, shape func(tool.Result)) {
	for _, row := range []struct {
		name string
		res  tool.Result
	}{
		{"empty", tool.Result{ExecutionID: id, CorrelationID: id, Metadata: map[string]any{}}},
		{"small", tool.Result{
			ExecutionID: id, CorrelationID: id, Elapsed: 1234567, Stdout: strings.Repeat("64 bytes from 10.0.0.1: time=1\n", 10),
			Data:     json.RawMessage(`{"host":"10.0.0.1","sent":10,"received":10,"loss_percent":0,"rtt_ms":{"min":1.5}}`),
			Metadata: map[string]any{"program": "/usr/bin/ping"},
		}},
		{"large", tool.Result{ExecutionID: id, Stdout: strings.Repeat("64 bytes from 10.0.0.1: time=1\n", 30000)}},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				shape(row.res)
			}
		})
	}
}

func BenchmarkReport(b *testing.B) {
	benchmark(b, func(res tool.Result) { Report(tool.NewReport(res, nil), Options{}) })
}

// BenchmarkMarshal is what was done before, to compare.
func BenchmarkMarshal(b *testing.B) {
	benchmark(b, func(res tool.Result) { _, _ = json.Marshal(tool.NewReport(res, nil)) })
}
