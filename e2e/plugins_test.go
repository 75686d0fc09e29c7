package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// pluginDir is a directory for plugins that a test puts files into.
func pluginDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(bin, "dropped-") // beside the programs, so that they can be linked
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// drop puts a program into a directory under a name, at once; more makes other bytes of it.
func drop(t *testing.T, program, path, more string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(bin, program))
	if err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(hidden, append(raw, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(hidden, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		t.Fatal(err)
	}
}

// pluginView is what GET /plugins tells of one, as far as tests look at it.
type pluginView struct {
	Name, State, Reason, Error string
	SHA256                     string
	Pid, Draining, Restarts    int
	Pinned                     bool
	Tools                      []string
}

func (h *host) plugin(t *testing.T, name string) (p pluginView) {
	t.Helper()
	h.ask(t, http.MethodGet, "/plugins/"+name, "", 200, &p)
	return p
}

// listen opens an MCP session that counts how often it hears of another list of tools.
func (h *host) listen(t *testing.T) (*mcp.ClientSession, <-chan struct{}, *atomic.Int64) {
	t.Helper()
	heard, count := make(chan struct{}, 100), &atomic.Int64{}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
			count.Add(1)
			heard <- struct{}{}
		},
	})
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{h.token}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session, heard, count
}

func hears(t *testing.T, heard <-chan struct{}, of string) {
	t.Helper()
	select {
	case <-heard:
	case <-time.After(patience):
		t.Fatalf("the client does not hear of %s", of)
	}
}

func toolsOf(t *testing.T, s *mcp.ClientSession) (names []string) {
	t.Helper()
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func TestFilesThatComeGoAndChangeAreOneChangeEachToClients(t *testing.T) {
	dir := pluginDir(t)
	drop(t, "many/many", filepath.Join(dir, "first"), "")
	h := serveDir(t, dir)
	session, heard, count := h.listen(t)
	if got := toolsOf(t, session); !slices.Equal(got, withHostTools("firstTool")) {
		t.Fatalf("tools %v, want that of the first", got)
	}

	drop(t, "many/many", filepath.Join(dir, "second"), "")
	hears(t, heard, "a new plugin")
	if got := toolsOf(t, session); !slices.Equal(got, withHostTools("firstTool", "secondTool")) {
		t.Errorf("tools %v, want the new one too", got)
	}
	if _, kind := h.rest(t, "secondTool", `{}`); kind != "" {
		t.Errorf("secondTool = %q", kind)
	}

	drop(t, "lab/lab", filepath.Join(dir, "second"), "") // another program with other tools
	hears(t, heard, "an exchanged plugin")
	if got := toolsOf(t, session); slices.Contains(got, "secondTool") || !slices.Contains(got, "NoopTool") {
		t.Errorf("tools %v, want those of the new program alone", got)
	}

	if err := os.Remove(filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	hears(t, heard, "a plugin that is gone")
	if got := toolsOf(t, session); !slices.Equal(got, withHostTools("firstTool")) {
		t.Errorf("tools %v, want that of the first", got)
	}

	before := h.plugin(t, "first")
	drop(t, "many/many", filepath.Join(dir, "first"), "other bytes") // the same to clients
	h.log.waitFor(t, "its file was replaced", 2)
	if after := h.plugin(t, "first"); after.SHA256 == before.SHA256 || after.Pid == before.Pid {
		t.Errorf("plugin %+v after %+v, want the new file", after, before)
	}
	toolsOf(t, session) // what was sent before has come
	if n := count.Load(); n != 3 {
		t.Errorf("%d notifications, want one for each of three changes", n)
	}
}

// serveDir starts a host on one plugin directory.
func serveDir(t *testing.T, dir string, settings ...string) *host {
	t.Helper()
	rel, err := filepath.Rel(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, rel, settings...)
}

func TestAPluginIsExchangedUnderCallersOfEveryDoor(t *testing.T) {
	dir := pluginDir(t)
	path := filepath.Join(dir, "many")
	drop(t, "many/many", path, "")
	h := serveDir(t, dir)
	session, _, _ := h.listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	calls := atomic.Int64{}
	until := func(call func() error) {
		for ctx.Err() == nil {
			if err := call(); err != nil {
				ended <- err
				return
			}
			calls.Add(1)
		}
		ended <- nil
	}
	go until(func() error {
		_, body, err := h.do(t.Context(), http.MethodPost, "/tools/manyTool/execute", `{}`)
		if err == nil && !strings.Contains(string(body), `"error":null`) {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
	go until(func() error {
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "manyTool", Arguments: json.RawMessage(`{}`)})
		if err == nil && res.IsError {
			err = fmt.Errorf("%v", res.Content)
		}
		return err
	})
	for i := range 5 {
		pid := h.plugin(t, "many").Pid
		drop(t, "many/many", path, fmt.Sprint(i))
		h.log.waitFor(t, "its file was replaced", i+1)
		if again := h.plugin(t, "many").Pid; again == pid {
			t.Errorf("process %d serves still", pid)
		}
	}
	stop()
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("a call failed: %v", err)
		}
	}
	if calls.Load() == 0 {
		t.Error("no call was made")
	}
}

func TestOperatorsActOnPlugins(t *testing.T) {
	state := t.TempDir()
	h := serve(t, "lab", "STATE_DIRECTORY="+state)
	h.cmd.Env = append(h.cmd.Env, "MCP_SERVER_PORT="+h.url[strings.LastIndex(h.url, ":")+1:])
	first := h.plugin(t, "lab")
	if out := h.gatehouse(t, 0, "plugins", "list"); !strings.Contains(out, "lab") || !strings.Contains(out, "ready") {
		t.Errorf("plugins list: %s", out)
	}
	if out := h.gatehouse(t, 0, "plugins", "restart", "lab", "--reason", "spring"); !strings.Contains(out, "lab: ready") {
		t.Errorf("plugins restart: %s", out)
	}
	if again := h.plugin(t, "lab"); again.Pid == first.Pid || !strings.Contains(again.Reason, "spring") {
		t.Errorf("plugin %+v after %+v, want another process, and why", again, first)
	}
	h.gatehouse(t, 0, "plugins", "stop", "lab", "--reason", "autumn")
	if _, kind := h.rest(t, "NoopTool", `{}`); kind != "unavailable" {
		t.Errorf("NoopTool of a stopped plugin = %q, want unavailable", kind)
	}
	if out := h.gatehouse(t, 0, "plugins", "show", "lab"); !strings.Contains(out, "autumn") {
		t.Errorf("plugins show: %s", out)
	}
	h.gatehouse(t, 0, "plugins", "start", "lab")
	if _, kind := h.rest(t, "NoopTool", `{}`); kind != "" {
		t.Errorf("NoopTool after the start = %q", kind)
	}
	h.gatehouse(t, 3, "plugins", "restart", "nosuch")
	var actions []string
	for _, l := range trail(t, state) {
		if strings.HasPrefix(l.Action, "plugin.") {
			actions = append(actions, l.Action+" "+l.Plugin+" "+l.Facts["reason"])
		}
	}
	if want := []string{"plugin.restart lab spring", "plugin.stop lab autumn", "plugin.start lab "}; !slices.Equal(actions, want) {
		t.Errorf("the trail has %q, want %q", actions, want)
	}
	metrics := get(t, h.url+"/metrics", h.token)
	for _, want := range []string{
		`mcp_plugin_transitions_total{plugin="lab",state="stopped"} 1`, `mcp_plugin_draining{plugin="lab"} 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics without %s", want)
		}
	}
}

func TestALazyHostStartsNothingThatNobodyCalls(t *testing.T) {
	state := t.TempDir()
	lazy := []string{"STATE_DIRECTORY=" + state, "MCP_PLUGINS_LAUNCH=lazy"}
	first := serve(t, "plugins", lazy...)
	if _, kind := first.rest(t, "PingTool", `{"target":"127.0.0.1","count":1}`); kind != "" {
		t.Errorf("PingTool = %q", kind)
	}
	first.stop()
	h := serve(t, "plugins", lazy...)
	session, _, _ := h.listen(t)
	if got := toolsOf(t, session); !slices.Equal(got, withHostTools("NmapTool", "PingTool")) {
		t.Errorf("tools %v, want both", got)
	}
	for _, name := range []string{"nmap", "ping"} {
		if p := h.plugin(t, name); p.State != "idle" || p.Pid != 0 {
			t.Errorf("plugin %+v, want it idle", p)
		}
	}
	if _, kind := h.rest(t, "PingTool", `{"target":"127.0.0.1","count":1}`); kind != "" {
		t.Errorf("PingTool = %q", kind)
	}
	if nmap, ping := h.plugin(t, "nmap"), h.plugin(t, "ping"); nmap.Pid != 0 || ping.Pid == 0 {
		t.Errorf("nmap %+v, ping %+v; want a process of the one that was called", nmap, ping)
	}
}

func TestPinsAreTakenOverByARunningHost(t *testing.T) {
	dir := pluginDir(t)
	drop(t, "many/many", filepath.Join(dir, "good"), "")
	h := serveDir(t, dir)
	var pins struct {
		Pinned []struct{ File, SHA256 string }
		Files  []string
	}
	h.ask(t, http.MethodPost, "/plugins/pin", `{"reason":"release"}`, 200, &pins)
	if len(pins.Pinned) != 1 || pins.Pinned[0].SHA256 != h.plugin(t, "good").SHA256 || len(pins.Files) != 1 {
		t.Fatalf("pins %+v, want one", pins)
	}
	drop(t, "many/many", filepath.Join(dir, "good"), "evil")
	h.log.waitFor(t, "is not what was pinned", 1)
	if _, kind := h.rest(t, "goodTool", `{}`); kind != "" {
		t.Errorf("goodTool = %q, want the pinned process to go on", kind)
	}
	drop(t, "many/many", filepath.Join(dir, "stranger"), "")
	h.log.waitFor(t, `"plugin is quarantined"`, 1)
	var report struct {
		OK       bool
		Findings []struct{ Path, Status string }
	}
	h.ask(t, http.MethodPost, "/plugins/verify", "", 200, &report)
	var got []string
	for _, f := range report.Findings {
		got = append(got, filepath.Base(f.Path)+" "+f.Status)
	}
	if want := []string{"good changed", "stranger not_pinned"}; report.OK || !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
	if err := os.Remove(filepath.Join(dir, "stranger")); err != nil {
		t.Fatal(err)
	}
	h.ask(t, http.MethodPost, "/plugins/pin", "", 200, nil)
	h.log.waitFor(t, `"plugin is ready"`, 2)
	if p := h.plugin(t, "good"); !p.Pinned || p.Error != "" {
		t.Errorf("plugin %+v, want the new bytes, pinned", p)
	}
}

func TestPluginsRunAsAnotherUser(t *testing.T) {
	h := serve(t, "plugins", "MCP_PLUGINS_RUN_AS=nobody", "MCP_PLUGINS_LANDLOCK=auto")
	p := h.plugin(t, "ping")
	if os.Geteuid() != 0 {
		if p.Pid != 0 || !strings.Contains(p.Error, "only root can run a plugin as another user") {
			t.Errorf("plugin %+v of an ordinary user's host, want why it does not start", p)
		}
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if want := "Uid:\t" + strings.Repeat(nobody.Uid+"\t", 3) + nobody.Uid + "\n"; err != nil ||
		!strings.Contains(string(status), want) {
		t.Errorf("status of the process: %s, %v; want %q", status, err, want)
	}
	for name, args := range map[string]string{
		"PingTool": `{"target":"127.0.0.1","count":1}`,
		"NmapTool": `{"target":"127.0.0.1","extra_args":"-sS -p 1"}`,
	} {
		if rep, kind := h.rest(t, name, args); kind != "" || rep.ReturnCode != 0 {
			t.Errorf("%s = %q, %s; want success by the capability that was handed on", name, kind, rep.Stderr)
		}
	}
}

func TestAnAssistantOnStdioHearsOfADroppedPlugin(t *testing.T) {
	dir := pluginDir(t)
	drop(t, "many/many", filepath.Join(dir, "first"), "")
	heard := make(chan struct{}, 10)
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { heard <- struct{}{} },
	})
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", dir)
	cmd.Env = environment(t)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	if got := toolsOf(t, session); !slices.Equal(got, withHostTools("firstTool")) {
		t.Fatalf("tools %v, want that of the first", got)
	}
	drop(t, "many/many", filepath.Join(dir, "second"), "")
	hears(t, heard, "a new plugin")
	if got := toolsOf(t, session); !slices.Equal(got, withHostTools("firstTool", "secondTool")) {
		t.Errorf("tools %v, want both", got)
	}
}

func TestAClashIsToldEverywhere(t *testing.T) {
	dir := pluginDir(t)
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		drop(t, "many/many", filepath.Join(dir, name, "twin"), "")
	}
	h := serveDir(t, dir)
	h.log.waitFor(t, `"two plugins offer one tool"`, 1)
	var list struct {
		Plugins []struct {
			Path    string
			Tools   []string
			Clashes []struct{ Tool, Severity, Fix string }
		}
	}
	h.ask(t, http.MethodGet, "/plugins", "", 200, &list)
	if len(list.Plugins) != 2 || len(list.Plugins[0].Tools) != 1 || len(list.Plugins[0].Clashes) != 0 ||
		len(list.Plugins[1].Tools) != 0 || len(list.Plugins[1].Clashes) != 1 ||
		list.Plugins[1].Clashes[0].Severity != "error" || list.Plugins[1].Clashes[0].Fix == "" {
		t.Errorf("plugins %+v, want the tool with the first by path, and a clash with the second", list.Plugins)
	}
	var health struct {
		Checks map[string]struct{ Status, Message string }
	}
	for health.Checks["problem:1"].Status != "unhealthy" { // the checks run in the background
		status, raw, err := h.do(t.Context(), http.MethodGet, "/health", "")
		if err != nil || json.Unmarshal(raw, &health) != nil {
			t.Fatalf("health = %d %s, %v", status, raw, err)
		}
		if c := health.Checks["problem:1"]; c.Status != "" && c.Status != "unhealthy" {
			t.Fatalf("check %+v, want the clash to be unhealthy", c)
		}
	}
	h.ask(t, http.MethodPost, "/plugins/twin/restart", "", 400, nil) // which of the two?
}
