package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// marks makes the processes of each call recognisable: by a number in their argv, which is that of TreeTool's
// seconds.
var marks atomic.Int64

func nextMark() int { return int(900_000_000 + int64(os.Getpid()%100_000)*1000 + marks.Add(1)) }

// sleeper waits until the sleep of a mark runs, and returns its pid.
func sleeper(t *testing.T, mark int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond) // the kernel tells nobody of another's exec
	defer tick.Stop()
	for {
		if pid := find(t, mark); pid != 0 {
			return pid
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("sleep %d does not run", mark)
		}
	}
}

func find(t *testing.T, mark int) (pid int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		raw, _ := os.ReadFile(name) // it may be gone by now
		if string(raw) == fmt.Sprintf("sleep\x00%d\x00", mark) {
			pid, _ = strconv.Atoi(strings.Split(name, "/")[2])
		}
	}
	return pid
}

// gone waits for the end of a process that is no child of ours.
func gone(t *testing.T, pid int) {
	t.Helper()
	wantNobody(t, "after the end of its owner", familyOf(t, pid).alive(t, time.Now().Add(promised)))
}

// start runs TreeTool until ctx ends, and returns the pid of its escaped child and the outcome to come.
func (h *host) start(ctx context.Context, arguments string) (pid int, outcome <-chan []byte) {
	h.t.Helper()
	mark := nextMark()
	done := make(chan []byte, 1)
	go func() {
		_, body, _ := h.do(ctx, http.MethodPost, "/tools/TreeTool/execute",
			fmt.Sprintf(`{"extra_args":"-s %d"%s}`, mark, arguments))
		done <- body
	}()
	return sleeper(h.t, mark), done
}

func TestACallThatTimesOutLeavesNothing(t *testing.T) {
	h := serve(t, "lab")
	pid, outcome := h.start(t.Context(), `,"timeout_sec":1`)
	rep, kind := parseReport(t, <-outcome)
	if kind != tool.KindTimeout || rep.ReturnCode != tool.ReturnCodeTimeout || !rep.TimedOut {
		t.Errorf("report = %+v, want a timeout with returncode 124", rep)
	}
	gone(t, pid)
}

func TestAPluginThatDiesLeavesNothingAndComesBack(t *testing.T) {
	h := serve(t, "lab")
	pid, outcome := h.start(t.Context(), "")
	if _, kind := h.rest(t, "CrashTool", `{}`); kind != tool.KindUnavailable {
		t.Errorf("CrashTool = %q, want unavailable", kind)
	}
	if _, kind := parseReport(t, <-outcome); kind != tool.KindUnavailable {
		t.Errorf("the other call of the plugin = %q, want unavailable", kind)
	}
	gone(t, pid)
	h.log.waitFor(t, `"plugin is ready"`, 2)
	if _, kind := h.rest(t, "NoopTool", `{}`); kind != "" {
		t.Errorf("NoopTool after the restart = %q, want success", kind)
	}
}

func TestASupervisorThatIsKilledLeavesNothingAndTheNextRunIsServed(t *testing.T) {
	h := serve(t, "lab")
	pid, outcome := h.start(t.Context(), "")
	killed := 0
	for _, p := range descendants(t, h.cmd.Process.Pid) {
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p)); string(name) == "gatehouse-super\n" {
			killed++
			send(t, p, syscall.SIGKILL)
		}
	}
	if killed == 0 {
		t.Fatal("no plugin has a supervisor")
	}
	gone(t, pid)
	if rep, kind := parseReport(t, <-outcome); kind != tool.KindExecution {
		t.Errorf("TreeTool = %q (%+v), want an execution_error", kind, rep)
	}
	if rep, kind := h.rest(t, "TrueTool", `{}`); kind != "" || rep.ReturnCode != 0 {
		t.Errorf("TrueTool after it = %q (%+v), want success", kind, rep)
	}
}

// children returns the pids of a process's children.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tasks {
		raw, _ := os.ReadFile(name) // a thread may be gone by now
		for _, field := range strings.Fields(string(raw)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, child)
		}
	}
	return pids
}

func TestOutputOfAnySizeCostsFlatMemory(t *testing.T) {
	const allowed = 16 << 10 // KiB
	h := serve(t, "lab")
	processes := append(children(t, h.cmd.Process.Pid), h.cmd.Process.Pid)
	flood := func(bytes int) tool.Report {
		rep, kind := h.rest(t, "FloodTool", fmt.Sprintf(`{"extra_args":"-c %d"}`, bytes))
		if kind != "" || !rep.TruncatedStdout {
			t.Fatalf("FloodTool = %q, truncated %t; want a truncated result", kind, rep.TruncatedStdout)
		}
		return rep
	}
	flood(2 << 20) // every buffer has its size now
	before := make(map[int]int)
	for _, p := range processes {
		before[p] = peak(t, p)
	}
	if rep := flood(1 << 30); len(rep.Stdout) != 1<<20 {
		t.Errorf("stdout has %d bytes, want the cap of 1 MiB", len(rep.Stdout))
	}
	for _, p := range processes {
		if rise := peak(t, p) - before[p]; rise > allowed {
			t.Errorf("1 GiB of output raised process %d by %d KiB, want at most %d", p, rise, allowed)
		}
	}
}

// peak is the most memory that a process ever had, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
