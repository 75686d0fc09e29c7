package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// scan is what these tests read of NmapTool's data.
type scan struct {
	Hosts []struct {
		Address string
		Ports   []struct {
			Port            int
			Protocol, State string
		}
	}
}

func TestEachDoorFindsTheOpenPort(t *testing.T) {
	open := listen(t)
	for name, call := range doors(t, "plugins") {
		t.Run(name, func(t *testing.T) {
			rep, kind := call(t, "NmapTool", fmt.Sprintf(`{"target":"127.0.0.1","extra_args":"-sT -p %d"}`, open))
			if kind != "" {
				t.Fatalf("error %s: %s", kind, *rep.Error)
			}
			var data scan
			if err := json.Unmarshal(rep.Data, &data); err != nil {
				t.Fatal(err)
			}
			if len(data.Hosts) != 1 || len(data.Hosts[0].Ports) != 1 {
				t.Fatalf("data = %s, want one host with one port", rep.Data)
			}
			if p := data.Hosts[0].Ports[0]; p.Port != open || p.State != "open" || p.Protocol != "tcp" {
				t.Errorf("port = %+v, want %d/tcp open", p, open)
			}
			if !strings.Contains(rep.Stdout, "Nmap scan report for 127.0.0.1") || strings.Contains(rep.Stdout, "<?xml") {
				t.Errorf("stdout is not the text that people know: %s", rep.Stdout)
			}
			if rep.ExecutionID == "" || rep.ExecutionTime <= 0 || rep.ReturnCode != 0 {
				t.Errorf("report = %+v", rep)
			}
		})
	}
}

func TestEachDoorPings(t *testing.T) {
	for name, call := range doors(t, "plugins") {
		t.Run(name, func(t *testing.T) {
			rep, kind := call(t, "PingTool", `{"target":"127.0.0.1","extra_args":"-c 1","correlation_id":"e2e-1"}`)
			if kind != "" {
				t.Fatalf("error %s: %s", kind, *rep.Error)
			}
			var data struct{ Transmitted, Received int }
			if err := json.Unmarshal(rep.Data, &data); err != nil || data.Transmitted != 1 || data.Received != 1 {
				t.Errorf("data = %s (%v), want 1 of 1 received", rep.Data, err)
			}
			if rep.CorrelationID != "e2e-1" {
				t.Errorf("correlation_id = %q, want the caller's", rep.CorrelationID)
			}
		})
	}
}

func TestRefusalsAreTheSameThroughEveryDoor(t *testing.T) {
	cases := []struct {
		why, tool, arguments string
		want                 tool.Kind
	}{
		{"an unknown tool", "NoSuchTool", `{"target":"127.0.0.1"}`, tool.KindToolNotFound},
		{"a disabled tool", "PingTool", `{"target":"127.0.0.1"}`, tool.KindDisabled},
		{"a missing target", "NmapTool", `{}`, tool.KindValidation},
		{"a wrong type", "NmapTool", `{"target":["127.0.0.1"]}`, tool.KindValidation},
		{"an unknown field", "NmapTool", `{"target":"127.0.0.1","targets":"x"}`, tool.KindValidation},
		{"a negative timeout", "NmapTool", `{"target":"127.0.0.1","timeout_sec":-1}`, tool.KindValidation},
		{"a correlation id with a blank", "NmapTool", `{"target":"127.0.0.1","correlation_id":"a b"}`, tool.KindValidation},
		{"a public address", "NmapTool", `{"target":"8.8.8.8"}`, tool.KindOutOfScope},
		{"a foreign name", "NmapTool", `{"target":"example.com"}`, tool.KindOutOfScope},
		{"a network that is too large", "NmapTool", `{"target":"10.0.0.0/8"}`, tool.KindValidation},
		{"an octal address", "NmapTool", `{"target":"0177.0.0.1"}`, tool.KindValidation},
		{"a forbidden flag", "NmapTool", `{"target":"127.0.0.1","extra_args":"-iL /etc/passwd"}`, tool.KindValidation},
		{"a bare word", "NmapTool", `{"target":"127.0.0.1","extra_args":"10.0.0.1"}`, tool.KindValidation},
		{"a gated flag", "NmapTool", `{"target":"127.0.0.1","extra_args":"--script vuln"}`, tool.KindIntrusiveDenied},
	}
	disabled := `{"tools":{"PingTool":{"enabled":false}}}`
	config := filepath.Join(t.TempDir(), "gatehouse.json")
	writeFile(t, config, disabled)
	for name, call := range doors(t, "plugins", "MCP_CONFIG_FILE="+config) {
		for _, c := range cases {
			t.Run(name+"/"+c.why, func(t *testing.T) {
				rep, kind := call(t, c.tool, c.arguments)
				if kind != c.want {
					t.Errorf("%s %s = %q, want %q", c.tool, c.arguments, kind, c.want)
				}
				if name != "rest" && kind != tool.KindToolNotFound && (rep.Error == nil || rep.ExecutionID == "") {
					t.Errorf("report = %+v, want a message and an execution_id", rep)
				}
			})
		}
	}
}

func TestDisabledToolsAreNotListed(t *testing.T) {
	config := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, config, "tools:\n  PingTool:\n    enabled: false\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+config)
	s := connect(t, &mcp.StreamableClientTransport{
		Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{h.token}},
	})
	if got := toolsOf(t, s); !slices.Equal(got, withHostTools("NmapTool")) {
		t.Errorf("tools/list = %v, want NmapTool and the host's own alone", got)
	}
}

func TestTheOfficialClientListsBothTools(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "gatehouse")) // no arguments, as Claude Desktop starts it
	cmd.Env = environment(t)
	list, err := connect(t, &mcp.CommandTransport{Command: cmd}).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tl := range list.Tools {
		names = append(names, tl.Name)
		if tl.Description == "" || tl.InputSchema == nil || tl.OutputSchema == nil || tl.Annotations == nil {
			t.Errorf("%s lacks a description, a schema or annotations", tl.Name)
		}
		if own := slices.Contains(hostTools, tl.Name); strings.Contains(tl.Description, "\n\nOn this host: at most ") == own {
			t.Errorf("%s is the host's own: %t; its description is %q", tl.Name, own, tl.Description)
		}
	}
	if !slices.Equal(names, withHostTools("NmapTool", "PingTool")) {
		t.Errorf("tools = %v", names)
	}
}

func TestHTTPRefusesWhatIsNoCall(t *testing.T) {
	h := serve(t, "plugins")
	const execute = "/tools/PingTool/execute"
	for _, c := range []struct {
		why, method, path, body string
		header                  []string
		want                    int
	}{
		{"broken JSON", "POST", execute, `{"target":`, nil, 400},
		{"no JSON object", "POST", execute, `null`, nil, 400},
		{"a member that stands twice", "POST", execute, `{"target":"10.0.0.1","target":"8.8.8.8"}`, nil, 400},
		{"a key in other letters", "POST", execute, `{"TARGET":"127.0.0.1"}`, nil, 400},
		{"something after the object", "POST", execute, `{"target":"127.0.0.1"}x`, nil, 400},
		{"invalid UTF-8", "POST", execute, "{\"target\":\"\xff\"}", nil, 400},
		{"a body of 64 KiB and more", "POST", execute, `{"target":"` + strings.Repeat("a", 64<<10) + `"}`, nil, 413},
		{"an MCP body of 1 MiB and more", "POST", "/mcp", `{"x":"` + strings.Repeat("a", 1<<20) + `"}`, []string{"Accept", "*/*"}, 413},
		{"a form", "POST", execute, `{}`, []string{"Content-Type", "text/plain"}, 415},
		{"GET for a call", "GET", execute, ``, nil, 405},
		{"no token", "POST", execute, `{}`, []string{"Authorization", ""}, 401},
		{"a wrong token", "POST", execute, `{}`, []string{"Authorization", "Bearer x"}, 401},
		{"a wrong token at /mcp", "POST", "/mcp", `{}`, []string{"Authorization", "Bearer x"}, 401},
		{"a foreign page", "POST", execute, `{}`, []string{"Origin", "https://evil.example"}, 403},
		{"a foreign page at /mcp", "POST", "/mcp", `{}`, []string{"Origin", "https://evil.example"}, 403},
		{"fetch metadata of another site", "POST", execute, `{}`, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a path for a name", "POST", "/tools/..%2f..%2fbin%2fsh/execute", `{}`, nil, 404},
		{"no such route", "GET", "/config.php", ``, nil, 404},
	} {
		t.Run(c.why, func(t *testing.T) {
			status, body, err := h.do(t.Context(), c.method, c.path, c.body, c.header...)
			if err != nil || status != c.want {
				t.Fatalf("%s %s = %d %v, want %d: %s", c.method, c.path, status, err, c.want, body)
			}
			var p struct {
				Status int    `json:"status"`
				Kind   string `json:"error_type"`
				Next   string `json:"recovery_suggestion"`
				ID     string `json:"correlation_id"`
			}
			if err := json.Unmarshal(body, &p); err != nil || p.Status != c.want || p.Kind == "" || p.Next == "" {
				t.Fatalf("problem = %s (%v)", body, err)
			}
			if p.ID == "" {
				t.Fatalf("problem = %s, want a correlation_id", body)
			}
			h.log.waitFor(t, p.ID, 1)
		})
	}
	if status, _, err := h.do(t.Context(), "POST", execute, `{"target":"127.0.0.1","extra_args":"-c 1"}`); status != 200 {
		t.Errorf("after all that, a good call = %d %v, want 200", status, err)
	}
}

func TestAForeignHostHeaderIsRefused(t *testing.T) {
	h := serve(t, "lab")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/tools", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	req.Header.Set("Authorization", "Bearer "+h.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("Host evil.example = %d, want 403", resp.StatusCode)
	}
}

func TestOpenRoutesTellNoDetails(t *testing.T) {
	h := serve(t, "plugins")
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/health": 200, "/tools": 401, "/metrics": 401, "/": 401} {
		status, body, err := h.do(t.Context(), "GET", path, "", "Authorization", "")
		if path == "/health" && status == 207 { // the machine of the test is busy, or its disk full
			status = want
		}
		if err != nil || status != want {
			t.Errorf("GET %s = %d %v, want %d", path, status, err, want)
		}
		if strings.Contains(string(body), "NmapTool") {
			t.Errorf("GET %s tells of tools without a token: %s", path, body)
		}
	}
	status, body, err := h.do(t.Context(), "GET", "/health", "")
	if err != nil || status != 200 && status != 207 || !strings.Contains(string(body), "plugin:nmap") {
		t.Errorf("GET /health with a token = %d %v %s", status, err, body)
	}
}
