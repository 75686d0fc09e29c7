package metrics

import (
	"testing"
	"time"
)

func TestAToolThatIsGoneLeavesNoSeries(t *testing.T) {
	m := everything()
	m.Tools([]string{"PingTool"})
	lackLines(t, m, "NmapTool")
	wantLines(t, m, `mcp_tool_active_executions{tool="PingTool"} 0`,
		`mcp_tool_calls_received_total{tool="unknown"} 0`)
	call(m, Observation{Tool: "NmapTool", Ran: true})
	wantLines(t, m, `mcp_tool_execution_total{error_type="",status="success",tool="unknown"} 1`)
	m.Tools([]string{"NmapTool"})
	wantLines(t, m, `mcp_tool_calls_received_total{tool="NmapTool"} 0`)
}

func TestACallUnderWayIsCountedBeforeItsToolIsForgotten(t *testing.T) {
	m := of("NmapTool")
	m.Received("NmapTool", false)
	m.Started("NmapTool")
	m.Received("NmapTool", true)
	m.Tools(nil)
	wantLines(t, m, `mcp_tool_active_executions{tool="NmapTool"} 1`)
	m.Finished(Observation{Tool: "NmapTool", Ran: true, Elapsed: time.Second})
	wantLines(t, m, `mcp_tool_active_executions{tool="NmapTool"} 0`) // the plan still runs
	m.Finished(Observation{Tool: "NmapTool", Plan: true})
	lackLines(t, m, "NmapTool")
	s := m.Summary()
	if s.Calls.Received != 1 || s.Calls.Finished != 1 || s.Calls.Active != 0 || len(s.Tools) > 0 {
		t.Errorf("Summary() = %+v, want the one call of the tool that is gone, in the sum only", s)
	}
}

func TestAToolThatComesBackWhileItRunsIsKept(t *testing.T) {
	m := of("NmapTool")
	m.Received("NmapTool", false)
	m.Tools(nil)
	m.Tools([]string{"NmapTool"})
	m.Finished(Observation{Tool: "NmapTool", Gate: "rate"})
	wantLines(t, m, `mcp_tool_calls_received_total{tool="NmapTool"} 1`,
		`mcp_tool_refusals_total{gate="rate",tool="NmapTool"} 1`)
}

// A catalog is in force a moment before Tools tells of it.
func TestAToolOfTheCatalogIsCountedBeforeToolsNamesIt(t *testing.T) {
	m := New(Config{Known: func(name string) bool { return name == "NmapTool" }})
	call(m, Observation{Tool: "NmapTool", Ran: true})
	call(m, Observation{Tool: "invented", Ran: true})
	wantLines(t, m, `mcp_tool_calls_received_total{tool="NmapTool"} 1`,
		`mcp_tool_calls_received_total{tool="unknown"} 1`)
	lackLines(t, m, "invented")
}

// The way of a call must not feel that it is counted: aim below 2 µs.
func BenchmarkACall(b *testing.B) {
	m := of("NmapTool", "PingTool")
	o := Observation{Tool: "NmapTool", Ran: true, Elapsed: time.Second, Queued: 1, Stdout: 1000}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			call(m, o)
		}
	})
}
