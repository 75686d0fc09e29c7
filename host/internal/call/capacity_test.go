package call

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestQueueServesWhoCameFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var served []string
		b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, _ events) (tool.Result, error) {
			mu.Lock()
			served = append(served, r.CorrelationID)
			mu.Unlock()
			time.Sleep(time.Second)
			return tool.Result{}, nil
		}})
		var callers sync.WaitGroup
		var want []string
		for i := range 10 {
			id := fmt.Sprint(i)
			want = append(want, id)
			callers.Go(func() { b.run(t.Context(), `{"correlation_id":"`+id+`"}`) })
			synctest.Wait()
		}
		if s := b.State("ScanTool"); s.Slots != 1 || s.SlotsInUse != 1 || s.Queued != 9 {
			t.Errorf("state = %+v, want 1 running, 9 queued", s)
		}
		callers.Wait()
		if !slices.Equal(served, want) {
			t.Errorf("served %v, want %v", served, want)
		}
		if s := b.State("ScanTool"); s.SlotsInUse != 0 || s.Queued != 0 || s.AverageRun != time.Second {
			t.Errorf("state = %+v, want nothing under way and 1 s on average", s)
		}
		if rec := b.last(t); rec.Queued != 9*time.Second {
			t.Errorf("the last waited %v, want 9 s", rec.Queued)
		}
	})
}

func TestFullQueueShedsWithAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, taking(20*time.Second), func(s *setup) {
			s.settings.Concurrency, s.settings.QueueLength = 2, 3
		})
		b.run(t.Context(), "") // so that there is an average
		kinds := make(chan tool.Kind, 100)
		var callers sync.WaitGroup
		for range 12 {
			callers.Go(func() {
				_, err := b.Call(t.Context(), request(""), nil)
				if e := tool.AsError(err); e != nil && e.RetryAfter != 10*time.Second {
					t.Errorf("retry after %v, want the average of 20 s over 2 slots", e.RetryAfter)
				}
				kinds <- tool.KindOf(err)
			})
		}
		callers.Wait()
		close(kinds)
		count := make(map[tool.Kind]int)
		for k := range kinds {
			count[k]++
		}
		if count[""] != 5 || count[tool.KindOverloaded] != 7 {
			t.Errorf("outcomes %v, want 2+3 served and 7 overloaded", count)
		}
	})
}

func TestWaitingEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, taking(50*time.Second))
		var first sync.WaitGroup
		first.Go(func() { b.run(t.Context(), "") })
		synctest.Wait()
		begun := time.Now()
		_, err := b.Call(t.Context(), request(`{"timeout_sec":7}`), nil)
		if e := asError(t, err); e.Kind != tool.KindOverloaded || e.RetryAfter == 0 ||
			time.Since(begun) != 7*time.Second {
			t.Errorf("Call = %+v after %v, want overloaded after 7 s", e, time.Since(begun))
		}
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		if k := b.run(ctx, ""); k != tool.KindOverloaded || time.Since(begun) != 10*time.Second {
			t.Errorf("with a deadline of the caller's own: %q after %v", k, time.Since(begun))
		}
		first.Wait()
	})
}

func TestCallerThatGoesAwayLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := taking(20 * time.Second)
		b := newBed(t, h, func(s *setup) { s.settings.QueueLength = 1 })
		var callers sync.WaitGroup
		callers.Go(func() { b.run(t.Context(), "") })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		callers.Go(func() {
			if k := b.run(ctx, ""); k != tool.KindCancelled {
				t.Errorf("who left the queue got %q", k)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		if s := b.State("ScanTool"); s.Queued != 0 || s.SlotsInUse != 1 {
			t.Errorf("state = %+v, want an empty queue", s)
		}
		if k := b.run(t.Context(), ""); k != "" {
			t.Errorf("who came into the free place got %q", k)
		}
		callers.Wait()
		if n := h.calls.Load(); n != 2 {
			t.Errorf("the plugin was asked %d times, want 2", n)
		}
	})
}

func TestReloadChangesTheSlotsOfNewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, taking(10*time.Second))
		var callers sync.WaitGroup
		callers.Go(func() { b.run(t.Context(), "") })
		synctest.Wait()
		b.settings.Concurrency = 3
		b.publish(t)
		begun := time.Now()
		for range 3 {
			callers.Go(func() { b.run(t.Context(), "") })
		}
		callers.Wait()
		if d := time.Since(begun); d != 10*time.Second {
			t.Errorf("three calls with three slots took %v, want 10 s", d)
		}
		if s := b.State("ScanTool"); s.Slots != 3 || s.SlotsInUse != 0 {
			t.Errorf("state = %+v", s)
		}
	})
}
