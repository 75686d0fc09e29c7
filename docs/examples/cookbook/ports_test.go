package cookbook

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestPortsAreTriedOnThePinnedAddress(t *testing.T) {
	bench := sdktest.New(t, sdk.Plugin{Name: "ports", Version: "1.0.0", Tools: []sdk.Tool{PortsTool}}, sdktest.Options{
		Hosts: map[string][]string{"db.lab.internal": {"10.0.3.7"}},
		Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			switch address {
			case "10.0.3.7:5432":
				a, b := net.Pipe()
				t.Cleanup(func() { _ = b.Close() })
				return a, nil
			case "10.0.3.7:80":
				return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
			}
			return nil, fmt.Errorf("somebody dialed %s", address)
		},
	})
	res, err := bench.Call(t.Context(), "PortsTool", `{"target": "db.lab.internal", "ports": [5432, 80]}`)
	if want := `{"open":[5432],"closed":[80]}`; err != nil || string(res.Data) != want {
		t.Errorf("Call() = %s, %v; want %s", res.Data, err, want)
	}
	many := `{"target": "10.0.3.7", "ports": [` + strings.Repeat("1,", 20) + `1]}`
	if _, err := bench.Call(t.Context(), "PortsTool", many); sdk.KindOf(err) != sdk.KindValidation {
		t.Errorf("Call of 21 ports = %v, want %s", err, sdk.KindValidation)
	}
}
