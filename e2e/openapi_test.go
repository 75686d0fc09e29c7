package e2e

import (
	"net/http"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/openapitest"
)

// checked is a client whose every answer is held against the document of the host.
func (h *host) checked(t *testing.T) *http.Client {
	t.Helper()
	status, raw, err := h.do(t.Context(), http.MethodGet, "/openapi.json", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET /openapi.json = %d, %v", status, err)
	}
	doc, err := openapitest.Parse(raw)
	if err != nil {
		t.Fatalf("Parse = %v, want the document of the host to be one", err)
	}
	return &http.Client{Transport: &openapitest.Transport{
		Document: doc, Report: func(err error) { t.Error(err) },
		Skip: func(r *http.Request) bool { return r.URL.Path == "/mcp" }, // MCP describes itself
	}}
}

func TestEveryAnswerIsAsTheDocumentSays(t *testing.T) {
	h := serve(t, "plugins")
	for _, row := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/", "", 200}, {"GET", "/livez", "", 200}, {"GET", "/readyz", "", 200}, {"HEAD", "/tools", "", 200},
		{"GET", "/tools", "", 200}, {"GET", "/tools/NmapTool", "", 200}, {"GET", "/tools/NoTool", "", 404},
		{"GET", "/config", "", 200}, {"GET", "/metrics", "", 200}, {"GET", "/openapi.json", "", 200},
		{"GET", "/nowhere", "", 404}, {"PUT", "/tools", "", 405}, {"POST", "/tools/PingTool/execute", "[]", 400},
		{"POST", "/tools/PingTool/execute", `{"target":"127.0.0.1","extra_args":"-c 1"}`, 200},
		{"POST", "/tools/NmapTool/execute", `{"target":"127.0.0.1","extra_args":"-sT -p 1"}`, 200},
		{"POST", "/tools/NmapTool/plan", `{"target":"127.0.0.1"}`, 200},
		{"POST", "/tools/NmapTool/plan", `{"target":"192.0.2.1"}`, 200},
		{"POST", "/tools/NmapTool/plan", `{"target":"127.0.0.1","extra_args":"-f"}`, 200},
		{"POST", "/tools/PingTool/execute", `{"target":"192.0.2.1"}`, 403},
		{"POST", "/tools/PingTool/disable", `{"reason":"a test"}`, 200},
		{"POST", "/tools/PingTool/execute", `{"target":"127.0.0.1"}`, 403},
		{"POST", "/tools/PingTool/enable", "", 200}, {"POST", "/tools/NoTool/enable", "", 404},
		{"POST", "/tools/NmapTool/breaker/open", "", 200},
		{"POST", "/tools/NmapTool/execute", `{"target":"127.0.0.1"}`, 503},
		{"POST", "/tools/NmapTool/breaker/close", "", 200},
	} {
		status, _, err := h.do(t.Context(), row.method, row.path, row.body)
		if err != nil {
			t.Fatalf("%s %s = %v", row.method, row.path, err)
		}
		if status != row.want {
			t.Errorf("%s %s %s = %d, want %d", row.method, row.path, row.body, status, row.want)
		}
	}
	if _, _, err := h.do(t.Context(), "GET", "/health", ""); err != nil { // its status is this machine's
		t.Fatal(err)
	}
}
