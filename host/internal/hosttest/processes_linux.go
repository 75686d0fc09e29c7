package hosttest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Running are the ids of the processes whose executable lies in dir. Those that have ended and wait to be
// collected do not count.
func Running(t testing.TB, dir string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatalf("list processes: %v", err)
	}
	var pids []int
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(exe, dir+"/") {
			continue // ended meanwhile, or somebody else's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			t.Fatalf("process id in %s: %v", link, err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// AwaitNone fails unless all processes of dir end in time: within three seconds, which is the promise of the
// design.
func AwaitNone(t testing.TB, dir string) {
	t.Helper()
	const promised = 3 * time.Second
	end := time.Now().Add(promised)
	for _, pid := range Running(t, dir) {
		if !ends(t, pid, time.Until(end)) {
			t.Errorf("process %d of %s is alive %s after its owner ended", pid, dir, promised)
		}
	}
	left := Running(t, dir)
	for _, pid := range left {
		_ = unix.Kill(pid, unix.SIGKILL) // a failed test shall not leave it to the next
	}
	if len(left) > 0 {
		t.Errorf("processes %v of %s are left", left, dir)
	}
}

// Freeze stops a process as SIGSTOP does, and returns when the last of its threads stands still: until then
// it might answer.
func Freeze(t testing.TB, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatalf("stop process %d: %v", pid, err)
	}
	Eventually(t, "all threads to stop", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return err == nil && len(threads) > 0 && !slices.ContainsFunc(threads, runs)
	})
}

// runs reads a thread's stat, where the state is the letter after the name in parentheses; T is stopped.
func runs(stat string) bool {
	text, err := os.ReadFile(stat)
	if err != nil {
		return false // the thread has ended
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "T")
}

// ends waits for the end of a process that need not be a child.
func ends(t testing.TB, pid int, limit time.Duration) bool {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return true
	}
	if err != nil {
		t.Fatalf("watch process %d: %v", pid, err)
	}
	defer unix.Close(fd) // only waited on
	for end := time.Now().Add(limit); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}},
			int(max(time.Until(end).Milliseconds(), 0)))
		if !errors.Is(err, unix.EINTR) {
			return n == 1
		}
	}
}
