//go:build linux && (amd64 || arm64)

package supervisor

import (
	"syscall"
	"unsafe"
)

// capabilities is what capset takes, and the sets around it.
type capabilities struct {
	header struct {
		version uint32
		pid     int32 // 0: the caller
	}
	sets     [2]struct{ effective, permitted, inheritable uint32 }
	wanted   uint64
	bounding uint64 // to be dropped from the bounding set
}

// fillUser reads the part of a job on user and capabilities.
func (p *plan) fillUser(flags byte, b []byte) {
	const version3 = 0x20080522
	c := &p.caps
	c.header.version = version3
	c.wanted, c.bounding = get64(b), get64(b[8:])
	for i := range c.sets {
		half := uint32(c.wanted >> (32 * i))
		c.sets[i].effective, c.sets[i].permitted, c.sets[i].inheritable = half, half, half
	}
	p.user.set = flags&flagUser != 0
	p.user.uid, p.user.gid = uintptr(get32(b[16:])), uintptr(get32(b[20:]))
}

// changeUser becomes another user. The capabilities of root stay at hand for setCapabilities; what comes
// from the bounding set must go while they are in effect. These calls are of the one thread there is:
// the wrappers of package syscall would ask the runtime for the others.
//
//go:norace
//go:nocheckptr
//go:nosplit
func changeUser(p *plan) {
	for n := uintptr(0); n < 64; n++ {
		if p.caps.bounding>>n&1 != 0 {
			step(StageBounding, syscall.SYS_PRCTL, prCapbsetDrop, n, 0)
		}
	}
	if !p.user.set {
		return
	}
	step(StageUser, syscall.SYS_PRCTL, prSetKeepcaps, 1, 0)
	step(StageUser, syscall.SYS_SETGROUPS, 0, 0, 0)
	step(StageUser, syscall.SYS_SETRESGID, p.user.gid, p.user.gid, p.user.gid)
	step(StageUser, syscall.SYS_SETRESUID, p.user.uid, p.user.uid, p.user.uid)
}

// setCapabilities gives up all but the wanted ones, and has exec hand these on: the ambient set does, to a
// program of any user.
//
//go:norace
//go:nocheckptr
//go:nosplit
func setCapabilities(p *plan) {
	const ambientRaise, ambientClearAll = 2, 4
	step(StageCapabilities, syscall.SYS_PRCTL, prCapAmbient, ambientClearAll, 0)
	step(StageCapabilities, syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&p.caps.header)),
		uintptr(unsafe.Pointer(&p.caps.sets)), 0)
	for n := uintptr(0); n < 64; n++ {
		if p.caps.wanted>>n&1 != 0 {
			step(StageCapabilities, syscall.SYS_PRCTL, prCapAmbient, ambientRaise, n)
		}
	}
}
