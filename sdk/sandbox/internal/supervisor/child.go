//go:build linux && (amd64 || arm64)

package supervisor

import (
	"syscall"
	"unsafe"
)

// plan is a decoded job in the form that the child needs: pointers into the packet, and numbers.
type plan struct {
	argv   [maxStrings + 1]*byte
	env    [maxStrings + 1]*byte
	files  [maxFiles + 1]*byte
	groups [numGroups]group // of files
	rules  landlockAttr
	caps   capabilities
	user   struct {
		set      bool
		uid, gid uintptr
	}
	fds    int // how many descriptors come with the job
	stdout uintptr
	stderr uintptr
	report uintptr // 0: none
	parent uintptr // pid of the supervisor
	number int32   // what the tool's pid shall be; 0: any
	limits [6]limit
	brand  rlimit // of RLIMIT_RTTIME, see setBrand
	nnp    bool

	ruleset uintptr // the child's descriptor
}

// limit is one call of prlimit64, in the order of plan.limits.
type limit struct {
	stage    Stage
	set      bool
	resource uintptr
	value    rlimit
}

// rlimit is struct rlimit64.
type rlimit struct{ soft, hard uint64 }

const (
	rlimitNproc  = 6  // not in syscall
	rlimitRttime = 15 // not in syscall

	prSetPdeathsig  = 1
	prSetDumpable   = 4
	prSetKeepcaps   = 8
	prSetName       = 15
	prCapbsetDrop   = 24
	prSetSubreaper  = 36
	prSetNoNewPrivs = 38
	prCapAmbient    = 47

	sysPidfdSendSignal       = 424
	sysPidfdOpen             = 434
	sysClone3                = 435
	sysCloseRange            = 436
	sysLandlockCreateRuleset = 444
	sysLandlockAddRule       = 445
	sysLandlockRestrictSelf  = 446

	clonePidfd        = 0x1000
	closeRangeCloexec = 4
	lastSignal        = 64
	sigsetSize        = 8

	exitRefused = 125
)

var (
	devNull = [...]byte{'/', 'd', 'e', 'v', '/', 'n', 'u', 'l', 'l', 0}

	// zeros is a struct sigaction with SIG_DFL, and an empty signal set.
	zeros [64]byte

	// failure is one page shared with the child: where it got stuck, and why. A pipe that closes at
	// exec would tell the same for five system calls more.
	failure *struct{ stage, errno uint32 }
)

// fill takes a packet apart into p; it reports whether the packet was a proper job.
func (p *plan) fill(packet []byte) bool {
	if len(packet) < atStrings || packet[0] != KindJob || packet[len(packet)-1] != 0 {
		return false
	}
	argc, envc := get32(packet[atArgc:]), get32(packet[atEnvc:])
	rest, ok := point(p.argv[:], argc, packet[atStrings:])
	if !ok || argc == 0 {
		return false
	}
	rest, ok = point(p.env[:], envc, rest)
	if !ok {
		return false
	}
	rest, ok = p.fillFiles(packet[atHandled:atStrings], rest)
	if !ok || len(rest) != 0 {
		return false
	}
	p.fillUser(packet[atFlags], packet[atCaps:atHandled])
	p.nnp = packet[atFlags]&flagNoNewPrivs != 0
	p.fds = 2
	if packet[atFlags]&flagReport != 0 {
		p.fds = 3
	}
	p.fillLimits(packet[atLimits:atStrings])
	return true
}

// fillLimits keeps the limit on address space last: from there on nothing but exec may follow in a
// child that still has all of the Go runtime's reservations.
func (p *plan) fillLimits(b []byte) {
	p.limits[0] = limit{StageCore, true, syscall.RLIMIT_CORE, rlimit{0, 0}}
	p.limits[1] = hard(StageFileSize, syscall.RLIMIT_FSIZE, get64(b))
	p.limits[2] = hard(StageProcesses, rlimitNproc, get64(b[8:]))
	p.limits[3] = hard(StageOpenFiles, syscall.RLIMIT_NOFILE, get64(b[16:]))
	p.limits[4] = hard(StageCPU, syscall.RLIMIT_CPU, get64(b[24:]))
	if p.limits[4].set {
		p.limits[4].value.hard++
	}
	p.limits[5] = hard(StageAddressSpace, syscall.RLIMIT_AS, get64(b[32:]))
}

func hard(s Stage, resource uintptr, v uint64) limit {
	return limit{s, v != NotSet, resource, rlimit{v, v}}
}

// point sets the first n of list to the n NUL-terminated strings at the start of b, ends it with nil,
// and returns what follows them.
func point(list []*byte, n uint32, b []byte) ([]byte, bool) {
	if n >= uint32(len(list)) {
		return nil, false
	}
	for i := range n {
		end := 0
		for end < len(b) && b[end] != 0 {
			end++
		}
		if end == len(b) {
			return nil, false
		}
		list[i] = &b[0]
		b = b[end+1:]
	}
	list[n] = nil
	return b, true
}

// fork makes the child. It is a fork with an address space of its own, not a vfork: a child that is
// stuck in exec (a dead file server) must not stop the supervisor from obeying its parent.
//
//go:norace
//go:nocheckptr
//go:nosplit
//go:noinline
func fork(p *plan, pidfd *int32) (int, syscall.Errno) {
	var pid uintptr
	var errno syscall.Errno
	if p.number == 0 {
		pid, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE,
			uintptr(syscall.SIGCHLD)|clonePidfd, 0, uintptr(unsafe.Pointer(pidfd)), 0, 0, 0)
	} else {
		clone.flags, clone.exitSignal = clonePidfd, uint64(syscall.SIGCHLD)
		clone.pidfd = uint64(uintptr(unsafe.Pointer(pidfd)))
		clone.setTid, clone.setTidSize = uint64(uintptr(unsafe.Pointer(&p.number))), 1
		pid, _, errno = syscall.RawSyscall(sysClone3, uintptr(unsafe.Pointer(&clone)),
			unsafe.Sizeof(clone), 0)
	}
	if errno == 0 && pid == 0 {
		child(p)
	}
	return int(pid), errno
}

// clone is struct clone_args, as of Linux 5.5.
var clone struct {
	flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls, setTid, setTidSize uint64
}

// child runs in the forked process, where only the forking thread exists: no lock of the runtime may
// be taken, nothing allocated, no stack grown. Every signal is blocked until resetSignals.
//
//go:norace
//go:nocheckptr
//go:nosplit
func child(p *plan) {
	step(StageSession, syscall.SYS_SETSID, 0, 0, 0)
	tie(p)
	setBrand(p)
	connect(p)
	resetSignals()
	makeRules(p)
	setLimits(p)
	changeUser(p)
	setCapabilities(p)
	tie(p) // again: a change of user undoes it
	restrict(p)
	step(StageExec, syscall.SYS_EXECVE, uintptr(unsafe.Pointer(p.argv[0])),
		uintptr(unsafe.Pointer(&p.argv[0])), uintptr(unsafe.Pointer(&p.env[0])))
}

// tie has the child die with the supervisor. The supervisor forks from its first thread, which lives
// as long as it does. Exec of a program with file capabilities undoes this: hence the brand.
//
//go:norace
//go:nocheckptr
//go:nosplit
func tie(p *plan) {
	step(StageParent, syscall.SYS_PRCTL, prSetPdeathsig, uintptr(syscall.SIGKILL), 0)
	if now, _, _ := syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0); now != p.parent {
		refuse(StageParent, syscall.ESRCH)
	}
}

// connect puts the streams in their places. The received descriptors are above 3, so none is in the
// way of another. All others close at exec by their own flag; close_range says it once more, and may
// be missing (Linux 5.11).
//
//go:norace
//go:nocheckptr
//go:nosplit
func connect(p *plan) {
	const cwd = ^uintptr(99) // AT_FDCWD, -100
	in := step(StageStreams, syscall.SYS_OPENAT, cwd, uintptr(unsafe.Pointer(&devNull)),
		syscall.O_RDONLY|syscall.O_CLOEXEC)
	step(StageStreams, syscall.SYS_DUP3, in, 0, 0)
	step(StageStreams, syscall.SYS_DUP3, p.stdout, 1, 0)
	step(StageStreams, syscall.SYS_DUP3, p.stderr, 2, 0)
	first := uintptr(3)
	if p.report != 0 {
		step(StageStreams, syscall.SYS_DUP3, p.report, 3, 0)
		first = 4
	}
	_, _, e := syscall.RawSyscall(sysCloseRange, first, 1<<32-1, closeRangeCloexec)
	if e != 0 && e != syscall.ENOSYS && e != syscall.EINVAL {
		refuse(StageStreams, e)
	}
}

// resetSignals undoes what the Go runtime, and the supervisor, did to signals: handlers first, so that
// a signal that waits already meets the default.
//
//go:norace
//go:nocheckptr
//go:nosplit
func resetSignals() {
	for sig := uintptr(1); sig <= lastSignal; sig++ {
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&zeros)), 0,
			sigsetSize, 0, 0)
	}
	const setmask = 2
	if _, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setmask,
		uintptr(unsafe.Pointer(&zeros)), 0, sigsetSize, 0, 0); e != 0 {
		refuse(StageSignals, e)
	}
}

// setBrand marks the child and all that it will ever fork: a limit on the run time of realtime
// threads, days long, whose number no other process has. It limits nothing, needs no variable in the
// environment, is inherited whatever the tool does with sessions and parents, and anybody can read it
// in /proc/PID/limits. The parent finds by it what a killed supervisor leaves behind. It may fail.
//
//go:norace
//go:nocheckptr
//go:nosplit
func setBrand(p *plan) {
	syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, rlimitRttime, uintptr(unsafe.Pointer(&p.brand)), 0, 0, 0)
}

//go:norace
//go:nocheckptr
//go:nosplit
func setLimits(p *plan) {
	for i := range p.limits {
		l := &p.limits[i]
		if !l.set {
			continue
		}
		if _, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, l.resource,
			uintptr(unsafe.Pointer(&l.value)), 0, 0, 0); e != 0 {
			refuse(l.stage, e)
		}
	}
}

// restrict is the end of what can be gained: no privileges by exec, and of the files those of the rules.
//
//go:norace
//go:nocheckptr
//go:nosplit
func restrict(p *plan) {
	if p.nnp {
		step(StageNoNewPrivs, syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0)
	}
	if p.rules.handledFS != 0 {
		step(StageLandlock, sysLandlockRestrictSelf, p.ruleset, 0, 0)
	}
}

// step makes a system call that must not fail.
//
//go:norace
//go:nocheckptr
//go:nosplit
func step(s Stage, call, a, b, c uintptr) uintptr {
	r, _, e := syscall.RawSyscall(call, a, b, c)
	if e != 0 {
		refuse(s, e)
	}
	return r
}

// refuse ends the child before exec.
//
//go:norace
//go:nocheckptr
//go:nosplit
func refuse(s Stage, e syscall.Errno) {
	failure.stage, failure.errno = uint32(s), uint32(e)
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, exitRefused, 0, 0)
	}
}
