//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	sysPidfdSendSignal = 424
	sysPidfdOpen       = 434

	// killRounds bounds endBranded, should something fork faster than it is killed for ever.
	killRounds = 200
)

// endBranded kills what a dead supervisor left, and waits for its death. The kernel has killed the
// program itself (PR_SET_PDEATHSIG); this finds its descendants, in whatever sessions, and programs
// with file capabilities, which lose that setting.
func endBranded(brand uint64) {
	for range killRounds {
		if killBranded(brand) == 0 {
			return
		}
	}
}

// killBranded kills every living process with the brand, and returns how many there were.
func killBranded(brand uint64) (n int) {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	mark := strconv.AppendUint(nil, brand, 10)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || !hasBrand(name, mark) {
			continue
		}
		if killIf(pid, func() bool { return hasBrand(name, mark) }) {
			n++
		}
	}
	return n
}

func hasBrand(pid string, mark []byte) bool {
	limits, err := os.ReadFile("/proc/" + pid + "/limits")
	return err == nil && bytes.Contains(limits, mark)
}

// killIf kills a process that is alive and still the one that is meant, and waits for its death.
func killIf(pid int, meant func() bool) bool {
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(pid), 0, 0)
	if errno != 0 {
		return false
	}
	defer syscall.Close(int(fd))
	if exited(int(fd), 0) || !meant() {
		return false
	}
	killPidfd(int(fd))
	exited(int(fd), time.Second)
	return true
}

func killPidfd(fd int) bool {
	_, _, errno := syscall.Syscall6(sysPidfdSendSignal, uintptr(fd), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
	return errno == 0
}

// exited waits up to d for the process of a pidfd to end, and reports whether it has.
func exited(fd int, d time.Duration) bool {
	poll := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: 1}
	limit := syscall.NsecToTimespec(int64(d))
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
			uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
		if errno != syscall.EINTR {
			return errno == 0 && n == 1
		}
	}
}
