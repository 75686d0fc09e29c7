package call

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// TestOnlyRealFailuresOpenTheBreaker is the last column of the table of errors.
func TestOnlyRealFailuresOpenTheBreaker(t *testing.T) {
	counts := map[tool.Kind]bool{
		"": false, tool.KindUnavailable: true, tool.KindNotFound: true, tool.KindTimeout: true,
		tool.KindResourceExhausted: true, tool.KindExecution: true, tool.KindUnknown: true,
		tool.KindValidation: false, tool.KindOutOfScope: false, tool.KindIntrusiveDenied: false,
		// What a plugin cannot know of turns into unknown, or unavailable, and counts.
		tool.KindForbidden: true, tool.KindRateLimited: true, tool.KindCancelled: true,
	}
	for kind, want := range counts {
		var said error
		if kind != "" {
			said = tool.Errorf(kind, "said the plugin")
		}
		b := newBed(t, failing(said))
		for range 3 {
			b.run(t.Context(), "")
		}
		if open := b.State("ScanTool").Breaker == Open; open != want {
			t.Errorf("after three calls with %q the breaker is open: %v, want %v", kind, open, want)
		}
	}
}

func TestOnlyConsecutiveFailuresCount(t *testing.T) {
	starting := tool.Errorf(tool.KindUnavailable, "starting: %w", catalog.ErrNotRunning)
	for _, row := range []struct {
		name  string
		among error
		want  int // failures after two, the other outcome, one
	}{
		{"a success clears the count", nil, 1},
		{"a refusal of the plugin's does not", tool.Errorf(tool.KindValidation, "no"), 3},
		{"a plugin that is coming up does not", starting, 3},
	} {
		broken := tool.Errorf(tool.KindExecution, "broken")
		outcomes := []error{broken, broken, row.among, broken}
		b := newBed(t, &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
			err := outcomes[0]
			outcomes = outcomes[1:]
			return tool.Result{}, err
		}}, func(s *setup) { s.settings.Breaker.Threshold = 4 })
		for range 4 {
			b.run(t.Context(), "")
		}
		if s := b.State("ScanTool"); s.Failures != row.want {
			t.Errorf("%s: %d failures, want %d", row.name, s.Failures, row.want)
		}
	}
}

func TestBreakerOpensRestsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := error(tool.Errorf(tool.KindExecution, "broken"))
		h := &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
			return tool.Result{}, err
		}}
		b := newBed(t, h)
		for range 3 {
			b.run(t.Context(), "")
		}
		time.Sleep(10 * time.Second)
		_, refusal := b.Call(t.Context(), request(""), nil)
		e := asError(t, refusal)
		if e.Kind != tool.KindBreakerOpen || e.RetryAfter != 20*time.Second || e.Metadata["failures"] != 3 {
			t.Fatalf("Call = %+v, want circuit_breaker_open for 20 s more", e)
		}
		time.Sleep(e.RetryAfter - 1)
		if k := b.run(t.Context(), ""); k != tool.KindBreakerOpen {
			t.Errorf("a moment before retry_after: %q, want circuit_breaker_open", k)
		}
		time.Sleep(time.Nanosecond)
		if k := b.run(t.Context(), ""); k != tool.KindExecution {
			t.Errorf("after exactly retry_after: %q, want the trial to reach the plugin", k)
		}
		if s := b.State("ScanTool"); s.Breaker != Open || s.RetryAfter != 30*time.Second || s.Failures != 4 {
			t.Errorf("after a failed trial: %+v, want OPEN for another 30 s", s)
		}
		time.Sleep(31 * time.Second)
		if s := b.State("ScanTool"); s.Breaker != HalfOpen || s.RetryAfter != 0 {
			t.Errorf("after the rest: %+v, want HALF_OPEN", s)
		}
		err = nil
		if k := b.run(t.Context(), ""); k != "" {
			t.Errorf("the second trial: %q", k)
		}
		if s := b.State("ScanTool"); s.Breaker != Closed || s.Failures != 0 {
			t.Errorf("after a good trial: %+v, want CLOSED", s)
		}
		if want := []BreakerState{Open, HalfOpen, Open, HalfOpen, Closed}; !slices.Equal(b.news, want) {
			t.Errorf("told %v, want %v", b.news, want)
		}
	})
}

func TestHalfOpenLetsOneThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := failing(tool.Errorf(tool.KindExecution, "broken"))
		b := newBed(t, h, func(s *setup) { s.settings.Concurrency = 10 })
		for range 3 {
			b.run(t.Context(), "")
		}
		time.Sleep(time.Minute)
		h.call = taking(5 * time.Second).call
		h.calls.Store(0)
		var mu sync.Mutex
		count := make(map[tool.Kind]int)
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				_, err := b.Call(t.Context(), request(""), nil)
				mu.Lock()
				defer mu.Unlock()
				count[tool.KindOf(err)]++
				if e := tool.AsError(err); e != nil && e.RetryAfter <= 0 {
					t.Errorf("Call = %+v, want a hint when to come back", e)
				}
			})
		}
		callers.Wait()
		if count[""] != 1 || count[tool.KindBreakerOpen] != 9 || h.calls.Load() != 1 {
			t.Errorf("outcomes %v, %d calls; want one trial and nine refusals", count, h.calls.Load())
		}
	})
}

func TestRefusedTrialLeavesTheTrialToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := failing(tool.Errorf(tool.KindExecution, "broken"))
		b := newBed(t, h)
		for range 3 {
			b.run(t.Context(), "")
		}
		time.Sleep(time.Minute)
		h.call = failing(tool.Errorf(tool.KindValidation, "no")).call
		b.run(t.Context(), "")
		if s := b.State("ScanTool"); s.Breaker != HalfOpen {
			t.Errorf("after a refused trial: %s, want HALF_OPEN", s.Breaker)
		}
		h.call = nil
		if k := b.run(t.Context(), ""); k != "" || b.State("ScanTool").Breaker != Closed {
			t.Errorf("the next trial: %q, %s; want it to close the breaker", k, b.State("ScanTool").Breaker)
		}
	})
}

// TestOpenBreakerRefusesWhoWaited has calls in the queue while the one that runs opens the breaker.
func TestOpenBreakerRefusesWhoWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
			time.Sleep(time.Second)
			return tool.Result{}, tool.Errorf(tool.KindExecution, "broken")
		}}
		b := newBed(t, h, func(s *setup) { s.settings.Breaker.Threshold = 1 })
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() { b.run(t.Context(), "") })
		}
		callers.Wait()
		if n := h.calls.Load(); n != 1 {
			t.Errorf("the plugin was asked %d times, want once", n)
		}
		if s := b.State("ScanTool"); s.AverageRun != time.Second {
			t.Errorf("a run takes %v on average, want 1 s: refusals are no runs", s.AverageRun)
		}
	})
}

func TestLateOutcomesOfAnOlderGenerationAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := failing(tool.Errorf(tool.KindExecution, "broken"))
		b := newBed(t, h, func(s *setup) { s.settings.Concurrency = 2 })
		slow := make(chan struct{})
		broken := h.call
		h.call = func(context.Context, tool.Request, events) (tool.Result, error) {
			<-slow
			return tool.Result{}, nil
		}
		var callers sync.WaitGroup
		callers.Go(func() { b.run(t.Context(), "") })
		synctest.Wait()
		h.call = broken
		for range 3 {
			b.run(t.Context(), "")
		}
		close(slow)
		callers.Wait()
		if s := b.State("ScanTool"); s.Breaker != Open {
			t.Errorf("an old success came in: %s, want OPEN still", s.Breaker)
		}
	})
}

func TestBreakerOutlivesThePluginAndItsSettings(t *testing.T) {
	b := newBed(t, failing(tool.Errorf(tool.KindUnavailable, "died")))
	for range 3 {
		b.run(t.Context(), "")
	}
	b.handler = &fake{}
	b.publish(t)
	if k := b.run(t.Context(), ""); k != tool.KindBreakerOpen {
		t.Errorf("after a restart of the plugin: %q, want circuit_breaker_open", k)
	}
	b.settings.Breaker.Threshold = 5
	b.publish(t)
	if k := b.run(t.Context(), ""); k != tool.KindBreakerOpen {
		t.Errorf("with new settings: %q, want circuit_breaker_open", k)
	}
	b.settings.Breaker.Trials = 2 // it is made anew for that
	b.publish(t)
	before := b.State("ScanTool")
	if k := b.run(t.Context(), ""); k != tool.KindBreakerOpen || before.Failures != 3 || before.RetryAfter <= 0 {
		t.Errorf("with another number of trials: %q, %+v; want it open as before", k, before)
	}
	if want := []BreakerState{Open}; !slices.Equal(b.news, want) {
		t.Errorf("told %v, want %v", b.news, want)
	}
}

// TestBreakerNewsMayAskForTheState calls back into the router, which a lock would not survive.
func TestBreakerNewsMayAskForTheState(t *testing.T) {
	var b *bed
	var seen []BreakerState
	b = newBed(t, failing(tool.Errorf(tool.KindExecution, "broken")), func(s *setup) {
		s.BreakerChanged = func(name string, _ BreakerState) { seen = append(seen, b.State(name).Breaker) }
	})
	for range 3 {
		b.run(t.Context(), "")
	}
	if !slices.Equal(seen, []BreakerState{Open}) {
		t.Errorf("saw %v, want OPEN", seen)
	}
}

func TestTimeoutOfARunThatTheQueueCutShortDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, _ events) (tool.Result, error) {
			time.Sleep(50 * time.Second)
			if time.Now().After(r.Deadline) {
				return tool.Result{}, tool.Errorf(tool.KindTimeout, "late")
			}
			return tool.Result{}, nil
		}}, func(s *setup) { s.settings.Breaker.Threshold = 1 })
		var callers sync.WaitGroup
		for range 2 {
			callers.Go(func() { b.run(t.Context(), "") })
		}
		callers.Wait()
		if s, rec := b.State("ScanTool"), b.last(t); s.Breaker != Closed || rec.Kind != tool.KindTimeout {
			t.Errorf("breaker %s after %q, want CLOSED after timeout", s.Breaker, rec.Kind)
		}
	})
}

func TestStateOfAToolThatWasNeverCalled(t *testing.T) {
	b := newBed(t, &fake{})
	for name, want := range map[string]int{"ScanTool": 1, "NoTool": 0} {
		if s := b.State(name); s.Breaker != Closed || s.Slots != want {
			t.Errorf("State(%s) = %+v, want CLOSED with %d slots", name, s, want)
		}
	}
	if n := len(b.tools.byName); n != 1 {
		t.Errorf("%d states are kept, want 1", n)
	}
	b.current.Store(emptyCatalog())
	if s := b.State("ScanTool"); s.Slots != 1 {
		t.Errorf("State of a tool that left = %+v, want it remembered", s)
	}
}

// TestStorm has many callers, reloads and a failing tool at once; what is counted must come out even.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, _ events) (tool.Result, error) {
			time.Sleep(time.Millisecond)
			if r.CorrelationID == "bad" {
				return tool.Result{}, tool.Errorf(tool.KindExecution, "broken")
			}
			return tool.Result{}, nil
		}}, func(s *setup) { s.settings.Concurrency = 4 })
		var callers sync.WaitGroup
		for i := range 40 {
			callers.Go(func() {
				for j := range 25 {
					args := `{}`
					if (i+j)%3 == 0 {
						args = `{"correlation_id":"bad"}`
					}
					b.run(t.Context(), args)
					time.Sleep(time.Duration(i*j%7) * time.Second)
				}
			})
		}
		callers.Go(func() {
			for i := range 20 {
				time.Sleep(5 * time.Second)
				b.settings.Concurrency, b.settings.Breaker.Threshold = 1+i%5, 1+i%3
				b.publish(t)
			}
		})
		callers.Wait()
		var ran int
		ids := make(map[string]bool)
		for _, r := range b.records {
			ids[r.ExecutionID] = true
			if r.Ran {
				ran++
			}
		}
		if len(b.records) != 1000 || len(ids) != 1000 || ran != len(b.started) {
			t.Errorf("%d records, %d ids, %d ran, %d started", len(b.records), len(ids), ran, len(b.started))
		}
		s := b.State("ScanTool")
		if s.SlotsInUse != 0 || s.Queued != 0 {
			t.Errorf("state = %+v, want nothing under way", s)
		}
		if n := len(b.news); n == 0 || b.news[n-1] != s.Breaker {
			t.Errorf("the last news of %d is not the state %s", n, s.Breaker)
		}
		for i := 1; i < len(b.news); i++ {
			if b.news[i] == b.news[i-1] {
				t.Fatal(fmt.Sprint("told twice: ", b.news[i]))
			}
		}
	})
}

// TestOpenBreakerRefusesBeforeTheQueue has an old call hold the only slot while others open the breaker.
func TestOpenBreakerRefusesBeforeTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := taking(40 * time.Second)
		b := newBed(t, h, func(s *setup) { s.settings.Breaker.Threshold = 1 })
		st := b.tools.of(must(b.current.Load().Lookup("ScanTool")))
		var first sync.WaitGroup
		first.Go(func() { b.run(t.Context(), "") })
		synctest.Wait()
		report, _ := st.circuit.allow()
		report(errFailed)
		begun := time.Now()
		if k := b.run(t.Context(), ""); k != tool.KindBreakerOpen || time.Since(begun) != 0 {
			t.Errorf("a call while the slot is held: %q after %v, want it at once", k, time.Since(begun))
		}
		first.Wait()
	})
}

// TestReplacedBreakerMakesNoNews has a call of before the reload fail after it.
func TestReplacedBreakerMakesNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
			time.Sleep(time.Second)
			return tool.Result{}, tool.Errorf(tool.KindExecution, "broken")
		}}
		b := newBed(t, h, func(s *setup) { s.settings.Breaker.Threshold = 1 })
		var first sync.WaitGroup
		first.Go(func() { b.run(t.Context(), "") })
		synctest.Wait()
		b.settings.Breaker.Threshold = 9
		b.publish(t)
		if s := b.State("ScanTool"); s.Breaker != Closed {
			t.Errorf("a fresh breaker is %s", s.Breaker)
		}
		first.Wait()
		if len(b.news) != 0 {
			t.Errorf("told %v of a breaker that is gone", b.news)
		}
	})
}

func must[T any](v T, ok bool) T {
	if !ok {
		panic("not found")
	}
	return v
}
