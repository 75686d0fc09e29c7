//go:build amd64 || arm64

package sandbox

import (
	"fmt"
	"os"
	"syscall"
)

// Layers says what protects this machine from a program, and what does not. A layer that a command asks for,
// such as NoNewPrivileges, is active when a command that asks for it has it. The first call may take some
// milliseconds: it tries what cannot be asked.
func Layers() []Layer {
	pidfd, p := hasPidfd(), own()
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
			"on request of a command: set-user-ID bits and file capabilities give a program nothing"},
		landlockLayer(landlockABI()),
		userLayer(p),
		capabilityLayer(p),
		namespaceLayer(namespaces()),
		{"cgroup", false, "not used: memory is limited for each process, not for all of a program's"},
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

func landlockLayer(abi int) Layer {
	if abi == 0 {
		return Layer{"landlock", false, "the kernel does not have it, or has it switched off: " +
			"a program sees all files that its user may see"}
	}
	covers := "a program sees the files of its command alone, and makes, changes and removes none"
	switch {
	case abi < 3:
		covers += "; this ABI cannot keep it from truncating a file that it may open"
	case abi < 5:
		covers += "; this ABI knows nothing of ioctl on devices"
	case abi >= 6:
		covers += "; it reaches no abstract socket, and signals no process, but its own"
	}
	return Layer{"landlock", true, fmt.Sprintf("on request of a command, ABI %d: %s. "+
		"It does not cover the network, nor chmod, stat and the like", abi, covers)}
}

func userLayer(p privileges) Layer {
	switch {
	case p.canRunAs():
		return Layer{"own user", true, "on request of a command: programs run as another user"}
	case p.root:
		return Layer{"own user", false, "programs run as root: " +
			"this process has not all of CAP_SETUID, CAP_SETGID and CAP_KILL"}
	}
	return Layer{"own user", false, fmt.Sprintf("programs run as the user of this process, number %d", p.uid)}
}

func capabilityLayer(p privileges) Layer {
	const named = "programs have those that their commands name, "
	detail := named + "of " + p.inheritable.String()
	switch p.inheritable {
	case 0:
		detail = "programs have none: this process can hand on none"
	case p.bounding:
		detail = named + "and no others of root's"
	}
	if p.root && p.bounding != 0 && !p.held.has(capSetpcap) {
		detail += "; without CAP_SETPCAP the bounding set stays, and no new privileges holds the rest"
	}
	return Layer{"capabilities", true, detail}
}

func namespaceLayer(reason error) Layer {
	const name = "PID namespace"
	if reason != nil {
		return Layer{name, false, fmt.Sprintf("%v: programs see, and could signal, other processes of "+
			"their user; the supervisor and the survivor search end what they start", reason)}
	}
	return Layer{name, true, "programs of one supervisor have one: they can signal nothing outside, " +
		"and the kernel kills all of it with the supervisor"}
}

func orElse(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}
