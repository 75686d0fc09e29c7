package cookbook

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestTheInventoryIsWhereTheOperatorSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "inventory.json")
	if err := os.WriteFile(file, []byte(`{"db": "alice"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	section, _ := json.Marshal(settings{File: file})
	plugin := sdk.Plugin{Name: "inventory", Version: "1.0.0", Tools: []sdk.Tool{InventoryTool},
		Probes: []sdk.Probe{inventoryProbe}}
	bench := sdktest.New(t, plugin, sdktest.Options{Config: section})
	res, err := bench.Call(t.Context(), "InventoryTool", `{"name": "db"}`)
	if err != nil || string(res.Data) != `{"owner":"alice"}` {
		t.Errorf("Call() = %s, %v", res.Data, err)
	}
	if checks := bench.CheckHealth(t.Context()); len(checks) != 1 || checks[0].Message != "up to date" {
		t.Errorf("CheckHealth() = %+v", checks)
	}
	bench = sdktest.New(t, plugin, sdktest.Options{Config: json.RawMessage(`{"file": "/nowhere"}`)})
	if _, err := bench.Call(t.Context(), "InventoryTool", `{"name": "db"}`); sdk.KindOf(err) != sdk.KindExecution {
		t.Errorf("Call without a file = %v, want %s", err, sdk.KindExecution)
	}
}
