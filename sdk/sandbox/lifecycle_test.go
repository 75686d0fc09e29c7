//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	gocontext "context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// started is a run in the background.
type started struct {
	lines *lines
	out   sandbox.Outcome
	err   error
	done  chan struct{} // closed when Run has returned
}

// begin runs c in the background and waits until it has written n lines.
func begin(t *testing.T, ctx gocontext.Context, p *sandbox.Pool, c sandbox.Command, n int) *started {
	t.Helper()
	s := &started{lines: wantLines(n), done: make(chan struct{})}
	c.Stdout = s.lines.add
	go func() {
		defer close(s.done)
		s.out, s.err = p.Run(ctx, c)
	}()
	s.lines.wait(t)
	return s
}

func (s *started) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatal("Run does not return")
	}
}

// treeLines is what a tree writes: itself, and two leaves.
const treeLines = 3

func TestNothingOutlivesAProgramThatExits(t *testing.T) {
	inBothModes(t, nothingOutlivesAProgramThatExits)
}

func nothingOutlivesAProgramThatExits(t *testing.T, p *sandbox.Pool) {
	mark := newMark(t)
	out, got := run(t, p, tool(t, "tree", "leave", mark))
	wantNone(t, mark)
	if out.ExitCode != 0 || out.TimedOut {
		t.Errorf("Run() = %+v, %q", out, got)
	}
}

func TestNothingOutlivesACancelledRun(t *testing.T) { inBothModes(t, nothingOutlivesACancelledRun) }

func nothingOutlivesACancelledRun(t *testing.T, p *sandbox.Pool) {
	mark := newMark(t)
	ctx, cancel := gocontext.WithCancel(context())
	defer cancel()
	s := begin(t, ctx, p, tool(t, "tree", "stay", mark), treeLines)
	if n := len(alive(mark)); n != treeLines {
		t.Fatalf("%d processes are alive, want %d", n, treeLines)
	}
	cancel()
	s.wait(t)
	wantNone(t, mark)
	if s.err != nil || !s.out.Cancelled {
		t.Errorf("Run() = %+v, %v", s.out, s.err)
	}
}

func TestNothingOutlivesASIGKILL(t *testing.T) { inBothModes(t, nothingOutlivesASIGKILL) }

func nothingOutlivesASIGKILL(t *testing.T, p *sandbox.Pool) {
	for name, victim := range map[string]int{"of the tool": 0, "of the supervisor": 1} {
		t.Run(name, func(t *testing.T) {
			mark := newMark(t)
			s := begin(t, context(), p, tool(t, "tree", "stay", mark), treeLines)
			if err := syscall.Kill(s.lines.pids(t, "tree")[victim], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.wait(t)
			wantNone(t, mark)
			var start *sandbox.StartError
			switch {
			case victim == 0 && (s.err != nil || s.out.Signal != syscall.SIGKILL):
				t.Errorf("Run() = %+v, %v, want SIGKILL", s.out, s.err)
			case victim == 1 && (!errors.As(s.err, &start) || !errors.Is(s.err, sandbox.ErrLost)):
				t.Errorf("Run() = %+v, %v, want a StartError with ErrLost", s.out, s.err)
			case victim == 1 && (s.out.StdoutBytes == 0 || s.out.Elapsed == 0 || s.out.TimedOut):
				t.Errorf("Run() = %+v, want what was seen of the program", s.out)
			}
			if out, _ := run(t, p, tool(t, "exit", "9")); out.ExitCode != 9 {
				t.Errorf("the pool does not work any more: %+v", out)
			}
		})
	}
}

func TestNothingOutlivesASIGKILLOfThePlugin(t *testing.T) {
	for _, mode := range []string{"default", "shared"} {
		t.Run("with its supervisor at work, "+mode, func(t *testing.T) { killPlugin(t, mode, false) })
		t.Run("with its supervisor stopped, "+mode, func(t *testing.T) { killPlugin(t, mode, true) })
	}
}

func killPlugin(t *testing.T, mode string, stopped bool) {
	mark := newMark(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := wantLines(treeLines)
	cmd := exec.Command(exe, "tool=plugin", mark, mode, openCopy(t, exe))
	tmp := t.TempDir()
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stdout, cmd.Stderr = l, os.Stderr
	cmd.WaitDelay = time.Second // a survivor that holds stdout is to be reported, not waited for
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.wait(t)
	w := watch(t, append(l.pids(t, "leaf"), l.pids(t, "tree")...)) // the supervisor is among them
	if len(w) != 4 {
		t.Fatalf("watching %d processes, want 4", len(w))
	}
	if stopped {
		if err := syscall.Kill(l.pids(t, "tree")[1], syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	w.wantDead(t)
	wantNone(t, mark)
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("%d directories are left", len(left))
	}
}

func TestAHungSupervisorHoldsNobody(t *testing.T) { inBothModes(t, aHungSupervisorHoldsNobody) }

func aHungSupervisorHoldsNobody(t *testing.T, p *sandbox.Pool) {
	mark := newMark(t)
	ctx, cancel := gocontext.WithCancel(context())
	defer cancel()
	s := begin(t, ctx, p, tool(t, "tree", "stay", mark), treeLines)
	if err := syscall.Kill(s.lines.pids(t, "tree")[1], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cancel()
	s.wait(t)
	wantNone(t, mark)
	var start *sandbox.StartError
	if !errors.As(s.err, &start) || !errors.Is(s.err, sandbox.ErrLost) || !s.out.Cancelled {
		t.Errorf("Run() = %+v, %v, want a StartError with ErrLost", s.out, s.err)
	}
}

func TestSupervisorsAreUsedAgain(t *testing.T) { inBothModes(t, supervisorsAreUsedAgain) }

func supervisorsAreUsedAgain(t *testing.T, p *sandbox.Pool) {
	_, first := run(t, p, tool(t, "parent"))
	for range 10 {
		if _, again := run(t, p, tool(t, "parent")); again != first {
			t.Fatalf("supervisor %q, want %q", again, first)
		}
	}
	// Neither a refused job nor one that was killed with its tree makes it unfit.
	_, err := p.Run(context(), sandbox.Command{Path: "/nonexistent"})
	if err == nil || errors.Is(err, sandbox.ErrLost) {
		t.Errorf("Run(/nonexistent) = %v, want an error that is not ErrLost", err)
	}
	run(t, p, tool(t, "tree", "leave", newMark(t)))
	if _, again := run(t, p, tool(t, "parent")); again != first {
		t.Errorf("supervisor %q, want %q", again, first)
	}
}

func TestADeadSupervisorIsReplaced(t *testing.T) { inBothModes(t, aDeadSupervisorIsReplaced) }

func aDeadSupervisorIsReplaced(t *testing.T, p *sandbox.Pool) {
	for range 5 {
		s := begin(t, context(), p, tool(t, "parent"), 1)
		s.wait(t)
		pid := pidOf(t, s.lines.text())
		w := watch(t, []int{pid})
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if pid%2 == 0 {
			w.wantDead(t) // else the job meets one that is just dying
		}
		if out, _ := run(t, p, tool(t, "exit", "6")); out.ExitCode != 6 {
			t.Errorf("Run() = %+v", out)
		}
	}
}

// A job that lies unread in the socket of a supervisor that dies goes to another one.
func TestAnUnreadJobIsOfferedAgain(t *testing.T) { inBothModes(t, anUnreadJobIsOfferedAgain) }

func anUnreadJobIsOfferedAgain(t *testing.T, p *sandbox.Pool) {
	_, text := run(t, p, tool(t, "parent"))
	pid := pidOf(t, text)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var once sync.WaitGroup
	var out sandbox.Outcome
	var err error
	once.Go(func() { out, err = p.Run(context(), tool(t, "exit", "5")) })
	awaitIdlePool(t, p)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	once.Wait()
	if err != nil || out.ExitCode != 5 {
		t.Errorf("Run() = %+v, %v, want exit code 5", out, err)
	}
}

// awaitIdlePool returns when the one idle supervisor of p has been taken.
func awaitIdlePool(t *testing.T, p *sandbox.Pool) {
	t.Helper()
	for end := time.Now().Add(patience); sandbox.Idle(p) != 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("nobody takes the supervisor")
		}
	}
}

func pidOf(t *testing.T, text string) int {
	t.Helper()
	l := wantLines(1)
	l.add([]byte("pid " + text))
	return l.pids(t, "pid")[0]
}

func TestNothingLeaksFromJobToJob(t *testing.T) {
	p := newPool(t)
	// Nobody can write into the working directory but who is above permissions: either way the next finds
	// nothing.
	for _, capabilities := range [][]string{nil, {"CAP_DAC_OVERRIDE"}} {
		c := tool(t, "litter")
		c.Capabilities = capabilities
		can := capabilities != nil && sandbox.Available("CAP_DAC_OVERRIDE")
		if out, _ := run(t, p, c); (out.ExitCode == 0) != can {
			t.Fatalf("Run(with %v) = %+v, want to litter: %v", capabilities, out, can)
		}
	}
	if _, got := run(t, p, tool(t, "list")); strings.TrimSpace(got) != "0" {
		t.Errorf("the next program finds %s files", got)
	}
}

func TestCloseEndsRuns(t *testing.T) { inBothModes(t, closeEndsRuns) }

func closeEndsRuns(t *testing.T, p *sandbox.Pool) {
	mark := newMark(t)
	s := begin(t, context(), p, tool(t, "tree", "stay", mark), treeLines)
	supervisor := watch(t, s.lines.pids(t, "tree")[1:])
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantNone(t, mark)
	supervisor.wantDead(t)
	s.wait(t)
	if s.err != nil || !s.out.Cancelled {
		t.Errorf("Run() = %+v, %v, want cancelled", s.out, s.err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close() = %v", err)
	}
	if _, err := p.Run(context(), tool(t, "exit", "0")); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("Run after Close = %v, want ErrClosed", err)
	}
}

func TestNothingIsHeldAfterManyRuns(t *testing.T) {
	dir := t.TempDir()
	p := sandbox.New(sandbox.Config{Dir: dir})
	burst := func(n int) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range n / 4 {
					c := full("/bin/true")
					if i%16 == 0 {
						c = tool(t, "exit", "0")
					}
					run(t, p, c)
				}
			})
		}
		wg.Wait()
	}
	base, goroutines := countFds(t), runtime.NumGoroutine()
	burst(8)
	burst(1000)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	// Without a pool there is nothing of it: neither descriptor, goroutine, child nor directory.
	if n := countFds(t); n > base+1 { // the poller's, if this was the first test
		t.Errorf("%d descriptors, %d before", n, base)
	}
	if n := goroutinesDownTo(goroutines); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d directories are left", len(left))
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("Wait4() = %d, %v, want no child", pid, err)
	}
}

// goroutinesDownTo waits, boundedly, for goroutines that have done their work and are about to end.
func goroutinesDownTo(want int) int {
	for range 1 << 16 {
		if runtime.NumGoroutine() <= want {
			break
		}
		runtime.Gosched()
	}
	return runtime.NumGoroutine()
}

func countFds(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// An outsider who knows the marker gains nothing: without the socket of a parent the process ends.
func TestTheMarkerAloneDoesNothing(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "tool=exit", "0")
	cmd.Env = []string{"GATEHOUSE_SANDBOX_SUPERVISOR=1"}
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 125 {
		t.Errorf("Run() = %v, want exit status 125", err)
	}
}

func TestLayersSayWhatIsInForce(t *testing.T) { asEach(t, layersSayWhatIsInForce) }

func layersSayWhatIsInForce(t *testing.T) {
	root := os.Getuid() == 0
	want := map[string]bool{
		"supervisor": true, "resource limits": true, "clean start": true, "survivor search": true,
		"no new privileges": true, "landlock": sandbox.LandlockABI() > 0, "capabilities": true,
		"own user": root && sandbox.Available("CAP_SETUID") && sandbox.Available("CAP_SETGID") &&
			sandbox.Available("CAP_KILL"),
		"PID namespace": sandbox.Available("CAP_SYS_ADMIN"), "cgroup": false,
	}
	var names []string
	for _, l := range sandbox.Layers() {
		t.Logf("%-18s %-5v %s", l.Name, l.Active, l.Detail)
		names = append(names, l.Name)
		if active, known := want[l.Name]; !known || l.Active != active || l.Detail == "" {
			t.Errorf("Layers() has %+v, want active %v", l, active)
		}
	}
	if len(names) != len(want) {
		t.Errorf("Layers() = %q", names)
	}
	// What is said of the namespace is what a run has: its supervisor is number 1 there.
	p := newPool(t)
	_, got := run(t, p, tool(t, "inner"))
	if inside := strings.TrimSpace(got) == "1"; inside != want["PID namespace"] {
		t.Errorf("the parent of a program is number %s, Layers says %v", got, want["PID namespace"])
	}
}

func TestSupervisorsOfABurstAreKeptAndThenEnded(t *testing.T) {
	const burst = 6
	p := newPool(t)
	var all sync.WaitGroup // all runs are under way at the same moment
	all.Add(burst)
	var done sync.WaitGroup
	for range burst {
		done.Go(func() {
			c := tool(t, "spew", "1", "stdout")
			c.Stdout = func([]byte) { all.Done(); all.Wait() }
			if _, err := p.Run(context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := sandbox.Idle(p); n != burst {
		t.Errorf("%d supervisors are idle after %d runs at a time, want all", n, burst)
	}
	if want, n := sandbox.EndBurst(p), sandbox.Idle(p); n != want {
		t.Errorf("%d supervisors are idle after the burst, want %d", n, want)
	}
}
