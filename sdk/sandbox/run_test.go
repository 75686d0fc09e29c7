//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	gocontext "context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

func TestLimitsAreInForceAtTheStart(t *testing.T) {
	p := newPool(t)
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	c := sandbox.Command{Path: cat, Args: []string{"/proc/self/limits"}}
	c.Limits = sandbox.Limits{CPU: 6500 * time.Millisecond, Processes: 1000}
	_, got := run(t, p, c)
	for _, want := range []string{
		`Max cpu time +7 +8 +seconds`,
		`Max file size +0 +0 +bytes`,
		`Max core file size +0 +0 +bytes`,
		`Max processes +1000 +1000 +processes`,
		`Max open files +256 +256 +files`,
		`Max address space +536870912 +536870912 +bytes`,
	} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestAProgramStartsWithDefaultSignals(t *testing.T) {
	p := newPool(t)
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	c := sandbox.Command{Path: cat, Args: []string{"/proc/self/status"}}
	for _, nnp := range []bool{true, false} {
		c.NoNewPrivileges = nnp
		_, got := run(t, p, c)
		want := []string{"SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"}
		if nnp {
			want = append(want, "NoNewPrivs:\t1")
		}
		for _, line := range want {
			if !strings.Contains(got, line) {
				t.Errorf("no %q in\n%s", line, got)
			}
		}
	}
}

func TestAProgramStartsClean(t *testing.T) {
	p := newPool(t)
	for _, reporting := range []bool{false, true, false} {
		c := tool(t, "state")
		fds := "fds=0 1 2"
		if reporting {
			c.Report = func(io.Reader) error { return nil }
			fds += " 3"
		}
		_, got := run(t, p, c)
		for _, want := range []string{
			"cwd=gatehouse-empty-", "files=0 stdin=0 leader=true group=true umask=77\n",
			"env=PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C LC_ALL=C\n", fds + "\n", "argv0=" + c.Path + "\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("reporting %v: no %q in\n%s", reporting, want, got)
			}
		}
	}
}

func TestNoProgramRunsWithoutItsLimits(t *testing.T) {
	p := newPool(t)
	witness := filepath.Join(t.TempDir(), "ran")
	for name, row := range map[string]struct {
		change func(*sandbox.Command)
		stage  string
		err    error
	}{
		"more files than the kernel allows": {
			func(c *sandbox.Command) { c.Limits.OpenFiles = 1 << 40 }, "set open files limit", syscall.EPERM,
		},
		"a missing program": {
			func(c *sandbox.Command) { c.Path = "/nonexistent/program" }, "exec", fs.ErrNotExist,
		},
		"a file that is not executable": {
			func(c *sandbox.Command) { c.Path = "/etc/passwd" }, "exec", fs.ErrPermission,
		},
		"a relative path": {
			func(c *sandbox.Command) { c.Path = "true" }, "check the command", nil,
		},
		"a NUL in argv": {
			func(c *sandbox.Command) { c.Args[1] += "\x00" }, "encode the job", syscall.EINVAL,
		},
		"too long an argv": {
			func(c *sandbox.Command) { c.Args[1] = strings.Repeat("a", 1<<18) }, "encode the job", syscall.E2BIG,
		},
		"too many words": {
			func(c *sandbox.Command) { c.Args = make([]string, 5000) }, "encode the job", syscall.E2BIG,
		},
		"too little memory": {
			func(c *sandbox.Command) { c.Limits.AddressSpace = 4096 }, "", nil,
		},
	} {
		c := tool(t, "grow", witness)
		row.change(&c)
		out, err := p.Run(context(), c)
		var start *sandbox.StartError
		switch {
		case row.stage == "": // exec destroys the process: by then there is nothing to report to
			if err == nil && out.Signal == 0 {
				t.Errorf("%s: Run() = %+v, %v, want a signal or an error", name, out, err)
			}
		case !errors.As(err, &start) || start.Stage != row.stage || row.err != nil && !errors.Is(err, row.err):
			t.Errorf("%s: Run() = %v, want %q, %v", name, err, row.stage, row.err)
		}
		if _, err := os.Stat(witness); err == nil {
			t.Fatalf("%s: the program ran", name)
		}
	}
}

// An unprivileged process cannot raise a hard limit: a lower one that we inherited is in the way.
func TestAnInheritedLowerLimitMeansNoRun(t *testing.T) {
	if os.Getenv("SANDBOX_TEST_LOWERED") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestAnInheritedLowerLimitMeansNoRun$", "-test.v")
		cmd.Env = append(os.Environ(), "SANDBOX_TEST_LOWERED=1", "TMPDIR="+openTemp(t))
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = openCopy(t, exe)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 128, Max: 128}); err != nil {
		t.Fatal(err)
	}
	p := newPool(t)
	_, err := p.Run(context(), tool(t, "exit", "0"))
	var start *sandbox.StartError
	if !errors.As(err, &start) || start.Stage != "set open files limit" || !errors.Is(err, syscall.EPERM) {
		t.Errorf("Run() = %v, want set open files limit, EPERM", err)
	}
	c := tool(t, "exit", "7")
	c.Limits.OpenFiles = 100
	if out, err := p.Run(context(), c); err != nil || out.ExitCode != 7 {
		t.Errorf("Run(with a limit below) = %+v, %v, want exit code 7", out, err)
	}
}

// openTemp is a directory for a process with another user.
func openTemp(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openCopy(t *testing.T, file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(openTemp(t), "test")
	if err := os.WriteFile(copied, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestExitCodesAndSignals(t *testing.T) {
	p := newPool(t)
	for _, code := range []string{"0", "1", "77", "125", "255"} {
		out, _ := run(t, p, tool(t, "exit", code))
		if fmt.Sprint(out.ExitCode) != code || out.Signal != 0 || out.LimitHit != "" {
			t.Errorf("exit %s: %+v", code, out)
		}
	}
	out, _ := run(t, p, tool(t, "suicide"))
	if out.Signal != syscall.SIGKILL || out.ExitCode != 137 || out.LimitHit != "killed (out of memory?)" {
		t.Errorf("SIGKILL: %+v", out)
	}
	if out.MaxRSS < 1<<20 || out.CPU <= 0 {
		t.Errorf("no usage in %+v", out)
	}
}

func TestCPULimit(t *testing.T) {
	p := newPool(t)
	for _, kind := range []string{"plain", "stubborn"} {
		c := tool(t, "burn", kind)
		c.Limits.CPU = time.Second
		out, _ := run(t, p, c)
		if out.LimitHit != "cpu time" {
			t.Errorf("%s: %+v, want cpu time", kind, out)
		}
	}
}

func TestFileSizeLimit(t *testing.T) {
	p := newPool(t)
	file := filepath.Join(t.TempDir(), "file")
	out, _ := run(t, p, tool(t, "grow", file))
	info, err := os.Stat(file)
	if err != nil || info.Size() != 0 || out.LimitHit != "file size" && out.ExitCode == 0 {
		t.Errorf("Run() = %+v, file %v, %v; want no growth", out, info, err)
	}
}

func TestDeadlineEndsAToolThatIgnoresSIGTERM(t *testing.T) {
	p := newPool(t)
	c := tool(t, "stubborn", newMark(t))
	c.Deadline, c.Grace = time.Now().Add(time.Second), time.Millisecond
	out, got := run(t, p, c)
	if !out.TimedOut || out.Cancelled || out.ExitCode != sandbox.ExitTimeout || out.LimitHit != "" {
		t.Errorf("Run() = %+v, want a timeout", out)
	}
	if got == "ready\n" && out.Signal != syscall.SIGKILL {
		t.Errorf("Signal = %v, want SIGKILL", out.Signal)
	}
	wantNone(t, c.Args[1])
}

func TestDeadlineHoldsWhileACallbackBlocks(t *testing.T) {
	p := newPool(t)
	c := tool(t, "ready", newMark(t))
	dead := make(chan struct{})
	var w watcher
	l := wantLines(1)
	c.Stdout = func(b []byte) {
		l.add(b)
		w = watch(t, l.pids(t, "ready")[:1])
		w.wantDead(t)
		close(dead)
	}
	c.Deadline = time.Now().Add(2 * time.Second)
	out, err := p.Run(context(), c)
	if err != nil || !out.TimedOut {
		t.Fatalf("Run() = %+v, %v", out, err)
	}
	<-dead
}

func TestCancel(t *testing.T) {
	p := newPool(t)
	for _, name := range []string{"ready", "stubborn"} {
		ctx, cancel := gocontext.WithCancel(context())
		c := tool(t, name, newMark(t))
		c.Stdout = func([]byte) { cancel() }
		out, err := p.Run(ctx, c)
		want := map[string]syscall.Signal{"ready": syscall.SIGTERM, "stubborn": syscall.SIGKILL}[name]
		if err != nil || !out.Cancelled || out.TimedOut || out.Signal != want {
			t.Errorf("%s: Run() = %+v, %v, want %v", name, out, err, want)
		}
		wantNone(t, c.Args[1])
		if out, err := p.Run(ctx, c); err != nil || !out.Cancelled {
			t.Errorf("Run(cancelled) = %+v, %v", out, err)
		}
	}
}

func TestTheContextsOwnDeadlineIsATimeout(t *testing.T) {
	p := newPool(t)
	ctx, cancel := gocontext.WithTimeout(context(), time.Second)
	defer cancel()
	out, err := p.Run(ctx, tool(t, "stubborn"))
	if err != nil || !out.TimedOut || out.ExitCode != sandbox.ExitTimeout {
		t.Errorf("Run() = %+v, %v, want a timeout", out, err)
	}
}

func TestOutputIsCappedAndCounted(t *testing.T) {
	p := newPool(t)
	for _, name := range []string{"stdout", "stderr"} {
		var got int
		c := tool(t, "spew", "3000000", name)
		c.StdoutLimit, c.StderrLimit = 100_000, 100_000
		count := func(b []byte) { got += len(b) }
		if name == "stdout" {
			c.Stdout = count
		} else {
			c.Stderr = count
		}
		out, err := p.Run(context(), c)
		total, cut := out.StdoutBytes, out.TruncatedStdout
		if name == "stderr" {
			total, cut = out.StderrBytes, out.TruncatedStderr
		}
		if err != nil || got != 100_000 || total != 3_000_000 || !cut || out.ExitCode != 0 {
			t.Errorf("%s: got %d bytes, Run() = %+v, %v", name, got, out, err)
		}
	}
}

func TestAGibibyteOfOutputTakesNoMemory(t *testing.T) {
	p := newPool(t)
	run(t, p, tool(t, "spew", "1000", "stdout"))
	runtime.GC()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	before := rss(t, "VmRSS")
	c := tool(t, "spew", "1073741824", "stdout")
	c.StdoutLimit = 1 << 62
	var handed int64
	c.Stdout = func(b []byte) { handed += int64(len(b)) }
	out, err := p.Run(context(), c)
	if err != nil || out.StdoutBytes != 1<<30 || handed != 1<<30 {
		t.Fatalf("Run() = %+v, %v, handed on %d", out, err, handed)
	}
	if grown := rss(t, "VmHWM") - before; grown > 16<<20 {
		t.Errorf("the memory grew by %d KiB", grown>>10)
	}
}

func TestReport(t *testing.T) {
	p := newPool(t)
	broken := errors.New("broken")
	for name, row := range map[string]struct {
		read func(io.Reader) error
		want error
	}{
		"read to the end": {func(r io.Reader) error {
			b, err := io.ReadAll(r)
			if len(b) != 1<<18 || strings.Trim(string(b), "r") != "" {
				return fmt.Errorf("got %d bytes", len(b))
			}
			return err
		}, nil},
		"left early": {func(r io.Reader) error { return broken }, broken},
	} {
		c := tool(t, "report")
		c.Report = row.read
		out, got := run(t, p, c)
		if !errors.Is(out.ReportErr, row.want) || out.ExitCode != 0 || got != "text\n" {
			t.Errorf("%s: Run() = %+v, stdout %q", name, out, got)
		}
	}
}

func TestAPanicOfACallbackReachesTheCaller(t *testing.T) {
	p := newPool(t)
	c := tool(t, "spew", "1000000", "stdout")
	c.Stdout = func([]byte) { panic("oops") }
	defer func() {
		if v := recover(); !strings.Contains(fmt.Sprint(v), "oops") {
			t.Errorf("recover() = %v, want oops", v)
		}
	}()
	_, _ = p.Run(context(), c)
	t.Error("Run returned")
}

func TestConcurrentRuns(t *testing.T) {
	p := newPool(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c := tool(t, "spew", fmt.Sprint(100_000+i), "stdout")
			out, err := p.Run(context(), c)
			if err != nil || out.StdoutBytes != int64(100_000+i) || out.ExitCode != 0 {
				t.Errorf("run %d: %+v, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}
