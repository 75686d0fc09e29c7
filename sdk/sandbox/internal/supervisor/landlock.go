//go:build linux && (amd64 || arm64)

package supervisor

import (
	"syscall"
	"unsafe"
)

// The rights of Landlock that rules give. A kernel may not know the last one, and then it is not handled.
const (
	fsExecute   = 1 << 0
	fsWriteFile = 1 << 1
	fsReadFile  = 1 << 2
	fsReadDir   = 1 << 3 // of directories alone
	fsTruncate  = 1 << 14

	fsRead = fsReadFile | fsReadDir
)

// numGroups is how many kinds of rules there are.
const numGroups = 3

// access are the rights of each kind, in the order of a job.
var access = [numGroups]uint64{fsRead | fsExecute, fsRead, fsRead | fsWriteFile | fsTruncate}

// group is one kind of rules: the paths from the end of the group before it up to end.
type group struct {
	end    uintptr
	rights uint64
}

// landlockAttr is struct landlock_ruleset_attr. An older kernel takes the longer form when what it does
// not know is 0.
type landlockAttr struct{ handledFS, handledNet, scoped uint64 }

// beneath is struct landlock_path_beneath_attr, which is packed: the rights, and a descriptor.
var beneath [12]byte

// fillFiles reads the part of a job on Landlock; the paths are the next strings of rest.
func (p *plan) fillFiles(b, rest []byte) (left []byte, ok bool) {
	p.rules = landlockAttr{handledFS: get64(b), scoped: get64(b[8:])}
	total := uint32(0)
	for i := range p.groups {
		n := get32(b[16+4*i:])
		if n > maxFiles {
			return nil, false
		}
		total += n
		p.groups[i] = group{uintptr(total), access[i] & p.rules.handledFS}
	}
	return point(p.files[:], total, rest)
}

// makeRules makes the child's own ruleset. The supervisor's parent could make one and lend it to many
// jobs. But a rule is on a file and not on its name: it would be the wrong one after an upgrade has put
// another file in its place, and /proc/net is another one for each process.
//
//go:norace
//go:nocheckptr
//go:nosplit
func makeRules(p *plan) {
	if p.rules.handledFS == 0 {
		return
	}
	p.ruleset = step(StageRules, sysLandlockCreateRuleset, uintptr(unsafe.Pointer(&p.rules)),
		unsafe.Sizeof(p.rules), 0)
	i := uintptr(0)
	for g := range p.groups {
		for ; i < p.groups[g].end; i++ {
			allow(p.ruleset, p.files[i], p.groups[g].rights)
		}
	}
}

// allow adds a rule. A name that is not there, or not for us to see, is passed over: that denies more.
//
//go:norace
//go:nocheckptr
//go:nosplit
func allow(ruleset uintptr, path *byte, rights uint64) {
	const cwd, oPath, pathBeneath = ^uintptr(99), 0x200000, 1 // AT_FDCWD, O_PATH, LANDLOCK_RULE_PATH_BENEATH
	fd, _, e := syscall.RawSyscall(syscall.SYS_OPENAT, cwd, uintptr(unsafe.Pointer(path)),
		oPath|syscall.O_CLOEXEC)
	switch e {
	case 0:
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.ELOOP:
		return
	default:
		refuse(StageRules, e)
	}
	*(*uint64)(unsafe.Pointer(&beneath[0])) = rights
	*(*int32)(unsafe.Pointer(&beneath[8])) = int32(fd)
	_, _, e = syscall.RawSyscall6(sysLandlockAddRule, ruleset, pathBeneath,
		uintptr(unsafe.Pointer(&beneath)), 0, 0, 0)
	if e == syscall.EINVAL { // a file has no right that is a directory's
		*(*uint64)(unsafe.Pointer(&beneath[0])) = rights &^ fsReadDir
		_, _, e = syscall.RawSyscall6(sysLandlockAddRule, ruleset, pathBeneath,
			uintptr(unsafe.Pointer(&beneath)), 0, 0, 0)
	}
	if e != 0 {
		refuse(StageRules, e)
	}
	syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
}
