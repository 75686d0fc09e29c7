//go:build amd64 || arm64

package sandbox

import (
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Numbers of the capabilities that the sandbox itself needs.
const (
	capKill     = 5
	capSetgid   = 6
	capSetuid   = 7
	capSetpcap  = 8
	capSysAdmin = 21
)

// privileges are what this process may do, as it was when somebody first asked.
type privileges struct {
	root     bool
	uid, gid uint32
	held     capSet // permitted, and so at hand
	bounding capSet // what a program can gain at all
	// inheritable is what can be handed on to a program of any user.
	inheritable capSet
}

// own gives the privileges of this process. They are read once: a process that gives some up later
// gets an error of the system from each run that needed them.
var own = sync.OnceValue(func() privileges {
	p := privileges{root: os.Geteuid() == 0, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	permitted, inheritable := capget()
	p.held = permitted
	for n := range 64 { // those too that this program has no name for
		if prctl(syscall.PR_CAPBSET_READ, uintptr(n)) == 1 {
			p.bounding |= 1 << n
		}
	}
	const noAmbientRaise = 1 << 6 // SECBIT_NO_CAP_AMBIENT_RAISE
	if bits := prctl(syscall.PR_GET_SECUREBITS, 0); bits >= 0 && bits&noAmbientRaise == 0 {
		p.inheritable = permitted & (inheritable | p.bounding)
	}
	return p
})

// Available reports whether a program that is started with this capability among its Capabilities has
// it. A name that is not one of Linux's is not available.
//
// The program has it by the inheritable and the ambient set. A process may raise there whatever is in its
// permitted set, root or not, as long as the bounding set has it too.
func Available(capability string) bool {
	n, ok := capabilityNumber(capability)
	return ok && own().inheritable.has(n)
}

// canRunAs reports whether a program can be started as another user, and be ended after.
func (p privileges) canRunAs() bool {
	return p.root && p.held.has(capSetuid) && p.held.has(capSetgid) && p.held.has(capKill)
}

// capget gives two of the sets of this thread. The others of a Go process have the same.
func capget() (permitted, inheritable capSet) {
	const version3 = 0x20080522
	header := struct {
		version uint32
		pid     int32
	}{version: version3}
	var data [2]struct{ effective, permitted, inheritable uint32 }
	_, _, errno := syscall.Syscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)),
		uintptr(unsafe.Pointer(&data)), 0)
	if errno != 0 {
		return 0, 0
	}
	return capSet(data[1].permitted)<<32 | capSet(data[0].permitted),
		capSet(data[1].inheritable)<<32 | capSet(data[0].inheritable)
}

// prctl gives the result, or -1.
func prctl(option int, argument uintptr) int {
	r, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, uintptr(option), argument, 0, 0, 0, 0)
	if errno != 0 {
		return -1
	}
	return int(r)
}
