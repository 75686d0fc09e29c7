package httpdoor

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const traceID, parentID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

func TestARefusalStandsInItsTrace(t *testing.T) {
	const good = "00-" + traceID + "-" + parentID + "-01"
	for _, row := range []struct {
		says   string
		header []string
		traced bool
	}{
		{"a trace", []string{"Traceparent", good}, true},
		{"none", nil, false},
		{"a bad one", []string{"Traceparent", good + "\nlevel=ERROR"}, false},
		{"two", []string{"Traceparent", good, "Traceparent", good}, false},
	} {
		for _, host := range []string{"127.0.0.1", "evil.example"} { // refused late, and early
			log := &journal{}
			d := newDoor(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
			r := request("POST", "/tools/ATool/execute", "[]", row.header...)
			r.Host = host
			serve(d, r)
			if got := strings.Contains(log.String(), "trace_id="+traceID); got != row.traced ||
				strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("%s: log = %s, want the trace in it: %t", row.says, log, row.traced)
			}
		}
	}
}

func TestWhereACallComesFromTravelsWithIt(t *testing.T) {
	var got origin.Origin
	d := newDoor(t, withTokens, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		got = origin.From(ctx)
		return tool.Result{}, nil
	}))
	r := request("POST", "/tools/ATool/execute", "{}", "Authorization", "Bearer secret",
		"Traceparent", "00-"+traceID+"-"+parentID+"-01")
	r.RemoteAddr = "10.0.0.9:1"
	serve(d, r)
	want := origin.Origin{
		Client: "ci", Door: origin.REST, Remote: "10.0.0.9", Trace: origin.Trace{ID: traceID, Parent: parentID},
	}
	if got != want {
		t.Errorf("origin = %+v, want %+v", got, want)
	}
}

func TestTheCorrelationIDIsAHeaderToo(t *testing.T) {
	var err error
	d := newDoor(t, func(c *Config) {
		c.Caller = caller{
			call: func(context.Context, tool.Request) (tool.Result, error) {
				return tool.Result{CorrelationID: "c-1"}, err
			},
			plan: func(context.Context, tool.Request) (tool.Plan, error) {
				return tool.Plan{Verdict: tool.Accept, CorrelationID: "c-1"}, err
			},
		}
	})
	late, busy := tool.Errorf(tool.KindTimeout, "late"), tool.Errorf(tool.KindOverloaded, "busy")
	for _, err = range []error{nil, late, busy} {
		for _, path := range []string{"execute", "plan"} {
			w := serve(d, request("POST", "/tools/ATool/"+path, "{}"))
			if got := w.Header().Get("X-Correlation-ID"); got != "c-1" {
				t.Errorf("%s, err %v: X-Correlation-ID = %q, want c-1", path, err, got)
			}
		}
	}
	w := serve(d, request("POST", "/tools/ATool/execute", "[]"))
	id := checkProblem(t, w, 400, tool.KindValidation)["correlation_id"]
	if got := w.Header().Get("X-Correlation-ID"); got == "" || got != id {
		t.Errorf("a refusal: X-Correlation-ID = %q, want %v", got, id)
	}
}
