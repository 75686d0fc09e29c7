//go:build linux && (amd64 || arm64)

package supervisor

import (
	"syscall"
	"unsafe"
)

// process is what /proc/PID/stat says of a process.
type process struct {
	pid, parent, group int32
	state              byte
	ours               bool   // a descendant of this supervisor
	born               uint64 // clock ticks after boot; with pid, who it is
}

// maxProcesses bounds a snapshot. Were there more, the rest would be found in a later one: those that
// were found are dead then, and their children are our own.
const maxProcesses = 1 << 15

var (
	table    [maxProcesses]process
	entries  [1 << 15]byte // of getdents64
	stat     [1024]byte
	name     [32]byte
	usage    syscall.Rusage
	status   int32
	proc     = [...]byte{'/', 'p', 'r', 'o', 'c', 0}
	procSelf = [...]byte{'/', 'p', 'r', 'o', 'c', '/', 's', 'e', 'l', 'f', 0}
)

// signalGroup signals the session of the tool as its main process began it. That one is a child not
// yet waited for: its number cannot have gone to somebody else. Before its setsid there is no group.
// To kill(2) 0 is our own group and -1 is everybody: no mistake elsewhere may reach that.
func signalGroup(pid int, sig syscall.Signal) {
	if pid <= 1 {
		return
	}
	syscall.RawSyscall(syscall.SYS_KILL, uintptr(-pid), uintptr(sig), 0)
	syscall.RawSyscall(syscall.SYS_KILL, uintptr(pid), uintptr(sig), 0)
}

// reap takes the status of the tool, and leaves nothing alive of what it started.
func reap(pid int, done *Message) {
	signalGroup(pid, syscall.SIGKILL)
	status, usage = 0, syscall.Rusage{}
	for {
		_, _, e := syscall.RawSyscall6(syscall.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(&status)),
			0, uintptr(unsafe.Pointer(&usage)), 0, 0)
		if e != syscall.EINTR {
			break
		}
	}
	done.WaitStatus = uint32(status)
	done.CPU = uint64(usage.Utime.Nano()+usage.Stime.Nano()) / 1000
	done.MaxRSS = uint64(usage.Maxrss) << 10
	endOrphans()
}

// endOrphans kills and reaps until there is no child left. We adopt every orphan, so no child means no
// descendant.
//
// As the init of a PID namespace we need no search: one call reaches all others in it, and none of them
// can fork while it does.
func endOrphans() {
	const noHang = 1
	for alone {
		signalNamespace(syscall.SIGKILL)
		if _, e := waitAny(0); e == syscall.ECHILD {
			return
		}
	}
	for round := 0; ; {
		r, e := waitAny(noHang)
		switch {
		case e == syscall.ECHILD:
			return
		case e != 0 || r != 0:
			continue
		}
		if round > 2 {
			freeze()
		}
		if signalTree(syscall.SIGKILL, 0) > 0 {
			waitAny(0)
		} else {
			rest() // they are there, and /proc does not show them yet
		}
		round++
	}
}

// signalNamespace signals every other process of our own PID namespace. To kill(2) -1 is everybody, and
// so this is for its init only: there everybody is what we started.
func signalNamespace(sig syscall.Signal) {
	if alone && self == 1 {
		syscall.RawSyscall(syscall.SYS_KILL, ^uintptr(0), uintptr(sig), 0)
	}
}

func waitAny(flags uintptr) (uintptr, syscall.Errno) {
	r, _, e := syscall.RawSyscall6(syscall.SYS_WAIT4, ^uintptr(0), 0, flags, 0, 0, 0)
	return r, e
}

func rest() {
	patient = syscall.Timespec{Nsec: 5e6}
	syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, uintptr(unsafe.Pointer(&patient)), 0, sigsetSize, 0)
}

// freeze stops all descendants, so that what forks faster than we kill comes to an end: the stopped
// ones keep their places under the limit on processes.
func freeze() {
	for range 16 {
		if signalTree(syscall.SIGSTOP, 0) == 0 {
			return
		}
	}
}

// signalTree signals every living descendant outside the group except, and reports how many.
// For SIGSTOP only those count that were not stopped already.
func signalTree(sig syscall.Signal, except int) (n int) {
	list := snapshot()
	for i := range list {
		p := &list[i]
		if !p.ours || p.state == 'Z' || p.state == 'X' || except != 0 && int(p.group) == except {
			continue
		}
		if sig == syscall.SIGSTOP && p.state == 'T' {
			continue
		}
		if signal(p, sig) {
			n++
		}
	}
	return n
}

// signal signals p itself, not one that got its number since the snapshot.
func signal(p *process, sig syscall.Signal) bool {
	fd, _, e := syscall.RawSyscall(sysPidfdOpen, uintptr(p.pid), 0, 0)
	if e != 0 {
		return false
	}
	now := process{pid: p.pid}
	sent := look(&now) && now.born == p.born
	if sent {
		_, _, e = syscall.RawSyscall6(sysPidfdSendSignal, fd, uintptr(sig), 0, 0, 0, 0)
		sent = e == 0
	}
	syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	return sent
}

// snapshot lists the processes of the machine by ascending number, and marks our descendants.
func snapshot() []process {
	list := table[:0]
	dir, _, e := syscall.RawSyscall6(syscall.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&proc)),
		syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return list
	}
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_GETDENTS64, dir, uintptr(unsafe.Pointer(&entries)),
			uintptr(len(entries)))
		if e != 0 || n == 0 || n > uintptr(len(entries)) {
			break
		}
		list = collect(list, entries[:n])
	}
	syscall.RawSyscall(syscall.SYS_CLOSE, dir, 0, 0)
	mark(list)
	return list
}

// collect adds the processes among the directory entries in b to list, within its capacity.
func collect(list []process, b []byte) []process {
	for len(b) > 19 {
		size := int(b[16]) | int(b[17])<<8 // struct linux_dirent64: ino, off, reclen, type, name
		if size < 20 || size > len(b) {
			break
		}
		if pid, ok := number(b[19:size]); ok && len(list) < cap(list) {
			list = list[:len(list)+1]
			p := &list[len(list)-1]
			*p = process{pid: int32(pid)}
			if !look(p) {
				list = list[:len(list)-1]
			}
		}
		b = b[size:]
	}
	return list
}

// mark finds our descendants: children first, then their children, until no more are found.
func mark(list []process) {
	for more := true; more; {
		more = false
		for i := range list {
			p := &list[i]
			if !p.ours && (int(p.parent) == self || isOurs(list, p.parent)) {
				p.ours, more = true, true
			}
		}
	}
}

func isOurs(list []process, pid int32) bool {
	lo, hi := 0, len(list)
	for lo < hi {
		if mid := (lo + hi) / 2; list[mid].pid < pid {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(list) && list[lo].pid == pid && list[lo].ours
}

// look reads /proc/PID/stat of p.pid into p.
func look(p *process) bool {
	path := append(append(append(name[:0], "/proc/"...), decimal(uint32(p.pid))...), "/stat\x00"...)
	fd, _, e := syscall.RawSyscall6(syscall.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&path[0])),
		syscall.O_RDONLY|syscall.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return false
	}
	n, _, e := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&stat)), uintptr(len(stat)))
	syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	return e == 0 && n <= uintptr(len(stat)) && p.parse(stat[:n])
}

// parse reads the fields of a stat line: "pid (comm) state ppid pgrp ... starttime", where comm is any
// bytes that the process likes, so that its last parenthesis is the one that counts.
func (p *process) parse(line []byte) bool {
	at := len(line) - 1
	for at >= 0 && line[at] != ')' {
		at--
	}
	if at < 0 || at+3 >= len(line) {
		return false
	}
	p.state = line[at+2]
	field, ok := 3, true
	for i := at + 3; i < len(line) && field < 22 && ok; field++ {
		var v uint64
		i++ // the space
		end := i
		for end < len(line) && line[end] != ' ' {
			end++
		}
		switch field + 1 {
		case 4:
			v, ok = number(line[i:end])
			p.parent = int32(v)
		case 5:
			v, ok = number(line[i:end])
			p.group = int32(v)
		case 22:
			p.born, ok = number(line[i:end])
		}
		i = end
	}
	return ok && field == 22
}

// number reads decimal digits up to the end of b or a NUL.
func number(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		if c == 0 {
			break
		}
		if c < '0' || c > '9' || v > 1<<59 {
			return 0, false
		}
		v, ok = v*10+uint64(c-'0'), true
	}
	return v, ok
}

var digits [10]byte

func decimal(v uint32) []byte {
	at := len(digits)
	for {
		at--
		digits[at] = byte('0' + v%10)
		if v /= 10; v == 0 {
			return digits[at:]
		}
	}
}

// empty reports whether the working directory is, as the next tool must find it.
func empty() bool {
	if _, _, e := syscall.RawSyscall(syscall.SYS_LSEEK, uintptr(workDir.fd), 0, 0); e != 0 {
		return false
	}
	n, _, e := syscall.RawSyscall(syscall.SYS_GETDENTS64, uintptr(workDir.fd),
		uintptr(unsafe.Pointer(&entries)), uintptr(len(entries)))
	if e != 0 || n > uintptr(len(entries)) {
		return false
	}
	for b := entries[:n]; len(b) > 19; {
		size := int(b[16]) | int(b[17])<<8
		if size < 20 || size > len(b) || !dots(b[19:size]) {
			return false
		}
		b = b[size:]
	}
	return true
}

func dots(name []byte) bool {
	return name[0] == '.' && (name[1] == 0 || name[1] == '.' && name[2] == 0)
}
