package proc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func systemBehaviours() map[string]func() {
	return map[string]func(){"confined": confined, "host": host}
}

// attempts are files to try, and what became of each: "" or an error.
type attempts struct {
	Write, Read, Run []string          `json:",omitempty"`
	Outcome          map[string]string `json:",omitempty"` // "write PATH" -> error
	Status           map[string]string `json:",omitempty"` // of /proc/self/status
}

// confined tries files and tells what its process may.
func confined() {
	hosttest.Serve(&hosttest.Fake{
		OnCall: func(_ context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
			a := attempts{Outcome: make(map[string]string), Status: make(map[string]string)}
			if err := json.Unmarshal(r.Arguments, &a); err != nil {
				return tool.Result{}, err
			}
			a.try("write", a.Write, func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) })
			a.try("read", a.Read, func(path string) error { _, err := os.ReadFile(path); return err })
			a.try("run", a.Run, func(path string) error { return exec.Command(path).Run() })
			text, err := os.ReadFile("/proc/thread-self/status")
			for line := range strings.Lines(string(text)) {
				key, value, _ := strings.Cut(line, ":")
				a.Status[key] = strings.Join(strings.Fields(value), " ")
			}
			if err != nil {
				return tool.Result{}, err
			}
			data, err := json.Marshal(a)
			return tool.Result{Data: data}, err
		},
	})
}

func (a *attempts) try(what string, paths []string, do func(string) error) {
	for _, path := range paths {
		a.Outcome[what+" "+path] = ""
		if err := do(path); err != nil {
			a.Outcome[what+" "+path] = err.Error()
		}
	}
}

// startConfined starts a plugin and has it try files.
func startConfined(
	t *testing.T, c proc.Confinement, path string, a func(dir string) attempts,
) (*proc.Process, attempts) {
	t.Helper()
	run := hosttest.RuntimeDir(t)
	p, err := proc.Start(t.Context(), proc.Config{Path: path, RuntimeDir: run, Env: hosttest.Env(), Confine: c})
	if err != nil {
		t.Fatalf("Start(%+v) = %v", c, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		checkEmpty(t, run)
	})
	dirs, err := filepath.Glob(run + "/p*")
	if err != nil || len(dirs) != 1 {
		t.Fatalf("private directories: %v, %v, want one", dirs, err)
	}
	args, err := json.Marshal(a(dirs[0]))
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Call(t.Context(), tool.Request{Arguments: args}, func(tool.Event) {})
	if err != nil {
		t.Fatalf("Call() = %v", err)
	}
	var got attempts
	if err := json.Unmarshal(res.Data, &got); err != nil {
		t.Fatal(err)
	}
	return p, got
}

// order is what a host in a process of its own is to do, and report what came of it.
type order struct {
	Path, RuntimeDir string
	Confine          proc.Confinement
	Cgroup           bool
	Domains          int // of Landlock, which the host itself is in
}

type report struct {
	Error, SHA256 string
	Pid           int
	Layers        []tool.Layer
	Data          json.RawMessage `json:",omitempty"` // of one call
	Metadata      map[string]any  // of it
}

// host is a host with one plugin, which it calls once. It stays until its stdin ends.
func host() {
	var o order
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		os.Exit(1)
	}
	if n := o.Domains; n > 0 {
		o.Domains = 0
		o.confine(n) // does not return
	}
	r, err := o.carryOut()
	if err != nil {
		r.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until it ends
}

// confine puts this process into n Landlock domains that deny next to nothing, and begins anew.
func (o order) confine(n int) {
	runtime.LockOSThread() // what follows is the thread's, until exec makes it the process's
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK}
	for range n {
		// Without Landlock this fails; then there is none for the plugin either.
		fd, _, _ := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), 8, 0)
		_, _, _ = syscall.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
		_ = syscall.Close(int(fd))
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = syscall.Exec("/proc/self/exe", []string{os.Args[0], string(text)}, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "begin anew:", err)
	os.Exit(1)
}

func (o order) carryOut() (report, error) {
	var cgroup *proc.Cgroup
	if o.Cgroup {
		var err error
		if cgroup, err = proc.NewCgroup(); err != nil {
			return report{}, err
		}
	}
	ctx := context.Background() // of a process that is killed
	p, err := proc.Start(ctx, proc.Config{
		Path: o.Path, RuntimeDir: o.RuntimeDir, Env: hosttest.Env(), Confine: o.Confine, Cgroup: cgroup,
	})
	if err != nil {
		return report{}, err
	}
	res, err := p.Call(ctx, tool.Request{}, func(tool.Event) {})
	return report{SHA256: p.SHA256(), Pid: p.Pid(), Layers: p.Layers(), Data: res.Data,
		Metadata: res.Metadata}, err
}

// startHost starts a host and waits for its report. It is killed after the test, or by kill.
func startHost(t *testing.T, o order, who *syscall.Credential) (r report, kill func()) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(hosttest.Install(t, passable(t), "host"), string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	cmd.Env, cmd.Stderr = hosttest.Env(), os.Stderr
	cmd.ExtraFiles = []*os.File{os.Stderr} // something that it inherits and must not hand on
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a host: %v", err)
	}
	kill = func() {
		_ = cmd.Process.Kill() // fails when it has been done
		_ = cmd.Wait()
		_ = stdin.Close()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("read the report of a host: %v", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	return r, kill
}

// passable is a directory whose files every user can come at.
func passable(t *testing.T) string {
	t.Helper()
	dir := hosttest.Dir(t)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// nobody is a user without rights, for a test that root runs; nil: another user does, who has none already.
func nobody() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// runtimeOf is a runtime directory that belongs to a user.
func runtimeOf(t *testing.T, who *syscall.Credential) string {
	t.Helper()
	dir := hosttest.RuntimeDir(t)
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func exists(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}
