//go:build amd64 || arm64

package sandbox

import (
	"fmt"
	"os"
	"syscall"
)

// Layers says what protects this machine from a program, and what does not.
func Layers() []Layer {
	pidfd := hasPidfd()
	return []Layer{
		{"supervisor", pidfd, orElse(pidfd,
			"adopts and ends every descendant, also when this process is killed",
			"needs pidfd_open: Linux 5.3, and a seccomp filter that allows it. Nothing will run")},
		{"resource limits", pidfd,
			"core, file growth, open files, CPU time, address space, before the first instruction"},
		{"clean start", pidfd,
			"own session, fixed environment, empty stdin and directory, no inherited descriptors"},
		{"survivor search", hasBrands(), "finds by an inherited mark what a killed supervisor leaves"},
		{"no new privileges", true,
			"on request of a command: it takes file capabilities from tools that need them"},
		landlockLayer(),
		{"own user", false, "programs run as the user of this process"},
		{"PID namespace", false, "not used yet"},
		{"cgroup", false, "not used yet: memory is limited for each process, not for the tree"},
	}
}

func hasPidfd() bool {
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(os.Getpid()), 0, 0)
	if errno == 0 {
		_ = syscall.Close(int(fd))
	}
	return errno == 0
}

// hasBrands reports whether a mark can be set as a limit, and read again.
func hasBrands() bool {
	const rttime = 15
	var limit syscall.Rlimit
	if syscall.Getrlimit(rttime, &limit) != nil || limit.Max < 1<<61 {
		return false
	}
	_, err := os.ReadFile("/proc/self/limits")
	return err == nil
}

func landlockLayer() Layer {
	const sysLandlockCreateRuleset, version = 444, 1
	abi, _, errno := syscall.Syscall(sysLandlockCreateRuleset, 0, 0, version)
	if errno != 0 {
		return Layer{"landlock", false, "the kernel does not have it"}
	}
	return Layer{"landlock", false, fmt.Sprintf("the kernel has ABI %d; not used yet", abi)}
}

func orElse(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
