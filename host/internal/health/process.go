package health

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// filesPart is the part of the limit on open files from which the process is degraded: above it a burst of
// calls, each with pipes and sockets, may find none left.
const filesPart = 0.8

// Process is what the probe of this process looks at. The functions are fields for tests; nil is this
// process.
type Process struct {
	Goroutines func() int
	OpenFiles  func() (open int, limit uint64, err error)
	RSS        func(context.Context) (uint64, error) // bytes
}

// ProcessProbe is "process", important: goroutines, open files against their limit, memory.
func ProcessProbe(p Process) Probe {
	if p.Goroutines == nil {
		p.Goroutines = runtime.NumGoroutine
	}
	if p.OpenFiles == nil {
		p.OpenFiles = openFiles
	}
	if p.RSS == nil {
		p.RSS = rss
	}
	return single("process", Important, p.check)
}

func (p Process) check(ctx context.Context) Check {
	open, limit, err := p.OpenFiles()
	if err != nil {
		return unknown(err)
	}
	c := Check{
		Status: Healthy, Message: fmt.Sprintf("%d goroutines, %d open files of %d", p.Goroutines(), open, limit),
	}
	if size, err := p.RSS(ctx); err == nil { // for people; nothing hangs on it
		c.Message += ", " + bytes(size) + " resident"
	}
	if float64(open) > filesPart*float64(limit) {
		c.Status = Degraded
		c.Fix = "raise the limit: LimitNOFILE under systemd, else ulimit -n; or lower server.max_connections"
	}
	return c
}

func openFiles() (open int, limit uint64, err error) {
	entries, err := os.ReadDir("/dev/fd") // on Linux a link to /proc/self/fd
	if err != nil {
		return 0, 0, fmt.Errorf("count open files: %w", err)
	}
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, 0, fmt.Errorf("read the limit on open files: %w", err)
	}
	return len(entries) - 1, uint64(r.Cur), nil // less the one that the list was read with
}

func rss(ctx context.Context) (uint64, error) {
	p, err := process.NewProcessWithContext(ctx, int32(os.Getpid()))
	if err != nil {
		return 0, err
	}
	m, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, err
	}
	return m.RSS, nil
}
