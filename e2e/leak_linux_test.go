package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// size is what a host has at a moment.
type size struct {
	goroutines, descriptors, processes int
	heap                               int64 // bytes, after a collection
	series                             int   // of metrics
}

// measure asks the host itself, and the system.
func (a *attacker) measure(t *testing.T) size {
	t.Helper()
	var s size
	for line := range strings.Lines(get(t, a.url+"/metrics", a.token)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch f, _ := strconv.ParseFloat(value, 64); name {
		case "go_goroutines":
			s.goroutines = int(f)
		case "go_memstats_heap_alloc_bytes":
			s.heap = int64(f)
		}
		if !strings.HasPrefix(line, "#") {
			s.series++
		}
	}
	fds, err := os.ReadDir("/proc/" + strconv.Itoa(a.cmd.Process.Pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	s.descriptors, s.processes = len(fds), len(descendants(t, a.cmd.Process.Pid))
	return s
}

// settled measures until the numbers are down to a bound, or patience ends: connections close a little after their
// answers.
func (a *attacker) settled(t *testing.T, bound size) size {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		s := a.measure(t)
		if s.goroutines <= bound.goroutines && s.descriptors <= bound.descriptors && s.processes <= bound.processes &&
			s.heap <= bound.heap {
			return s
		}
		select {
		case <-tick.C:
		case <-late:
			return s
		}
	}
}

// TestRefusalsLeaveNothingBehind sends all that is refused 50 times, and compares.
func TestRefusalsLeaveNothingBehind(t *testing.T) {
	h := serve(t, "plugins", "MCP_AUTH_MAX_FAILURES=100000")
	a := newAttacker(t, h)
	refused := slices.DeleteFunc(hostileLines(t), func(l hostileLine) bool {
		return l.Expect == "2xx" || l.Drip != nil || l.Repeat > 0
	})
	round := func() {
		for _, l := range refused {
			a.attack(t, l)
		}
	}
	round()
	before := a.settled(t, size{}.plus(size{goroutines: 60, descriptors: 40, processes: 10, heap: 64 << 20}))
	for range 50 {
		round()
	}
	// A few goroutines, descriptors and series may be of what is measured with; nothing of 50 times 90 requests is.
	bound := before.plus(size{goroutines: 5, descriptors: 5, heap: 6 << 20})
	after := a.settled(t, bound)
	if after.goroutines > bound.goroutines || after.descriptors > bound.descriptors ||
		after.processes > before.processes || after.heap > bound.heap {
		t.Errorf("before %+v, after 50 rounds of %d refusals %+v", before, len(refused), after)
	}
	if after.series > before.series+5 {
		t.Errorf("%d series of metrics have become %d", before.series, after.series)
	}
	for _, line := range trailLines(t, h) {
		if strings.Contains(line, `"event":"accept"`) || strings.Contains(line, `"event":"exec"`) {
			t.Errorf("a refused request ran: %s", line)
		}
	}
}

func (s size) plus(o size) size {
	return size{
		s.goroutines + o.goroutines, s.descriptors + o.descriptors, s.processes + o.processes, s.heap + o.heap, s.series,
	}
}

// trailLines are those of the audit trail of a host.
func trailLines(t *testing.T, h *host) (lines []string) {
	t.Helper()
	for _, setting := range h.cmd.Env {
		dir, ok := strings.CutPrefix(setting, "XDG_STATE_HOME=")
		if !ok {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "gatehouse", "audit", "*.jsonl"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no trail in %s: %v", dir, err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.Split(strings.TrimSpace(string(raw)), "\n")...)
		}
	}
	return lines
}
