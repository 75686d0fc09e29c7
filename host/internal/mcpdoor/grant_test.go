package mcpdoor

import (
	"context"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// A tool that has run its command asks something of its own: it must not get to run it again.
func TestOneYesIsForOneRun(t *testing.T) {
	g := newGate("10.0.0.7")
	g.then = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		consent.Used(ctx) // as the router says when the command runs
		return tool.Result{Questions: []tool.Question{{ID: "more", Message: "?", Schema: anyObject}}}, nil
	}
	b := gatedBed(t, g)
	for _, c := range modernTalkers(t, b) {
		before := len(g.runs())
		res := asked(t, c, aCall+"}")
		res = asked(t, c, answered(res.RequestState, `"`+consentID+`":{"action":"accept","content":`+allow+`}`))
		res = asked(t, c, answered(res.RequestState, `"more":{"action":"accept"}`))
		if n := len(g.runs()) - before; n != 1 {
			t.Errorf("%s: the command ran %d times on one yes, want once", c.says, n)
		}
		if again, ok := res.InputRequests[consentID]; !ok || !strings.Contains(string(again), "--loud") {
			t.Errorf("%s: then asked %v, want the person to be asked about the command again", c.says, res.InputRequests)
		}
	}
}
