package nmap

import (
	"context"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestTheProbeOfPrivileges(t *testing.T) {
	for raw, want := range map[bool]string{true: "healthy", false: "degraded"} {
		b := sdktest.New(t, sdk.Plugin{Name: "nmap", Version: "1", Tools: []sdk.Tool{Tool(Privileges{Raw: raw})}},
			sdktest.Options{})
		found := 0
		for _, c := range b.CheckHealth(context.Background()) {
			if c.Name != "CAP_NET_RAW" {
				continue
			}
			found++
			if string(c.Status) != want || c.Priority != sdk.Informational || (c.Fix == "") != raw {
				t.Errorf("with raw sockets %t the check is %+v, want %s", raw, c, want)
			}
		}
		if found != 1 {
			t.Errorf("%d checks of CAP_NET_RAW, want one", found)
		}
	}
}
