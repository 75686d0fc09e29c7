package fleet

import (
	"slices"
	"time"
)

// pace says when a plugin that failed is started again. It belongs to one goroutine.
type pace struct {
	shortest, longest time.Duration
	budget            int // restarts within the window
	window, stable    time.Duration
	random            func() float64 // in [0, 1)

	failures int         // in a row
	recent   []time.Time // restarts within the window, oldest first
}

func newPace(c Config, random func() float64) pace {
	return pace{
		shortest: c.BackoffMin, longest: c.BackoffMax, budget: c.RestartBudget,
		window: c.RestartWindow, stable: c.StableAfter, random: random,
	}
}

// failed takes note of a failure and says how long to wait; false: there is no restart left. Half of a wait
// is random, so that plugins which failed together do not come back together.
func (p *pace) failed(now time.Time) (time.Duration, bool) {
	p.recent = slices.DeleteFunc(p.recent, func(t time.Time) bool { return now.Sub(t) >= p.window })
	if len(p.recent) >= p.budget {
		return 0, false
	}
	p.recent = append(p.recent, now)
	wait := p.shortest
	for range p.failures {
		if wait *= 2; wait >= p.longest {
			break
		}
	}
	p.failures++
	wait = min(wait, p.longest)
	return wait/2 + time.Duration(p.random()*float64(wait/2)), true
}

// ran takes note of how long a process was ready.
func (p *pace) ran(d time.Duration) {
	if d >= p.stable {
		p.failures, p.recent = 0, nil
	}
}
