package fleet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestARestartFailsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := newWorld(t, Config{}, "fake")
		versions(w, letGo)
		defer w.run()()
		before := w.Catalog()
		outcome := make(chan error, 1)
		go func() {
			_, err := call(w.Fleet, "FakeTool")
			outcome <- err
		}()
		synctest.Wait()
		old := w.process()
		s, err := w.Restart(t.Context(), "/plugins/fake", "it looked odd")
		if err != nil || s.State != Ready || !strings.Contains(s.Reason, "it looked odd") || s.Draining != 1 {
			t.Errorf("Restart() = %+v, %v; want a new process, and why", s, err)
		}
		if w.process() == old || w.Catalog() != before {
			t.Error("want another process and the same catalog")
		}
		close(letGo)
		if err := <-outcome; err != nil {
			t.Errorf("the call in flight = %v", err)
		}
		synctest.Wait()
		if !old.closed.Load() {
			t.Error("the old process was not ended")
		}
	})
}

func TestAStoppedPluginStaysSoUntilItIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		old := w.process()
		s, err := w.Stop(t.Context(), "/plugins/fake", "maintenance")
		if err != nil || s.State != Stopped || !strings.Contains(s.Reason, "maintenance") {
			t.Errorf("Stop() = %+v, %v; want it stopped, and why", s, err)
		}
		w.replace() // a new file is no wish to start
		w.sleep(time.Hour)
		w.wantState(Stopped)
		if !old.closed.Load() || w.starts.Load() != 1 {
			t.Errorf("%d starts, closed %t; want one process, ended", w.starts.Load(), old.closed.Load())
		}
		_, err = call(w.Fleet, "FakeTool")
		if e := tool.AsError(err); e.Kind != tool.KindUnavailable || !strings.Contains(e.Message, "operator") {
			t.Errorf("call = %v, want unavailable by an operator's wish", err)
		}
		if s, err = w.Start(t.Context(), "/plugins/fake"); err != nil || s.State != Ready {
			t.Errorf("Start() = %+v, %v; want it ready", s, err)
		}
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call after the start = %v", err)
		}
	})
}

func TestAStartTriesAQuarantinedPluginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n < 3 {
				return nil, nil, fmt.Errorf("garbage: %w", proc.ErrUnusable)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.wantState(Quarantined)
		if s, err := w.Start(t.Context(), "/plugins/fake"); err != nil || s.State != Quarantined || s.Error == "" {
			t.Errorf("Start() = %+v, %v; want the plugin in quarantine again, with its error", s, err)
		}
		if s, err := w.Restart(t.Context(), "/plugins/fake", ""); err != nil || s.State != Ready {
			t.Errorf("Restart() = %+v, %v; want it ready", s, err)
		}
		if s, err := w.Start(t.Context(), "/plugins/fake"); err != nil || s.State != Ready || w.starts.Load() != 3 {
			t.Errorf("Start() of one that runs = %+v, %v; want no other process", s, err)
		}
	})
}

func TestARestartInBackoffDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{BackoffMin: time.Minute}, "fake")
		defer w.run()()
		w.process().end()
		synctest.Wait()
		w.wantState(Backoff)
		began := time.Now()
		if s, err := w.Restart(t.Context(), "/plugins/fake", ""); err != nil || s.State != Ready || time.Since(began) > 0 {
			t.Errorf("Restart() = %+v, %v after %v; want it ready at once", s, err, time.Since(began))
		}
	})
}

func TestARestartThatFailsLeavesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		good := w.birth
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n == 2 {
				return nil, nil, tool.Errorf(tool.KindUnavailable, "no memory")
			}
			return good(n, c)
		}
		defer w.run()()
		old := w.process()
		s, err := w.Restart(t.Context(), "/plugins/fake", "")
		if err != nil || s.State != Ready || s.Follower != "no memory" || old.closed.Load() {
			t.Errorf("Restart() = %+v, %v; want the old process to serve, and what was wrong", s, err)
		}
		w.sleep(time.Minute)
		if s := w.wantState(Ready); s.Follower != "" || !old.closed.Load() {
			t.Errorf("status %+v, want the restart to have been tried again", s)
		}
	})
}

func TestThereIsNoControlOfWhatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "a")
		defer w.run()()
		if _, err := w.Stop(t.Context(), "/plugins/b", ""); tool.KindOf(err) != tool.KindToolNotFound {
			t.Errorf("Stop() = %v, want that there is none", err)
		}
	})
}

func TestWhatHoldsTooMuchMemoryIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := newWorld(t, Config{MaxRSS: func() int64 { return 100 << 20 }}, "fake")
		versions(w, letGo)
		defer w.run()()
		outcome := make(chan error, 1)
		go func() {
			_, err := call(w.Fleet, "FakeTool")
			outcome <- err
		}()
		synctest.Wait()
		old := w.process()
		w.held.Store(101 << 20)
		w.sleep(w.cfg.ProbeInterval)
		w.held.Store(1 << 20)
		s := w.wantState(Ready)
		if !strings.Contains(s.Reason, "101 MiB") || s.Draining != 1 || old.closed.Load() {
			t.Errorf("status %+v, want another process, and the old one to finish its call", s)
		}
		close(letGo)
		if err := <-outcome; err != nil {
			t.Errorf("the call in flight = %v", err)
		}
		w.sleep(time.Hour)
		if n := w.starts.Load(); n != 2 || !old.closed.Load() {
			t.Errorf("%d starts, want 2", n)
		}
	})
}

func TestWhatNeedsMoreMemoryThanAllowedIsToldAndNotReplacedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxRSS: func() int64 { return 100 << 20 }}, "fake")
		w.held.Store(200 << 20)
		defer w.run()()
		w.sleep(9 * time.Minute)
		if s := w.wantState(Unhealthy); !strings.Contains(s.Error, "plugins.max_rss") || w.starts.Load() != 6 {
			t.Errorf("status %+v after %d starts, want it told after five replacements", s, w.starts.Load())
		}
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call = %v, want it served nevertheless", err)
		}
	})
}

func TestAProcessWhoseCallWasGivenUpIsProbedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			if n == 1 {
				p.ping = frozen
			}
			return p, &hosttest.Fake{
				OnCall: func(ctx context.Context, _ tool.Request, _ func(tool.Event)) (tool.Result, error) {
					<-ctx.Done()
					return tool.Result{}, tool.AsError(context.Cause(ctx))
				},
			}, nil
		}
		defer w.run()()
		old := w.process()
		ctx, cancel := context.WithCancel(t.Context())
		e, _ := w.Catalog().Lookup("FakeTool")
		go func() { _, _ = e.Handler.Call(ctx, tool.Request{}, func(tool.Event) {}) }()
		synctest.Wait()
		cancel()
		w.sleep(w.cfg.ProbeTimeout)
		if !old.closed.Load() {
			t.Errorf("the frozen process lives %v after its call was given up", w.cfg.ProbeTimeout)
		}
		w.sleep(time.Second)
		w.wantState(Ready)
	})
}

func TestAPluginWithoutAWantedToolIsNotKeptRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wanted := false
		w := newWorld(t, Config{Wanted: func(string) bool { return wanted }}, "fake")
		defer w.run()()
		<-w.Ready()
		s := w.wantState(Stopped)
		if !w.process().closed.Load() || s.Reason == "" || len(s.Filtered) != 1 || s.Name != "fake" {
			t.Errorf("status %+v, want no process, the reason, and what is filtered", s)
		}
		wanted = true
		if err := w.Resettle(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantState(Ready)
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call = %v", err)
		}
		wanted = false
		if err := w.Resettle(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.wantState(Stopped)
	})
}

func TestNoNewPrivsYieldsToWhatAToolNeeds(t *testing.T) {
	needy := hosttest.OneTool("fake", "FakeTool")
	needy.Tools[0].Needs = []tool.Need{{Kind: tool.NeedCapability, Name: "CAP_NET_RAW"}}
	content := hosttest.OneTool("fake", "FakeTool")
	content.Tools[0].Needs = []tool.Need{{Kind: tool.NeedCapability, Name: "CAP_NET_RAW", Optional: true}}
	for name, row := range map[string]struct {
		mode    NoNewPrivs
		m       tool.Manifest
		handsOn bool
		want    []bool // of each start
	}{
		"a tool without needs":                   {Auto, hosttest.OneTool("fake", "FakeTool"), false, []bool{true, true}},
		"a capability that the host has":         {Auto, needy, true, []bool{true, true}},
		"a capability that only a file can give": {Auto, needy, false, []bool{true, false, false}},
		"a capability that it can do without":    {Auto, content, false, []bool{true, true}},
		"the operator insists":                   {On, needy, false, []bool{true, true}},
		"the operator does without":              {Off, hosttest.OneTool("fake", "FakeTool"), true, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{NoNewPrivs: row.mode}, "fake")
				w.handsOn = func(string) bool { return row.handsOn }
				w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
					return newFakeProcess(), &hosttest.Fake{Manifest: row.m}, nil
				}
				defer w.run()()
				w.wantState(Ready)
				if _, err := w.Restart(t.Context(), "/plugins/fake", ""); err != nil {
					t.Fatal(err)
				}
				var got []bool
				for _, b := range w.births {
					got = append(got, b.noNewPrivs)
				}
				if fmt.Sprint(got) != fmt.Sprint(row.want) {
					t.Errorf("no_new_privs of the starts: %v, want %v", got, row.want)
				}
			})
		})
	}
}
