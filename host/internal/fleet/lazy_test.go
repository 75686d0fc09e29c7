package fleet

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func lazyWorld(t *testing.T) *world {
	w := newWorld(t, Config{Launch: Lazy, IdleTimeout: time.Minute}, "fake")
	w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
		<-time.After(time.Second)
		return newFakeProcess(), &hosttest.Fake{}, nil
	}
	return w
}

func TestALazyPluginThatNobodyKnowsIsAskedOnceAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lazyWorld(t)
		defer w.run()()
		w.sleep(time.Second)
		<-w.Ready()
		w.wantState(Ready)
		w.sleep(time.Minute)
		s := w.wantState(Idle)
		if !w.process().closed.Load() || s.Pid != 0 || len(s.Tools) != 1 {
			t.Errorf("status %+v, want no process, and its tool", s)
		}
		w.sleep(time.Hour)
		if n := w.starts.Load(); n != 1 {
			t.Errorf("%d starts of a plugin that nobody calls, want 1", n)
		}
	})
}

// asleep is a lazy world whose plugin is known and idle.
func asleep(t *testing.T) (w *world, stop func()) {
	w = lazyWorld(t)
	stop = w.run()
	w.sleep(2 * time.Minute)
	w.wantState(Idle)
	return w, stop
}

func TestACallWakesALazyPlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := asleep(t)
		defer stop()
		before := w.Catalog()
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				if _, err := call(w.Fleet, "FakeTool"); err != nil {
					t.Errorf("call = %v", err)
				}
			})
		}
		calls.Wait()
		if n := w.starts.Load(); n != 2 {
			t.Errorf("%d starts, want one more for ten calls", n)
		}
		w.sleep(50 * time.Second)
		w.wantState(Ready)
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call = %v", err)
		}
		w.sleep(50 * time.Second)
		w.wantState(Ready) // counted from the last call
		w.sleep(10 * time.Second)
		w.wantState(Idle)
		if w.Catalog() != before {
			t.Error("waking and idling has made another catalog")
		}
	})
}

func TestALongCallKeepsALazyPluginAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lazyWorld(t)
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			return p, slowHandler(p, 10*time.Minute), nil
		}
		defer w.run()()
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call = %v", err)
		}
		w.wantState(Ready)
		w.sleep(time.Minute)
		w.wantState(Idle)
	})
}

func TestACallerWhoGoesDoesNotWaitForAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := asleep(t)
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		e, _ := w.Catalog().Lookup("FakeTool")
		_, err := e.Handler.Call(ctx, tool.Request{}, func(tool.Event) {})
		if tool.KindOf(err) != tool.KindTimeout {
			t.Errorf("call = %v, want a timeout", err)
		}
		w.sleep(2 * time.Second)
		w.wantState(Ready) // the start went on
	})
}

func TestALazyPluginThatFailsIsToldAndTriedByTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := asleep(t)
		defer stop()
		good := w.birth
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			return nil, nil, tool.Errorf(tool.KindUnavailable, "no database")
		}
		_, err := call(w.Fleet, "FakeTool")
		if e := tool.AsError(err); e.Kind != tool.KindUnavailable || e.RetryAfter == 0 {
			t.Errorf("call = %+v, want unavailable, and when to try again", e)
		}
		starts := w.starts.Load()
		w.sleep(time.Minute)
		w.wantState(Idle)
		if n := w.starts.Load(); n != starts {
			t.Errorf("%d starts without a call", n-starts)
		}
		w.birth = good
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call = %v", err)
		}
	})
}

func TestHealthDoesNotWakeALazyPlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := asleep(t)
		defer stop()
		if checks := w.CheckHealth(t.Context()); len(checks) > 0 {
			t.Errorf("checks %v of a plugin without a process", checks)
		}
		if err := w.Reconfigure(t.Context()); err != nil {
			t.Errorf("Reconfigure() = %v", err)
		}
		w.wantState(Idle)
	})
}

func TestANewFileOfALazyPluginIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Launch: Lazy, IdleTimeout: time.Minute}, "fake")
		versions(w, nil)
		defer w.run()()
		w.sleep(2 * time.Minute)
		w.wantState(Idle)
		w.replace()
		if s := w.wantState(Ready); s.Version != "1" {
			t.Errorf("status %+v, want the new version", s)
		}
		w.sleep(2 * time.Minute)
		w.wantState(Idle)
	})
}

func TestALazyPluginIsKeptWhileItsNewFileDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Launch: Lazy, IdleTimeout: time.Minute}, "fake")
		good := w.birth
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if c.Stamp.Inode == 1 {
				return nil, nil, fmt.Errorf("garbage: %w", proc.ErrUnusable)
			}
			return good(n, c)
		}
		defer w.run()()
		w.replace()
		w.sleep(time.Hour)
		w.wantState(Ready)
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call = %v, want the old process: there is no other", err)
		}
	})
}
