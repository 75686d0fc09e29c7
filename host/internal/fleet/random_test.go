package fleet

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var (
	seed  = flag.Uint64("seed", 0, "of the randomized test; 0: the usual ones")
	steps = flag.Int("steps", 40, "of the randomized test")
)

// site is what the randomized test meddles with: files, the processes of a fleet, and callers meanwhile.
type site struct {
	t      *testing.T
	random *rand.Rand
	dir    string
	fleet  *Fleet
	good   map[string]string // file that can serve -> its version
	broken map[string]bool   // file that cannot
	put    int               // versions made so far
	asked  atomic.Int64
	done   atomic.Int64
}

// names of the files that come and go.
var randomNames = []string{"named.a", "named.b", "named.c", "named.d"}

func TestWhateverHappensEachCallHasOneOutcomeAndTheCatalogIsTheDirectory(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if *seed != 0 {
		seeds = []uint64{*seed}
	}
	for _, n := range seeds {
		t.Run(fmt.Sprint("seed ", n), func(t *testing.T) { meddle(t, n) })
	}
}

func meddle(t *testing.T, n uint64) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD) // the runtime's goroutine for signals begins once, and stays
	signal.Stop(signals)
	goroutines, descriptors := runtime.NumGoroutine(), countFDs(t)
	run := hosttest.RuntimeDir(t)
	dir := hosttest.Dir(t)
	t.Run("life", func(t *testing.T) {
		cfg := watched(dir)
		cfg.RuntimeDir, cfg.AdoptOrphans = run, true
		cfg.ProbeInterval, cfg.ProbeTimeout = 500*time.Millisecond, 2*time.Second
		cfg.BackoffMin, cfg.BackoffMax, cfg.RestartBudget = 10*time.Millisecond, 100*time.Millisecond, 1000
		f, _ := runReal(t, cfg)
		<-f.Ready()
		s := &site{
			t: t, random: rand.New(rand.NewPCG(n, n)), dir: dir, fleet: f,
			good: make(map[string]string), broken: make(map[string]bool),
		}
		stop := s.call()
		for range *steps {
			s.step()
		}
		s.mend()
		s.settle()
		stop()
		if asked, done := s.asked.Load(), s.done.Load(); asked != done || asked == 0 {
			t.Errorf("%d calls, %d outcomes", asked, done)
		}
	})
	if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
		t.Errorf("left in the runtime directory: %v, %v", left, err)
	}
	hosttest.AwaitNone(t, dir)
	t.Cleanup(func() {
		if t.Failed() {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1) // who is left, for whoever has to find out why
		}
	})
	hosttest.Eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	hosttest.Eventually(t, "descriptors to be closed", func() bool { return countFDs(t) <= descriptors })
}

func countFDs(t *testing.T) int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// call has callers ask for all tools, until the returned function is called. An outcome is an answer with the
// caller's own text, or an error of a kind that what happens here may come to.
func (s *site) call() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				name := strings.ReplaceAll(randomNames[(n+i)%len(randomNames)], ".", "_") + "_tool"
				s.asked.Add(1)
				brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
				_, err := callNamed(brief, s.fleet, name, fmt.Sprint("caller ", i, " call ", n))
				cancel()
				switch kind := tool.KindOf(err); {
				case err == nil, kind == tool.KindUnavailable, kind == tool.KindToolNotFound, kind == tool.KindTimeout:
					s.done.Add(1)
				default:
					s.t.Errorf("call of %s = %v (%s)", name, err, kind)
				}
				runtime.Gosched()
			}
		})
	}
	return func() {
		cancel()
		callers.Wait()
	}
}

// step does one thing, and does not wait for what comes of it.
func (s *site) step() {
	name := randomNames[s.random.IntN(len(randomNames))]
	path := filepath.Join(s.dir, name)
	do := []struct {
		what string
		do   func(path string)
	}{
		{"drop or replace", s.drop}, {"drop or replace", s.drop}, {"corrupt", s.corrupt}, {"cut", s.cut},
		{"remove", s.remove}, {"kill", s.signal(syscall.SIGKILL)}, {"freeze", s.signal(syscall.SIGSTOP)},
		{"restart", s.restart}, {"stop and start", s.halt},
	}[s.random.IntN(9)]
	s.t.Logf("%s %s", do.what, name)
	do.do(path)
	s.pause()
}

// pause lets a little of what was done take place: as many calls as chance wants.
func (s *site) pause() {
	until := s.done.Load() + s.random.Int64N(400)
	for s.done.Load() < until {
		runtime.Gosched()
	}
}

func (s *site) drop(path string) {
	s.put++
	version := fmt.Sprint(s.put)
	copyOf(s.t, path, version)
	s.good[path], s.broken[path] = version, false
}

func (s *site) corrupt(path string) {
	put(s.t, path, []byte("\x7fELF and then nothing that makes sense"))
	delete(s.good, path)
	s.broken[path] = true
}

func (s *site) cut(path string) {
	whole, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		s.t.Fatal(err)
	}
	put(s.t, path, whole[:len(whole)/2])
	delete(s.good, path)
	s.broken[path] = true
}

func (s *site) remove(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	delete(s.good, path)
	delete(s.broken, path)
}

func (s *site) signal(sig syscall.Signal) func(string) {
	return func(path string) {
		for _, st := range s.fleet.Status() {
			if st.Path == path && st.Pid != 0 {
				_ = syscall.Kill(st.Pid, sig) // it may have ended
			}
		}
	}
}

func (s *site) restart(path string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _ = s.fleet.Restart(ctx, path, "") // whatever comes of it
}

func (s *site) halt(path string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _ = s.fleet.Stop(ctx, path, "")
	_, _ = s.fleet.Start(s.t.Context(), path) // which waits
}

// mend takes away what cannot serve.
func (s *site) mend() {
	for path, is := range s.broken {
		if is {
			s.remove(path)
		}
	}
}

// settle waits until the catalog is what the directory holds, each file in its last version, and every one
// answers.
func (s *site) settle() {
	var want []string
	for path := range s.good {
		want = append(want, strings.ReplaceAll(filepath.Base(path), ".", "_")+"_tool")
	}
	slices.Sort(want)
	hosttest.Eventually(s.t, "the catalog to be the directory", func() bool {
		if !slices.Equal(s.fleet.Catalog().Names(), want) {
			return false
		}
		return !slices.ContainsFunc(s.fleet.Status(), func(st Status) bool {
			return st.State != Ready || st.Version != s.good[st.Path] || st.Draining > 0
		})
	})
	for _, name := range want {
		if _, err := callNamed(s.t.Context(), s.fleet, name, "at the end"); err != nil {
			s.t.Errorf("call of %s at the end = %v", name, err)
		}
	}
	hosttest.Eventually(s.t, fmt.Sprintf("one process for each of %v", want), func() bool {
		return len(hosttest.Running(s.t, s.dir)) == len(want) // those of removed files finish their calls
	})
}
