package fleet

import "golang.org/x/sys/unix"

// capabilities are those that tools may need, by their number in linux/capability.h.
var capabilities = map[string]uintptr{
	"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
	"CAP_NET_ADMIN":        unix.CAP_NET_ADMIN,
	"CAP_NET_RAW":          unix.CAP_NET_RAW,
	"CAP_SYS_PTRACE":       unix.CAP_SYS_PTRACE,
	"CAP_BPF":              unix.CAP_BPF,
	"CAP_PERFMON":          unix.CAP_PERFMON,
}

// ambient reports whether this process hands a capability on to what it starts. One that is not known here
// counts as not handed on.
func ambient(capability string) bool {
	number, known := capabilities[capability]
	if !known {
		return false
	}
	set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, number, 0, 0)
	return err == nil && set == 1
}
