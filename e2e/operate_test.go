package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// replace puts a file into its place as editors and deployments do: whole.
func replace(t *testing.T, name, text string) {
	t.Helper()
	writeFile(t, name+".new", text)
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request, wants a status, and decodes the answer.
func (h *host) ask(t *testing.T, method, path, body string, want int, into any) {
	t.Helper()
	status, raw, err := h.do(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Fatalf("%s %s = %d %s, want %d", method, path, status, raw, want)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s %s = %s: %v", method, path, raw, err)
	}
}

// verdict is what a plan of nmap says to a flag that needs allow_intrusive.
func (h *host) verdict(t *testing.T) string {
	t.Helper()
	var plan struct{ Verdict string }
	h.ask(t, http.MethodPost, "/tools/NmapTool/plan", `{"target":"127.0.0.1","extra_args":"-f"}`, 200, &plan)
	return plan.Verdict
}

func TestTheConfigurationIsReloadedWhenTheFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "security: {allow_intrusive: false}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file)
	if got := h.verdict(t); got != "gated" {
		t.Fatalf("verdict %q, want gated", got)
	}
	replace(t, file, "security: {allow_intrusive: true}\ntools: {PingTool: {concurrency: 3, rate_requests: 7}}\n")
	h.log.waitFor(t, "the configuration was reloaded", 1)
	if got := h.verdict(t); got != "accept" {
		t.Errorf("verdict %q, want accept: the plugin has its new policy", got)
	}
	var ping struct {
		Concurrency struct{ Limit int }    `json:"concurrency"`
		RateLimit   struct{ Requests int } `json:"rate_limit"`
	}
	h.ask(t, http.MethodGet, "/tools/PingTool", "", 200, &ping)
	if ping.Concurrency.Limit != 3 || ping.RateLimit.Requests != 7 {
		t.Errorf("PingTool = %+v, want concurrency 3 and 7 requests", ping)
	}
}

func TestABadFileChangesNothingAndSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "security: {allow_intrusive: true}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file)
	replace(t, file, "security:\n  allow_intrusive: false\n  allow_intrusve: false\n")
	h.log.waitFor(t, "the old one stays in force", 1)
	for _, want := range []string{file + ":3:", "allow_intrusve", "security.allow_intrusive"} {
		h.log.waitFor(t, want, 1)
	}
	if got := h.verdict(t); got != "accept" {
		t.Errorf("verdict %q, want accept still", got)
	}
	replace(t, file, "security: {allow_intrusive: false}\n")
	h.log.waitFor(t, "the configuration was reloaded", 1)
	if got := h.verdict(t); got != "gated" {
		t.Errorf("verdict %q, want gated", got)
	}
}

func TestSIGHUPReloadsAndWhatNeedsARestartWaits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "{}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file)
	if err := h.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	h.log.waitFor(t, "says the same", 1)
	replace(t, file, "server: {max_connections: 7}\nscope: {allow_loopback: false}\n")
	h.log.waitFor(t, "the configuration was reloaded", 1)
	if _, kind := h.rest(t, "PingTool", `{"target":"127.0.0.1","extra_args":"-c 1"}`); kind != "out_of_scope" {
		t.Errorf("a call of loopback = %q, want out_of_scope", kind)
	}
	var shown struct {
		Config  map[string]map[string]any
		Origins map[string]string
		Waiting []string `json:"waiting_for_restart"`
	}
	h.ask(t, http.MethodGet, "/config", "", 200, &shown)
	if got := shown.Config["server"]["max_connections"]; got != 100.0 || !slices.Contains(shown.Waiting, "server.max_connections") {
		t.Errorf("max_connections = %v, waiting %v; want 100 and that it waits", got, shown.Waiting)
	}
	if got := shown.Origins["scope.allow_loopback"]; got != file+":2" {
		t.Errorf("scope.allow_loopback comes from %q, want line 2 of %s", got, file)
	}
}

// TestACallInFlightKeepsWhatItStartedWith reloads, with a shorter ceiling, while a call runs.
func TestACallInFlightKeepsWhatItStartedWith(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "{}\n")
	h := serve(t, "plugins", "MCP_CONFIG_FILE="+file)
	events := h.events(t, "")
	result := make(chan string, 1)
	go func() {
		_, body, err := h.do(context.WithoutCancel(t.Context()), http.MethodPost, "/tools/PingTool/execute",
			`{"target":"127.0.0.1","extra_args":"-c 4 -i 0.5","timeout_sec":20}`)
		if err != nil {
			body = []byte(err.Error())
		}
		result <- string(body)
	}()
	events.await(t, "call.started", "PingTool")
	replace(t, file, "tools: {PingTool: {max_timeout: 1, default_timeout: 1}}\nscope: {allow_loopback: false}\n")
	events.await(t, "config.reloaded", "")
	select {
	case body := <-result:
		if !strings.Contains(body, `"received":4`) {
			t.Errorf("the call came to %s, want 4 of 4 received", body)
		}
	case <-time.After(patience):
		t.Fatal("the call does not end")
	}
}

func TestAToolIsSwitchedWhileTheHostRuns(t *testing.T) {
	h := serve(t, "plugins")
	heard := make(chan struct{}, 10)
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { heard <- struct{}{} },
	})
	s, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{h.token}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	listed := func() (names []string) {
		t.Helper()
		list, err := s.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tl := range list.Tools {
			names = append(names, tl.Name)
		}
		return names
	}
	changed := func() {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(patience):
			t.Fatal("the client is not told that the tools changed")
		}
	}
	h.ask(t, http.MethodPost, "/tools/NmapTool/disable", `{"reason":"a test"}`, 200, nil)
	changed()
	if got := listed(); !slices.Equal(got, withHostTools("PingTool")) {
		t.Errorf("tools/list = %v, want PingTool", got)
	}
	if _, kind := h.rest(t, "NmapTool", `{"target":"127.0.0.1"}`); kind != "disabled" {
		t.Errorf("a call = %q, want disabled", kind)
	}
	h.gatehouse(t, 0, "tools", "enable", "NmapTool", "--url", h.url)
	changed()
	if got := listed(); !slices.Equal(got, withHostTools("NmapTool", "PingTool")) {
		t.Errorf("tools/list = %v, want both", got)
	}
	h.gatehouse(t, 3, "tools", "disable", "NoTool", "--url", h.url)
}

// gatehouse runs a command in the environment of the host, and wants an exit code.
func (h *host) gatehouse(t *testing.T, want int, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), args...)
	cmd.Env = h.cmd.Env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("gatehouse %s = exit %d, want %d:\n%s", strings.Join(args, " "), got, want, out)
	}
	return string(out)
}

func TestASwitchOutlivesARestartAndHoldsForEveryHostOfTheStateDirectory(t *testing.T) {
	state := "STATE_DIRECTORY=" + t.TempDir()
	first := serve(t, "plugins", state)
	second := serve(t, "plugins", state)
	first.ask(t, http.MethodPost, "/tools/PingTool/disable", "", 200, nil)
	second.log.waitFor(t, "tools were switched by another process", 1)
	if _, kind := second.rest(t, "PingTool", `{"target":"127.0.0.1"}`); kind != "disabled" {
		t.Errorf("a call of the other host = %q, want disabled", kind)
	}
	// Quick switches of both, so that one host sees the file as it was before.
	for range 5 {
		second.ask(t, http.MethodPost, "/tools/PingTool/enable", "", 200, nil)
		first.ask(t, http.MethodPost, "/tools/PingTool/disable", "", 200, nil)
	}
	events := second.events(t, "")
	for second.enabled(t, "PingTool") {
		events.await(t, "catalog", "") // until the last word has come round
	}
	first.stop()
	third := serve(t, "plugins", state)
	if _, kind := third.rest(t, "PingTool", `{"target":"127.0.0.1"}`); kind != "disabled" {
		t.Errorf("a call after a restart = %q, want disabled", kind)
	}
}

// enabled tells whether a tool can be called.
func (h *host) enabled(t *testing.T, name string) bool {
	t.Helper()
	var view struct{ Enabled bool }
	h.ask(t, http.MethodGet, "/tools/"+name, "", 200, &view)
	return view.Enabled
}

func TestTheOperatorOpensAndClosesABreaker(t *testing.T) {
	h := serve(t, "plugins")
	h.gatehouse(t, 0, "breaker", "open", "PingTool", "--url", h.url, "--reason", "a test")
	_, raw, err := h.do(t.Context(), http.MethodPost, "/tools/PingTool/execute", `{"target":"127.0.0.1"}`)
	if err != nil || !strings.Contains(string(raw), `"by_hand":true`) {
		t.Errorf("a call = %s, %v; want circuit_breaker_open by hand", raw, err)
	}
	var ping struct {
		Breaker struct {
			State  string
			Forced bool
		} `json:"circuit_breaker"`
	}
	h.ask(t, http.MethodGet, "/tools/PingTool", "", 200, &ping)
	if ping.Breaker.State != "OPEN" || !ping.Breaker.Forced {
		t.Errorf("the breaker is %+v, want OPEN by hand", ping.Breaker)
	}
	h.gatehouse(t, 0, "breaker", "close", "PingTool", "--url", h.url)
	if _, kind := h.rest(t, "PingTool", `{"target":"127.0.0.1","extra_args":"-c 1"}`); kind != "" {
		t.Errorf("a call afterwards = %q", kind)
	}
}
