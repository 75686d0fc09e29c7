package cookbook

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// settings are the plugin's own section of the host's configuration: plugins.config.inventory.
type settings struct {
	File string `json:"file"`
}

type inventoryInput struct {
	Name string `json:"name" jsonschema:"name of the machine"`
}

type inventoryOutput struct {
	Owner string `json:"owner" jsonschema:"who to ask; empty: nobody knows"`
}

// InventoryTool looks up who owns a machine, in a file that the operator names.
var InventoryTool = sdk.Func(sdk.Definition{
	Name: "InventoryTool", Description: "Says who owns a machine.", Annotations: sdk.Annotations{ReadOnly: true},
}, owner)

func owner(_ context.Context, c *sdk.Call, in inventoryInput) (inventoryOutput, error) {
	s, err := readSettings(c.Policy())
	if err != nil {
		return inventoryOutput{}, err
	}
	owners, err := s.owners()
	return inventoryOutput{Owner: owners[in.Name]}, err
}

func readSettings(p sdk.Policy) (settings, error) {
	s := settings{File: "/var/lib/inventory.json"}
	if len(p.Config) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(p.Config, &s); err != nil {
		return s, sdk.Errorf(sdk.KindExecution, "the configuration of this plugin: %w", err).
			Suggest("the operator can mend plugins.config.inventory")
	}
	return s, nil
}

func (s settings) owners() (owners map[string]string, err error) {
	raw, err := os.ReadFile(s.File)
	if err == nil {
		err = json.Unmarshal(raw, &owners)
	}
	if err != nil {
		return nil, sdk.Errorf(sdk.KindExecution, "the inventory cannot be read: %w", err).
			Suggest("the operator can see to %s", s.File)
	}
	return owners, nil
}

// inventoryProbe is what the host asks for when it looks after the plugin's health.
var inventoryProbe = sdk.Probe{Name: "inventory", Run: func(_ context.Context, env sdk.Env) (string, error) {
	s, err := readSettings(env.Policy)
	if err != nil {
		return "", err
	}
	if _, err := s.owners(); err != nil {
		return "", err
	}
	info, err := os.Stat(s.File)
	if err == nil && time.Since(info.ModTime()) > 30*24*time.Hour {
		err = sdk.Degraded(sdk.Errorf(sdk.KindExecution, "it is older than a month").Suggest("inventory-update"))
	}
	return "up to date", err
}}
