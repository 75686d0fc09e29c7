package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// named is a birth of plugins that are called as their files, with a tool each.
func named(w *world) {
	w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
		return newFakeProcess(), &hosttest.Fake{Manifest: hosttest.OneTool(c.Name, c.Name+"Tool")}, nil
	}
}

// versions is a birth of a plugin whose version is the inode of its file, and whose calls last until they are
// let go or their process ends.
func versions(w *world, letGo <-chan struct{}) {
	w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
		p := newFakeProcess()
		m := hosttest.OneTool("fake", "FakeTool")
		m.Version = fmt.Sprint(c.Stamp.Inode)
		return p, &hosttest.Fake{
			Manifest: m,
			OnCall: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
				select {
				case <-letGo:
					return tool.Result{Stdout: m.Version}, nil
				case <-p.done:
					return tool.Result{}, tool.Errorf(tool.KindUnavailable, "the process is gone")
				}
			},
		}, nil
	}
}

func file(name string) discover.Candidate {
	return discover.Candidate{Name: name, Path: "/plugins/" + name, Dir: "/plugins"}
}

func TestAFileThatAppearsIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "a")
		named(w)
		defer w.run()()
		w.put(func(files []discover.Candidate) []discover.Candidate { return append(files, file("b")) })
		if got, want := w.Catalog().Names(), []string{"aTool", "bTool"}; !slices.Equal(got, want) {
			t.Errorf("tools %v, want %v", got, want)
		}
		if n := w.starts.Load(); n != 2 {
			t.Errorf("%d starts, want one for each file", n)
		}
	})
}

func TestAnEmptyDirectoryIsReadyAndFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		named(w)
		defer w.run()()
		<-w.Ready()
		w.put(func([]discover.Candidate) []discover.Candidate { return []discover.Candidate{file("a")} })
		if got := w.Catalog().Names(); !slices.Equal(got, []string{"aTool"}) {
			t.Errorf("tools %v, want that of the new file", got)
		}
	})
}

func TestAFileThatIsGoneLetsItsCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := newWorld(t, Config{}, "fake")
		versions(w, letGo)
		defer w.run()()
		outcome := make(chan error, 1)
		go func() {
			_, err := call(w.Fleet, "FakeTool")
			outcome <- err
		}()
		synctest.Wait()
		old := w.process()
		w.put(func([]discover.Candidate) []discover.Candidate { return nil })
		w.sleep(removalGrace)
		if names := w.Catalog().Names(); len(names) > 0 {
			t.Errorf("tools %v after their file is gone, want none", names)
		}
		if all := w.Status(); len(all) > 0 {
			t.Errorf("status %v, want none", all)
		}
		w.sleep(time.Minute) // longer than any grace: the call has a deadline of its own
		if old.closed.Load() {
			t.Fatal("the process was ended in the middle of a call")
		}
		close(letGo)
		if err := <-outcome; err != nil {
			t.Errorf("the call in flight = %v, want success", err)
		}
		synctest.Wait()
		if !old.closed.Load() {
			t.Error("the process was not ended after its last call")
		}
		if last := w.states[len(w.states)-1]; !strings.HasSuffix(last, "stopped") {
			t.Errorf("states %v, want stopped at the end", w.states)
		}
	})
}

func TestAFileThatIsAwayForAMomentStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		versions(w, nil)
		defer w.run()()
		before := w.process()
		w.put(func([]discover.Candidate) []discover.Candidate { return nil })
		w.sleep(removalGrace / 2)
		w.put(func([]discover.Candidate) []discover.Candidate {
			c := file("fake")
			c.Stamp.Inode = 7
			return []discover.Candidate{c}
		})
		w.sleep(time.Second)
		s := w.wantState(Ready)
		if s.Version != "7" || !before.closed.Load() {
			t.Errorf("status %+v, want the new file, and the old process ended", s)
		}
		for _, state := range w.states {
			if strings.HasSuffix(state, "stopped") {
				t.Errorf("states %v: it was stopped", w.states)
			}
		}
	})
}

func TestADirectoryThatCannotBeLookedAtKeepsItsPlugins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		w.mu.Lock()
		w.other.Missing = []discover.Refusal{{Path: "/plugins", Reason: "too many open files", Temporary: true}}
		w.mu.Unlock()
		none := func([]discover.Candidate) []discover.Candidate { return nil }
		w.put(none)
		w.sleep(time.Minute)
		w.put(none)
		w.wantState(Ready)
		w.mu.Lock()
		w.other.Missing = nil
		w.mu.Unlock()
		w.put(none)
		w.sleep(removalGrace)
		if all := w.Status(); len(all) > 0 {
			t.Errorf("status %v, want none once the directory can be looked at", all)
		}
	})
}

func TestAFileThatBecameUnsafeGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		w.mu.Lock()
		w.other.Refusals = []discover.Refusal{{Path: "/plugins/fake", Reason: "others may write to it"}}
		w.mu.Unlock()
		w.put(func([]discover.Candidate) []discover.Candidate { return nil })
		if all := w.Status(); len(all) > 0 {
			t.Errorf("status %v, want none", all)
		}
		if p := w.Problems(); len(p) != 1 || p[0].Path != "/plugins/fake" {
			t.Errorf("problems %v, want the refusal", p)
		}
	})
}

func TestWhoLostAClashServesWhenTheOtherGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "a", "b")
		w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			return newFakeProcess(), &hosttest.Fake{Manifest: hosttest.OneTool(c.Name, "FakeTool")}, nil
		}
		defer w.run()()
		if s := w.Status()[1]; len(s.Tools) != 0 || len(s.Clashes) != 1 || s.Clashes[0].Tool != "FakeTool" {
			t.Errorf("status of the loser %+v, want no tools and one clash", s)
		}
		w.put(func(files []discover.Candidate) []discover.Candidate { return files[1:] })
		w.sleep(removalGrace)
		if e, ok := w.Catalog().Lookup("FakeTool"); !ok || e.Plugin != "b" {
			t.Errorf("FakeTool is of %+v, want it of b", e)
		}
		if p := w.Problems(); len(p) > 0 {
			t.Errorf("problems %v, want none", p)
		}
	})
}

func TestAnUpgradeFailsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := newWorld(t, Config{}, "fake")
		versions(w, letGo)
		defer w.run()()
		oldEntry, _ := w.Catalog().Lookup("FakeTool")
		var calls sync.WaitGroup
		results := make(chan string, 3)
		start := func(of func() (tool.Result, error)) {
			calls.Go(func() {
				res, err := of()
				results <- fmt.Sprint(res.Stdout, err)
			})
			synctest.Wait()
		}
		start(func() (tool.Result, error) { return call(w.Fleet, "FakeTool") })
		old := w.process()
		w.replace()
		s := w.wantState(Ready)
		if s.Version != "1" || s.Draining != 1 || s.Restarts != 1 {
			t.Errorf("status %+v, want version 1, and one process that finishes its calls", s)
		}
		start(func() (tool.Result, error) { return call(w.Fleet, "FakeTool") })
		start(func() (tool.Result, error) { // that was on its way since before the upgrade
			return oldEntry.Handler.Call(t.Context(), tool.Request{}, func(tool.Event) {})
		})
		if old.closed.Load() {
			t.Error("the old process was ended before its calls")
		}
		close(letGo)
		calls.Wait()
		synctest.Wait()
		got := []string{<-results, <-results, <-results}
		slices.Sort(got)
		if want := []string{"0<nil>", "0<nil>", "1<nil>"}; !slices.Equal(got, want) {
			t.Errorf("calls went to versions %v, want %v", got, want)
		}
		if s := w.wantState(Ready); s.Draining != 0 || !old.closed.Load() {
			t.Errorf("status %+v, want the old process gone", s)
		}
		if _, err := oldEntry.Handler.Call(t.Context(), tool.Request{}, func(tool.Event) {}); err != nil {
			t.Errorf("a late call by the old entry = %v, want the new process to serve it", err)
		}
	})
}

func TestAFollowerThatDoesNotStartLeavesTheOldServing(t *testing.T) {
	for name, row := range map[string]struct {
		err   error
		tries int32 // within ten minutes
	}{
		"because its start fails":   {tool.Errorf(tool.KindUnavailable, "no database"), 6},
		"because it is no plugin":   {fmt.Errorf("garbage: %w", proc.ErrUnusable), 1},
		"because it is not pinned":  {fmt.Errorf("%w: checksum", errRefused), 1},
		"because it was exchanged":  {fmt.Errorf("in between: %w", proc.ErrChanged), 1},
		"because it is half copied": {fmt.Errorf("half: %w", proc.ErrUnfinished), 9*60*10 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{}, "fake")
				good := w.birth
				w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
					if c.Stamp.Inode == 1 {
						return nil, nil, row.err
					}
					return good(n, c)
				}
				defer w.run()()
				before := w.process()
				w.replace()
				w.sleep(9 * time.Minute)
				s := w.wantState(Ready)
				if s.Follower == "" {
					t.Errorf("status %+v, want it to say what is wrong with the newer file", s)
				}
				if _, err := call(w.Fleet, "FakeTool"); err != nil || before.closed.Load() {
					t.Errorf("call = %v, want the old process to serve", err)
				}
				if got := w.starts.Load() - 1; got != row.tries {
					t.Errorf("%d tries, want %d", got, row.tries)
				}
				w.replace() // with a good one
				if s := w.wantState(Ready); s.Follower != "" || !before.closed.Load() {
					t.Errorf("status %+v, want the good file in the old one's place", s)
				}
			})
		})
	}
}

func TestAFollowerTakesOverWhenTheOldOneDiesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n > 1 {
				<-time.After(time.Second)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		before := w.process()
		w.replace()
		before.end()
		synctest.Wait()
		w.wantState(Starting)
		w.sleep(time.Second)
		if s := w.wantState(Ready); s.Restarts != 1 || w.starts.Load() != 2 {
			t.Errorf("status %+v after %d starts, want the follower at once", s, w.starts.Load())
		}
	})
}

func TestAHalfCopiedFileIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n < 20 {
				return nil, nil, tool.Errorf(tool.KindUnavailable, "half: %w", proc.ErrUnfinished)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		<-w.Ready() // which does not wait for it
		w.wantState(Starting)
		w.sleep(20 * unfinishedPause)
		if s := w.wantState(Ready); s.Restarts != 0 {
			t.Errorf("status %+v, want a start that counts as the first", s)
		}
	})
}

func TestAQuarantinedFileIsTriedAgainWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if c.Stamp.Inode == 0 {
				return nil, nil, fmt.Errorf("garbage: %w", proc.ErrUnusable)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.wantState(Quarantined)
		w.Rescan()
		synctest.Wait()
		w.wantState(Quarantined)
		w.replace()
		w.wantState(Ready)
	})
}

func TestOneAnnouncementForAnUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		announced := 0
		w := newWorld(t, Config{Changed: func() { announced++ }}, "fake")
		versions(w, nil)
		defer w.run()()
		announced = 0
		w.replace()
		w.sleep(time.Minute)
		if announced != 1 {
			t.Errorf("Changed was called %d times, want 1", announced)
		}
	})
}

func TestFilesThatComeTogetherAreOneAnnouncement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		announced := 0
		w := newWorld(t, Config{Settle: 100 * time.Millisecond, Changed: func() { announced++ }})
		named(w)
		birth := w.birth
		w.birth = func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			<-time.After(time.Duration(n) * 20 * time.Millisecond)
			return birth(n, c)
		}
		defer w.run()()
		w.put(func([]discover.Candidate) []discover.Candidate {
			return []discover.Candidate{file("a"), file("b"), file("c")}
		})
		w.sleep(time.Minute)
		if announced != 1 || len(w.Catalog().Names()) != 3 {
			t.Errorf("Changed was called %d times for tools %v, want 1", announced, w.Catalog().Names())
		}
	})
}

// onClash is a log in which each clash is told to somebody at once: in the moment in which a catalog with it was
// published, by who published it.
type onClash struct {
	slog.Handler
	tell func()
}

func (h onClash) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "two plugins offer one tool" {
		h.tell()
	}
	return nil
}

func (h onClash) Enabled(context.Context, slog.Level) bool { return true }
func (h onClash) WithAttrs([]slog.Attr) slog.Handler       { return h }

func TestACallOfAToolThatWasJustPublishedIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var outcomes []error
		log := slog.New(onClash{slog.DiscardHandler, func() {
			_, err := call(w.Fleet, "bTool")
			outcomes = append(outcomes, err)
		}})
		w = newWorld(t, Config{Logger: log}, "a")
		w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			m := hosttest.OneTool(c.Name, "FakeTool")
			m.Tools = append(m.Tools, hosttest.OneTool(c.Name, c.Name+"Tool").Tools...)
			return newFakeProcess(), &hosttest.Fake{Manifest: m}, nil
		}
		defer w.run()()
		w.put(func(files []discover.Candidate) []discover.Candidate { return append(files, file("b")) })
		if len(outcomes) != 1 || outcomes[0] != nil {
			t.Errorf("calls in the moment of publication = %v, want one that succeeds", outcomes)
		}
	})
}
