package config

import (
	"slices"
	"testing"
)

func TestVariablesThatAreNoSettingsAreNamed(t *testing.T) {
	for _, row := range []struct{ says, variable, want string }{
		{"a key that does not exist", "MCP_SERVER_BOGUS=", "MCP_SERVER_BOGUS"},
		{"a slip in a key", "MCP_RATE_LIMIT_REQUEST=1",
			"MCP_RATE_LIMIT_REQUEST (did you mean MCP_RATE_LIMIT_REQUESTS?)"},
		{"a slip in a section", "MCP_SEVER_PORT=1", "MCP_SEVER_PORT (did you mean MCP_SERVER_PORT?)"},
		{"a slip in each", "MCP_SECURTY_ALOW_INTRUSIVE=true",
			"MCP_SECURTY_ALOW_INTRUSIVE (did you mean MCP_SECURITY_ALLOW_INTRUSIVE?)"},
		{"a section of two words", "MCP_RATELIMIT_REQUESTS=1",
			"MCP_RATELIMIT_REQUESTS (did you mean MCP_RATE_LIMIT_REQUESTS?)"},
		{"a slip in an older name", "MCP_PLUGIN_DIR=/p", "MCP_PLUGIN_DIR (did you mean MCP_PLUGINS_DIR?)"},
		{"a slip in the name of the file", "MCP_CONFIGFILE=x", "MCP_CONFIGFILE (did you mean MCP_CONFIG_FILE?)"},
		{"a slip in front", "MPC_SERVER_PORT=1", "MPC_SERVER_PORT (did you mean MCP_SERVER_PORT?)"},
		{"small letters", "mcp_server_port=1", "mcp_server_port (did you mean MCP_SERVER_PORT?)"},
		{"MCP_ before a name without it", "MCP_LOG_LEVEL=DEBUG", "MCP_LOG_LEVEL (did you mean LOG_LEVEL?)"},
		{"a setting of one tool", "MCP_TOOLS_NMAPTOOL_CONCURRENCY=1",
			"MCP_TOOLS_NMAPTOOL_CONCURRENCY (settings of one tool are said in the file only)"},
		{"a name of the Python server", "TOOLS_PACKAGE=tools",
			"TOOLS_PACKAGE (the place of plugins is said with MCP_PLUGINS_DIR)"},
		{"that name, empty", "TOOLS_PACKAGE=", ""},
		{"a setting", "MCP_RATE_LIMIT_REQUESTS=1", ""},
		{"an older name", "MCP_MAX_ARGS_LEN=1", ""},
		{"the name of the file", "MCP_CONFIG_FILE=x", ""},
		{"others' variables", "PATH=/bin", ""},
		{"others' variables without a name", "=x", ""},
		{"others' levels", "LOGLEVEL=debug", ""},
		{"the time that a client waits", "MCP_TIMEOUT=1", ""},
		{"the port of an inspector", "MCP_CLIENT_PORT=1", ""},
		{"the token of a proxy", "MCP_PROXY_AUTH_TOKEN=1", ""},
		{"the directory of a bridge", "MCP_REMOTE_CONFIG_DIR=1", ""},
		{"the name of a user", "MCP_USER_DIR=1", ""},
		{"MCP_ alone", "MCP_=1", ""},
		{"a debugger's", "MCP_DEBUG=1", ""},
	} {
		var want []string
		if row.want != "" {
			want = []string{row.want}
		}
		if got := UnknownVariables([]string{row.variable}); !slices.Equal(got, want) {
			t.Errorf("%s: UnknownVariables(%s) = %q, want %q", row.says, row.variable, got, want)
		}
	}
}

func TestUnknownVariablesAreSorted(t *testing.T) {
	got := UnknownVariables([]string{"MCP_SERVER_B=", "MCP_AUDIT_C=", "MCP_SERVER_A=", "MCP_SERVER_B="})
	if want := []string{"MCP_AUDIT_C", "MCP_SERVER_A", "MCP_SERVER_B"}; !slices.Equal(got, want) {
		t.Errorf("UnknownVariables = %q, want %q", got, want)
	}
}

func TestEveryVariableIsKnownAndNearToItself(t *testing.T) {
	for _, k := range Keys() {
		for _, name := range k.Environment {
			if got := UnknownVariables([]string{name + "=1"}); got != nil {
				t.Errorf("UnknownVariables(%s) = %q, want nothing", name, got)
			}
		}
	}
}

func TestSectionsOfPluginsThatAreNotThereAreNamed(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml", "plugins: {config: {pnig: {}, nmap: {a: 1}, curl: {}}}\n")})
	want := []string{"curl", "pnig"}
	if got := cfg.UnknownPlugins([]string{"ping", "nmap"}); !slices.Equal(got, want) {
		t.Errorf("UnknownPlugins = %q, want %q", got, want)
	}
	if got := Default().UnknownPlugins(nil); len(got) != 0 {
		t.Errorf("UnknownPlugins = %q, want none", got)
	}
}
