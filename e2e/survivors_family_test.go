package e2e

import (
	"bytes"
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

// relative is a process that must come to an end. Its descriptor means this one, whoever has the pid later.
type relative struct {
	pid, fd int
}

// family is a set of processes.
type family []relative

// familyOf holds on to processes; one that is gone already is left out.
func familyOf(t *testing.T, pids ...int) (f family) {
	t.Helper()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatalf("pidfd_open of %d: %v", pid, err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		f = append(f, relative{pid, fd})
	}
	return f
}

// alive waits for the end of all until a moment, and returns those that have not come to it.
func (f family) alive(t *testing.T, late time.Time) (left family) {
	t.Helper()
	for _, r := range f {
		if !r.ends(t, late) {
			left = append(left, r)
		}
	}
	return left
}

// ends waits for one. When it is late already it only looks.
func (r relative) ends(t *testing.T, late time.Time) bool {
	t.Helper()
	for {
		wait := max(time.Until(late), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			t.Fatalf("poll of process %d: %v", r.pid, err)
		default:
			return n == 1
		}
	}
}

// kill is for those that a test has found alive.
func (f family) kill() {
	for _, r := range f {
		_ = unix.PidfdSendSignal(r.fd, unix.SIGKILL, nil, 0) // it may be gone by now
	}
}

// String is a tree, with a line for each process as it is now.
func (f family) String() string {
	below := make(map[int][]int) // pid -> children, 0 -> who has no parent here
	for _, r := range f {
		_, parent := stat(r.pid)
		if !slices.ContainsFunc(f, func(r relative) bool { return r.pid == parent }) {
			parent = 0
		}
		below[parent] = append(below[parent], r.pid)
	}
	var b strings.Builder
	var write func(pid int, indent string)
	write = func(pid int, indent string) {
		for _, child := range below[pid] {
			state, parent := stat(child)
			words := strings.Join(argv(child), " ")
			fmt.Fprintf(&b, "%s%d (%s, child of %d) %s", indent, child, state, parent, words)
			write(child, indent+"  ")
		}
	}
	write(0, "\n    ")
	return b.String()
}

// argv is that of a process, and empty for one that is dead.
func argv(pid int) []string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may be gone
	if len(raw) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
}

// dead is the state of a process that nobody has waited for yet.
const dead = "Z"

// stat is what the kernel says of a process; "" and 0 of none.
func stat(pid int) (state string, parent int) {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may be gone
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(string(fields[1])) // a number
	return string(fields[0]), parent
}

// namespaced reports whether a process is in another PID namespace than this one: then it has two numbers.
func namespaced(pid int) bool {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may be gone
	_, rest, _ := strings.Cut(string(raw), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	return len(strings.Fields(line)) > 1
}

// descendants are the pids below a process.
func descendants(t *testing.T, pid int) (pids []int) {
	t.Helper()
	for _, child := range children(t, pid) {
		pids = append(append(pids, child), descendants(t, child)...)
	}
	return pids
}

// marked are the pids of all living processes that have a mark in their argv.
func marked(t *testing.T, mark int) (pids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err == nil && slices.Contains(argv(pid), strconv.Itoa(mark)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// strayInPlace is the name of a process of the stray program that has done what it was told.
const strayInPlace = "stray-in-place\n"

func onItsWay(pid int) bool {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // it may be gone
	return string(name) != strayInPlace
}
