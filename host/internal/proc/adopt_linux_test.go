package proc

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// adopting makes this process the adopter of orphans, who looks for them when the test says so.
func adopting(t *testing.T) *adopter {
	t.Helper()
	if _, err := kin.search(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) // worked before
		kin.endSearch()
	})
	a := newAdopter(kin, slog.New(slog.DiscardHandler))
	a.patience = 0
	return a
}

// startOrphan starts a plugin and has it leave an orphan, which is this process's child then.
func startOrphan(t *testing.T, dir, args string, g *Cgroup) (p *Process, orphan int) {
	t.Helper()
	p, err := Start(t.Context(), Config{
		Path: hosttest.Install(t, dir, "orphan"), RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
		Cgroup: g,
	})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		hosttest.AwaitNone(t, dir)
	})
	res, err := p.Call(t.Context(), tool.Request{Arguments: []byte(args)}, func(tool.Event) {})
	if err != nil {
		t.Fatalf("Call() = %v", err)
	}
	orphan = int(res.Metadata["orphan"].(float64))
	if e, err := readEntry(orphan); err != nil || e.parent != os.Getpid() || e.session == p.Pid() {
		t.Fatalf("the orphan: %+v, %v, want a child of this process in another session", e, err)
	}
	return p, orphan
}

func end(t *testing.T, p *Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatalf("Kill() = %v", err)
	}
	<-p.Done()
}

func alive(pid int) bool {
	e, err := readEntry(pid)
	return err == nil && !e.zombie()
}

func gone(pid int) bool {
	_, err := readEntry(pid)
	return err != nil
}

// kill kills an orphan and waits until it has ended.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAnOrphanIsLeftAloneWhileItsPluginRunsAndKilledAfter(t *testing.T) {
	a := adopting(t)
	p, orphan := startOrphan(t, hosttest.Dir(t), `{}`, nil)
	if a.sweep(); !alive(orphan) {
		t.Fatal("the orphan of a running plugin is gone")
	}
	end(t, p)
	if !alive(orphan) {
		t.Fatal("the orphan ended with its plugin: there is nothing to look for")
	}
	if a.sweep(); !gone(orphan) {
		t.Error("the orphan is there still, or was not collected")
	}
}

func TestAnOrphanIsGivenTimeToEndByItself(t *testing.T) {
	a := adopting(t)
	a.patience = time.Hour
	p, orphan := startOrphan(t, hosttest.Dir(t), `{}`, nil)
	end(t, p)
	if a.sweep(); !alive(orphan) || !a.spared {
		t.Errorf("the orphan is alive: %t, spared: %t; want both", alive(orphan), a.spared)
	}
	a.patience = 0
	if a.sweep(); !gone(orphan) || a.spared {
		t.Errorf("the orphan is gone: %t, spared: %t; want it gone", gone(orphan), a.spared)
	}
}

func TestWhatIsBelowAKnownOrphanIsKnown(t *testing.T) {
	process := func(pid, parent int) entry { return entry{id: id{pid: pid, born: 1}, parent: parent, session: pid} }
	supervisor, program, child, stranger := process(10, 1), process(11, 10), process(12, 11), process(20, 1)
	r := relations{table: map[int]entry{10: supervisor, 11: program, 12: child, 20: stranger}}
	a := newAdopter(newFamily(), slog.New(slog.DiscardHandler))
	a.known[supervisor.id] = "m" // seen below its plugin, which is gone
	a.note(r)
	for _, e := range []entry{supervisor, program, child} {
		if a.known[e.id] != "m" {
			t.Errorf("process %d is known as %q, want the plugin's", e.pid, a.known[e.id])
		}
	}
	if mark := a.known[stranger.id]; mark != "" {
		t.Errorf("a stranger is known as %q", mark)
	}
}

func TestAnEndedOrphanOfARunningPluginIsCollected(t *testing.T) {
	a := adopting(t)
	p, orphan := startOrphan(t, hosttest.Dir(t), `{}`, nil)
	a.sweep() // which knows it by its mark; later there is none to be read
	kill(t, orphan)
	if a.sweep(); !gone(orphan) {
		t.Error("the ended orphan was not collected")
	}
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("Ping() = %v", err)
	}
}

func TestAnOrphanWithoutAnyMarkIsLeftAloneAndCollectedAtTheSecondLook(t *testing.T) {
	a := adopting(t)
	p, orphan := startOrphan(t, hosttest.Dir(t), `{"bare": true}`, nil)
	end(t, p)
	if a.sweep(); !alive(orphan) {
		t.Fatal("a process that shows no sign of a plugin was killed")
	}
	kill(t, orphan)
	if a.sweep(); gone(orphan) {
		t.Error("it was collected at once; somebody may have been about to")
	}
	if a.sweep(); !gone(orphan) {
		t.Error("it was not collected")
	}
}

func TestWhatWasSeenBelowAPluginIsKnownForItsOwn(t *testing.T) {
	a := adopting(t)
	dir := hosttest.Dir(t)
	p, err := Start(t.Context(), Config{
		Path: hosttest.Install(t, dir, "parent"), RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
	})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	defer p.Close() // its error is another test's
	res, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if err != nil {
		t.Fatalf("Call() = %v", err)
	}
	child, err := readEntry(int(res.Metadata["child"].(float64)))
	if err != nil {
		t.Fatal(err)
	}
	a.sweep()
	if mark := a.known[child.id]; mark != p.child.mark {
		t.Errorf("the child is known by %q, want %q", mark, p.child.mark)
	}
	end(t, p)
	hosttest.AwaitNone(t, dir)
	if a.sweep(); !gone(child.pid) {
		t.Error("the ended child was not collected")
	}
	if a.sweep(); len(a.known) > 0 {
		t.Errorf("known are %v, want nobody who is gone", a.known)
	}
}

// With a cgroup nothing is left to be killed; the status of what was is left to us.
func TestWhatDiedWithACgroupIsCollected(t *testing.T) {
	g, err := NewCgroup()
	t.Cleanup(func() { _ = g.Close() }) // its error is another test's
	a := adopting(t)
	p, orphan := startOrphan(t, hosttest.Dir(t), `{"bare": true}`, g)
	end(t, p)
	if err != nil { // no cgroups here: as without
		kill(t, orphan)
		a.sweep()
	}
	if a.sweep(); !gone(orphan) {
		t.Error("it was not collected")
	}
}

func TestChildrenThatTheHostStartedOtherwiseAreNotTouched(t *testing.T) {
	a := adopting(t)
	path := hosttest.Install(t, hosttest.Dir(t), "deaf-child")
	for _, setsid := range []bool{false, true} {
		living := exec.Cmd{Path: path, Args: []string{path}, SysProcAttr: &syscall.SysProcAttr{Setsid: setsid}}
		ended := exec.Cmd{Path: path, Args: []string{"silent"}, Env: hosttest.Env()}
		for _, cmd := range []*exec.Cmd{&living, &ended} {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Waitid(unix.P_PID, ended.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			a.sweep()
		}
		if !alive(living.Process.Pid) {
			t.Errorf("setsid %v: a child of the host's own was killed", setsid)
		}
		if err := ended.Wait(); err != nil {
			t.Errorf("setsid %v: Wait() = %v: its status was stolen", setsid, err)
		}
		_ = living.Process.Kill() // Wait says whether it was alive
		var exit *exec.ExitError
		if err := living.Wait(); !errors.As(err, &exit) {
			t.Errorf("setsid %v: Wait() = %v, want the end by a signal", setsid, err)
		}
	}
}

func TestAdoptEndsOrphansByItselfUntilItIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- Adopt(ctx, slog.New(slog.DiscardHandler)) }()
	hosttest.Eventually(t, "this process to adopt orphans", func() bool { return adopts(t) })
	if err := Adopt(ctx, slog.New(slog.DiscardHandler)); !errors.Is(err, errSearched) {
		t.Errorf("Adopt() for a second time = %v, want %v", err, errSearched)
	}
	p, orphan := startOrphan(t, hosttest.Dir(t), `{}`, nil)
	end(t, p)
	hosttest.Eventually(t, "the orphan to be gone", func() bool { return gone(orphan) })
	_, last := startOrphan(t, hosttest.Dir(t), `{}`, nil)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Adopt() = %v, want nil", err)
	}
	if !alive(last) {
		t.Error("the orphan of a plugin that runs was killed in the last search")
	}
	kill(t, last)
	collect(last)
	if adopts(t) {
		t.Error("this process adopts orphans still")
	}
	if len(kin.dead) > 0 {
		t.Errorf("the dead are remembered: %v", kin.dead)
	}
}

func adopts(t *testing.T) bool {
	t.Helper()
	var set int32
	if err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&set)), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	return set == 1
}

func TestALineOfStatIsReadFromTheLastParenthesis(t *testing.T) {
	const rest = " S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 0 0 18446744073709551615"
	want := entry{id: id{42, 12345}, comm: "a) R 1 (b", state: 'S', parent: 7, session: 9}
	if got, err := parseEntry([]byte("42 (a) R 1 (b)" + rest)); err != nil || got != want {
		t.Errorf("parseEntry() = %+v, %v, want %+v", got, err, want)
	}
	for _, line := range []string{"", "42", "42 (a", "42 (a)", "42 (a) S 7", "x (a)" + rest, ") (" + rest} {
		if got, err := parseEntry([]byte(line)); err == nil {
			t.Errorf("parseEntry(%q) = %+v, want an error", line, got)
		}
	}
}

// Whatever a process calls itself, it cannot pass for another.
func FuzzParseEntry(f *testing.F) {
	f.Add("nmap")
	f.Add("a) S 1 1 1 (b")
	f.Add("")
	f.Fuzz(func(t *testing.T, comm string) {
		const rest = ") S 7 8 9 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 12345 0"
		e, err := parseEntry([]byte("42 (" + comm + rest))
		if err != nil || e.pid != 42 || e.parent != 7 || e.session != 9 || e.born != 12345 || e.comm != comm {
			t.Errorf("parseEntry of %q = %+v, %v", comm, e, err)
		}
	})
}

func TestTheNameOfAProcessIsFoundInThePathOfItsCgroup(t *testing.T) {
	for path, want := range map[string]string{
		"/gatehouse-7/3": "3", "/a.slice/gatehouse-7.1/3/deeper": "3", "/gatehouse-7/3 (deleted)": "3",
		"/gatehouse-77/3": "", "/gatehouse-7": "", "/": "", "": "", "/gatehouse-8/gatehouse-7/4": "4",
	} {
		if got := nameInTree(path, 7); got != want {
			t.Errorf("nameInTree(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestTheOwnCgroupIsFoundWhereverItIsMounted(t *testing.T) {
	const v1 = "9:name=systemd:/\n8:pids:/a\n"
	const hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	for name, row := range map[string]struct{ cgroups, mounts, want string }{
		"version 2 alone": {"0::/a.slice/b.service\n", "35 24 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 c rw\n",
			"/sys/fs/cgroup/a.slice/b.service"},
		"both": {v1 + "0::/\n", hybrid + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"/sys/fs/cgroup/unified"},
		"a container's part": {"0::/docker/abc/sub\n", "41 31 0:38 /docker/abc /sys/fs/cgroup rw - cgroup2 c rw\n",
			"/sys/fs/cgroup/sub"},
		"another's part":      {"0::/docker/abc\n", "41 31 0:38 /docker/ab /sys/fs/cgroup rw - cgroup2 c rw\n", ""},
		"outside of our view": {"0::/../x\n", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 c rw\n", ""},
		"a blank in the path": {"0::/\n", `41 31 0:38 / /my\040groups rw - cgroup2 c rw` + "\n", "/my groups"},
		"version 1 alone":     {v1, hybrid, ""},
		"not mounted":         {"0::/\n", hybrid, ""},
		"no such line":        {"0::/\n", "41\n - cgroup2\n", ""},
	} {
		if got, err := findCgroup(row.cgroups, row.mounts); got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("%s: findCgroup() = %q, %v, want %q", name, got, err, row.want)
		}
	}
}
