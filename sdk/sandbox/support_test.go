//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	gocontext "context"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// patience bounds the wait for an event that must come.
const patience = 30 * time.Second

// nobody is a user, and a group, without rights.
const nobody = 65534

func context() gocontext.Context { return gocontext.Background() }

// roomy is for tools written in Go: the runtime reserves more address space than 512 MiB, and the race
// detector very much more.
func roomy() sandbox.Limits {
	l := sandbox.DefaultLimits()
	l.AddressSpace = sandbox.Unlimited
	return l
}

func newPool(t testing.TB) *sandbox.Pool {
	t.Helper()
	p := sandbox.New(sandbox.Config{Dir: t.TempDir()})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// inBothModes runs test with supervisors in PID namespaces of their own, where this machine and user allow
// it, and without.
func inBothModes(t *testing.T, test func(t *testing.T, p *sandbox.Pool)) {
	t.Run("by default", func(t *testing.T) { test(t, newPool(t)) })
	t.Run("without a PID namespace", func(t *testing.T) {
		p := newPool(t)
		sandbox.Shared(p)
		test(t, p)
	})
}

func newMark(t testing.TB) string {
	t.Helper()
	var b [8]byte
	_, _ = rand.Read(b[:])
	mark := "mark=" + hex.EncodeToString(b[:])
	t.Cleanup(func() {
		for _, pid := range alive(mark) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // of a failed test
		}
	})
	return mark
}

// tool is a command that runs the test binary as a tool.
func tool(t testing.TB, args ...string) sandbox.Command {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args[0] = "tool=" + args[0]
	return sandbox.Command{Path: exe, Args: args, Limits: roomy(), Deadline: time.Now().Add(patience)}
}

// lines collects output, and tells when a given number of lines is there.
type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	want int
	full chan struct{} // closed when want lines are there
}

func wantLines(n int) *lines { return &lines{want: n, full: make(chan struct{})} }

func (l *lines) add(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := bytes.Count(l.buf.Bytes(), []byte("\n"))
	l.buf.Write(b)
	if before < l.want && bytes.Count(l.buf.Bytes(), []byte("\n")) >= l.want {
		close(l.full)
	}
}

func (l *lines) Write(b []byte) (int, error) { l.add(b); return len(b), nil }

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) wait(t testing.TB) {
	t.Helper()
	select {
	case <-l.full:
	case <-time.After(patience):
		t.Fatalf("no %d lines after %v, only %q", l.want, patience, l.text())
	}
}

// pids gives the numbers in the line that starts with word.
func (l *lines) pids(t testing.TB, word string) (list []int) {
	t.Helper()
	for line := range strings.Lines(l.text()) {
		fields := strings.Fields(line)
		if fields[0] != word {
			continue
		}
		for _, f := range fields[1:] {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, n)
		}
	}
	return list
}

// run runs c and collects its stdout.
func run(t testing.TB, p *sandbox.Pool, c sandbox.Command) (sandbox.Outcome, string) {
	t.Helper()
	l := wantLines(1)
	c.Stdout = l.add
	errs := wantLines(1)
	c.Stderr = errs.add
	out, err := p.Run(context(), c)
	if err != nil {
		t.Fatalf("Run(%q) = %v", c.Args, err)
	}
	if s := errs.text(); s != "" {
		t.Logf("stderr: %s", s)
	}
	return out, l.text()
}

// alive finds the living processes that have mark in their command lines.
func alive(mark string) (list []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline") // empty for a zombie
		if err == nil && bytes.Contains(line, []byte(mark)) {
			list = append(list, pid)
		}
	}
	return list
}

func wantNone(t testing.TB, mark string) {
	t.Helper()
	if list := alive(mark); len(list) > 0 {
		t.Errorf("still alive: %v", list)
	}
}

// watcher waits for the death of processes that are not children.
type watcher []int // pidfds

func watch(t testing.TB, pids []int) watcher {
	t.Helper()
	var w watcher
	for _, pid := range pids {
		fd, _, errno := syscall.Syscall(434, uintptr(pid), 0, 0)
		if errno != 0 {
			t.Fatalf("pidfd_open(%d): %v", pid, errno)
		}
		w = append(w, int(fd))
		t.Cleanup(func() { _ = syscall.Close(int(fd)) })
	}
	return w
}

func (w watcher) wantDead(t testing.TB) {
	t.Helper()
	for _, fd := range w {
		poll := struct {
			fd              int32
			events, revents int16
		}{fd: int32(fd), events: 1}
		limit := syscall.NsecToTimespec(int64(patience))
		for {
			n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
				uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
			if errno == syscall.EINTR {
				continue
			}
			if n != 1 {
				t.Errorf("a process is alive after %v", patience)
				w.kill()
				return
			}
			break
		}
	}
}

// kill ends what a test that failed would leave behind.
func (w watcher) kill() {
	for _, fd := range w {
		_, _, _ = syscall.Syscall6(424, uintptr(fd), uintptr(syscall.SIGKILL), 0, 0, 0, 0) // pidfd_send_signal
	}
}

// rss is the memory of this process: now, or its peak.
func rss(t testing.TB, field string) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			var kib int
			if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s", field)
	return 0
}
