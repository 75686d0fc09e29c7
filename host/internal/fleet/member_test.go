package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// fakeProcess is a process without a process.
type fakeProcess struct {
	ping   func(context.Context) error
	done   chan struct{}
	end    func() // closes done, once
	closed atomic.Bool
	slow   time.Duration // that it takes to end
}

func newFakeProcess() *fakeProcess {
	p := &fakeProcess{done: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.done) })
	return p
}

func (p *fakeProcess) Ping(ctx context.Context) error {
	if p.ping == nil {
		return nil
	}
	return p.ping(ctx)
}

func (p *fakeProcess) Err() error { return errors.New("exit status 3") }

func (p *fakeProcess) Kill() error {
	p.end()
	return nil
}

func (p *fakeProcess) Close() error {
	p.closed.Store(true)
	<-time.After(p.slow)
	p.end()
	return nil
}

// frozen never answers.
func frozen(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// world is a fleet whose processes are fakes, in a synctest bubble.
type world struct {
	*Fleet
	t      *testing.T
	birth  func(n int, c discover.Candidate) (*fakeProcess, tool.Handler, error)
	starts atomic.Int32
	held   atomic.Int64 // bytes of memory that each process holds
	begun  time.Time

	mu     sync.Mutex // guards what follows
	states []string   // "0s name state", as they came
	latest *fakeProcess
	births []birth
	files  []discover.Candidate
	other  discover.Result // what else a scan finds
}

// look is a scan.
func (w *world) look() discover.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	res := w.other
	res.Candidates = slices.Clone(w.files)
	return res
}

// put changes what lies in the directory, and has the fleet look at it.
func (w *world) put(change func(files []discover.Candidate) []discover.Candidate) {
	w.mu.Lock()
	w.files = change(w.files)
	w.mu.Unlock()
	w.Rescan()
	synctest.Wait()
}

// replace puts another file in the place of the first.
func (w *world) replace() {
	w.put(func(files []discover.Candidate) []discover.Candidate {
		files = slices.Clone(files)
		files[0].Stamp.Inode++
		return files
	})
}

func newWorld(t *testing.T, cfg Config, files ...string) *world {
	t.Helper()
	cfg.Dirs = []string{"/plugins"}
	cfg.RuntimeDir = t.TempDir()
	cfg.Rescan = -1
	if cfg.Policy == nil {
		cfg.Policy = func(string) tool.Policy { return tool.Policy{} }
	}
	if cfg.Settings == nil {
		cfg.Settings = func(tool.Spec) catalog.Settings { return catalog.Settings{MaxTimeout: time.Hour} }
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	w := &world{Fleet: f, t: t, begun: time.Now()}
	w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
		return newFakeProcess(), &hosttest.Fake{}, nil
	}
	for _, name := range files {
		w.files = append(w.files, discover.Candidate{Name: name, Path: "/plugins/" + name, Dir: "/plugins"})
	}
	f.scan = w.look
	f.rss = func(int) (int64, error) { return w.held.Load(), nil }
	f.start = w.start
	f.cfg.StateChanged = w.record
	f.random = func() float64 { return 1 }
	return w
}

func (w *world) start(_ context.Context, b birth) (*process, error) {
	p, h, err := w.birth(int(w.starts.Add(1)), b.candidate)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.latest = p
	w.mu.Unlock()
	w.mu.Lock()
	w.births = append(w.births, b)
	w.mu.Unlock()
	return &process{Handler: h, life: p, pid: 1, done: p.done, sha256: b.sha256}, nil
}

func (w *world) record(s Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = append(w.states, fmt.Sprintf("%s %s", time.Since(w.begun), s.State))
}

// run runs the fleet until the returned function is called, which waits for its end.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		if err := w.Run(ctx); err != nil {
			w.t.Errorf("Run() = %v", err)
		}
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-left
	}
}

func (w *world) process() *fakeProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest
}

func (w *world) sleep(d time.Duration) {
	<-time.After(d) // the bubble's time
	synctest.Wait()
}

func (w *world) wantState(want State) Status {
	w.t.Helper()
	s := w.Status()[0]
	if s.State != want {
		w.t.Fatalf("state = %s (%s), want %s; so far %v", s.State, s.Error, want, w.states)
	}
	return s
}

func call(f *Fleet, name string) (tool.Result, error) {
	e, ok := f.Catalog().Lookup(name)
	if !ok {
		return tool.Result{}, tool.Errorf(tool.KindToolNotFound, "no tool %s", name)
	}
	return e.Handler.Call(context.Background(), tool.Request{Tool: name}, func(tool.Event) {})
}

func TestAPluginThatEndsIsRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		before := w.Catalog()
		w.process().end()
		synctest.Wait()
		s := w.wantState(Backoff)
		retry := time.Now().Add(500 * time.Millisecond)
		if s.Pid != 0 || !strings.Contains(s.Error, "exit status 3") || !s.RetryAt.Equal(retry) {
			t.Errorf("status %+v, want no process, its exit, and a start in 0.5 s", s)
		}
		_, err := call(w.Fleet, "FakeTool")
		e := tool.AsError(err)
		if e.Kind != tool.KindUnavailable || e.RetryAfter != 500*time.Millisecond || e.Suggestion == "" {
			t.Errorf("call in backoff = %+v, want unavailable with a suggestion and 500ms", e)
		}
		w.sleep(500 * time.Millisecond)
		if s := w.wantState(Ready); s.Restarts != 1 || s.Error != "" {
			t.Errorf("status %+v, want one restart and no error", s)
		}
		if _, err := call(w.Fleet, "FakeTool"); err != nil {
			t.Errorf("call after the restart = %v", err)
		}
		if w.Catalog() != before {
			t.Error("a plain restart made another catalog")
		}
	})
}

func TestABudgetIsSpentAndThePluginQuarantined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			return nil, nil, tool.Errorf(tool.KindUnavailable, "no database").Suggest("start the database")
		}
		defer w.run()()
		<-w.Ready()
		w.sleep(time.Hour)
		s := w.wantState(Quarantined)
		if got := w.starts.Load(); got != 6 || s.Restarts != 5 {
			t.Errorf("%d starts, %d restarts, want 6 and 5", got, s.Restarts)
		}
		if s.Error != "no database" || s.Fix != "start the database" {
			t.Errorf("status %+v, want the last error and what to do", s)
		}
	})
}

func TestAQuarantinedPluginKeepsItsEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			if n > 1 {
				return nil, nil, fmt.Errorf("checksum: %w", proc.ErrUnusable)
			}
			return newFakeProcess(), &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.process().end()
		w.sleep(time.Second)
		w.wantState(Quarantined)
		if n := w.starts.Load(); n != 2 {
			t.Errorf("%d starts of an unusable file, want no third", n)
		}
		_, err := call(w.Fleet, "FakeTool")
		e := tool.AsError(err)
		if e.Kind != tool.KindUnavailable || e.RetryAfter != 0 || !strings.Contains(e.Message, "checksum") {
			t.Errorf("call in quarantine = %+v, want unavailable, no retry, the reason", e)
		}
	})
}

func TestAStablePluginStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		defer w.run()()
		for range 20 {
			w.sleep(time.Minute)
			w.wantState(Ready)
			w.process().end()
			synctest.Wait()
			w.wantState(Backoff)
			w.sleep(500 * time.Millisecond)
		}
		w.wantState(Ready)
	})
}

func TestAFrozenProcessIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		w.birth = func(n int, _ discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			if n == 1 {
				p.ping = frozen
			}
			return p, &hosttest.Fake{}, nil
		}
		defer w.run()()
		first := w.process()
		w.sleep(time.Minute)
		want := []string{"0s ready", "12s unhealthy", "16s backoff", "16.5s starting", "16.5s ready"}
		if !slices.Equal(w.states, want) {
			t.Errorf("states %v, want %v", w.states, want)
		}
		if !first.closed.Load() {
			t.Error("the frozen process was not closed")
		}
	})
}

func TestOneMissedProbeIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		var probes atomic.Int32
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			p := newFakeProcess()
			p.ping = func(ctx context.Context) error {
				if probes.Add(1)%2 == 1 {
					return frozen(ctx)
				}
				return nil
			}
			return p, &hosttest.Fake{}, nil
		}
		defer w.run()()
		w.sleep(5 * time.Minute)
		if n := w.starts.Load(); n != 1 {
			t.Errorf("%d starts, want 1; states %v", n, w.states)
		}
	})
}

func TestShutdownLetsCallsEnd(t *testing.T) {
	for name, row := range map[string]struct {
		takes, wants time.Duration
	}{
		"a call that ends":       {3 * time.Second, 3 * time.Second},
		"a call that never does": {time.Hour, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{}, "fake")
				w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
					p := newFakeProcess()
					return p, slowHandler(p, row.takes), nil
				}
				stop := w.run()
				go func() { _, _ = call(w.Fleet, "FakeTool") }()
				synctest.Wait()
				began := time.Now()
				stop()
				if got := time.Since(began); got != row.wants {
					t.Errorf("Run() ended after %s, want %s", got, row.wants)
				}
				if _, err := call(w.Fleet, "FakeTool"); tool.KindOf(err) != tool.KindUnavailable {
					t.Errorf("call after the end = %v, want unavailable", err)
				}
			})
		})
	}
}

func slowHandler(p *fakeProcess, takes time.Duration) tool.Handler {
	return &hosttest.Fake{OnCall: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		select {
		case <-time.After(takes):
			return tool.Result{}, nil
		case <-p.done:
			return tool.Result{}, tool.Errorf(tool.KindUnavailable, "gone")
		}
	}}
}

func TestAPolicyReachesAPluginThatIsJustStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var intrusive atomic.Bool
		w := newWorld(t, Config{
			Policy: func(string) tool.Policy { return tool.Policy{AllowIntrusive: intrusive.Load()} },
		}, "fake")
		var got []bool
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			return newFakeProcess(), &hosttest.Fake{OnConfigure: func(_ context.Context, p tool.Policy) error {
				got = append(got, p.AllowIntrusive)
				<-time.After(time.Second)
				return nil
			}}, nil
		}
		defer w.run()() // the plugin is being configured now
		intrusive.Store(true)
		if err := w.Reconfigure(t.Context()); err != nil {
			t.Errorf("Reconfigure() = %v", err)
		}
		w.sleep(time.Minute)
		if want := []bool{false, true}; !slices.Equal(got, want) {
			t.Errorf("policies %v, want %v", got, want)
		}
		intrusive.Store(false)
		if err := w.Reconfigure(t.Context()); err != nil || len(got) != 3 || got[2] {
			t.Errorf("Reconfigure() = %v; policies %v, want the third to be false", err, got)
		}
	})
}

func TestWhoRefusesThePolicyIsToldAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		calls := 0
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			return newFakeProcess(), &hosttest.Fake{OnConfigure: func(context.Context, tool.Policy) error {
				if calls++; calls > 1 {
					return tool.Errorf(tool.KindValidation, "no such port")
				}
				return nil
			}}, nil
		}
		defer w.run()()
		err := w.Reconfigure(t.Context())
		if err == nil || !strings.Contains(err.Error(), "plugin fake: no such port") {
			t.Errorf("Reconfigure() = %v, want the refusal with the plugin's name", err)
		}
		synctest.Wait()
		w.wantState(Backoff)
	})
}

func TestClashesAndChoices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := 0
		w := newWorld(t, Config{
			Wanted:  func(name string) bool { return strings.HasSuffix(name, "Tool") && name != "SecretTool" },
			Changed: func() { changed++ },
		}, "a", "b")
		w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			m := hosttest.OneTool("twin", "FakeTool")
			for _, name := range []string{"SecretTool", "other", c.Name + "Tool"} {
				m.Tools = append(m.Tools, hosttest.OneTool("twin", name).Tools...)
			}
			if c.Name == "a" {
				<-time.After(time.Second) // who comes first does not matter
			}
			return newFakeProcess(), &hosttest.Fake{Manifest: m}, nil
		}
		defer w.run()()
		<-w.Ready()
		synctest.Wait()
		if got, want := w.Catalog().Names(), []string{"FakeTool", "aTool", "bTool"}; !slices.Equal(got, want) {
			t.Errorf("catalog %v, want %v", got, want)
		}
		status := w.Status()
		if got, want := status[0].Tools, []string{"FakeTool", "aTool"}; !slices.Equal(got, want) {
			t.Errorf("tools of a: %v, want %v", got, want)
		}
		if got, want := status[1].Tools, []string{"bTool"}; !slices.Equal(got, want) {
			t.Errorf("tools of b: %v, want %v", got, want)
		}
		p := w.Problems()
		if len(p) != 1 || p[0].Path != "/plugins/b" || p[0].Tool != "FakeTool" ||
			!strings.Contains(p[0].Reason, "/plugins/a") {
			t.Errorf("problems %+v, want one clash", p)
		}
		if changed != 2 {
			t.Errorf("Changed was called %d times, want 2", changed)
		}
	})
}

func TestNewRefusesConfigurations(t *testing.T) {
	good := Config{
		Dirs: []string{"/p"}, Policy: func(string) tool.Policy { return tool.Policy{} },
		Settings: func(tool.Spec) catalog.Settings { return catalog.Settings{} },
	}
	if _, err := New(good); err != nil {
		t.Errorf("New(good) = %v", err)
	}
	for name, spoil := range map[string]func(*Config){
		"no directory":         func(c *Config) { c.Dirs = nil },
		"no policy":            func(c *Config) { c.Policy = nil },
		"no settings":          func(c *Config) { c.Settings = nil },
		"a negative duration":  func(c *Config) { c.Drain = -1 },
		"a negative budget":    func(c *Config) { c.RestartBudget = -1 },
		"a relative directory": func(c *Config) { c.RuntimeDir = "run" },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New() with %s = nil, want an error", name)
		}
	}
}
