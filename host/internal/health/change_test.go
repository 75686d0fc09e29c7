package health

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachFlapIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		a := new(says)
		start(t, Config{Changed: func(old, current Report) {
			told = append(told, fmt.Sprintf("%s->%s", old.Checks["a"].Status, current.Checks["a"].Status))
		}}, a.probe("a"))
		for _, s := range []Status{Unhealthy, Unhealthy, Healthy, Degraded, Healthy} {
			a.status.Store(s)
			pass(30 * time.Second)
		}
		want := []string{
			"degraded->healthy", "healthy->unhealthy", "unhealthy->healthy", "healthy->degraded", "degraded->healthy",
		}
		if !slices.Equal(told, want) {
			t.Errorf("Changed was told %v, want %v", told, want)
		}
	})
}

func TestAListenerThatHangsDelaysNoCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := new(says)
		c := start(t, Config{Changed: func(Report, Report) { <-release }}, a.probe("a"))
		a.status.Store(Unhealthy)
		pass(30 * time.Second)
		c.wantCheck(t, "a", Unhealthy, "")
		close(release)
	})
}

func TestTheIntervalCanBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(says)
		c := start(t, Config{Settings: Settings{Interval: time.Hour}}, a.probe("a"))
		pass(10 * time.Second)
		if err := c.Reconfigure(Settings{Interval: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := a.runs.Load(); n != 2 {
			t.Errorf("%d runs once the interval was changed, want 2: new settings are tried at once", n)
		}
		pass(15 * time.Second)
		if n := a.runs.Load(); n != 5 {
			t.Errorf("%d runs after 15 s more, want 5", n)
		}
		if err := c.Reconfigure(Settings{Timeout: -1}); err == nil {
			t.Error("Reconfigure with a negative timeout succeeded")
		}
	})
}

func TestManyKicksMakeOneEarlyRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(says)
		c := start(t, Config{}, a.probe("a"))
		pass(5 * time.Second)
		for range 100 {
			c.Kick()
			pass(time.Millisecond)
		}
		pass(time.Second)
		if n := a.runs.Load(); n != 2 {
			t.Errorf("%d runs after 100 kicks, want 2", n)
		}
		for range 40 { // four a second, for ten seconds
			c.Kick()
			pass(250 * time.Millisecond)
		}
		if n := a.runs.Load(); n > 13 {
			t.Errorf("%d runs after ten seconds of kicks, want one a second", n)
		}
	})
}

func TestAKickDuringARunLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, runs := "old", 0
		c := start(t, Config{}, single("a", Important, func(context.Context) Check {
			seen := state
			runs++
			<-time.After(3 * time.Second)
			return Check{Status: Healthy, Message: seen}
		}))
		state = "new"
		c.Kick()
		pass(4 * time.Second)
		c.wantCheck(t, "a", Healthy, "old")
		pass(3 * time.Second)
		c.wantCheck(t, "a", Healthy, "new")
		pass(10 * time.Second)
		if runs != 2 {
			t.Errorf("%d runs, want 2", runs)
		}
	})
}

func TestSwitchedOffChecksSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, known := new(says), new(says)
		k := known.probe("known")
		k.Known = true
		c := start(t, Config{Settings: Settings{Disabled: true}}, a.probe("a"), k)
		c.wantCheck(t, "known", Healthy, "")
		c.wantCheck(t, "checks", Healthy, "switched off")
		if r := c.Report(); r.Summary.TotalChecks != 2 || a.runs.Load() != 0 {
			t.Errorf("Report() = %+v after %d runs of a, want two checks and none", r, a.runs.Load())
		}
		pass(time.Second)
		if err := c.Reconfigure(Settings{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.wantCheck(t, "a", Healthy, "so it is")
		if _, there := c.Report().Checks["checks"]; there {
			t.Error("the report says that the checks are off when they are on")
		}
	})
}

func TestRunLeavesAHangingProbeBehindAndRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		c, err := New(Config{}, Probe{Name: "hangs", Run: func(context.Context) map[string]Check {
			<-release
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("Run() ended %v after it began, want soon after its second", took)
		}
		if err := c.Run(ctx); err == nil {
			t.Error("the second Run succeeded")
		}
	})
}
