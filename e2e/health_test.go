package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// report is what these tests read of GET /health.
type report struct {
	Status string
	Checks map[string]struct{ Status, Priority, Message, Fix string }
}

// health asks for the report until a check has a status: the checks run in the background.
func (h *host) health(t *testing.T, check, status string) report {
	t.Helper()
	s := h.events(t, "")
	for late := time.Now().Add(patience); ; {
		_, raw, err := h.do(t.Context(), http.MethodGet, "/health", "")
		if err != nil {
			t.Fatal(err)
		}
		var r report
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("GET /health = %s: %v", raw, err)
		}
		if r.Checks[check].Status == status {
			return r
		}
		if time.Now().After(late) {
			t.Fatalf("the check %s does not come to be %s: %+v", check, status, r.Checks[check])
		}
		s.await(t, "health", "") // at each change, and every few seconds
	}
}

func TestHealthSaysWhatIsMissingAndWhatToDo(t *testing.T) {
	h := serve(t, "plugins", "MCP_HEALTH_DEPENDENCIES=no-such-program")
	r := h.health(t, "dependency:no-such-program", "unhealthy")
	if c := r.Checks["dependency:no-such-program"]; c.Fix == "" || r.Status != "degraded" {
		t.Errorf("report = %+v, want degraded, with what to do", r)
	}
	for _, name := range []string{"check:nmap/NmapTool/nmap", "check:ping/PingTool/ping", "plugin:nmap", "audit"} {
		if c := r.Checks[name]; c.Status != "healthy" {
			t.Errorf("%s = %+v, want healthy", name, c)
		}
	}
	for _, name := range []string{"cpu", "memory", "disk", "process"} {
		if _, ok := r.Checks[name]; !ok {
			t.Errorf("there is no check %s", name)
		}
	}
	h.token = "" // orchestrators have none
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/health": 207} {
		status, raw, err := h.do(t.Context(), http.MethodGet, path, "")
		if err != nil || status != want || strings.Contains(string(raw), "no-such-program") {
			t.Errorf("GET %s without a token = %d %s, %v; want %d without details", path, status, raw, err, want)
		}
	}
}

func TestAPluginBringsChecksOfItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "plugins: {config: {lab: {stock: high}}}\n")
	h := serve(t, "lab", "MCP_CONFIG_FILE="+file)
	h.health(t, "check:lab/stock", "healthy")
	replace(t, file, "plugins: {config: {lab: {stock: low}}}\n")
	r := h.health(t, "check:lab/stock", "degraded")
	if c := r.Checks["check:lab/stock"]; c.Message != "the stock is low" || c.Fix != "order more" {
		t.Errorf("check = %+v, want the plugin's own words", c)
	}
}

func TestWithoutToolsTheHostIsUnhealthy(t *testing.T) {
	empty := t.TempDir()
	rel, err := filepath.Rel(bin, empty)
	if err != nil {
		t.Fatal(err)
	}
	h := serve(t, rel)
	h.health(t, "catalog", "unhealthy")
	status, raw, err := h.do(t.Context(), http.MethodGet, "/health", "")
	if err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("GET /health = %d %s, %v; want 503", status, raw, err)
	}
}

func TestDoctorSaysWhatToType(t *testing.T) {
	dir := t.TempDir()
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(bin, "plugins", "ping"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(plugins, "ping"), raw, 0o755); err != nil {
		t.Fatal(err)
	}
	env := environment(t)
	doctor := func(want int) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "gatehouse"), "doctor", "--plugins-dir", plugins)
		cmd.Env = env
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("doctor = exit %d, want %d:\n%s", got, want, out)
		}
		return string(out)
	}
	doctor(0)
	if err := os.Chmod(plugins, 0o777); err != nil {
		t.Fatal(err)
	}
	if out := doctor(1); !strings.Contains(out, "chmod") || !strings.Contains(out, plugins) {
		t.Errorf("doctor says %s, want which directory and chmod", out)
	}
}
