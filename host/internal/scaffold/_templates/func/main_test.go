package main

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// listen opens a port of loopback until the test ends.
func listen(t *testing.T) (l net.Listener, port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

func TestThePluginIsAsHostsExpect(t *testing.T) {
	_, port := listen(t)
	sdktest.Conformance(t, plugin, sdktest.Sample{
		Tool: "ExamplePluginTool", Quick: fmt.Sprintf(`{"target": "127.0.0.1", "port": %d}`, port),
	})
}

func TestOpenAndClosedPortsAreToldApart(t *testing.T) {
	bench := sdktest.New(t, plugin, sdktest.Options{})
	l, port := listen(t)
	for _, open := range []bool{true, false} {
		if !open {
			_ = l.Close()
		}
		res, err := bench.Call(t.Context(), "ExamplePluginTool", input{Target: "127.0.0.1", Port: uint16(port)})
		if err != nil {
			t.Fatal(err)
		}
		var got output
		if err := json.Unmarshal(res.Data, &got); err != nil || got.Open != open {
			t.Errorf("open is %t (%v), want %t", got.Open, err, open)
		}
	}
}

func TestBadPortsAreTheCallersMistake(t *testing.T) {
	bench := sdktest.New(t, plugin, sdktest.Options{})
	_, err := bench.Call(t.Context(), "ExamplePluginTool", `{"target": "127.0.0.1", "port": 0}`)
	if e := sdk.AsError(err); e == nil || e.Kind != sdk.KindValidation {
		t.Errorf("port 0: %v, want %s", err, sdk.KindValidation)
	}
}
