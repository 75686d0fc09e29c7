package cookbook

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestAToolWrittenByHandRunsInTheSandbox(t *testing.T) {
	plugin := sdk.Plugin{Name: "kernel", Version: "1.0.0", Tools: []sdk.Tool{KernelTool{}}}
	bench := sdktest.New(t, plugin, sdktest.Options{})
	res, err := bench.Call(t.Context(), "KernelTool", `{}`)
	if err != nil || !strings.Contains(string(res.Data), "Linux") {
		t.Errorf("Call() = %s, %v; want what uname says", res.Data, err)
	}
	if ran := bench.Executed(); len(ran) != 1 || ran[0].Program != "/usr/bin/uname" {
		t.Errorf("it executed %+v, want uname", ran)
	}
}
