package metrics

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the project's.
const root = "../../.."

// promtool runs the tool of that name; `make setup` gets it.
func promtool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		path = filepath.Join(root, ".cache/tools/promtool")
		if _, err := os.Stat(path); err != nil {
			t.Fatal("promtool is missing; run make setup, or install Prometheus")
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPromtoolHasNothingToSayAboutTheMetrics(t *testing.T) {
	if said := promtool(t, scrape(t, everything()), "check", "metrics"); said != "" {
		t.Errorf("promtool check metrics:\n%s", said)
	}
}

func TestPromtoolReadsWhatHasNotBeenUsedYet(t *testing.T) {
	if said := promtool(t, scrape(t, New(Config{})), "check", "metrics"); said != "" {
		t.Errorf("promtool check metrics:\n%s", said)
	}
}

func TestWhoAsksForOpenMetricsGetsIt(t *testing.T) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	everything().Handler().ServeHTTP(w, r)
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text") {
		t.Errorf("Content-Type = %q, want OpenMetrics", kind)
	}
	if !strings.HasSuffix(w.Body.String(), "\n# EOF\n") {
		t.Errorf("the text does not end as OpenMetrics does: %q", w.Body.String()[max(0, w.Body.Len()-20):])
	}
}
