package sandbox

import "fmt"

// capabilityNames are the capabilities of Linux by number, without CAP_.
var capabilityNames = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

const capPrefix = "CAP_"

// capSet is a set of capabilities; bit n is number n.
type capSet uint64

func (s capSet) has(n int) bool { return s>>n&1 != 0 }

// capabilityNumber gives the number of a name such as "CAP_NET_RAW".
func capabilityNumber(name string) (int, bool) {
	for n, known := range capabilityNames {
		if name == capPrefix+known {
			return n, true
		}
	}
	return 0, false
}

// parseCapabilities gives the set of the names.
func parseCapabilities(names []string) (s capSet, err error) {
	for _, name := range names {
		n, ok := capabilityNumber(name)
		if !ok {
			return 0, fmt.Errorf("there is no capability %q: give its full name, such as CAP_NET_RAW", name)
		}
		s |= 1 << n
	}
	return s, nil
}

// String gives the names, for people: "CAP_KILL CAP_NET_RAW".
func (s capSet) String() string {
	var b []byte
	for n, name := range capabilityNames {
		if s.has(n) {
			if len(b) > 0 {
				b = append(b, ' ')
			}
			b = append(append(b, capPrefix...), name...)
		}
	}
	if len(b) == 0 {
		return "none"
	}
	return string(b)
}
