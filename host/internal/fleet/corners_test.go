package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAProcessThatDiesBeforeAFollowerThatIsNotWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Wanted: func(n string) bool { return n != "Secret" }}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n == 2 {
				<-time.After(time.Second)
				return newFakeProcess(), &hosttest.Fake{Manifest: hosttest.OneTool("fake", "Secret")}, nil
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		first := w.process()
		w.replace()
		first.end()
		w.sleep(time.Minute)
		if s := w.wantState(Stopped); s.Reason == "" || !first.closed.Load() {
			t.Errorf("status %+v, want that nothing of it is wanted", s)
		}
	})
}

func TestAFollowerThatTookOverFromAFrozenProcessIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		var froze atomic.Bool
		var probes2 atomic.Int32
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			if n == 1 {
				p.ping = frozen
			}
			if n == 2 {
				<-time.After(8 * time.Second)
				p.ping = func(ctx context.Context) error {
					probes2.Add(1)
					if froze.Load() {
						return frozen(ctx)
					}
					return nil
				}
			}
			return p, &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.sleep(13 * time.Second) // one probe missed
		w.replace()               // the operator puts another file there
		w.sleep(time.Minute)
		w.wantState(Ready)
		froze.Store(true)
		w.sleep(time.Hour)
		if n := probes2.Load(); n < 2 || w.starts.Load() < 3 {
			t.Errorf("probes of the second process in an hour: %d; starts %d; states %v", n, w.starts.Load(), w.states)
		}
	})
}

func TestACallWaitsForALazyFileThatIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := asleep(t)
		defer stop()
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n < 5 {
				return nil, nil, fmt.Errorf("x: %w", proc.ErrUnfinished)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		w.replace()
		go func() { _, _ = call(w.Fleet, "FakeTool") }()
		w.sleep(time.Second)
		w.wantState(Ready)
	})
}

func TestASettingThatChangesWhileEntriesAreMadeIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Bool
		n := 0
		w := newWorld(t, Config{Settings: func(tool.Spec) catalog.Settings {
			s := catalog.Settings{MaxTimeout: time.Hour, Enabled: !off.Load()}
			if n++; n == 1 {
				<-time.After(10 * time.Millisecond) // the goroutine is preempted / other tools' schemas compile
			}
			return s
		}}, "fake")
		defer w.run()()
		off.Store(true)
		if err := w.Resettle(); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Hour)
		e, ok := w.Catalog().Lookup("FakeTool")
		if ok && e.Settings.Enabled {
			t.Error("a tool that was switched off is enabled an hour later")
		}
	})
}

func TestAToolThatBecomesWantedWhileItsProcessIsEndedIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wanted atomic.Bool
		w := newWorld(t, Config{Wanted: func(string) bool { return wanted.Load() }}, "fake")
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			p.slow = time.Second
			return p, &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.sleep(500 * time.Millisecond) // described, unwanted, being closed
		wanted.Store(true)
		if err := w.Reconfigure(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Hour)
		_, _ = w.Start(t.Context(), "/plugins/fake")
		_, _ = w.Restart(t.Context(), "/plugins/fake", "")
		s := w.Status()[0]
		if s.State != Ready {
			t.Errorf("wanted by the configuration for an hour: %s %q %v", s.State, s.Reason, w.states)
		}
	})
}

func TestAnOrderThatComesWhileAFailureIsToldIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{BackoffMin: time.Hour, BackoffMax: time.Hour}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n == 1 {
				return nil, nil, errors.New("no")
			}
			<-time.After(time.Second)
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		w.cfg.StateChanged = func(s Status) {
			if s.State == Backoff {
				<-time.After(time.Millisecond)
			}
		}
		defer w.run()()
		s, err := w.Restart(t.Context(), "/plugins/fake", "")
		if err != nil || s.State != Ready {
			t.Errorf("Restart() = %s %q, %v, want ready", s.State, s.Error, err)
		}
	})
}

func TestAStartOfWhatServesDoesNotSkipALaterBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		_, _ = w.Start(t.Context(), "/plugins/fake") // no effect: it serves
		w.sleep(time.Second)
		w.process().end()
		synctest.Wait()
		w.wantState(Backoff)
	})
}

func TestAProcessThatHangsInASecondConfigurationIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			n := 0
			return p, &hosttest.Fake{OnConfigure: func(ctx context.Context, _ tool.Policy) error {
				if n++; n == 1 {
					<-time.After(time.Second)
					return nil
				}
				p.ping = frozen
				return frozen(ctx)
			}}, nil
		}
		defer w.run()()
		_ = w.Reconfigure(t.Context()) // comes while it is being configured
		w.sleep(time.Hour)
		ready := false
		select {
		case <-w.Ready():
			ready = true
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := w.Restart(ctx, "/plugins/fake", "")
		if !ready || err != nil {
			t.Errorf("after an hour: Ready closed: %v; Restart() = %v; states %v", ready, err, w.states)
		}
	})
}

func TestAPinThatIsTakenBackEndsAlsoWhatServesBesideANewerFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		a := strings.Repeat("a", 64)
		w.files[0].Locked = true
		w.files[0].Pin = &pin.Pin{File: "fake", SHA256: a, Tools: []string{"FakeTool"}}
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n > 1 {
				return nil, nil, proc.ErrChanged
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.wantState(Ready)
		w.replace() // bytes that are not pinned: the pinned process goes on, which is right
		w.wantState(Ready)
		w.put(func(f []discover.Candidate) []discover.Candidate { f[0].Pin = nil; return f }) // now nothing is pinned
		w.sleep(time.Hour)
		if s := w.Status()[0]; s.State == Ready {
			_, err := call(w.Fleet, "FakeTool")
			t.Errorf("nothing is pinned, an hour later bytes %.4s are %s, a call = %v", s.SHA256, s.State, err)
		}
	})
}

func TestADirectoryThatCannotBeReadUnderItsOwnNameKeepsItsPlugins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		w.put(func(f []discover.Candidate) []discover.Candidate {
			w.other = discover.Result{Missing: []discover.Refusal{{Path: "/link/to/plugins", Reason: "too many open files", Temporary: true}}}
			return nil
		})
		w.sleep(time.Minute)
		if len(w.Status()) != 1 {
			t.Errorf("%d plugins; a temporary failure took them away", len(w.Status()))
		}
	})
}

func TestACallIsServedWhileAnUnhealthyProcessIsIdledOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Launch: Lazy, IdleTimeout: 5 * time.Minute, MaxRSS: func() int64 { return 1 << 20 }, RestartBudget: 1}, "fake")
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			p.slow = 2 * time.Second // the grace
			return p, &hosttest.Fake{}, nil
		}
		defer w.run()()
		_, _ = call(w.Fleet, "FakeTool")
		w.held.Store(2 << 20)
		for w.Status()[0].State == Ready || w.Status()[0].State == Starting {
			w.sleep(time.Second)
		}
		w.wantState(Unhealthy)
		for w.process() != nil && w.all()[0].running0() {
			w.sleep(500 * time.Millisecond)
		}
		_, err := call(w.Fleet, "FakeTool")
		if err != nil {
			t.Errorf("a call while an unhealthy process is idled out = %v; states %v", err, w.states)
		}
	})
}

func (m *member) running0() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.current != nil }

func TestAFrozenProcessThatIsDrainingIsKilledSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		var isFrozen atomic.Bool
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			if n == 1 {
				p.ping = func(ctx context.Context) error {
					if isFrozen.Load() {
						return frozen(ctx)
					}
					return nil
				}
				h := &hosttest.Fake{OnCall: func(ctx context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
					if string(r.Arguments) == "2" {
						select {
						case <-p.done:
						case <-time.After(10 * time.Minute):
						}
						return tool.Result{}, nil
					}
					<-ctx.Done()
					return tool.Result{}, context.Cause(ctx)
				}}
				return p, h, nil
			}
			return p, &hosttest.Fake{}, nil
		}
		defer w.run()()
		first := w.process()
		e, _ := w.Catalog().Lookup("FakeTool")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = e.Handler.Call(ctx, tool.Request{}, func(tool.Event) {}) }()
		go func() { _, _ = e.Handler.Call(t.Context(), tool.Request{Arguments: []byte("2")}, func(tool.Event) {}) }()
		synctest.Wait()
		w.replace()
		w.sleep(time.Second)
		isFrozen.Store(true)
		cancel()
		began := time.Now()
		<-first.done
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("a frozen draining process was killed %s after a call of it was given up, want about 2s", d)
		}
	})
}

func TestAChangedFileHasABudgetOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		bad := true
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if bad {
				return nil, nil, errors.New("no")
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.sleep(2 * time.Minute)
		w.wantState(Quarantined)
		bad = false
		w.replace()
		w.wantState(Ready)
		w.sleep(30 * time.Second)
		w.process().end() // first failure of the new file
		synctest.Wait()
		w.wantState(Backoff)
	})
}

func TestAMendedFileDoesNotWaitForTheBrokenOneToTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n == 1 {
				return newFakeProcess(), &hosttest.Fake{OnDescribe: func(ctx context.Context) (tool.Manifest, error) {
					<-ctx.Done()
					return tool.Manifest{}, ctx.Err()
				}}, nil
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.replace()
		began := time.Now()
		for w.Status()[0].State != Ready {
			w.sleep(100 * time.Millisecond)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the mended file serves after %s", d)
		}
	})
}

func TestAStopDoesNotWaitForAFollowerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n == 2 {
				return newFakeProcess(), &hosttest.Fake{OnDescribe: func(ctx context.Context) (tool.Manifest, error) {
					<-ctx.Done()
					return tool.Manifest{}, ctx.Err()
				}}, nil
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.replace()
		began := time.Now()
		s, err := w.Stop(t.Context(), "/plugins/fake", "")
		if d := time.Since(began); d > time.Second {
			t.Errorf("Stop took %s: %s %v", d, s.State, err)
		}
	})
}

func TestAFollowerWhosePinIsTakenBackMeanwhileNeverServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		a := strings.Repeat("a", 64)
		w.files[0].Locked = true
		w.files[0].Pin = &pin.Pin{File: "fake", SHA256: a, Tools: []string{"FakeTool"}}
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n > 1 {
				<-time.After(time.Second)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.replace()
		w.put(func(f []discover.Candidate) []discover.Candidate { f[0].Pin = nil; return f })
		w.sleep(10 * time.Second)
		w.wantState(Quarantined)
		if strings.Contains(strings.Join(w.states, ","), "1s ready") {
			t.Errorf("states %v: it came to serve, unpinned", w.states)
		}
	})
}

func TestACallByAnOldEntryFindsTheOldProcessFromTheMomentOfTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		e, _ := w.Catalog().Lookup("FakeTool") // a call has found its entry
		m := w.all()[0]
		o := &offering{member: m, manifest: hosttest.OneTool("fake", "NewTool")}
		es, err := catalog.Compile(o.manifest, o, w.cfg.Settings)
		if err != nil {
			t.Fatal(err)
		}
		h := &hosttest.Fake{OnCall: func(_ context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
			return tool.Result{}, tool.Errorf(tool.KindToolNotFound, "no tool %s in the new process", r.Tool)
		}}
		p := newFakeProcess()
		g := newGeneration(&process{Handler: h, life: p, done: p.done}, discover.Candidate{})
		m.take(&newborn{offer: o, entries: es, policy: w.Fleet.policy.Load()}, g, true)
		// publish, keep (writes a file): here; then retire(old)
		if _, err := e.Handler.Call(t.Context(), tool.Request{Tool: "FakeTool"}, func(tool.Event) {}); err != nil {
			t.Error(err)
		}
	})
}

func TestOneMissedProbeOfAProcessThatIsDrainingIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := newWorld(t, Config{}, "fake")
		versions(w, letGo)
		birth := w.birth
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p, h, err := birth(n, c)
			probes := 0
			p.ping = func(ctx context.Context) error {
				if probes++; n == 1 && probes%2 == 1 {
					return frozen(ctx)
				}
				return nil
			}
			return p, h, err
		}
		defer w.run()()
		outcome := make(chan error, 1)
		go func() {
			_, err := call(w.Fleet, "FakeTool")
			outcome <- err
		}()
		synctest.Wait()
		w.replace()
		w.sleep(5 * time.Minute)
		close(letGo)
		if err := <-outcome; err != nil {
			t.Errorf("the call in the old process = %v", err)
		}
	})
}
