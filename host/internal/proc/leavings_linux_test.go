package proc_test

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Others build on what this behaviour says of itself.
func TestALeakyPluginHoldsWhatItWasAskedToKeep(t *testing.T) {
	p := start(t, hosttest.Dir(t), "leaky")
	held := func(args string) (rss int64) {
		res, err := p.Call(t.Context(), tool.Request{Arguments: []byte(args)}, func(tool.Event) {})
		var data struct{ RSS int64 }
		if err == nil {
			err = json.Unmarshal(res.Data, &data)
		}
		if err != nil {
			t.Fatalf("Call(%s) = %v", args, err)
		}
		return data.RSS
	}
	before := held(`{}`)
	if after := held(`{"mib": 32}`); after < before+30<<20 {
		t.Errorf("it holds %d bytes, and %d after it was asked to keep 32 MiB", before, after)
	}
}
