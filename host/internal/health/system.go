package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
)

// full is the percentage from which a resource counts as exhausted, whatever the threshold below it.
const full = 95

// Thresholds are percentages, 1 to 100, from which a resource in use is a degraded check. From 95 on, and
// from the threshold on if that is higher, it is unhealthy.
type Thresholds struct{ CPU, Memory, Disk float64 }

// System is what the probes of the machine look at. The functions are fields for tests; nil is the machine,
// or the control group of this process where that has limits (Linux, cgroup v2).
type System struct {
	Thresholds func() Thresholds // asked at each run
	StateDir   string            // whose file system is watched; empty: none

	CPU    func(context.Context) (CPUTime, error)
	Memory func(context.Context) (Use, error)
	Disk   func(ctx context.Context, dir string) (Use, error)
}

// CPUTime is time since some moment in the past: what was spent, and what there was to spend.
type CPUTime struct {
	Busy, Total float64 // seconds of one CPU
	Of          string  // "the machine" or "the control group"
}

// Use is how much there is of something, and how much of that is taken.
type Use struct {
	Used, Total uint64 // bytes
	Of          string
}

// SystemProbes are "cpu", "memory" and "disk", each important.
func SystemProbes(s System) []Probe {
	if s.CPU == nil {
		s.CPU = cpuTime
	}
	if s.Memory == nil {
		s.Memory = memoryUse
	}
	if s.Disk == nil {
		s.Disk = diskUse
	}
	last := new(lastCPU) // a busy CPU is a scan at work, and no fault
	probes := []Probe{
		single("cpu", Informational, func(ctx context.Context) Check { return last.check(ctx, s) }),
		single("memory", Important, s.memory),
	}
	if s.StateDir != "" {
		probes = append(probes, single("disk", Important, s.disk))
	}
	return probes
}

// single is a probe of one check, which has its name and priority.
func single(name string, p Priority, look func(context.Context) Check) Probe {
	return Probe{Name: name, Priority: p, Run: func(ctx context.Context) map[string]Check {
		c := look(ctx)
		c.Priority = p
		return map[string]Check{name: c}
	}}
}

// weigh holds a percentage to its threshold.
func weigh(percent, threshold float64, message, fix string) Check {
	switch {
	case percent >= max(threshold, full):
		return Check{Status: Unhealthy, Message: message, Fix: fix}
	case percent >= threshold:
		return Check{Status: Degraded, Message: message, Fix: fix}
	}
	return Check{Status: Healthy, Message: message}
}

// unknown is the check of what could not be measured.
func unknown(err error) Check {
	return Check{Status: Degraded, Message: "it cannot be measured: " + err.Error()}
}

// minSample is the least CPU time between two samples that says something, in seconds.
const minSample = 1

// lastCPU remembers the last sample, so that a check covers all of the time since the one before it.
type lastCPU struct {
	mu     sync.Mutex // guards what follows
	sample CPUTime
	result Check
}

func (l *lastCPU) check(ctx context.Context, s System) Check {
	now, err := s.CPU(ctx)
	if err != nil {
		return unknown(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.sample
	busy, total := now.Busy-before.Busy, now.Total-before.Total
	switch {
	case before.Of != now.Of || busy < 0 || total < 0: // the first, or the counters began anew
		l.sample = now
		l.result = Check{Status: Healthy, Message: "the first sample has been taken; the next one tells"}
	case total >= minSample:
		l.sample = now
		percent := min(busy/total, 1) * 100
		l.result = weigh(percent, s.Thresholds().CPU,
			fmt.Sprintf("%.0f%% of the CPU time of %s in use since the last check", percent, now.Of),
			"see what runs: top; allow fewer calls at a time: tool.default_concurrency")
	}
	return l.result
}

func (s System) memory(ctx context.Context) Check {
	u, err := s.Memory(ctx)
	if err != nil {
		return unknown(err)
	}
	percent := u.percent()
	return weigh(percent, s.Thresholds().Memory,
		fmt.Sprintf("%.0f%% of the memory of %s in use, %s of %s", percent, u.Of, bytes(u.Used), bytes(u.Total)),
		"see what takes it: top -o %MEM; allow fewer calls at a time, or less memory to each: limits.max_memory_mb")
}

func (s System) disk(ctx context.Context) Check {
	u, err := s.Disk(ctx, s.StateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Check{
			Status: Unhealthy, Message: "the state directory " + s.StateDir + " is not there",
			Fix: "mkdir -p -m 700 " + s.StateDir,
		}
	case err != nil:
		return unknown(err)
	}
	percent := u.percent()
	return weigh(percent, s.Thresholds().Disk,
		fmt.Sprintf("%.0f%% of the disk of %s in use, %s free", percent, s.StateDir, bytes(u.Total-min(u.Used, u.Total))),
		"make room: df -h "+s.StateDir+"; or keep less of the audit trail: audit.max_files, audit.max_file_size")
}

func (u Use) percent() float64 {
	if u.Total == 0 {
		return 0
	}
	return math.Min(float64(u.Used)/float64(u.Total)*100, 100)
}

// bytes writes a size for people.
func bytes(n uint64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	if unit == "B" || size >= 10 {
		return fmt.Sprintf("%.0f %s", size, unit)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

func cpuTime(ctx context.Context) (CPUTime, error) {
	if t, ok := ownGroup().cpu(time.Now()); ok {
		return t, nil
	}
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(all) == 0 {
		return CPUTime{}, errors.Join(errors.New("CPU times"), err)
	}
	t := all[0]
	// Guest time is in user time already.
	total := t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
	return CPUTime{Busy: total - t.Idle - t.Iowait, Total: total, Of: "the machine"}, nil
}

func memoryUse(ctx context.Context) (Use, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return Use{}, fmt.Errorf("memory: %w", err)
	}
	if u, ok := ownGroup().memory(m.Total); ok {
		return u, nil
	}
	return Use{Used: m.Total - min(m.Available, m.Total), Total: m.Total, Of: "the machine"}, nil
}

// diskUse counts as df does: what only root may use is neither used nor there.
func diskUse(ctx context.Context, dir string) (Use, error) {
	u, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return Use{}, fmt.Errorf("disk: %w", err)
	}
	return Use{Used: u.Used, Total: u.Used + u.Free, Of: dir}, nil
}

// FreeSpace is how many bytes an ordinary user can still write to the disk of a directory.
func FreeSpace(ctx context.Context, dir string) (uint64, error) {
	u, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return 0, fmt.Errorf("disk: %w", err)
	}
	return u.Free, nil
}
