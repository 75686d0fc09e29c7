package health

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// says is a probe that counts its runs and answers with a status that can be changed.
type says struct {
	runs   atomic.Int32
	status atomic.Value // Status
}

func (s *says) probe(name string) Probe {
	return single(name, Important, func(context.Context) Check {
		s.runs.Add(1)
		status, _ := s.status.Load().(Status)
		if status == "" {
			status = Healthy
		}
		return Check{Status: status, Message: "so it is"}
	})
}

// start runs a checker in a bubble until the test ends.
func start(t *testing.T, cfg Config, probes ...Probe) *Checker {
	t.Helper()
	c, err := New(cfg, probes...)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	synctest.Wait()
	return c
}

func pass(d time.Duration) {
	<-time.After(d) // the bubble's time
	synctest.Wait()
}

func (c *Checker) wantCheck(t *testing.T, name string, status Status, message string) {
	t.Helper()
	got, ok := c.Report().Checks[name]
	if !ok || got.Status != status || !strings.Contains(got.Message, message) {
		t.Errorf("check %s = %+v (%t), want %s, %q", name, got, ok, status, message)
	}
}

func TestBeforeTheFirstRoundNothingIsClaimed(t *testing.T) {
	c, err := New(Config{Transport: "http"}, new(says).probe("a"))
	if err != nil {
		t.Fatal(err)
	}
	c.wantCheck(t, "a", Degraded, "has not run yet")
	if r := c.Report(); r.Status != Degraded || r.Transport != "http" || r.Summary.TotalChecks != 1 {
		t.Errorf("Report() = %+v, want degraded", r)
	}
}

func TestProbesRunAtStartAndAtEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(says)
		c := start(t, Config{Settings: Settings{Interval: time.Minute}}, a.probe("a"))
		c.wantCheck(t, "a", Healthy, "so it is")
		pass(time.Minute)
		pass(time.Minute)
		if n := a.runs.Load(); n != 3 {
			t.Errorf("%d runs after two minutes, want 3", n)
		}
		if r := c.Report(); !r.Timestamp.Equal(time.Now()) {
			t.Errorf("the report is of %v, want now, %v", r.Timestamp, time.Now())
		}
	})
}

func TestAHangingProbeIsReportedAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, runs := make(chan struct{}), 0
		hangs := Probe{Name: "hangs", Priority: Critical, Run: func(context.Context) map[string]Check {
			runs++
			<-release
			return map[string]Check{"hangs": {Status: Healthy, Priority: Critical, Message: "awake"}}
		}}
		a := new(says)
		c := start(t, Config{}, hangs, a.probe("a"))
		c.wantCheck(t, "hangs", Degraded, "has not run yet")
		c.wantCheck(t, "a", Healthy, "so it is")
		pass(10 * time.Second)
		c.wantCheck(t, "hangs", Unhealthy, "did not answer within 10s")
		if r := c.Report(); r.Status != Unhealthy {
			t.Errorf("Report() = %s with a critical probe that hangs, want unhealthy", r.Status)
		}
		pass(50 * time.Second)
		if runs != 1 || a.runs.Load() != 3 {
			t.Errorf("after a minute the hanging probe ran %d times, the other %d; want 1 and 3", runs, a.runs.Load())
		}
		close(release)
		synctest.Wait()
		c.wantCheck(t, "hangs", Unhealthy, "did not answer") // what it said is old
		pass(30 * time.Second)
		c.wantCheck(t, "hangs", Healthy, "awake")
	})
}

func TestReportAnswersWhileAllProbesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var probes []Probe
		for i := range 20 {
			probes = append(probes, Probe{Name: fmt.Sprint(i), Run: func(context.Context) map[string]Check {
				<-release
				return nil
			}})
		}
		c := start(t, Config{}, probes...)
		defer close(release)
		for range 40 {
			before := time.Now()
			r := c.Report()
			if took := time.Since(before); took != 0 || r.Summary.TotalChecks != 20 || r.Status == Healthy {
				t.Fatalf("Report() took %v: %+v, want at once 20 checks, none healthy", took, r.Summary)
			}
			pass(time.Second)
		}
	})
}

func TestAProbeThatKeepsToItsContextSaysItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Config{Settings: Settings{Timeout: 4 * time.Second}},
			single("slow", Important, func(ctx context.Context) Check {
				<-ctx.Done()
				return Check{Status: Degraded, Message: "half of it"}
			}))
		pass(4 * time.Second)
		c.wantCheck(t, "slow", Degraded, "half of it")
	})
}

func TestAPanicIsAFailureOfThatCheckAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Config{}, single("bad", Informational, func(context.Context) Check { panic("nil map") }),
			new(says).probe("a"))
		c.wantCheck(t, "bad", Unhealthy, "the check panicked: nil map")
		c.wantCheck(t, "a", Healthy, "")
		if p := c.Report().Checks["bad"].Priority; p != Informational {
			t.Errorf("the priority of a probe that panics is %q, want its own", p)
		}
	})
}

func TestAProbeMayFindSeveralThingsAndOthersTheNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := []map[string]Check{
			{"x": {Status: Healthy}, "y": {Status: Degraded}}, {"y": {Status: Healthy}}, nil,
		}
		run := 0
		c := start(t, Config{}, Probe{Name: "many", Run: func(context.Context) map[string]Check {
			defer func() { run++ }()
			return found[min(run, len(found)-1)]
		}}, Probe{Name: "other", Run: func(context.Context) map[string]Check {
			return map[string]Check{"x": {Status: Unhealthy}} // the worse of two counts
		}})
		for _, want := range []Summary{{2, 0, 1, 1}, {2, 1, 0, 1}, {1, 0, 0, 1}} {
			if got := c.Report().Summary; got != want {
				t.Errorf("Summary = %+v, want %+v", got, want)
			}
			pass(30 * time.Second)
		}
	})
}

func TestProbesMustBeNamedAndRunnable(t *testing.T) {
	run := func(context.Context) map[string]Check { return nil }
	for _, probes := range [][]Probe{
		{{Run: run}}, {{Name: "a"}}, {{Name: "a", Run: run}, {Name: "a", Run: run}},
	} {
		if _, err := New(Config{}, probes...); err == nil {
			t.Errorf("New(%+v) succeeded", probes)
		}
	}
	if _, err := New(Config{Settings: Settings{Interval: -1}}); err == nil {
		t.Error("New with a negative interval succeeded")
	}
}
