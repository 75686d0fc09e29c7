package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAGeneratedTokenIsGoodOnlyWhereNobodyIsNamed takes the only named token out of the configuration and puts it back,
// where the state directory has a generated one that others can read.
func TestAGeneratedTokenIsGoodOnlyWhereNobodyIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	named := "auth: {tokens: [" + hashed("ci", "admin", "rule") + "]}\n"
	writeFile(t, file, named)
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file, "GATEHOUSE_TOKEN=rule")
	generated := filepath.Join(h.stateDir(t), "token")
	writeFile(t, generated, "gth_0123456789012345678901234567890123456789012\n")
	if err := os.Chmod(generated, 0o644); err != nil {
		t.Fatal(err)
	}
	replace(t, file, "server: {port: 8080}\n")
	h.log.waitFor(t, "the configuration was reloaded", 1) // there is a token, which is not let in
	h.ask(t, http.MethodGet, "/tools", "", 401, nil)
	replace(t, file, named)
	h.log.waitFor(t, "the configuration was reloaded", 2)
	h.ask(t, http.MethodGet, "/tools", "", 200, nil)
	if err := os.Chmod(generated, 0o600); err != nil {
		t.Fatal(err)
	}
	h.token = "gth_0123456789012345678901234567890123456789012"
	h.ask(t, http.MethodGet, "/config", "", 401, nil)
}

// TestWhatWaitsForARestartLetsNobodyElseIn goes over from tokens to an issuer, which waits for the next start: until then
// no generated administrator stands in.
func TestWhatWaitsForARestartLetsNobodyElseIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "auth: {tokens: ["+hashed("ci", "admin", "rule")+"]}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file, "GATEHOUSE_TOKEN=rule")
	replace(t, file, "oidc: {issuer: 'http://127.0.0.1:1', audience: [gatehouse], default_role: caller}\n")
	h.log.waitFor(t, "the configuration was reloaded", 1)
	if _, err := os.Stat(filepath.Join(h.stateDir(t), "token")); err == nil {
		t.Error("an administrator was generated, though the configuration names clients")
	}
	h.ask(t, http.MethodGet, "/tools", "", 401, nil)
}

// stateDir is the state directory of a host.
func (h *host) stateDir(t *testing.T) string {
	t.Helper()
	for _, setting := range h.cmd.Env {
		if dir, ok := strings.CutPrefix(setting, "XDG_STATE_HOME="); ok {
			return filepath.Join(dir, "gatehouse")
		}
	}
	t.Fatal("the host has no state directory of its own")
	return ""
}
