package plugintest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sees says whether processes can be looked at here.
const sees = true

// process is one process, and no other that gets its number later.
type process struct {
	pid  int
	born uint64 // clock ticks after boot
}

// status is what /proc/PID/stat says of a process.
type status struct {
	process
	comm   string
	state  byte
	parent int
}

// dead reports whether the process has ended and waits to be collected, or is about to.
func (s status) dead() bool { return s.state == 'Z' || s.state == 'X' }

// processes are all of this machine, by number.
func processes() (map[int]status, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // only read
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	table := make(map[int]status, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended meanwhile
		}
		if s, err := parseStatus(text); err == nil {
			table[pid] = s
		}
	}
	return table, nil
}

var errStat = errors.New("not a line of /proc/PID/stat")

// parseStatus reads "pid (comm) state ppid ... starttime ...", see proc(5). The name is whatever the
// process likes.
func parseStatus(text []byte) (status, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return status{}, errStat
	}
	fields := strings.Fields(string(text[end+1:])) // state is the third of the line
	if len(fields) < 20 {
		return status{}, errStat
	}
	s := status{comm: string(text[open+1 : end]), state: fields[0][0]}
	var errs [3]error
	s.pid, errs[0] = strconv.Atoi(string(bytes.TrimSpace(text[:open])))
	s.parent, errs[1] = strconv.Atoi(fields[1])
	s.born, errs[2] = strconv.ParseUint(fields[19], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return status{}, errStat
	}
	return s, nil
}

// residentMemory is how many bytes of memory a process holds; 0: it has ended.
func residentMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64) // 0 of what is no number
	return pages * int64(os.Getpagesize())
}

// ticks is how many clock ticks of /proc/PID/stat are a second, on every machine that Go runs on.
const ticks = 100

// processorTime is how long a process was on a processor; 0: it has ended.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64) // 0 of what is no number
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks
}

// maxEnviron bounds what is read of an environment, which may be as large as the stack.
const maxEnviron = 1 << 20

// environment is that with which a process was executed.
func environment(pid int) (string, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	text := make([]byte, maxEnviron)
	n, err := f.Read(text)
	if err != nil && n == 0 {
		return "", nil // a process without any, or one that has ended
	}
	return string(text[:n]), nil
}

// executable is the file that a process runs, as a link of the kernel's names it, and its command line.
func executable(pid int) (file, line string) {
	file, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return file, strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}

// descriptor names what stands behind a descriptor of a process; "": nothing, or it is not for us to see.
func descriptor(pid, fd int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	return name
}

// sockets are the sockets that a process has open.
func sockets(pid int) map[string]bool {
	open := make(map[string]bool)
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(dir)
	if err != nil {
		return open // it has ended
	}
	for _, name := range names {
		if to, err := os.Readlink(dir + "/" + name.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			open[to] = true
		}
	}
	return open
}

// adopts has orphans of this process's descendants become its children, or no longer.
func adopts(yes bool) error {
	on := uintptr(0)
	if yes {
		on = 1
	}
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, on, 0, 0, 0)
}

// collect waits for a child that has ended and that nobody else waits for.
func collect(pid int) {
	_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // another has waited for it
}

// ownSession gives a process a session of its own, and has the kernel kill it when the tester dies.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
