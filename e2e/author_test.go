package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/e2e/serving"
)

// authorEnv is the environment of somebody who writes plugins: a host's settings, and Go's caches. Temporary
// files go into a directory of the test, which shows what is left of them.
func authorEnv(t *testing.T, env []string) (all []string, temp string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(out))
	temp, err = os.MkdirTemp("", "author-") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	return append(env, "GOCACHE="+caches[0], "GOMODCACHE="+caches[1], "GOPROXY=off", "GOFLAGS=-p=1", "GOWORK=off",
		"CGO_ENABLED=0", "TMPDIR="+temp), temp
}

// says runs a program to its end, and returns what it says.
func says(t *testing.T, want int, env []string, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = env, dir
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("%s %s: exit %d, want %d:\n%s", filepath.Base(name), strings.Join(args, " "), code, want, out)
	}
	return string(out)
}

// newPlugin begins a plugin of a kind, against this checkout.
func newPlugin(t *testing.T, env []string, kind string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	says(t, 0, env, dir, gatehouse(), "plugin", "new", "port-check", "--kind", kind, "--sdk", checkout(t))
	return filepath.Join(dir, "port-check")
}

func gatehouse() string { return filepath.Join(bin, "gatehouse") }

func checkout(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// begin starts a program that goes on, with all that it says in one log.
func begin(t *testing.T, env []string, dir, name string, args ...string) *host {
	t.Helper()
	h := &host{t: t, log: &logBuffer{}, ended: make(chan error, 1)}
	h.cmd = exec.Command(name, args...)
	h.cmd.Env, h.cmd.Dir, h.cmd.Stdout, h.cmd.Stderr = env, dir, h.log, h.log
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.ended <- h.cmd.Wait() }()
	t.Cleanup(h.stop)
	return h
}

// reach waits until a host that was begun serves.
func (h *host) reach(t *testing.T) {
	t.Helper()
	h.log.waitFor(t, "serving: address=", 1)
	h.url = serving.Address([]byte(h.log.String()))
	h.token, h.client = h.showToken(), http.DefaultClient
	h.client = h.checked(t)
}

// port is where a host serves, as a setting for commands that look for it.
func (h *host) port() string { return "MCP_SERVER_PORT=" + h.url[strings.LastIndex(h.url, ":")+1:] }

// edit exchanges a text of a file, as an editor saves it.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(from)) {
		t.Fatalf("%s has no %q", path, from)
	}
	replace(t, path, strings.Replace(string(raw), from, to, 1))
}

// isOpen has PortCheckTool try a port, and reports what it found.
func (h *host) isOpen(ctx context.Context, port int) (open bool, err error) {
	args, _ := json.Marshal(map[string]any{"target": "127.0.0.1", "port": port})
	status, raw, err := h.do(ctx, http.MethodPost, "/tools/PortCheckTool/execute", string(args))
	if err != nil {
		return false, err
	}
	var report struct{ Data struct{ Open bool } }
	if err := json.Unmarshal(raw, &report); err != nil || status != http.StatusOK {
		return false, errors.New(string(raw))
	}
	return report.Data.Open, nil
}

func (h *host) mustBeOpen(t *testing.T, port int) {
	t.Helper()
	if open, err := h.isOpen(t.Context(), port); err != nil || !open {
		t.Fatalf("PortCheckTool on an open port = %t, %v", open, err)
	}
}

func (h *host) describes(t *testing.T) string {
	t.Helper()
	var tool struct{ Description string }
	h.ask(t, http.MethodGet, "/tools/PortCheckTool", "", http.StatusOK, &tool)
	return tool.Description
}

// empty holds that nothing is left in a directory.
func empty(t *testing.T, dir string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%s is left in %s", f.Name(), dir)
	}
}

func TestANewPluginIsInstalledIntoARunningHost(t *testing.T) {
	dir := pluginDir(t)
	h := serveDir(t, dir)
	env, temp := authorEnv(t, append(h.cmd.Env, h.port()))
	source := newPlugin(t, env, "command")

	out := says(t, 0, env, source, "make", "install", "GATEHOUSE="+gatehouse(), "PLUGINS_DIR="+dir)
	if !strings.Contains(out, "the running host serves it") {
		t.Errorf("make install says %q, want it to say that the host serves it", out)
	}
	_, raw, err := h.do(t.Context(), http.MethodPost, "/tools/PortCheckTool/execute",
		`{"target": "127.0.0.1", "source": "files"}`)
	if err != nil || !bytes.Contains(raw, []byte(`"error":null`)) || !bytes.Contains(raw, []byte(`"names":["`)) {
		t.Errorf("PortCheckTool = %s, %v, want names", raw, err)
	}
	out = says(t, 0, env, source, "make", "check", "GATEHOUSE="+gatehouse())
	if out == "" {
		t.Error("make check says nothing")
	}
	empty(t, temp)
}

func TestInstallTakesPluginsAlone(t *testing.T) {
	dir := pluginDir(t)
	env, temp := authorEnv(t, environment(t, "MCP_SERVER_PORT=1")) // where no host answers
	install := func(want int, args ...string) string {
		return says(t, want, env, dir, gatehouse(), append([]string{"plugin", "install"}, args...)...)
	}
	out := install(0, filepath.Join(bin, "plugins/ping"), "--to", dir)
	if !strings.Contains(out, "installed "+filepath.Join(dir, "ping")) || !strings.Contains(out, "no host answers") {
		t.Errorf("install says %q, want where the plugin is, and that no host answers", out)
	}
	hello := filepath.Join(t.TempDir(), "hello")
	writeFile(t, hello, "#!/bin/echo\n")
	if err := os.Chmod(hello, 0o755); err != nil {
		t.Fatal(err)
	}
	out = install(1, hello, "--to", dir)
	if !strings.Contains(out, "hello is not a plugin") || strings.Contains(out, "plugin directory") ||
		!strings.Contains(out, "nothing was installed") {
		t.Errorf("install of a program that is no plugin says %q, want why, in words of the one who asked", out)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o700); err != nil {
		t.Fatal(err)
	}
	if out = install(1, fifo, "--to", dir); !strings.Contains(out, "is not a regular file") {
		t.Errorf("install of a FIFO says %q, want what it is", out)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) != 1 {
		t.Errorf("in the directory are %v, %v, want the one plugin", found, err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if out = install(1, filepath.Join(bin, "plugins/ping"), "--to", dir); !strings.Contains(out, "chmod go-w") {
		t.Errorf("install into a directory of everybody's says %q, want what to type", out)
	}
	empty(t, temp)
}

func TestDevServesWhatIsSaved(t *testing.T) {
	env, temp := authorEnv(t, environment(t))
	source := newPlugin(t, env, "func")
	port := listen(t)
	h := begin(t, env, source, gatehouse(), "plugin", "dev", ".", "--port", "0")
	h.reach(t)
	h.log.waitFor(t, "waiting for a change", 1)
	h.mustBeOpen(t, port)
	h.callAsTold(t, env, port)

	ctx, stop := context.WithCancel(t.Context())
	var calls atomic.Int64
	called := make(chan error, 1)
	go func() { // in the whole time, calls do not fail
		for ctx.Err() == nil {
			if open, err := h.isOpen(t.Context(), port); err != nil || !open {
				called <- errors.Join(err, errors.New("the port is not open"))
				return
			}
			calls.Add(1)
		}
		called <- nil
	}()
	main := filepath.Join(source, "main.go")
	edit(t, main, "Tries one TCP port", "Knocks at one TCP port")
	h.log.waitFor(t, "waiting for a change", 2)
	if got := h.describes(t); !strings.HasPrefix(got, "Knocks at") {
		t.Errorf("after a change of the source the tool says %q", got)
	}
	edit(t, main, "func main() {", "func main() { undefined()\n")
	h.log.waitFor(t, "the last good build goes on serving", 1)
	if text := h.log.String(); !strings.Contains(text, "undefined: undefined") {
		t.Errorf("what the compiler says is not shown:\n%s", text)
	}
	edit(t, main, "undefined()", "panic(0)")
	h.log.waitFor(t, "the last good build goes on serving", 2)
	h.mustBeOpen(t, port)
	stop()
	if err := <-called; err != nil || calls.Load() == 0 {
		t.Errorf("after %d calls during the exchange: %v", calls.Load(), err)
	}

	below := descendants(t, h.cmd.Process.Pid)
	_ = h.cmd.Process.Signal(syscall.SIGINT)
	h.wait()
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("dev ends with %d, want 0:\n%s", code, h.log)
	}
	for _, pid := range below {
		gone(t, pid)
	}
	empty(t, temp)
}

func TestDevLeavesARunningHostAsItWas(t *testing.T) {
	dir := pluginDir(t)
	drop(t, "many/many", filepath.Join(dir, "many"), "")
	h := serveDir(t, dir)
	env, temp := authorEnv(t, append(h.cmd.Env, h.port()))
	source := newPlugin(t, env, "func")
	dev := begin(t, env, source, gatehouse(), "--plugins-dir", dir, "plugin", "dev", source)
	dev.log.waitFor(t, "waiting for a change", 1)
	h.mustBeOpen(t, listen(t))
	_ = dev.cmd.Process.Signal(syscall.SIGINT)
	dev.wait()
	if found, err := os.ReadDir(dir); err != nil || len(found) != 1 {
		t.Errorf("in the directory are %v, %v, want what was there before", found, err)
	}
	empty(t, temp)
}

func TestDevLeavesWhatAnotherInstalledMeanwhile(t *testing.T) {
	dir := pluginDir(t)
	h := serveDir(t, dir)
	env, temp := authorEnv(t, append(h.cmd.Env, h.port()))
	source := newPlugin(t, env, "func")
	dev := begin(t, env, source, gatehouse(), "--plugins-dir", dir, "plugin", "dev", source)
	dev.log.waitFor(t, "waiting for a change", 1)
	installed := filepath.Join(dir, "port-check")
	same := filepath.Join(t.TempDir(), "port-check")
	raw, err := os.ReadFile(installed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(same, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	says(t, 0, env, source, gatehouse(), "plugin", "install", same, "--to", dir)
	_ = dev.cmd.Process.Signal(syscall.SIGINT)
	dev.wait()
	if _, err := os.Lstat(installed); err != nil {
		t.Errorf("what another installed: %v, want it there", err)
	}
	if text := dev.log.String(); !strings.Contains(text, "left "+installed+" to who exchanged it") {
		t.Errorf("dev does not say that it left the plugin:\n%s", text)
	}
	empty(t, temp)
}

// callAsTold calls the tool with the command that a host prints for that.
func (h *host) callAsTold(t *testing.T, env []string, port int) {
	t.Helper()
	_, told, found := strings.Cut(h.log.String(), "to call it: ")
	told, _, _ = strings.Cut(told, "\n")
	if !found || !strings.Contains(told, "call --running") {
		t.Fatalf("the host does not say how to call the tool:\n%s", h.log)
	}
	told = strings.Replace(told, "TARGET", "127.0.0.1 --arg port=\"$0\"", 1)
	if out := says(t, 0, env, t.TempDir(), "sh", "-c", told, strconv.Itoa(port)); !strings.Contains(out, `"open": true`) {
		t.Errorf("%s says %q, want that the port is open", told, out)
	}
}

func TestAPluginOutlivesTheHostsThatAreAttachedToIt(t *testing.T) {
	env, temp := authorEnv(t, environment(t))
	source := newPlugin(t, env, "func")
	says(t, 0, env, source, "make", "build")
	program := filepath.Join(source, "bin", "port-check")
	out := says(t, 1, env, source, gatehouse(), "plugin", "debug", "port-check")
	if !strings.Contains(out, "--debug") {
		t.Errorf("debug without a plugin says %q, want what to start", out)
	}
	plugin := begin(t, env, source, program, "--debug")
	plugin.log.waitFor(t, "gatehouse plugin debug unix:"+temp, 1)
	port := listen(t)

	first := begin(t, env, source, gatehouse(), "plugin", "debug", "--port", "0")
	first.log.waitFor(t, "attached to port-check 0.1.0: PortCheckTool", 1)
	first.reach(t)
	first.mustBeOpen(t, port)
	first.callAsTold(t, env, port)
	out = says(t, 3, env, source, gatehouse(), "call", "--running", "--url", first.url, "PortCheckTool", "192.0.2.1",
		"--arg", "port=1")
	if !strings.HasPrefix(out, "out_of_scope: 192.0.2.1 is outside") {
		t.Errorf("call --running out of scope says %q, want what a call of one's own does", out)
	}
	_ = first.cmd.Process.Kill()
	first.wait()

	second := begin(t, env, source, gatehouse(), "plugin", "debug", "port-check", "--port", "0")
	second.log.waitFor(t, "attached to port-check", 1)
	second.reach(t)
	second.mustBeOpen(t, port)

	_ = plugin.cmd.Process.Kill() // as a debugger ends it
	plugin.wait()
	second.log.waitFor(t, "the plugin is gone", 1)
	again := begin(t, env, source, program, "--debug")
	second.log.waitFor(t, "attached to port-check", 2)
	second.mustBeOpen(t, port)

	second.stop()
	out = says(t, 1, env, source, gatehouse(), "call", "--running", "--url", second.url, "PortCheckTool", "127.0.0.1")
	if !strings.Contains(out, "no host answers") {
		t.Errorf("call --running without a host says %q, want that none answers", out)
	}
	again.stop()
	if code := again.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the plugin ends with %d, want 0:\n%s", code, again.log)
	}
	empty(t, filepath.Join(temp, filepath.Base(socketDir(temp))))
}

// socketDir is the directory below temp in which plugins wait for hosts.
func socketDir(temp string) string {
	found, _ := filepath.Glob(filepath.Join(temp, "gatehouse-debug-*")) // the pattern is good
	if len(found) == 0 {
		return temp
	}
	return found[0]
}
