package sandbox

import (
	"math"
	"syscall"
	"time"
)

// Unlimited as a limit leaves that limit as this process has it.
const Unlimited = math.MaxUint64

const (
	defaultAddressSpace = 512 << 20
	defaultOpenFiles    = 256

	// cpuBeyondDeadline is how much more CPU time than time a program has: the limit is the net under
	// the deadline, and meets only what survives it.
	cpuBeyondDeadline = 5 * time.Second

	// cpuWithoutDeadline holds when a command has neither a deadline nor a limit on CPU time: the
	// default deadline of a call, 300 s, and the 5 s.
	cpuWithoutDeadline = 305 * time.Second

	// maxCPU keeps sums of durations from overflowing.
	maxCPU = 100 * 365 * 24 * time.Hour
)

// Limits are the limits of a process. Each process that the program starts inherits them and counts for
// itself. No core is ever dumped.
type Limits struct {
	CPU          time.Duration // whole seconds, rounded up; 0 means up to the run's deadline and 5 s more
	AddressSpace uint64        // bytes; 0 means 512 MiB
	OpenFiles    uint64        // 0 means 256
	// Processes counts all of the program's user, on the machine, as the kernel does; root's are not bound.
	// A user who has more when the program starts cannot execute it. 0 means not set.
	Processes uint64
	FileSize  uint64 // bytes a file may grow to; 0 means that no file may grow
}

// DefaultLimits is what a zero Limits means: 512 MiB, 256 files, no growing file.
func DefaultLimits() Limits {
	return Limits{AddressSpace: defaultAddressSpace, OpenFiles: defaultOpenFiles}
}

func (l Limits) resolve(deadline, now time.Time) Limits {
	if l.AddressSpace == 0 {
		l.AddressSpace = defaultAddressSpace
	}
	if l.OpenFiles == 0 {
		l.OpenFiles = defaultOpenFiles
	}
	switch {
	case l.CPU > 0:
	case deadline.IsZero():
		l.CPU = cpuWithoutDeadline
	default:
		l.CPU = min(max(deadline.Sub(now), 0), maxCPU) + cpuBeyondDeadline
	}
	l.CPU = min(l.CPU, maxCPU)
	return l
}

// cpuSeconds is the limit as setrlimit takes it.
func (l Limits) cpuSeconds() uint64 {
	return uint64((l.CPU + time.Second - 1) / time.Second)
}

// limitHit guesses from the signal that ended a program which limit did, when the signal was not ours.
func limitHit(sig syscall.Signal, cpu time.Duration, cpuLimit uint64) string {
	switch sig {
	case syscall.SIGXCPU:
		return "cpu time"
	case syscall.SIGXFSZ:
		return "file size"
	case syscall.SIGKILL:
		if uint64(cpu/time.Second) >= cpuLimit { // the hard limit, on a program that ignores SIGXCPU
			return "cpu time"
		}
		return "killed (out of memory?)"
	}
	return ""
}
