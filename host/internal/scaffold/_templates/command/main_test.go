package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestThePluginIsAsHostsExpect(t *testing.T) {
	sdktest.Conformance(t, plugin, sdktest.Sample{
		Tool: "ExamplePluginTool", Quick: `{"target": "127.0.0.1", "source": "files"}`,
	})
}

// getent plays the program: nothing is started, and the output is what the test wants.
func getent(_ context.Context, run *sdktest.Run) (exit int) {
	fmt.Fprintln(run.Stdout, "10.0.3.7  db.lab.internal  db \x1b[31mred")
	return 0
}

func TestTheNamesOfAnAddressAreRead(t *testing.T) {
	bench := sdktest.New(t, plugin, sdktest.Options{
		Programs: map[string]sdktest.Program{"getent": {Main: getent}},
	})
	res, err := bench.Call(t.Context(), "ExamplePluginTool", `{"target": "10.0.3.7", "source": "dns"}`)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"names":["db.lab.internal","db","\\x1B[31mred"]}` // what cannot be seen is written out
	if string(res.Data) != want {
		t.Errorf("data %s, want %s", res.Data, want)
	}
}

func TestWhatTheTableDoesNotKnowIsRefused(t *testing.T) {
	bench := sdktest.New(t, plugin, sdktest.Options{})
	for _, arguments := range []string{
		`{"target": "127.0.0.1", "extra_args": "-s nis"}`,
		`{"target": "127.0.0.1", "extra_args": "--help"}`,
		`{"target": "127.0.0.1", "extra_args": "passwd"}`,
	} {
		if plan := bench.Plan("ExamplePluginTool", arguments); plan.Error == nil {
			t.Errorf("Plan(%s) = %v, want it refused", arguments, plan.Argv)
		}
	}
}
