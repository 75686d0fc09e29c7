package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// buildOld builds a program of compat, against the oldest modules that speak protocol 1, and returns its
// path.
func buildOld(t *testing.T, name, to string) string {
	t.Helper()
	theirs, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := filepath.Abs("compat/testdata/mirror")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-mod=readonly", "-o", to, ".")
	cmd.Dir = filepath.Join("compat", name)
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GONOPROXY=none",
		"GOPROXY=file://"+filepath.ToSlash(mirror)+","+strings.TrimSpace(string(theirs)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return to
}

// oldPlugins is a directory below bin with the plugin that was built against the oldest sdk.
func oldPlugins(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(bin, "old-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as other users see bin
		t.Fatal(err)
	}
	buildOld(t, "oldplugin", filepath.Join(dir, "old"))
	return filepath.Base(dir)
}

// TestAPluginOfTheOldestSDKMeetsTheHost builds one, and does with it all that is done with plugins.
func TestAPluginOfTheOldestSDKMeetsTheHost(t *testing.T) {
	dir := oldPlugins(t)
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "plugins: {config: {old: {colour: red}}}\n")
	t.Run("called through every door", func(t *testing.T) {
		for name, call := range doors(t, dir, "MCP_CONFIG_FILE="+file) {
			t.Run(name, func(t *testing.T) { callsOldPort(t, call) })
		}
	})
	a := waysOfMCP[len(waysOfMCP)-1].join(t, dir, mcp.ClientOptions{}, "MCP_CONFIG_FILE="+file)
	t.Run("listed", func(t *testing.T) { a.wantOldTools(t) })
	t.Run("planned", func(t *testing.T) { a.host.plansOldSleep(t) })
	t.Run("cancelled", func(t *testing.T) {
		x := a.start("OldWaitTool", "{}")
		a.firstOutput(x)
		a.call("execution_cancel", x.about(""), nil)
		if got := a.ended(x); got.State != "cancelled" {
			t.Errorf("the execution is %+v, want it cancelled", got)
		}
	})
	t.Run("out of time", func(t *testing.T) {
		rep, kind := a.host.rest(t, "OldWaitTool", `{"timeout_sec":1}`)
		if kind != tool.KindTimeout || rep.Stdout != "waiting\n" {
			t.Errorf("OldWaitTool = %q, %q; want a timeout, and what it printed before", rep.Stdout, kind)
		}
	})
	t.Run("a program of its", func(t *testing.T) {
		if rep, kind := a.host.rest(t, "OldSleepTool", `{"extra_args":"-s 0"}`); kind != "" || rep.ReturnCode != 0 {
			t.Errorf("OldSleepTool = %+v, %q; want that it ran", rep, kind)
		}
	})
	t.Run("healthy", func(t *testing.T) { a.host.health(t, "plugin:old", "healthy") })
	t.Run("configured anew", func(t *testing.T) { a.host.reconfiguresOld(t, file) })
	t.Run("tested", func(t *testing.T) {
		// There is no quick sample of OldSleepTool: it does not tell what it executes, as plugins must today.
		cmd := exec.Command(filepath.Join(bin, "gatehouse"), "plugin", "test", filepath.Join(bin, dir, "old"),
			"--samples", "compat/testdata/samples.json")
		cmd.Env = environment(t)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), " 0 failed") {
			t.Errorf("gatehouse plugin test: %v\n%s", err, out)
		}
	})
}

// callsOldPort calls the tool as the policy has it, and past it.
func callsOldPort(t *testing.T, call door) {
	rep, kind := call(t, "OldPortTool", fmt.Sprintf(`{"target":"127.0.0.1","port":%d}`, listen(t)))
	var data struct {
		Open    bool
		Section string
	}
	if err := json.Unmarshal(rep.Data, &data); err != nil {
		t.Fatalf("data = %s, %q: %v", rep.Data, kind, err)
	}
	said := strings.HasPrefix(rep.Stdout, "trying 127.0.0.1:")
	if kind != "" || !said || !data.Open || !strings.Contains(data.Section, "red") {
		t.Errorf("OldPortTool = %+v, %q; want text, data, and the plugin's own section", rep, kind)
	}
	if _, kind := call(t, "OldPortTool", `{"target":"192.0.2.1","port":80}`); kind != tool.KindOutOfScope {
		t.Errorf("OldPortTool out of scope = %q, want %q", kind, tool.KindOutOfScope)
	}
	if _, kind := call(t, "OldPortTool", `{"target":"127.0.0.1","port":-1}`); kind != tool.KindValidation {
		t.Errorf("OldPortTool with a bad port = %q, want %q", kind, tool.KindValidation)
	}
}

func (a *assistant) wantOldTools(t *testing.T) {
	t.Helper()
	list, err := a.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tool := range list.Tools {
		got = append(got, tool.Name)
	}
	slices.Sort(got)
	if want := withHostTools("OldPortTool", "OldSleepTool", "OldWaitTool"); !slices.Equal(got, want) {
		t.Errorf("tools/list = %v, want %v", got, want)
	}
}

func (h *host) plansOldSleep(t *testing.T) {
	t.Helper()
	var plan tool.Plan
	h.ask(t, http.MethodPost, "/tools/OldSleepTool/plan", `{"extra_args":"-s 3"}`, 200, &plan)
	exact := len(plan.Argv) == 2 && plan.Argv[1] == "3" && filepath.IsAbs(plan.Program)
	if plan.Verdict != tool.Accept || !exact {
		t.Errorf("plan = %+v, want the exact argv", plan)
	}
	for arguments, want := range map[string]tool.Verdict{"-x -s 3": tool.Gated, "-z": tool.Reject} {
		body := fmt.Sprintf(`{"extra_args":%q}`, arguments)
		h.ask(t, http.MethodPost, "/tools/OldSleepTool/plan", body, 200, &plan)
		if plan.Verdict != want {
			t.Errorf("plan of %s = %+v, want %s", arguments, plan, want)
		}
	}
}

// reconfiguresOld changes the plugin's section in the running host.
func (h *host) reconfiguresOld(t *testing.T, file string) {
	t.Helper()
	s := h.events(t, "")
	replace(t, file, "plugins: {config: {old: {colour: blue}}}\n")
	s.await(t, "config.reloaded", "")
	rep, kind := h.rest(t, "OldPortTool", `{"target":"127.0.0.1","port":1}`)
	if kind != "" || !strings.Contains(string(rep.Data), "blue") {
		t.Errorf("after the reload OldPortTool = %s, %q; want the new section", rep.Data, kind)
	}
}

// saidToOldHost is what compat/oldhost prints.
type saidToOldHost struct {
	Protocol int
	Manifest struct {
		Name  string
		Tools []struct{ Name string }
	}
	Invalid   string
	Plan      tool.Plan
	Result    struct{ Data json.RawMessage }
	Stdout    string
	Progress  int
	Cancelled tool.Kind
}

// oldHost lets the oldest host's end of the wire speak with a plugin: plan and call one tool, cancel another.
func oldHost(t *testing.T, program, plugin, name, arguments, cancelled, with string) (said saidToOldHost) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, plugin, name, arguments, cancelled, with)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("the old host: %v\n%s", err, exit.Stderr)
	}
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	if err != nil {
		t.Fatalf("the old host: %v\n%s", err, out)
	}
	if said.Protocol != 1 || said.Invalid != "" || said.Manifest.Name != filepath.Base(plugin) {
		t.Errorf("it met protocol %d, plugin %q, and found %q wrong",
			said.Protocol, said.Manifest.Name, said.Invalid)
	}
	return said
}

// oneLine are the arguments of WitnessTool with a witness that says one line, and no more.
func oneLine(t *testing.T) string {
	t.Helper()
	w := newWitness(t)
	ended := make(chan struct{}) // closed by the goroutine
	go func() {
		defer close(ended)
		if conn, err := w.l.Accept(); err == nil { // an error: nobody came before the end of the test
			fmt.Fprintln(conn, "a line")
			_, _ = io.Copy(io.Discard, conn) // until the tool goes away
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = w.l.Close(); <-ended })
	return w.arguments(0)
}

// TestTheOldestHostMeetsPlugins starts today's plugins from a host that knows nothing of what was added
// since.
func TestTheOldestHostMeetsPlugins(t *testing.T) {
	program := buildOld(t, "oldhost", filepath.Join(t.TempDir(), "oldhost"))
	t.Run("one that runs a program", func(t *testing.T) {
		const target = `"target":"localhost"`
		said := oldHost(t, program, filepath.Join(bin, "plugins/ping"),
			"PingTool", "{"+target+`,"extra_args":"-c 1"}`, "PingTool", "{"+target+`,"extra_args":"-c 20"}`)
		if argv := said.Plan.Argv; said.Plan.Verdict != tool.Accept || !slices.Contains(argv, "127.0.0.1") {
			t.Errorf("plan = %+v, want the pinned address in argv", said.Plan)
		}
		data := string(said.Result.Data)
		if !strings.Contains(said.Stdout, "1 received") || !strings.Contains(data, `"received":1`) {
			t.Errorf("PingTool = %q, %s; want one reply", said.Stdout, data)
		}
		if said.Progress == 0 || said.Cancelled != tool.KindCancelled {
			t.Errorf("%d events of progress, the cancelled call was %q", said.Progress, said.Cancelled)
		}
	})
	t.Run("one that says what was never heard of", func(t *testing.T) {
		said := oldHost(t, program, filepath.Join(bin, "lab/lab"), "ShowTool", "{}", "WitnessTool", oneLine(t))
		if string(said.Result.Data) != `{"ok":true}` || said.Cancelled != tool.KindCancelled {
			t.Errorf("ShowTool = %s, the cancelled call was %q; want the data", said.Result.Data, said.Cancelled)
		}
	})
}
