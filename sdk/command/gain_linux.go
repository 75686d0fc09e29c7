package command

import "syscall"

// hindrance says why no file can give a capability to a program that this process starts, or "". Asked is the
// kernel: what a file carries counts for nothing where it does.
func hindrance(path, capability string) string {
	const getNoNewPrivs = 39
	number, known := capabilities[capability]
	switch {
	case prctl(getNoNewPrivs, 0) == 1:
		return "the host runs under no_new_privs, where no file gives a right (systemd: " +
			"NoNewPrivileges=no, containers: not no-new-privileges)"
	case known && prctl(syscall.PR_CAPBSET_READ, uintptr(number)) == 0:
		return capability + " is not in the bounding set of the host, so that no file gives it (systemd: " +
			"CapabilityBoundingSet=, containers: --cap-add)"
	case onNosuid(path):
		return path + " lies on a file system that is mounted nosuid, where no file gives a right"
	}
	return ""
}

// prctl gives the result, or -1.
func prctl(option int, argument uintptr) int {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, uintptr(option), argument, 0, 0, 0, 0)
	if errno != 0 {
		return -1
	}
	return int(r)
}

// onNosuid says whether a file lies on a file system that is mounted nosuid.
func onNosuid(path string) bool {
	const nosuid = 2 // ST_NOSUID
	var fs syscall.Statfs_t
	return syscall.Statfs(path, &fs) == nil && fs.Flags&nosuid != 0
}
