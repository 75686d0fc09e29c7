package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
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

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// trailLine is what these tests read of the audit trail.
type trailLine struct {
	Seq                uint64
	Time               time.Time
	Event              string
	ExecutionID        string `json:"execution_id"`
	CorrelationID      string `json:"correlation_id"`
	Client, Door       string
	Tool, Plugin       string
	Target, Gate, Rule string
	Verdict            string
	ErrorType          string `json:"error_type"`
	Program            string
	Argv               []string
	OutputSHA256       string `json:"output_sha256"`
	Actor, Action      string
	Targets            []struct{ Label, Pinned string }
	Facts              map[string]string
}

// trail reads the audit trail of a state directory.
func trail(t *testing.T, state string) []trailLine {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, "audit", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no audit trail below %s: %v", state, err)
	}
	slices.Sort(files)
	var all []trailLine
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var l trailLine
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatalf("%s: %q: %v", name, lines.Text(), err)
			}
			all = append(all, l)
		}
		_ = f.Close() // only read
	}
	return all
}

// about returns the lines of one call.
func about(all []trailLine, correlation string) (found []trailLine) {
	for _, l := range all {
		if l.CorrelationID == correlation {
			found = append(found, l)
		}
	}
	return found
}

// freePort is a port that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000) // below those that the system gives to who asks for any
		l, err := net.Listen("tcp", fmt.Sprint("0.0.0.0:", port))
		if err == nil {
			_ = l.Close()
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

// refusal is a call that is refused: by a gate of the host, or, where gate is empty, by the plugin's policy.
type refusal struct {
	why, tool, arguments string
	kind, gate           string
}

var refusals = []refusal{
	{"an unknown tool", "NoSuchTool", `"target":"127.0.0.1"`, "tool_not_found", "lookup"},
	{"a disabled tool", "PingTool", `"target":"127.0.0.1"`, "disabled", "lookup"},
	{"a wrong type", "NmapTool", `"target":["127.0.0.1"]`, "validation_error", "check"},
	{"a public address", "NmapTool", `"target":"8.8.8.8"`, "out_of_scope", "scope"},
	{"a network that is too large", "NmapTool", `"target":"10.0.0.0/8"`, "validation_error", "scope"},
	{"a forbidden flag", "NmapTool", `"target":"127.0.0.1","extra_args":"-iL /etc/passwd"`, "validation_error", ""},
	{"a gated flag", "NmapTool", `"target":"127.0.0.1","extra_args":"--script vuln"`, "intrusive_denied", ""},
}

// TestRefusalsLeaveTheSameTraceThroughEveryDoor makes the same refused calls through each door, and reads
// metrics and trail afterwards. The hosts share one state directory, and so one trail.
func TestRefusalsLeaveTheSameTraceThroughEveryDoor(t *testing.T) {
	state := t.TempDir()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "tools: {PingTool: {enabled: false}}\n")
	settings := []string{"STATE_DIRECTORY=" + state, "MCP_CONFIG_FILE=" + file}
	h := serve(t, "plugins", settings...)
	port := freePort(t)
	stdio := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, "plugins"))
	stdio.Env = environment(t, append(settings, "MCP_METRICS_PROMETHEUS_PORT="+port)...)
	ways := map[string]door{
		"rest": h.rest,
		"mcp": mcpDoor(connect(t, &mcp.StreamableClientTransport{
			Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{h.token}},
		})),
		"stdio": mcpDoor(connect(t, &mcp.CommandTransport{Command: stdio})),
		"cli":   cliDoor("plugins", settings...),
	}
	for name, call := range ways {
		for i, r := range refusals {
			_, kind := call(t, r.tool, fmt.Sprintf(`{%s,"correlation_id":"%s-%d"}`, r.arguments, name, i))
			if string(kind) != r.kind {
				t.Errorf("%s, %s: %q, want %q", name, r.why, kind, r.kind)
			}
		}
	}
	all := trail(t, state)
	for name := range ways {
		for i, r := range refusals {
			r.check(t, name, about(all, fmt.Sprintf("%s-%d", name, i)))
		}
	}
	if out := h.gatehouse(t, 0, "audit", "verify"); !strings.Contains(out, "unbroken") {
		t.Errorf("audit verify says %s", out)
	}
	checkMetrics(t, h.url+"/metrics", h.token, 2) // through REST and /mcp
	checkMetrics(t, "http://127.0.0.1:"+port+"/metrics", h.token, 1)
}

// check holds that the lines of one refused call say what happened.
func (r refusal) check(t *testing.T, door string, lines []trailLine) {
	t.Helper()
	want := []string{"refuse"}
	if r.gate == "" {
		want = []string{"accept", "finish"}
	}
	var events []string
	for _, l := range lines {
		events = append(events, l.Event)
		if l.Door != door || l.Tool != r.tool || l.Client == "" {
			t.Errorf("%s, %s: line %+v, want door and tool", door, r.why, l)
		}
	}
	if !slices.Equal(events, want) {
		t.Errorf("%s, %s: lines %v, want %v", door, r.why, events, want)
		return
	}
	if last := lines[len(lines)-1]; last.ErrorType != r.kind || last.Gate != r.gate || last.Verdict == "accept" {
		t.Errorf("%s, %s: line %+v, want %s at gate %q", door, r.why, last, r.kind, r.gate)
	}
}

// checkMetrics holds that each refusal was counted so many times.
func checkMetrics(t *testing.T, url, token string, times int) {
	t.Helper()
	text := get(t, url, token)
	count := make(map[string]int) // series -> value
	for _, r := range refusals {
		name := r.tool
		if r.kind == "tool_not_found" {
			name = "unknown"
		}
		count[fmt.Sprintf(`mcp_tool_execution_total{error_type=%q,status="error",tool=%q}`, r.kind, name)] += times
	}
	for series, n := range count {
		if want := fmt.Sprintf("%s %d\n", series, n); !strings.Contains(text, want) {
			t.Errorf("%s does not say %s", url, want)
		}
	}
	if strings.Contains(text, "NoSuchTool") {
		t.Errorf("%s has a name that a caller invented", url)
	}
}

func get(t *testing.T, url, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %s, %v", url, resp.Status, err)
	}
	return b.String()
}

func TestTheTrailSaysWhoRanWhatExactly(t *testing.T) {
	state := t.TempDir()
	h := serve(t, "plugins", "STATE_DIRECTORY="+state)
	_, _, err := h.do(t.Context(), http.MethodPost, "/tools/PingTool/execute",
		`{"target":"127.0.0.1","extra_args":"-c 1","correlation_id":"mine"}`,
		"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if err != nil {
		t.Fatal(err)
	}
	lines := about(trail(t, state), "mine")
	if len(lines) != 3 || lines[0].Event != "accept" || lines[1].Event != "exec" || lines[2].Event != "finish" {
		t.Fatalf("lines = %+v, want accept, exec, finish", lines)
	}
	if x := lines[1]; !strings.HasSuffix(x.Program, "/ping") || len(x.Argv) < 3 || x.Argv[0] != x.Program ||
		x.Argv[len(x.Argv)-1] != "127.0.0.1" {
		t.Errorf("exec = %+v, want the exact argv of ping", x)
	}
	for _, l := range lines {
		if l.Client != "default" || l.Door != "rest" || len(l.Targets) != 1 || l.Targets[0].Pinned != "127.0.0.1" {
			t.Errorf("line %+v, want client, door and the pinned target", l)
		}
	}
	if len(lines[2].OutputSHA256) != 64 || lines[2].Verdict != string(tool.Accept) {
		t.Errorf("finish = %+v, want the digest of the output and the verdict", lines[2])
	}
	h.log.waitFor(t, "4bf92f3577b34da6a3ce929d0e0e4736", 1) // the caller's trace
}

// TestTheTrailSurvivesSIGKILL kills a host in the middle of its calls: what was accepted stands in the trail,
// and the chain is whole.
func TestTheTrailSurvivesSIGKILL(t *testing.T) {
	state := t.TempDir()
	h := serve(t, "lab", "STATE_DIRECTORY="+state)
	events := h.events(t, "")
	for range 8 {
		go func() {
			for t.Context().Err() == nil {
				if _, _, err := h.do(t.Context(), http.MethodPost, "/tools/NoopTool/execute", "{}"); err != nil {
					return
				}
			}
		}()
	}
	for range 50 {
		events.await(t, "call.finished", "NoopTool")
	}
	if err := h.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.wait()
	h.gatehouse(t, 0, "audit", "verify")
	all := trail(t, state)
	accepted := make(map[string]bool)
	for _, l := range all {
		if l.Event == "accept" {
			accepted[l.ExecutionID] = true
		}
	}
	for _, e := range events.seen {
		var call struct {
			ID string `json:"execution_id"`
		}
		if e.kind == "call.started" && (json.Unmarshal([]byte(e.data), &call) != nil || !accepted[call.ID]) {
			t.Errorf("the trail does not have %s", e.data)
		}
	}
	again := serve(t, "lab", "STATE_DIRECTORY="+state)
	again.ask(t, http.MethodPost, "/tools/NoopTool/execute", "{}", 200, nil)
	again.stop()
	again.gatehouse(t, 0, "audit", "verify")
	files, err := filepath.Glob(filepath.Join(state, "audit", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(files[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	again.gatehouse(t, 1, "audit", "verify")
}

func TestAdministrationIsWrittenDown(t *testing.T) {
	state := t.TempDir()
	h := serve(t, "plugins", "STATE_DIRECTORY="+state)
	h.ask(t, http.MethodPost, "/tools/PingTool/disable", `{"reason":"a test"}`, 200, nil)
	h.ask(t, http.MethodPost, "/tools/NmapTool/breaker/open", `{}`, 200, nil)
	var found []string
	for _, l := range trail(t, state) {
		if l.Event == "admin" {
			found = append(found, strings.Join([]string{l.Actor, l.Action, l.Tool, l.Facts["reason"]}, " "))
		}
	}
	if want := []string{"default disable PingTool a test", "default breaker.open NmapTool "}; !slices.Equal(found, want) {
		t.Errorf("admin lines %q, want %q", found, want)
	}
}

// limitFiles sets how large a file the host may write: a disk that is full for this process alone.
func (h *host) limitFiles(t *testing.T, bytes string) {
	t.Helper()
	out, err := exec.Command("prlimit", "--pid", fmt.Sprint(h.cmd.Process.Pid), "--fsize="+bytes+":unlimited").
		CombinedOutput()
	if err != nil {
		t.Fatalf("prlimit: %v: %s", err, out)
	}
}

func TestAFullDiskRefusesNewCallsAndLosesNothing(t *testing.T) {
	state := t.TempDir()
	h := serve(t, "lab", "STATE_DIRECTORY="+state)
	h.ask(t, http.MethodPost, "/tools/NoopTool/execute", `{}`, 200, nil)
	files, err := filepath.Glob(filepath.Join(state, "audit", "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	h.limitFiles(t, fmt.Sprint(info.Size()+100)) // less than a line
	for range 3 {
		rep, kind := h.rest(t, "NoopTool", `{}`)
		if kind != tool.KindUnavailable || strings.Contains(fmt.Sprint(rep), state) {
			t.Errorf("a call = %q %+v, want unavailable, without a path of this machine", kind, rep)
		}
	}
	h.health(t, "audit", "unhealthy")
	if status, _, err := h.do(t.Context(), http.MethodGet, "/health", ""); err != nil || status != 503 {
		t.Errorf("GET /health = %d, %v; want 503", status, err)
	}
	h.limitFiles(t, "unlimited")
	h.log.waitFor(t, "the audit trail can be written again", 1)
	h.ask(t, http.MethodPost, "/tools/NoopTool/execute", `{}`, 200, nil)
	h.gatehouse(t, 0, "audit", "verify")
	var gaps int
	for _, l := range trail(t, state) {
		if l.Event == "gap" {
			gaps++
		}
	}
	if gaps != 1 {
		t.Errorf("%d gap lines, want one for the three refusals", gaps)
	}
}

func TestTheOperatorMayPreferToGoOnWithoutATrail(t *testing.T) {
	state := t.TempDir()
	h := serve(t, "lab", "STATE_DIRECTORY="+state, "MCP_AUDIT_ON_FAILURE=continue")
	h.limitFiles(t, "1")
	h.ask(t, http.MethodPost, "/tools/NoopTool/execute", `{"correlation_id":"during"}`, 200, nil)
	h.log.waitFor(t, "the audit trail cannot be written", 1)
	h.limitFiles(t, "unlimited")
	h.log.waitFor(t, "the audit trail can be written again", 1)
	if lines := about(trail(t, state), "during"); len(lines) != 2 {
		t.Errorf("lines of the call = %+v, want the two that waited", lines)
	}
	h.gatehouse(t, 0, "audit", "verify")
}
