package proc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestMain(m *testing.M) {
	more := map[string]func(){
		"show-env": showEnv, "guarded": guarded, "no-socket": noSocket, "hang-up": hangUp,
		"plain": plain, "past-a-link": pastALink, "no-socket-there": noSocketThere,
	}
	maps.Copy(more, systemBehaviours())
	hosttest.Main(m, more)
}

// start starts a behaviour and closes it after the test.
func start(t *testing.T, dir, name string) *proc.Process {
	t.Helper()
	p, err := proc.Start(t.Context(), proc.Config{
		Path: hosttest.Install(t, dir, name), RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
		Grace: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatalf("Start(%s) = %v", name, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		hosttest.AwaitNone(t, dir)
	})
	return p
}

func TestCallsReachTheProcess(t *testing.T) {
	dir := hosttest.Dir(t)
	p := start(t, dir, "echo")
	m, err := p.Describe(t.Context())
	if err != nil || m.Name != "echo" {
		t.Fatalf("Describe() = %+v, %v", m, err)
	}
	if err := p.Configure(t.Context(), tool.Policy{AllowIntrusive: true}); err != nil {
		t.Errorf("Configure() = %v", err)
	}
	plan, err := p.Plan(t.Context(), tool.Request{Tool: "echo_tool"})
	if err != nil || plan.Verdict != tool.Accept {
		t.Errorf("Plan() = %+v, %v", plan, err)
	}
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("Ping() = %v", err)
	}
	args := json.RawMessage(`{"text": "a b c"}`)
	out := tool.Collector{MaxStdout: 100}
	res, err := p.Call(t.Context(), tool.Request{Tool: "echo_tool", Arguments: args}, out.Event)
	out.Fill(&res)
	if err != nil || !bytes.Equal(res.Data, args) || res.Stdout != string(args) {
		t.Errorf("Call(%s) = %+v, %v", args, res, err)
	}
	if got := hosttest.Running(t, dir); len(got) != 1 || got[0] != p.Pid() {
		t.Errorf("running: %v, want only %d", got, p.Pid())
	}
	if p.Err() != nil {
		t.Errorf("Err() of a running process = %v", p.Err())
	}
}

func TestStartErrors(t *testing.T) {
	for name, want := range map[string]string{
		"crash-at-start": "exit status 4 (no database)",
		"silent":         "ended before the handshake: exit status 0",
		"not-a-plugin":   `it printed "usage: frobnicate [-v] FILE" in place of the handshake`,
		"hang-at-start":  "did not shake hands within 300ms",
		"half-hand":      "did not shake hands within 300ms",
		"wrong-version":  "speaks another version of the protocol than 1",
		"elsewhere":      "an address outside of its directory",

		"past-a-link":     "an address outside of its directory",
		"no-socket-there": "an address outside of its directory",
		"no-socket":       "failed in the handshake: ",
		"plain":           "failed in the handshake: ",
	} {
		t.Run(name, func(t *testing.T) {
			dir, run := hosttest.Dir(t), hosttest.RuntimeDir(t)
			_, err := proc.Start(t.Context(), proc.Config{
				Path: hosttest.Install(t, dir, name), RuntimeDir: run, StartTimeout: startTimeout(name),
			})
			checkStartError(t, err, want)
			hosttest.AwaitNone(t, dir)
			checkEmpty(t, run)
		})
	}
}

// noSocket shakes hands with a socket that is not there.
func noSocket() {
	fmt.Printf("1|1|unix|%s/plugin0|grpc|\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the host closes it
}

// plain serves without TLS, as one does that got no certificate.
func plain() {
	if err := os.Unsetenv("PLUGIN_CLIENT_CERT"); err != nil {
		os.Exit(1)
	}
	hosttest.Serve(&hosttest.Fake{})
}

// hangUp breaks the connection to its host and goes on.
func hangUp() {
	answer := func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		for fd := range 100 {
			_ = syscall.Shutdown(fd, syscall.SHUT_RDWR) // fails for all that is no connection
		}
		select {}
	}
	hosttest.Serve(&hosttest.Fake{OnCall: answer})
}

// startTimeout is short for those that are meant to run into it only.
func startTimeout(name string) time.Duration {
	if name == "hang-at-start" || name == "half-hand" {
		return 300 * time.Millisecond
	}
	return time.Minute
}

func checkStartError(t *testing.T, err error, want string) {
	t.Helper()
	var e *tool.Error
	if !errors.As(err, &e) {
		t.Fatalf("Start() = %v, want a *tool.Error", err)
	}
	if e.Kind != tool.KindUnavailable || e.Suggestion == "" || !strings.Contains(e.Message, want) {
		t.Errorf("Start() = %s: %q (%q), want %s: %q and a suggestion",
			e.Kind, e.Message, e.Suggestion, tool.KindUnavailable, want)
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the runtime directory: %v, %v", left, err)
	}
}

func TestCancelEndsAStart(t *testing.T) {
	dir, run := hosttest.Dir(t), hosttest.RuntimeDir(t)
	path := hosttest.Install(t, dir, "hang-at-start")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := proc.Start(ctx, proc.Config{Path: path, RuntimeDir: run, StartTimeout: time.Hour})
		failed <- err
	}()
	hosttest.Eventually(t, "the plugin to be executed", func() bool { return len(hosttest.Running(t, dir)) > 0 })
	cancel()
	err := <-failed
	checkStartError(t, err, "was broken off in its start")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Start() = %v, want context.Canceled in its chain", err)
	}
	hosttest.AwaitNone(t, dir)
	checkEmpty(t, run)
}

func TestAStartThatIsNotWantedAnyMoreDoesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run := hosttest.RuntimeDir(t)
	_, err := proc.Start(ctx, proc.Config{Path: hosttest.Install(t, hosttest.Dir(t), "echo"), RuntimeDir: run})
	checkStartError(t, err, "was broken off in its start")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Start() = %v, want context.Canceled in its chain", err)
	}
	checkEmpty(t, run)
}

func TestACallInWhichTheProcessDies(t *testing.T) {
	for name, want := range map[string]string{
		"crash-in-call": "plugin crash-in-call is gone: exit status 3",
		"die":           "plugin die is gone: exit status 2 (panic: nil map of ports",
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, hosttest.Dir(t), name)
			_, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
			checkStartError(t, err, want)
			<-p.Done()
			if _, err = p.Describe(t.Context()); tool.KindOf(err) != tool.KindUnavailable {
				t.Errorf("Describe() of a dead process = %v", err)
			}
			if p.Err() == nil {
				t.Error("Err() of a dead process = nil")
			}
		})
	}
}

func TestAPanicInACallLeavesTheProcess(t *testing.T) {
	p := start(t, hosttest.Dir(t), "panic")
	_, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if tool.KindOf(err) != tool.KindUnknown || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Call() = %v, want an error of kind unknown about boom", err)
	}
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("Ping() after a panic = %v", err)
	}
}

func TestLiesDoNoHarm(t *testing.T) {
	p := start(t, hosttest.Dir(t), "lies")
	res, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if tool.KindOf(err) != tool.KindUnknown {
		t.Errorf("Call() = %v, want an error of kind unknown", err)
	}
	if res.ExecutionID != "" || len(res.Data) > 0 {
		t.Errorf("Call() = %+v, want neither a forged id nor data that is not JSON", res)
	}
}

func TestAFloodIsCutAndCanBeCancelled(t *testing.T) {
	p := start(t, hosttest.Dir(t), "flood")
	ctx, cancel := context.WithCancel(t.Context())
	out := tool.Collector{MaxStdout: 1 << 20}
	seen := 0
	_, err := p.Call(ctx, tool.Request{}, func(ev tool.Event) {
		out.Event(ev)
		if seen += len(ev.Output.Data); seen > 8<<20 {
			cancel()
		}
	})
	var res tool.Result
	out.Fill(&res)
	if tool.KindOf(err) != tool.KindCancelled || len(res.Stdout) > 1<<20 || !res.TruncatedStdout {
		t.Errorf("Call() = %v with %d bytes, cut: %v", err, len(res.Stdout), res.TruncatedStdout)
	}
}

func TestClose(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *proc.Process){
		"echo":   nil,
		"deaf":   nil,
		"slow":   callUntilStarted,
		"freeze": func(t *testing.T, p *proc.Process) { hosttest.Freeze(t, p.Pid()) },
		"parent": callUntilStarted,
		"wait":   func(t *testing.T, p *proc.Process) { hosttest.Freeze(t, p.Pid()); callInVain(t, p) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, run := hosttest.Dir(t), hosttest.RuntimeDir(t)
			p, err := proc.Start(t.Context(), proc.Config{
				Path: hosttest.Install(t, dir, name), RuntimeDir: run, Grace: 100 * time.Millisecond,
			})
			if err != nil {
				t.Fatalf("Start() = %v", err)
			}
			if before != nil {
				before(t, p)
			}
			var wg sync.WaitGroup
			for range 3 { // at the same time, and again
				wg.Go(func() {
					if err := p.Close(); err != nil {
						t.Errorf("Close() = %v", err)
					}
				})
			}
			wg.Wait()
			hosttest.AwaitNone(t, dir)
			checkEmpty(t, run)
		})
	}
}

func callUntilStarted(t *testing.T, p *proc.Process) {
	started := make(chan struct{})
	go func() {
		_, err := p.Call(t.Context(), tool.Request{}, func(ev tool.Event) { close(started) })
		if err != nil && tool.KindOf(err) != tool.KindUnavailable {
			t.Errorf("Call() = %v, want kind unavailable", err)
		}
	}()
	<-started
}

func callInVain(t *testing.T, p *proc.Process) {
	go func() { _, _ = p.Call(t.Context(), tool.Request{}, func(tool.Event) {}) }()
}

func TestAGroupDiesWithItsLeader(t *testing.T) {
	dir := hosttest.Dir(t)
	p := start(t, dir, "parent")
	if _, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {}); err != nil {
		t.Fatalf("Call() = %v", err)
	}
	if n := len(hosttest.Running(t, dir)); n != 2 {
		t.Fatalf("%d processes, want the plugin and its child", n)
	}
	if err := syscall.Kill(p.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	hosttest.AwaitNone(t, dir)
}

func TestPingOfAFrozenProcessMeetsItsDeadline(t *testing.T) {
	p := start(t, hosttest.Dir(t), "echo")
	hosttest.Freeze(t, p.Pid())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Ping(ctx); tool.KindOf(err) != tool.KindTimeout {
		t.Errorf("Ping() = %v, want kind timeout", err)
	}
}

func TestNothingLeaks(t *testing.T) {
	cycle := func() {
		dir := hosttest.Dir(t)
		p, err := proc.Start(t.Context(), proc.Config{
			Path: hosttest.Install(t, dir, "echo"), RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
		})
		if err != nil {
			t.Fatalf("Start() = %v", err)
		}
		if err := p.Close(); err != nil {
			t.Fatalf("Close() = %v", err)
		}
		if _, err := proc.Start(t.Context(), proc.Config{
			Path: hosttest.Install(t, dir, "wrong-version"), RuntimeDir: hosttest.RuntimeDir(t),
		}); err == nil {
			t.Fatal("Start(wrong-version) = nil")
		}
	}
	cycle() // what is made once and stays
	goroutines, fds := runtime.NumGoroutine(), countFDs(t)
	for range 3 {
		cycle()
	}
	hosttest.Eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	hosttest.Eventually(t, "descriptors to be closed", func() bool { return countFDs(t) <= fds })
}

func countFDs(t *testing.T) int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// showEnv answers every call with its environment and its working directory.
func showEnv() {
	answer := func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		env := make(map[string]any)
		for _, pair := range os.Environ() {
			key, value, _ := strings.Cut(pair, "=")
			env[key] = value
		}
		wd, err := os.Getwd()
		return tool.Result{Metadata: map[string]any{"env": env, "wd": wd}}, err
	}
	hosttest.Serve(&hosttest.Fake{OnCall: answer})
}

func TestTheEnvironmentIsMinimal(t *testing.T) {
	t.Setenv("GATEHOUSE_SECRET", "hunter2")
	path := hosttest.Install(t, hosttest.Dir(t), "show-env")
	p, err := proc.Start(t.Context(), proc.Config{Path: path, RuntimeDir: hosttest.RuntimeDir(t)})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	defer p.Close() // its error is another test's
	res, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if err != nil {
		t.Fatalf("Call() = %v", err)
	}
	env := res.Metadata["env"].(map[string]any)
	for key := range env {
		known := []string{
			"PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "GATEHOUSE_PLUGIN", "GATEHOUSE_PLUGIN_FILE", "GATEHOUSE_RUN",
		}
		if !slices.Contains(known, key) && !strings.HasPrefix(key, "PLUGIN_") {
			t.Errorf("the plugin sees %s", key)
		}
	}
	if file := env["GATEHOUSE_PLUGIN_FILE"]; file != path {
		t.Errorf("GATEHOUSE_PLUGIN_FILE = %v, want %s", file, path)
	}
	if wd := res.Metadata["wd"]; env["HOME"] != wd || env["TMPDIR"] != wd {
		t.Errorf("HOME %v, TMPDIR %v, working directory %v: want one", env["HOME"], env["TMPDIR"], wd)
	}
}

func TestLogRecords(t *testing.T) {
	var buf syncBuffer
	p, err := proc.Start(t.Context(), proc.Config{
		Path: hosttest.Install(t, hosttest.Dir(t), "die"), RuntimeDir: hosttest.RuntimeDir(t),
		Logger: slog.New(slog.NewJSONHandler(&buf, nil)),
	})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	_, _ = p.Call(t.Context(), tool.Request{}, func(tool.Event) {}) // its error is another test's
	if err := p.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	want := `"level":"ERROR","msg":"panic: nil map of ports","plugin":"die","source":"plugin"`
	if !strings.Contains(buf.String(), want) {
		t.Errorf("log:\n%s\nwant in it: %s", buf.String(), want)
	}
}

type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// guarded is a program whose stdin and stdout must not be touched by libraries and children.
func guarded() {
	in, out, restore, err := proc.GuardStdio()
	if err != nil {
		os.Exit(1)
	}
	child := exec.Command("head", "-c1")
	child.Stdin = os.Stdin // as go-plugin does
	if err := child.Start(); err != nil {
		os.Exit(2)
	}
	runtime.GC() // who forgets the silent end loses it here
	runtime.GC()
	os.Stdout.WriteString("noise")
	line := make([]byte, 8)
	n, _ := in.Read(line)
	out.Write(line[:n])
	if err := child.Process.Signal(syscall.Signal(0)); err != nil {
		out.WriteString(" the child ended")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	restore()
	os.Stdout.WriteString(" restored")
}

func TestGuardStdio(t *testing.T) {
	cmd := exec.Command(hosttest.Install(t, hosttest.Dir(t), "guarded"))
	cmd.Stdin = strings.NewReader("request")
	out, err := cmd.Output()
	if got, want := string(out), "request restored"; err != nil || got != want {
		t.Errorf("stdout = %q, %v, want %q", got, err, want)
	}
}
