package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// call is one of a kind, whose processes are in their places.
type call struct {
	kind
	mark     int
	strays   family
	answered chan string // holds at most one; closed by nobody
}

// scene is a host whose one plugin has calls.
type scene struct {
	host   *host
	tmp    string // the host's directory for temporary files
	plugin int    // pid
	calls  []call
	called time.Time          // when the last call began
	cancel context.CancelFunc // the callers go away
}

// play starts a host and the calls.
func play(t *testing.T, kinds []kind, e ending) *scene {
	t.Helper()
	s := &scene{tmp: shortTemp(t)}
	s.host = serve(t, "lab", "TMPDIR="+s.tmp, "MCP_SERVER_SHUTDOWN_GRACE_PERIOD=0",
		"MCP_PLUGINS_LANDLOCK=off", // the program that strays is none of the system's
		"MCP_MAX_MEMORY_MB=4096")   // the address space that a Go program reserves
	s.plugin = pluginOf(t, s.host)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	var callers sync.WaitGroup
	t.Cleanup(callers.Wait)
	t.Cleanup(s.cancel)
	for _, k := range kinds {
		c := call{kind: k, mark: nextMark(), answered: make(chan string, 1)}
		t.Cleanup(func() { familyOf(t, marked(t, c.mark)...).kill() })
		s.calls = append(s.calls, c)
		callers.Go(func() {
			path := "/tools/" + c.tool + "/execute"
			status, body, err := s.host.do(ctx, http.MethodPost, path, c.call(c.mark, e))
			c.answered <- fmt.Sprintf("%d, %v: %s", status, err, body)
		})
	}
	s.called = time.Now()
	for i := range s.calls {
		s.calls[i].settle(t)
	}
	return s
}

// pluginOf is the pid of a host's one plugin.
func pluginOf(t *testing.T, h *host) int {
	t.Helper()
	for _, pid := range descendants(t, h.cmd.Process.Pid) {
		if words := argv(pid); len(words) > 0 && words[0] == filepath.Join(bin, "lab", "lab") {
			return pid
		}
	}
	t.Fatalf("no plugin among the host's processes:%s", familyOf(t, descendants(t, h.cmd.Process.Pid)...))
	return 0
}

// settle waits until all processes of a call are in their places, and holds on to them.
func (c *call) settle(t *testing.T) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond) // the kernel tells nobody of another's exec
	defer tick.Stop()
	for {
		pids := marked(t, c.mark)
		if len(pids) == c.processes && !slices.ContainsFunc(pids, onItsWay) {
			c.strays = familyOf(t, pids...)
			return
		}
		select {
		case <-tick.C:
		case answer := <-c.answered:
			t.Fatalf("%s: the call ended before its processes were in their places: %s", c.name, answer)
		case <-late:
			t.Fatalf("%s: %d processes, want %d in their places:%s", c.name, len(pids), c.processes,
				familyOf(t, pids...))
		}
	}
}

// shortTemp makes a directory for a host: the path of a socket in it must be short.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "gh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // the test has looked at what is there
	return dir
}

// own are the processes of host and plugin that an ending takes along, without those of the tools.
func (s *scene) own(t *testing.T, r reach) family {
	t.Helper()
	root := s.plugin
	switch r {
	case theCall:
		return nil
	case theHost:
		root = s.host.cmd.Process.Pid
	}
	return familyOf(t, slices.DeleteFunc(append(descendants(t, root), root), s.isStray)...)
}

func (s *scene) isStray(pid int) bool {
	return slices.ContainsFunc(s.calls, func(c call) bool {
		return slices.ContainsFunc(c.strays, func(r relative) bool { return r.pid == pid })
	})
}

// buried sees that the host, which lives on, waits for its children, and for orphans that it has adopted.
func (s *scene) buried(t *testing.T, e ending) {
	t.Helper()
	isDead := func(pid int) bool { state, _ := stat(pid); return state == dead }
	late := time.After(promised)
	tick := time.NewTicker(10 * time.Millisecond) // the kernel tells nobody of a wait
	defer tick.Stop()
	for slices.ContainsFunc(children(t, s.host.cmd.Process.Pid), isDead) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: after %v the host has dead children that it does not wait for", e.name, promised)
		}
	}
}

// noSocket sees that no socket file is left; and nothing at all, of a host that was asked to end. A plugin that
// is started again has one until the host has connected to it.
func (s *scene) noSocket(t *testing.T, e ending, late time.Time) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond) // nobody tells of files that go
	defer tick.Stop()
	for left := sockets(t, s.tmp); len(left) > 0; left = sockets(t, s.tmp) {
		if time.Now().After(late) {
			t.Fatalf("%s: the sockets %q are left", e.name, left)
		}
		<-tick.C
	}
	if left := names(t, s.tmp); e.name == hostSIGTERM.name && len(left) > 0 {
		t.Errorf("%s: %q are left in %s, want nothing", e.name, left, s.tmp)
	}
}

// sockets are the socket files below a directory.
func sockets(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed while we look
		}
		if err == nil && d.Type() == fs.ModeSocket {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// names are what lies in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// withoutNamespaces has everything that this test starts do without CAP_SYS_ADMIN, and so without PID
// namespaces. It is this thread that gives it up, and the thread ends with the test.
func withoutNamespaces(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0)
	if err != nil && !errors.Is(err, unix.EPERM) { // who may not give it up does not have it, mostly
		t.Fatal(err)
	}
}
