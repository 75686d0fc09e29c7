package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// hashed is a token as auth.tokens has it.
func hashed(name, role, token string) string {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf("{name: %s, role: %s, sha256: %s}", name, role, hex.EncodeToString(sum[:]))
}

func TestWhatAPluginPrintsIsInTheLog(t *testing.T) {
	h := serve(t, "lab")
	h.ask(t, http.MethodPost, "/tools/PrintTool/execute", "{}", 200, nil)
	h.log.waitFor(t, "a line that nobody asked for", 1)
	h.log.waitFor(t, `"source":"stdout"`, 1) // it says where the line comes from
}

func TestRequestsThatNeverBecomeACallLeaveATrace(t *testing.T) {
	state := t.TempDir()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "auth: {tokens: ["+hashed("vic", "viewer", "look")+", "+hashed("root", "admin", "rule")+"]}\n")
	h := serve(t, "plugins", "STATE_DIRECTORY="+state, "MCP_CONFIG_FILE="+file, "GATEHOUSE_TOKEN=rule")
	h.token = "look"
	h.ask(t, http.MethodPost, "/tools/PingTool/disable", "", 403, nil)
	h.token = "wrong"
	h.ask(t, http.MethodPost, "/tools/PingTool/execute", `{"target":"127.0.0.1"}`, 401, nil)
	h.token = "rule"
	h.ask(t, http.MethodPost, "/tools/PingTool/execute", `{"target":`, 400, nil)
	var found []string
	for _, l := range trail(t, state) {
		if l.Event == "refuse" {
			found = append(found, strings.Join([]string{l.Client, l.Gate, l.ErrorType, l.Tool, l.Facts["request"]}, " "))
		}
	}
	want := []string{
		"vic door forbidden PingTool POST /tools/{name}/disable",
		" door unauthenticated PingTool POST /tools/{name}/execute",
		"root door validation_error PingTool POST /tools/{name}/execute",
	}
	if strings.Join(found, "\n") != strings.Join(want, "\n") {
		t.Errorf("refusals %q, want %q", found, want)
	}
	text := get(t, h.url+"/metrics", h.token)
	if !strings.Contains(text, `mcp_http_refusals_total{error_type="unauthenticated"} 1`) {
		t.Error("the metrics do not count the bad credential")
	}
}

// TestATokenThatWasExchangedEndsItsStreams exchanges a token under the same name, as one does after a leak.
func TestATokenThatWasExchangedEndsItsStreams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	admin := hashed("root", "admin", "rule")
	writeFile(t, file, "auth: {tokens: ["+hashed("vic", "viewer", "old")+", "+admin+"]}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file, "GATEHOUSE_TOKEN=rule")
	h.token = "old"
	s := h.events(t, "")
	replace(t, file, "auth: {tokens: ["+hashed("vic", "viewer", "new")+", "+admin+"]}\n")
	s.await(t, "bye", "not valid any more")
	h.ask(t, http.MethodGet, "/tools", "", 401, nil)
	h.token = "new"
	h.ask(t, http.MethodGet, "/tools", "", 200, nil)
}

func TestTheMetricsPortIsNoOpenDoor(t *testing.T) {
	h := serve(t, "plugins")
	for setting, want := range map[string]string{
		"MCP_AUTH_MODE=none": "auth.mode: none is possible on loopback only, and metrics.prometheus_host",
		"MCP_AUTH_MODE=":     `metrics.prometheus_host: "0.0.0.0" can be reached from other machines`,
	} {
		h.cmd.Env = append(environment(t), "MCP_METRICS_PROMETHEUS_HOST=0.0.0.0", "MCP_METRICS_PROMETHEUS_PORT=1", setting)
		if out := h.gatehouse(t, 2, "serve", "--transport", "http", "--port", "0"); !strings.Contains(out, want) {
			t.Errorf("%s: %s, want it refused", setting, out)
		}
	}
}
