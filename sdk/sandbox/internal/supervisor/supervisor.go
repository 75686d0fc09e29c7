//go:build linux && (amd64 || arm64)

package supervisor

import (
	"syscall"
	"unsafe"
)

// control is the supervisor's end of the socket.
const control = 3

// All that a supervisor holds. Variables, because it must not allocate; no lock, because one thread
// uses them.
var (
	self    int
	alone   bool // we are the init of a PID namespace of our own
	job     plan
	packet  [MaxJob + 1]byte
	reply   [MessageSize]byte
	rights  [32]byte // one control message of up to 3 descriptors
	polls   [2]pollfd
	patient syscall.Timespec
	ignore  [64]byte // struct sigaction with SIG_IGN
	all     [8]byte  // the full signal set
	workDir struct {
		fd   int
		path [4096]byte
	}
	// unfit is why this process can supervise nothing. It says so to every job.
	unfit Message
)

type pollfd struct {
	fd              int32
	events, revents int16
}

func init() {
	if brand, ok := syscall.Getenv(Marker); ok {
		serve(brand)
	}
}

// serve is the life of a supervisor; it does not return. A process that has the marker and not the
// rest ends here too: it is an orphan of a dead parent, or somebody's trick, and main is not for it.
func serve(brand string) {
	self = syscall.Getpid()
	alone = self == 1 && syscall.Getppid() == 0
	if !invited() {
		syscall.Exit(exitRefused)
	}
	prepare(brand)
	for {
		n, fds := receive()
		switch {
		case n <= 0:
			leave()
		case packet[0] == KindJob:
			run(n, fds)
		}
		// Term or Kill while idle: it crossed the Done of its job.
	}
}

// invited reports whether descriptor 3 is one end of a socket pair that our own parent made. Who is the
// init of a PID namespace sees its parent, which is outside, as number 0, and so does every peer from
// outside look: then that must be so, and the user.
func invited() bool {
	domain, err := syscall.GetsockoptInt(control, syscall.SOL_SOCKET, syscall.SO_DOMAIN)
	if err != nil || domain != syscall.AF_UNIX {
		return false
	}
	kind, err := syscall.GetsockoptInt(control, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil || kind != syscall.SOCK_SEQPACKET {
		return false
	}
	peer, err := syscall.GetsockoptUcred(control, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	return err == nil && int(peer.Pid) == syscall.Getppid() && int(peer.Uid) == syscall.Getuid()
}

// prepare makes the process fit to supervise: adopter of orphans, deaf to signals, holder of no
// foreign descriptor, closed to ptrace by a tool of the same user.
func prepare(brand string) {
	must(syscall.SYS_PRCTL, prSetSubreaper, 1, 0)
	must(syscall.SYS_PRCTL, prSetDumpable, 0, 0)
	name := [16]byte{'g', 'a', 't', 'e', 'h', 'o', 'u', 's', 'e', '-', 's', 'u', 'p', 'e', 'r'}
	must(syscall.SYS_PRCTL, prSetName, uintptr(unsafe.Pointer(&name)), 0)
	must(syscall.SYS_FCNTL, control, syscall.F_SETFD, syscall.FD_CLOEXEC)
	closeFrom(control + 1)
	syscall.Umask(0o077)
	quiet()
	openWorkDir()
	sharePage()
	if fd := must(sysPidfdOpen, uintptr(self), 0, 0); fd != 0 {
		syscall.Close(int(fd))
	} else {
		unfit.Stage = StagePidfd
	}
	if job.parent = uintptr(self); alone {
		job.number = spread(outside())
	}
	job.brand.soft = parseHex(brand)
	job.brand.hard = job.brand.soft
}

// outside gives our number in the namespace that /proc shows, which is that of our parent; 0 when it cannot
// be read.
func outside() uint64 {
	n, _, e := syscall.RawSyscall6(syscall.SYS_READLINKAT, ^uintptr(99), uintptr(unsafe.Pointer(&procSelf)),
		uintptr(unsafe.Pointer(&stat)), uintptr(len(stat)), 0, 0)
	if e != 0 || n > uintptr(len(stat)) {
		unfit.Stage, unfit.Errno = StagePrepare, e
		return 0
	}
	v, _ := number(stat[:n])
	return v
}

// spread gives the number that tools of this supervisor have in its PID namespace. Each namespace counts from
// 1. So tools of several would have the same numbers, and there are programs that take theirs for the only
// one of its kind on the machine: ping marks its packets with it, and two of them would take each other's
// replies. Our own number outside is one that nobody else has there. A low one may be that of a
// thread of ours in here, and is moved up.
func spread(outside uint64) int32 {
	const low, up = 300, 1 << 14 // below 300 the kernel does not come back; 1<<15 may be above what it has
	if outside < low {
		outside += up
	}
	return int32(outside)
}

// must makes a call without which there is no supervising, and returns its result, or 0.
func must(call, a, b, c uintptr) uintptr {
	r, _, e := syscall.RawSyscall(call, a, b, c)
	if e != 0 {
		unfit.Stage, unfit.Errno = StagePrepare, e
		return 0
	}
	return r
}

// closeFrom closes every descriptor from first on.
func closeFrom(first uintptr) {
	if _, _, e := syscall.RawSyscall(sysCloseRange, first, 1<<32-1, 0); e == 0 {
		return
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<20 {
		limit.Cur = 1 << 20
	}
	for fd := first; fd < uintptr(limit.Cur); fd++ {
		syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	}
}

// quiet makes the life of a supervisor independent of signals, which a service manager may send to
// every process of a group: its parent ends it. The thread that forks blocks all of them, so that no
// handler of the Go runtime ever runs in a child.
func quiet() {
	ignore[0] = 1 // SIG_IGN
	for _, sig := range [...]syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE,
		syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	} {
		handle(sig, &ignore)
	}
	handle(syscall.SIGCHLD, &zeros) // the runtime's handler would wake a thread for every tool
	for i := range all {
		all[i] = 0xff
	}
	const setmask = 2
	if _, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setmask,
		uintptr(unsafe.Pointer(&all)), 0, sigsetSize, 0, 0); e != 0 {
		unfit.Stage, unfit.Errno = StagePrepare, e
	}
}

func handle(sig syscall.Signal, action *[64]byte) {
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(action)), 0, sigsetSize, 0, 0)
	if e != 0 {
		unfit.Stage, unfit.Errno = StagePrepare, e
	}
}

// openWorkDir keeps the directory in which the parent started us: tools run in it.
func openWorkDir() {
	fd, err := syscall.Open(".", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		unfit.Stage, unfit.Errno = StagePrepare, syscall.EBADF
		return
	}
	workDir.fd = fd
	must(syscall.SYS_GETCWD, uintptr(unsafe.Pointer(&workDir.path)), uintptr(len(workDir.path)), 0)
}

// sharePage makes the page in which a child says why it gave up.
func sharePage() {
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED|syscall.MAP_ANON)
	if err != nil {
		unfit.Stage, unfit.Errno = StagePrepare, syscall.ENOMEM
		return
	}
	failure = (*struct{ stage, errno uint32 })(unsafe.Pointer(&page[0]))
}

// leave ends the supervisor after its parent closed the socket or died. No tool is alive here. The
// working directory goes too: after a SIGKILL of the parent nobody else would remove it.
func leave() {
	const cwd, removeDir = ^uintptr(99), 0x200 // AT_FDCWD, AT_REMOVEDIR
	syscall.RawSyscall(syscall.SYS_UNLINKAT, cwd, uintptr(unsafe.Pointer(&workDir.path)), removeDir)
	syscall.Exit(0)
}

// run does one job, from its packet to its Done.
func run(n int, fds []int32) {
	done := unfit
	if done.Stage == StageNone && (!job.fill(packet[:n]) || len(fds) != job.fds) {
		done.Stage, done.Errno = StageDecode, syscall.EBADMSG
	}
	if done.Stage == StageNone {
		begin(&done, fds)
	} else {
		closeAll(fds)
	}
	done.Kind = KindDone
	done.Dirty = done.Dirty || !empty()
	send(&done, -1)
}

// begin forks the tool, and returns when it and all its descendants are gone.
func begin(done *Message, fds []int32) {
	job.stdout, job.stderr, job.report = uintptr(fds[0]), uintptr(fds[1]), 0
	if len(fds) == 3 {
		job.report = uintptr(fds[2])
	}
	failure.stage, failure.errno = 0, 0
	pidfd = -1
	pid, errno := fork(&job, &pidfd)
	closeAll(fds)
	if errno != 0 {
		done.Stage, done.Errno = StageFork, errno
		return
	}
	started := Message{Kind: KindStarted, Pid: uint32(pid)}
	send(&started, pidfd)
	obey(pid)
	reap(pid, done)
	syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(pidfd), 0, 0)
	done.Pid = uint32(pid)
	done.Stage, done.Errno = Stage(failure.stage), syscall.Errno(failure.errno)
	if parentGone {
		leave()
	}
}

var (
	pidfd      int32
	parentGone bool
)

// obey carries out the parent's orders until the tool has exited. An end of the socket is the last
// order: kill.
func obey(pid int) {
	for !parentGone {
		polls[1].fd = pidfd
		wait(2)
		if polls[1].revents != 0 {
			return
		}
		n, fds := receive()
		closeAll(fds)
		switch {
		case n <= 0:
			parentGone = true
			signalGroup(pid, syscall.SIGKILL)
		case packet[0] == KindKill:
			signalGroup(pid, syscall.SIGKILL)
		case packet[0] == KindTerm:
			terminate(pid)
		}
	}
}

// terminate asks the tool and all that it started to end.
func terminate(pid int) {
	if alone {
		signalNamespace(syscall.SIGTERM)
	} else {
		signalGroup(pid, syscall.SIGTERM)
		signalTree(syscall.SIGTERM, pid)
	}
	signalGroup(pid, syscall.SIGCONT) // a stopped tool would not see it
}

// receive waits for the next packet. It gives 0 or less when the parent is gone.
func receive() (n int, fds []int32) {
	wait(1)
	part.Base = &packet[0]
	part.SetLen(len(packet))
	hdr.Iov, hdr.Iovlen = &part, 1
	hdr.Control = &rights[0]
	hdr.SetControllen(len(rights))
	hdr.Flags = 0
	r, _, e := syscall.RawSyscall(syscall.SYS_RECVMSG, control, uintptr(unsafe.Pointer(&hdr)),
		syscall.MSG_CMSG_CLOEXEC|syscall.MSG_DONTWAIT)
	if e == syscall.EAGAIN || e == syscall.EINTR {
		packet[0] = 0
		return 1, nil
	}
	if e != 0 {
		return -1, nil
	}
	return int(r), received(int(hdr.Controllen))
}

var (
	part     syscall.Iovec
	hdr      syscall.Msghdr
	arrived  [3]int32
	sendPart syscall.Iovec
	sendHdr  syscall.Msghdr
	sendCtl  [24]byte
)

// received takes the descriptors out of rights.
func received(size int) []int32 {
	if size < syscall.SizeofCmsghdr+4 {
		return nil
	}
	c := (*syscall.Cmsghdr)(unsafe.Pointer(&rights[0]))
	if c.Level != syscall.SOL_SOCKET || c.Type != syscall.SCM_RIGHTS {
		return nil
	}
	n := min((int(c.Len)-syscall.SizeofCmsghdr)/4, len(arrived))
	for i := range n {
		arrived[i] = int32(get32(rights[syscall.SizeofCmsghdr+4*i:]))
	}
	return arrived[:n]
}

// send tells the parent, with one descriptor when fd is not negative. That it cannot be told does not
// matter here: the next wait sees that it is gone.
func send(m *Message, fd int32) {
	m.Encode(&reply)
	sendPart.Base = &reply[0]
	sendPart.SetLen(len(reply))
	sendHdr = syscall.Msghdr{Iov: &sendPart, Iovlen: 1}
	if fd >= 0 {
		c := (*syscall.Cmsghdr)(unsafe.Pointer(&sendCtl[0]))
		c.SetLen(syscall.SizeofCmsghdr + 4)
		c.Level, c.Type = syscall.SOL_SOCKET, syscall.SCM_RIGHTS
		put32(sendCtl[syscall.SizeofCmsghdr:], uint32(fd))
		sendHdr.Control = &sendCtl[0]
		sendHdr.SetControllen(len(sendCtl))
	}
	syscall.RawSyscall(syscall.SYS_SENDMSG, control, uintptr(unsafe.Pointer(&sendHdr)), syscall.MSG_NOSIGNAL)
}

// wait waits until one of the first n polls is ready; polls[0] is the control socket.
//
// The first tenth of a second is waited in a raw call, unseen by the Go scheduler. A call that it sees
// wakes its monitor thread, which then runs every 20 µs for a while: more than the job itself costs.
// The rest is waited in a call that it sees, so that an idle supervisor does not wake up at all.
func wait(n uintptr) {
	const readable = 1
	polls[0] = pollfd{fd: control, events: readable}
	polls[1].events, polls[1].revents = readable, 0
	for {
		patient = syscall.Timespec{Nsec: 100e6}
		r, _, e := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&polls)), n,
			uintptr(unsafe.Pointer(&patient)), 0, sigsetSize, 0)
		if e == 0 && r == 0 {
			r, _, e = syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&polls)), n, 0, 0,
				sigsetSize, 0)
		}
		if e == 0 && r > 0 {
			return
		}
	}
}

func closeAll(fds []int32) {
	for _, fd := range fds {
		syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
	}
}

func parseHex(s string) (v uint64) {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		}
	}
	return v
}
