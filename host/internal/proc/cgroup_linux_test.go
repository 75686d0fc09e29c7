package proc_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// cgroup makes a Cgroup. Where the machine allows none, it sees that a plugin starts all the same and says
// why, and there is nothing more to try.
func cgroup(t *testing.T) (g *proc.Cgroup, ok bool) {
	t.Helper()
	g, err := proc.NewCgroup()
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	if err == nil {
		return g, true
	}
	if !notHere(err) {
		t.Errorf("NewCgroup() = %v, which is no reason of this machine's", err)
	}
	p := startIn(t, g, "echo", hosttest.Dir(t))
	l := layer(t, p.Layers(), "cgroup")
	if why, _, _ := strings.Cut(l.Detail, ": what leaves"); l.Active || !strings.Contains(err.Error(), why) {
		t.Errorf("layer %+v, want it missing because %v", l, err)
	}
	t.Logf("only the reason was tried: %v", err)
	return g, false
}

// notHere reports whether the machine, or the container, is why there is no cgroup.
func notHere(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) ||
		strings.Contains(err.Error(), "version 2") || strings.Contains(err.Error(), "outside")
}

func startIn(t *testing.T, g *proc.Cgroup, name, dir string) *proc.Process {
	t.Helper()
	p, err := proc.Start(t.Context(), proc.Config{
		Path: hosttest.Install(t, dir, name), RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(), Cgroup: g,
		Confine: proc.Confinement{Landlock: proc.LandlockAuto}, // the cgroup must be ended from outside of that
	})
	if err != nil {
		t.Fatalf("Start(%s) = %v", name, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return p
}

// cgroupOf is the path of a process's cgroup.
func cgroupOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path)
		}
	}
	t.Fatalf("process %d is in no cgroup of version 2", pid)
	return ""
}

func TestWhatAPluginStartedEndsWithItsCgroup(t *testing.T) {
	g, ok := cgroup(t)
	if !ok {
		return
	}
	dir := hosttest.Dir(t)
	p := startIn(t, g, "orphan", dir)
	if l := layer(t, p.Layers(), "cgroup"); !l.Active {
		t.Errorf("layer %+v, want it in force", l)
	}
	own := cgroupOf(t, p.Pid())
	if want := fmt.Sprintf("/gatehouse-%d", os.Getpid()); !strings.Contains(filepath.Dir(own), want) {
		t.Errorf("the plugin is in %s, want a cgroup below %s", own, want)
	}
	args := []byte(`{"bare": true}`)
	res, err := p.Call(t.Context(), tool.Request{Arguments: args}, func(tool.Event) {})
	if err != nil {
		t.Fatalf("Call() = %v", err)
	}
	orphan := int(res.Metadata["orphan"].(float64))
	if got := cgroupOf(t, orphan); got != own {
		t.Errorf("the orphan is in %s, want %s", got, own)
	}
	if err := p.Kill(); err != nil {
		t.Fatalf("Kill() = %v", err)
	}
	<-p.Done()
	if left := hosttest.Running(t, dir); len(left) > 0 {
		t.Errorf("processes %v live on when the plugin is done", left)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*" + own); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestTheCgroupsOfADeadHostAreSwept(t *testing.T) {
	if _, ok := cgroup(t); !ok {
		return
	}
	dir := hosttest.Dir(t)
	r, kill := startHost(t, order{
		Path: hosttest.Install(t, dir, "orphan"), RuntimeDir: hosttest.RuntimeDir(t), Cgroup: true,
	}, nil)
	if r.Error != "" {
		t.Fatalf("report of the host: %s", r.Error)
	}
	orphan := int(r.Metadata["orphan"].(float64))
	tree := filepath.Dir(cgroupOf(t, orphan))
	// Another one sweeps, and must leave what is a living host's.
	if _, ok := cgroup(t); !ok || !exists(orphan) || !exists(r.Pid) {
		t.Fatalf("there is no cgroup any more, or the processes %d and %d of a living host are gone", orphan, r.Pid)
	}
	kill()
	hosttest.Eventually(t, "the plugin to die with its host", func() bool {
		return len(hosttest.Running(t, dir)) == 1 // the orphan
	})
	if _, ok := cgroup(t); !ok {
		t.Error("there is no cgroup any more")
	}
	if left := hosttest.Running(t, dir); len(left) > 0 {
		t.Errorf("processes %v of a dead host live on", left)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*" + tree); len(left) > 0 {
		t.Errorf("%v of a dead host is left", left)
	}
}
