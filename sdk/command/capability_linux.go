package command

import (
	"encoding/binary"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

// capabilities are those that a network tool may want, name -> number in capabilities(7).
var capabilities = map[string]uint{
	"CAP_NET_BIND_SERVICE": 10, "CAP_NET_BROADCAST": 11, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13,
	"CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_BPF": 39,
}

// byFile says whether a program gets a capability from its own file.
func byFile(path, capability string) bool {
	number, known := capabilities[capability]
	if !known {
		return false
	}
	raw := make([]byte, 64)
	n, err := syscall.Getxattr(path, "security.capability", raw)
	return err == nil && slices.Contains(permitted(raw[:n]), number)
}

// permitted reads the permitted set of a security.capability attribute: a word of revision and flags, then
// pairs of permitted and inheritable words, lowest first, all little-endian (linux/capability.h).
func permitted(raw []byte) []uint {
	var set []uint
	for pair := 0; pair < 2 && len(raw) >= 4+8*(pair+1); pair++ {
		word := binary.LittleEndian.Uint32(raw[4+8*pair:])
		for bit := range uint(32) {
			if word&(1<<bit) != 0 {
				set = append(set, uint(32*pair)+bit)
			}
		}
	}
	return set
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), modified: info.ModTime(), changed: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.changed = time.Unix(sys.Ctim.Unix())
		s.device, s.ino = uint64(sys.Dev), sys.Ino
	}
	return s
}
