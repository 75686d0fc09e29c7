package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// run runs a probe by name.
func run(t *testing.T, probes []Probe, name string) Check {
	t.Helper()
	for _, p := range probes {
		if p.Name == name {
			return p.Run(t.Context())[name]
		}
	}
	t.Fatalf("there is no probe %q", name)
	return Check{}
}

func at(percent float64) func() Thresholds {
	return func() Thresholds { return Thresholds{CPU: percent, Memory: percent, Disk: percent} }
}

func TestThresholds(t *testing.T) {
	for _, row := range []struct {
		says            string
		used, threshold float64
		want            Status
	}{
		{"below", 79, 80, Healthy}, {"at the threshold", 80, 80, Degraded}, {"just below full", 94, 80, Degraded},
		{"full", 95, 80, Unhealthy}, {"full, and below a higher threshold", 96, 98, Healthy},
		{"at a higher threshold", 98, 98, Unhealthy}, {"a threshold that only all of it reaches", 99, 100, Healthy},
	} {
		probes := SystemProbes(System{
			Thresholds: at(row.threshold), StateDir: "/state",
			Memory: func(context.Context) (Use, error) { return Use{uint64(row.used * 10), 1000, "the machine"}, nil },
			Disk:   func(context.Context, string) (Use, error) { return Use{uint64(row.used * 10), 1000, ""}, nil },
		})
		for _, name := range []string{"memory", "disk"} {
			c := run(t, probes, name)
			if c.Status != row.want || c.Priority != Important || (c.Fix == "") != (row.want == Healthy) {
				t.Errorf("%s: %s at %v%% of %v%% = %+v, want %s", row.says, name, row.used, row.threshold, c, row.want)
			}
			if want := fmt.Sprintf("%.0f%%", row.used); !strings.Contains(c.Message, want) {
				t.Errorf("%s: the message of %s is %q, want it to tell %s", row.says, name, c.Message, want)
			}
		}
	}
}

func TestCPUIsMeasuredOverTheTimeBetweenTwoChecks(t *testing.T) {
	var sample CPUTime
	probes := SystemProbes(System{
		Thresholds: at(80), CPU: func(context.Context) (CPUTime, error) { return sample, nil },
	})
	for _, row := range []struct {
		says   string
		sample CPUTime
		status Status
		want   string
	}{
		{"the first", CPUTime{500, 1000, "the machine"}, Healthy, "first sample"},
		{"idle since", CPUTime{503, 1030, "the machine"}, Healthy, "10%"},
		{"busy since", CPUTime{530, 1060, "the machine"}, Degraded, "90%"},
		{"too soon after", CPUTime{530, 1060.5, "the machine"}, Degraded, "90%"},
		{"all of it", CPUTime{560, 1090, "the machine"}, Unhealthy, "100%"},
		{"counters that began anew", CPUTime{1, 2, "the machine"}, Healthy, "first sample"},
		{"a limit that has come", CPUTime{9, 10, "the control group"}, Healthy, "first sample"},
		{"more than the quota, in a burst", CPUTime{99, 40, "the control group"}, Unhealthy,
			"100% of the CPU time of the control group"},
	} {
		sample = row.sample
		if c := run(t, probes, "cpu"); c.Status != row.status || !strings.Contains(c.Message, row.want) {
			t.Errorf("%s: cpu = %+v, want %s, %q", row.says, c, row.status, row.want)
		}
	}
}

func TestWhatCannotBeMeasuredIsNotHealthy(t *testing.T) {
	broken := errors.New("no such counter")
	probes := SystemProbes(System{
		Thresholds: at(80), StateDir: "/state",
		CPU:    func(context.Context) (CPUTime, error) { return CPUTime{}, broken },
		Memory: func(context.Context) (Use, error) { return Use{}, broken },
		Disk:   func(context.Context, string) (Use, error) { return Use{}, broken },
	})
	for _, p := range probes {
		if c := run(t, probes, p.Name); c.Status != Degraded || !strings.Contains(c.Message, "no such counter") {
			t.Errorf("%s = %+v, want degraded, with the cause", p.Name, c)
		}
	}
}

func TestAStateDirectoryThatIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	c := run(t, SystemProbes(System{Thresholds: at(80), StateDir: dir}), "disk")
	if c.Status != Unhealthy || !strings.Contains(c.Message, "is not there") || c.Fix != "mkdir -p -m 700 "+dir {
		t.Errorf("disk = %+v, want unhealthy and what to type", c)
	}
	if _, err := diskUse(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("diskUse() = %v, want %v", err, fs.ErrNotExist)
	}
}

func TestThisMachineCanBeMeasured(t *testing.T) {
	probes := append(SystemProbes(System{Thresholds: at(100), StateDir: t.TempDir()}), ProcessProbe(Process{}))
	for _, p := range probes {
		if c := run(t, probes, p.Name); strings.Contains(c.Message, "cannot be measured") || c.Message == "" {
			t.Errorf("%s = %+v, want a measurement", p.Name, c)
		}
	}
}

func TestTheLimitsOfAControlGroup(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a.slice")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	g := groupOf("12:pids:/x\n0::/a.slice\n", root)
	if string(g) != dir {
		t.Fatalf("groupOf() = %q, want %q", g, dir)
	}
	if got := groupOf("0::/../../etc\n", root); string(got) != filepath.Join(root, "etc") {
		t.Errorf("groupOf() of a path with dots = %q, want it inside of %s", got, root)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(100, 0)
	if _, ok := g.memory(1 << 30); ok {
		t.Error("a group without files has a limit on memory")
	}
	write("memory.max", "max\n")
	write("cpu.max", "max 100000\n")
	if _, ok := g.memory(1 << 30); ok {
		t.Error("the group has a limit on memory, want none of \"max\"")
	}
	if _, ok := g.cpu(now); ok {
		t.Error("the group has a limit on CPU time, want none of \"max\"")
	}
	write("memory.max", "1000\n")
	write("memory.current", "900\n")
	write("memory.stat", "anon 1\ninactive_file 400\n")
	write("cpu.max", "50000 100000\n")
	write("cpu.stat", "usage_usec 7000000\nuser_usec 1\n")
	if got, ok := g.memory(1 << 30); !ok || got != (Use{500, 1000, "the control group"}) {
		t.Errorf("memory() = %+v, %t, want 500 of 1000 without the cache", got, ok)
	}
	if _, ok := g.memory(500); ok {
		t.Error("a limit above what the machine has counts as one")
	}
	if got, ok := g.cpu(now); !ok || got != (CPUTime{7, 50, "the control group"}) {
		t.Errorf("cpu() = %+v, %t, want 7 s of 50", got, ok)
	}
}

func TestOpenFilesNearTheirLimit(t *testing.T) {
	for open, want := range map[int]Status{80: Healthy, 81: Degraded} {
		c := run(t, []Probe{ProcessProbe(Process{
			Goroutines: func() int { return 7 },
			OpenFiles:  func() (int, uint64, error) { return open, 100, nil },
			RSS:        func(context.Context) (uint64, error) { return 3 << 20, nil },
		})}, "process")
		message := fmt.Sprintf("7 goroutines, %d open files of 100, 3.0 MiB resident", open)
		if c.Status != want || c.Message != message || (c.Fix == "") != (want == Healthy) {
			t.Errorf("process = %+v, want %s, %q", c, want, message)
		}
	}
}

func TestDependencies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signatures")
	got := DependenciesProbe(func() []string {
		return []string{"sh", "no-such-program", "../sh", file, "/"}
	}).Run(t.Context())
	for name, want := range map[string]Status{
		"sh": Healthy, "no-such-program": Unhealthy, "../sh": Unhealthy, file: Unhealthy, "/": Healthy,
	} {
		c := got["dependency:"+name]
		if c.Status != want || c.Priority != Important || (c.Fix == "") != (want == Healthy) {
			t.Errorf("dependency %q = %+v, want %s", name, c, want)
		}
	}
}

func TestTheChecksOfPlugins(t *testing.T) {
	got := PluginsProbe(func(context.Context) map[string][]tool.HealthCheck {
		return map[string][]tool.HealthCheck{"nmap": {
			{Name: "sandbox", Status: tool.Healthy, Priority: tool.Important},
			{Name: "nmap", Tool: "NmapTool", Status: tool.Unhealthy, Priority: tool.Important, Message: "m", Fix: "f"},
		}}
	}).Run(t.Context())
	if want := (Check{Unhealthy, Important, "m", "f"}); got["check:nmap/NmapTool/nmap"] != want {
		t.Errorf("checks = %+v, want %+v of the tool's program", got, want)
	}
	if _, ok := got["check:nmap/sandbox"]; !ok || len(got) != 2 {
		t.Errorf("checks = %+v, want that of the plugin as well", got)
	}
}
