package fleet

import (
	"testing"
	"time"
)

func testPace(random float64) pace {
	return pace{
		shortest: 500 * time.Millisecond, longest: time.Minute, budget: 100, window: 10 * time.Minute,
		stable: time.Minute, random: func() float64 { return random },
	}
}

func TestWaitsDoubleUpToTheLongest(t *testing.T) {
	p := testPace(1)
	now := time.Now()
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000} {
		if got, ok := p.failed(now); !ok || got != want*time.Millisecond {
			t.Errorf("wait %d = %s, %v, want %s", i, got, ok, want*time.Millisecond)
		}
	}
}

func TestHalfOfAWaitIsRandom(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 250, 0.5: 375, 1: 500} {
		p := testPace(random)
		if got, _ := p.failed(time.Now()); got != want*time.Millisecond {
			t.Errorf("with %v: wait = %s, want %s", random, got, want*time.Millisecond)
		}
	}
}

func TestTheBudgetIsAWindowThatMoves(t *testing.T) {
	p := testPace(0)
	p.budget = 2
	begun := time.Now()
	now := begun
	for _, step := range []struct {
		after time.Duration
		ok    bool
	}{
		{0, true}, {time.Minute, true}, {8 * time.Minute, false},
		{time.Minute, true}, {0, false}, {time.Minute, true},
	} {
		now = now.Add(step.after)
		if _, ok := p.failed(now); ok != step.ok {
			t.Errorf("at %s: a restart is left: %v, want %v", now.Sub(begun), ok, step.ok)
		}
	}
}

func TestAStableMinuteClearsTheRecord(t *testing.T) {
	for ran, want := range map[time.Duration]time.Duration{
		59 * time.Second: 2 * time.Second, time.Minute: 500 * time.Millisecond,
	} {
		p := testPace(1)
		p.failed(time.Now())
		p.failed(time.Now())
		p.ran(ran)
		if got, _ := p.failed(time.Now()); got != want {
			t.Errorf("after it ran for %s: wait = %s, want %s", ran, got, want)
		}
	}
}
