package config

import (
	"slices"
	"testing"
)

func TestVariablesThatAreNoSettingsAreNamed(t *testing.T) {
	got := UnknownVariables([]string{
		"MCP_RATE_LIMIT_REQUEST=1", "MCP_RATE_LIMIT_REQUESTS=1", "MCP_SERVER_BOGUS=", "MCP_HEALTH_ENABLED=true",
		"MCP_CONFIG_FILE=x", "TOOLS_PACKAGE=tools", "MCP_MAX_ARGS_LEN=1", "PATH=/bin",
		"MCP_SCOPE_ALLOW_LOOPBCK=false",
	})
	want := []string{"MCP_RATE_LIMIT_REQUEST", "MCP_SCOPE_ALLOW_LOOPBCK", "MCP_SERVER_BOGUS",
		"TOOLS_PACKAGE (the place of plugins is said with MCP_PLUGINS_DIR)"}
	if !slices.Equal(got, want) {
		t.Errorf("UnknownVariables = %v, want %v", got, want)
	}
}
