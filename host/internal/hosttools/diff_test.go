package hosttools

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// scanned is the n-th execution, a scan of so many hosts with a port open.
func (b *bed) scanned(n int, x executions.Execution, hosts, port int) {
	b.t.Helper()
	x.ID, x.Tool, x.Client = id(n), "NmapTool", "alice"
	b.beginAs(x, nil)
	list := make([]string, 0, hosts)
	for i := range hosts {
		list = append(list, fmt.Sprintf(`{"address":"10.0.%d.%d","status":"up","ports":[{"port":%d,`+
			`"protocol":"tcp","state":"open"}]}`, i/250, i%250, port))
	}
	b.end(n, tool.Result{Data: json.RawMessage(`{"started":"2026-11-28T10:00:00Z","scanned_ports":"1-1000",` +
		`"scans":[{"type":"syn","protocol":"tcp","ports":1000}],"complete":true,"truncated":false,` +
		`"hosts":[` + strings.Join(list, ",") + `]}`)}, nil)
}

func pair(before, after int) string {
	return fmt.Sprintf(`{"before":%q,"after":%q}`, id(before), id(after))
}

func TestDiffTellsWhatChanged(t *testing.T) {
	b := newBed(t)
	b.scanned(1, executions.Execution{Target: "10.0.0.0/24"}, 1, 22)
	b.scanned(2, executions.Execution{Target: "10.0.0.0/24"}, 1, 80)
	got := b.call("executions_diff", pair(1, 2))
	counts := got["diff"].(map[string]any)["counts"].(map[string]any)
	if counts["ports_came"] != 1.0 || counts["ports_went"] != 1.0 || !strings.Contains(got["text"].(string), "80") ||
		got["notes"] != nil || got["before"].(map[string]any)["target"] != "10.0.0.0/24" {
		t.Errorf("executions_diff = %v", got)
	}
}

func TestDiffSaysWhatMakesItDoubtful(t *testing.T) {
	b := newBed(t)
	pinned := func(label, address string) executions.Execution {
		return executions.Execution{Target: label, Targets: []tool.Target{{Label: label, Prefix: netip.MustParsePrefix(address)}}}
	}
	b.scanned(1, pinned("a.lab.internal", "10.0.0.1/32"), 1, 22)
	b.scanned(2, pinned("10.0.0.1", "10.0.0.1/32"), 1, 22)
	b.scanned(3, pinned("a.lab.internal", "10.0.0.2/32"), 1, 22)
	b.scanned(4, executions.Execution{Target: "a.lab.internal"}, 1, 22)
	for _, row := range []struct {
		before, after int
		note          string
	}{
		{1, 2, ""}, {1, 3, "the targets differ, a.lab.internal before"}, {3, 4, ""}, {2, 4, "the targets differ"},
		{2, 1, "before began later"},
	} {
		notes, _ := b.call("executions_diff", pair(row.before, row.after))["notes"].([]any)
		if (len(notes) > 0) != (row.note != "") || len(notes) > 0 && !strings.HasPrefix(notes[0].(string), row.note) {
			t.Errorf("executions_diff of %d and %d notes %v, want %q", row.before, row.after, notes, row.note)
		}
	}
}

func TestAnyDiffFits(t *testing.T) {
	b := newBed(t)
	b.scanned(1, executions.Execution{}, 0, 22)
	b.scanned(2, executions.Execution{}, 600, 80)
	v, err := b.run(t.Context(), "executions_diff", pair(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	got := b.shown("executions_diff", v)
	if n := size(v); n > 20000 || got["diff"] != nil || len(got["notes"].([]any)) == 0 {
		t.Errorf("%d characters, notes %v", n, got["notes"])
	}
}

func TestWhatCannotBeComparedIsRefused(t *testing.T) {
	b := newBed(t)
	b.scanned(1, executions.Execution{}, 1, 22)
	b.begin(2, "NmapTool", nil)
	b.begin(3, "PingTool", nil)
	b.end(3, tool.Result{}, nil)
	b.done(4, "no data")
	for args, want := range map[string]string{
		pair(1, 1): "/after is the execution that before is", pair(1, 2): "/after is an execution that is running",
		pair(2, 1): "/before is an execution that is running", pair(1, 3): "/after is an execution of PingTool",
		pair(1, 4): "the second execution has no result", pair(4, 1): "the first execution has no result",
		pair(1, 9): "there is no execution", `{"before":"` + id(1) + `"}`: "/after is required",
	} {
		if e := b.refused("executions_diff", args, tool.KindValidation); !strings.Contains(e.Message, want) {
			t.Errorf("executions_diff %s = %v, want %q", args, e, want)
		}
	}
}
