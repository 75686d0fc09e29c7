package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestMain(m *testing.M) {
	hosttest.Main(m, map[string]func(){"helper-host": helperHost, "named": namedPlugin})
}

// realConfig runs real plugins of dir.
func realConfig(dir string) Config {
	return Config{
		Dirs: []string{dir}, Grace: 200 * time.Millisecond, BackoffMin: time.Millisecond,
		Policy:   func(string) tool.Policy { return tool.Policy{} },
		Settings: func(tool.Spec) catalog.Settings { return catalog.Settings{MaxTimeout: time.Hour} },
		Env:      hosttest.Env(),
	}
}

// runReal runs a fleet to the end of the test and sees that no process is left of it. States are what its
// plugins became.
func runReal(t *testing.T, cfg Config) (*Fleet, <-chan Status) {
	t.Helper()
	f, err := New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	states := make(chan Status, 1000) // more than any test makes; nobody has to read them
	f.cfg.StateChanged = func(s Status) { states <- s }
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() { left <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-left; err != nil {
			t.Errorf("Run() = %v", err)
		}
		if pids := hosttest.Running(t, cfg.Dirs[0]); len(pids) > 0 {
			t.Errorf("processes %v are left when Run has returned", pids)
		}
	})
	return f, states
}

// await waits for a plugin to come to a state.
func await(t *testing.T, states <-chan Status, name string, want State) Status {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		select {
		case s := <-states:
			if s.Name == name && s.State == want {
				return s
			}
		case <-limit.C:
			t.Fatalf("plugin %s never became %s", name, want)
		}
	}
}

func echoes(t *testing.T, f *Fleet) {
	t.Helper()
	e, ok := f.Catalog().Lookup("echo_tool")
	if !ok {
		t.Fatalf("no echo_tool among %v", f.Catalog().Names())
	}
	args := json.RawMessage(`{"text":"hello"}`)
	res, err := e.Handler.Call(t.Context(), tool.Request{Arguments: args}, func(tool.Event) {})
	if err != nil || string(res.Data) != string(args) {
		t.Errorf("call of echo_tool = %s, %v, want %s", res.Data, err, args)
	}
}

func TestBadPluginsAreToldWhileGoodOnesServe(t *testing.T) {
	dir := hosttest.Dir(t)
	want := map[string]string{ // file -> error
		"echo":           "",
		"bad-manifest":   `plugin name "bad name!"`,
		"bad-schema":     "input schema",
		"crash-at-start": "exit status 4 (no database)",
		"hang-at-start":  "did not shake hands",
		"not-a-plugin":   "is not a plugin",
		"wrong-version":  "another version of the protocol",
	}
	for name := range want {
		hosttest.Install(t, dir, name)
	}
	spoiled := hosttest.Install(t, dir, "echo.spoiled")
	cfg := realConfig(dir)
	cfg.StartTimeout = 10 * time.Second                   // which echo needs too, on a loaded machine
	cfg.BackoffMin, cfg.BackoffMax = time.Hour, time.Hour // one try each
	f, _ := runReal(t, cfg)
	<-f.Ready()
	echoes(t, f)
	for _, s := range f.Status() {
		if s.Path == spoiled {
			continue // its twin serves; see TestRealClash
		}
		file := filepath.Base(s.Path)
		switch {
		case want[file] == "" && (s.State != Ready || s.Error != ""):
			t.Errorf("%s: %s (%s), want ready", file, s.State, s.Error)
		case !strings.Contains(s.Error, want[file]) || want[file] != "" && s.Fix == "":
			t.Errorf("%s: error %q, fix %q, want %q and a fix", file, s.Error, s.Fix, want[file])
		}
	}
	if p := f.Problems(); len(p) != 1 || p[0].Path != spoiled || p[0].Tool != "echo_tool" {
		t.Errorf("problems %+v, want a clash of %s", p, spoiled)
	}
}

func TestACrashInACallIsFollowedByARestart(t *testing.T) {
	dir := hosttest.Dir(t)
	hosttest.Install(t, dir, "crash-in-call")
	hosttest.Install(t, dir, "echo")
	f, states := runReal(t, realConfig(dir))
	<-f.Ready()
	first := await(t, states, "crash-in-call", Ready)
	e, ok := f.Catalog().Lookup("crash_in_call_tool")
	if !ok {
		t.Fatal("no crash_in_call_tool")
	}
	_, err := e.Handler.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if got := tool.AsError(err); got.Kind != tool.KindUnavailable || got.Suggestion == "" ||
		!strings.Contains(got.Message, "exit status 3") {
		t.Errorf("Call() = %+v, want unavailable, with how it ended and a suggestion", got)
	}
	again := await(t, states, "crash-in-call", Ready)
	if again.Pid == first.Pid || again.Restarts != 1 {
		t.Errorf("status %+v after %+v, want another process and one restart", again, first)
	}
	if _, err := e.Handler.Describe(t.Context()); err != nil {
		t.Errorf("Describe() after the restart = %v", err)
	}
	echoes(t, f)
}

func TestAFrozenPluginIsReplaced(t *testing.T) {
	dir := hosttest.Dir(t)
	hosttest.Install(t, dir, "freeze")
	cfg := realConfig(dir)
	cfg.ProbeInterval, cfg.ProbeTimeout = 200*time.Millisecond, 2*time.Second
	f, states := runReal(t, cfg)
	<-f.Ready()
	first := await(t, states, "freeze", Ready)
	e, _ := f.Catalog().Lookup("freeze_tool")
	_, err := e.Handler.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if tool.KindOf(err) != tool.KindUnavailable {
		t.Errorf("Call() that froze = %v, want unavailable", err)
	}
	if again := await(t, states, "freeze", Ready); again.Pid == first.Pid {
		t.Errorf("process %d serves still, want another", again.Pid)
	}
	if pids := hosttest.Running(t, dir); len(pids) != 1 {
		t.Errorf("%d processes, want one", len(pids))
	}
}

func TestTheEndOfRunLeavesNothing(t *testing.T) {
	dir, run := hosttest.Dir(t), hosttest.RuntimeDir(t)
	goroutines := runtime.NumGoroutine()
	t.Run("fleet", func(t *testing.T) {
		for _, name := range []string{"echo", "deaf", "slow", "parent", "hang-at-start", "freeze"} {
			hosttest.Install(t, dir, name)
		}
		cfg := realConfig(dir)
		cfg.RuntimeDir, cfg.Drain = run, time.Millisecond
		f, states := runReal(t, cfg)
		await(t, states, "parent", Ready)
		e, _ := f.Catalog().Lookup("parent_tool")
		if _, err := e.Handler.Call(t.Context(), tool.Request{}, func(tool.Event) {}); err != nil {
			t.Errorf("Call() = %v", err)
		}
	}) // the fleet ends here, one plugin still in its start
	if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
		t.Errorf("left in the runtime directory: %v, %v", left, err)
	}
	hosttest.Eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// helperHost is a host without doors: it runs a fleet on the directory of its argument and says when it is
// ready.
func helperHost() {
	cfg := realConfig(os.Args[1])
	cfg.RuntimeDir = os.Args[2]
	f, err := New(cfg)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		<-f.Ready()
		fmt.Println("ready")
	}()
	if err := f.Run(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestASIGKILLedHostLeavesNoPlugin(t *testing.T) {
	dir := hosttest.Dir(t)
	for _, name := range []string{"echo", "deaf", "freeze"} {
		hosttest.Install(t, dir, name)
	}
	host := exec.Command(hosttest.Install(t, hosttest.Dir(t), "helper-host"), dir, hosttest.RuntimeDir(t))
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		t.Errorf("the host said %q, %v", line, err)
	}
	for _, pid := range hosttest.Running(t, dir) {
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); filepath.Base(exe) == "freeze" {
			hosttest.Freeze(t, pid)
		}
	}
	if n := len(hosttest.Running(t, dir)); n != 3 {
		t.Errorf("%d plugins are running, want 3", n)
	}
	if err := host.Process.Kill(); err != nil {
		t.Errorf("kill the host: %v", err)
	}
	_ = host.Wait() // "signal: killed"
	hosttest.AwaitNone(t, dir)
}
