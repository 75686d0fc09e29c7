package health

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// group is a directory of the cgroup v2 tree, with the limits of those that it lies in left out of account.
// One that is not there has no limits: so it is on other systems.
type group string

// ownGroup is the control group of this process.
func ownGroup() group {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return groupOf(string(raw), "/sys/fs/cgroup")
}

// groupOf reads /proc/self/cgroup: the line of cgroup v2 has an empty list of controllers.
func groupOf(text, root string) group {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return group(filepath.Join(root, filepath.Join("/", path)))
		}
	}
	return ""
}

// memory is what the group uses of its limit, if that is less than the machine has. The page cache that the
// kernel would give back does not count as used.
func (g group) memory(machine uint64) (Use, bool) {
	limit, ok := g.number("memory.max")
	if !ok || limit == 0 || limit >= machine {
		return Use{}, false
	}
	used, ok := g.number("memory.current")
	if !ok {
		return Use{}, false
	}
	cache := g.field("memory.stat", "inactive_file")
	return Use{Used: used - min(cache, used), Total: limit, Of: "the control group"}, true
}

// cpu is what the group has used of its quota by a moment.
func (g group) cpu(now time.Time) (CPUTime, bool) {
	raw, err := g.read("cpu.max") // "200000 100000", or "max 100000"
	if err != nil {
		return CPUTime{}, false
	}
	quota, period, _ := strings.Cut(strings.TrimSpace(raw), " ")
	q, errQ := strconv.ParseFloat(quota, 64)
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || q <= 0 || p <= 0 {
		return CPUTime{}, false
	}
	const micro = 1e6
	return CPUTime{
		Busy:  float64(g.field("cpu.stat", "usage_usec")) / micro,
		Total: float64(now.UnixMicro()) / micro * q / p,
		Of:    "the control group",
	}, true
}

func (g group) read(file string) (string, error) {
	if g == "" {
		return "", os.ErrNotExist
	}
	raw, err := os.ReadFile(filepath.Join(string(g), file))
	return string(raw), err
}

func (g group) number(file string) (uint64, bool) {
	raw, err := g.read(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(raw), 10, 64) // "max" is no number, and no limit
	return n, err == nil
}

// field is a number of a file with one name and number per line; 0 when it is not there.
func (g group) field(file, name string) uint64 {
	raw, err := g.read(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(raw) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(rest), 10, 64) // 0 is what is wanted then
			return n
		}
	}
	return 0
}
