package cookbook

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

var spider = sdk.Plugin{Name: "spider", Version: "1.0.0", Tools: []sdk.Tool{SpiderTool}}

func TestAURLIsMadeOfThePinnedAddress(t *testing.T) {
	bench := sdktest.New(t, spider, sdktest.Options{
		Hosts: map[string][]string{"www.lab.internal": {"10.0.3.8"}},
		Programs: map[string]sdktest.Program{"wget": {Version: "1.21", Main: func(_ context.Context, r *sdktest.Run) int {
			fmt.Fprintln(r.Stderr, "  HTTP/1.1 404 Not Found")
			return 8
		}}},
	})
	res, err := bench.Call(t.Context(), "SpiderTool",
		`{"target": "www.lab.internal", "path": "/a", "template": "patient", "headers": ["X-A: 1", "X-B: 2"]}`)
	if err != nil || res.ReturnCode != 8 || string(res.Data) != `{"status":"HTTP/1.1 404 Not Found"}` {
		t.Errorf("Call() = %d, %s, %v", res.ReturnCode, res.Data, err)
	}
	want := []string{"--tries=3", "--header=X-A: 1", "--header=X-B: 2", "--", "http://10.0.3.8/a"}
	if argv := bench.Executed()[0].Argv; !slices.Equal(argv[len(argv)-len(want):], want) {
		t.Errorf("it executed %q, want it to end with %q", argv, want)
	}
}

func TestSpiderConforms(t *testing.T) {
	sdktest.Conformance(t, spider, sdktest.Sample{Tool: "SpiderTool"})
}
