package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/manifests"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// namedPlugin is a plugin that is called as its file, with one tool, "file_tool", which tells the version: the
// bytes behind the program, see copyOf.
func namedPlugin() {
	file := os.Args[0]
	name := strings.ReplaceAll(filepath.Base(file), ".", "_")
	m := hosttest.OneTool(name, name+"_tool")
	m.Version = versionOf(file)
	hosttest.Serve(&hosttest.Fake{Manifest: m,
		OnCall: func(_ context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
			return tool.Result{Data: r.Arguments, Metadata: map[string]any{"version": m.Version}}, nil
		}})
}

const mark = "\nversion:"

// versionOf reads what copyOf wrote behind a program; "0" when it wrote nothing.
func versionOf(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "unreadable"
	}
	if i := bytes.LastIndex(raw[max(0, len(raw)-40):], []byte(mark)); i >= 0 {
		return string(raw[max(0, len(raw)-40)+i+len(mark):])
	}
	return "0"
}

// copyOf puts another version of the test binary in the place of a plugin, at once.
func copyOf(t testing.TB, path, version string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, append(raw, mark+version...))
}

// put writes a file under a name that is passed over, and renames it.
func put(t testing.TB, path string, content []byte) {
	t.Helper()
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	err := os.WriteFile(tmp, content, 0o600)
	if err == nil {
		err = os.Chmod(tmp, 0o755)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// watched is a configuration in which nothing but what is heard of the directory leads to a scan.
func watched(dir string) Config {
	cfg := realConfig(dir)
	cfg.Rescan = time.Hour
	return cfg
}

func callNamed(ctx context.Context, f *Fleet, name, text string) (tool.Result, error) {
	e, ok := f.Catalog().Lookup(name)
	if !ok {
		return tool.Result{}, tool.Errorf(tool.KindToolNotFound, "no tool %s", name)
	}
	args := json.RawMessage(fmt.Sprintf(`{"text":%q}`, text))
	res, err := e.Handler.Call(ctx, tool.Request{Tool: name, Arguments: args}, func(tool.Event) {})
	if err == nil && string(res.Data) != string(args) {
		return res, fmt.Errorf("the answer is %s, want %s", res.Data, args)
	}
	return res, err
}

func TestADroppedFileServesAndARemovedOneIsGone(t *testing.T) {
	dir := hosttest.Dir(t)
	f, states := runReal(t, watched(dir))
	<-f.Ready()
	hosttest.Install(t, dir, "echo")
	await(t, states, "echo", Ready)
	echoes(t, f)
	if err := os.Remove(filepath.Join(dir, "echo")); err != nil {
		t.Fatal(err)
	}
	if s := await(t, states, "echo", Stopped); !strings.Contains(s.Reason, "gone") {
		t.Errorf("status %+v, want why it stopped", s)
	}
	hosttest.AwaitNone(t, dir)
	if names := f.Catalog().Names(); len(names) > 0 {
		t.Errorf("tools %v, want none", names)
	}
}

func TestADirectoryThatComesLaterIsServed(t *testing.T) {
	dir := filepath.Join(hosttest.Dir(t), "later", "plugins")
	f, states := runReal(t, watched(dir))
	<-f.Ready()
	if p := f.Problems(); len(p) != 1 || !strings.Contains(p[0].Fix, "mkdir") {
		t.Errorf("problems %v, want that the directory is missing", p)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	hosttest.Install(t, dir, "echo")
	await(t, states, "echo", Ready)
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	await(t, states, "echo", Stopped)
}

func TestAnUpgradeUnderLoadFailsNoCall(t *testing.T) {
	dir := hosttest.Dir(t)
	path := filepath.Join(dir, "named")
	copyOf(t, path, "1")
	f, states := runReal(t, watched(dir))
	<-f.Ready()
	await(t, states, "named", Ready)
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var calls atomic.Int64
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := callNamed(context.WithoutCancel(ctx), f, "named_tool", "under load"); err != nil {
					t.Errorf("call = %v", err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for _, version := range []string{"2", "3"} {
		copyOf(t, path, version)
		for await(t, states, "named", Ready).Version != version {
		}
	}
	stop()
	callers.Wait()
	res, err := callNamed(t.Context(), f, "named_tool", "at the end")
	if err != nil || res.Metadata["version"] != "3" || calls.Load() == 0 {
		t.Errorf("after %d calls the answer is %v, %v; want one of version 3", calls.Load(), res.Metadata, err)
	}
	hosttest.Eventually(t, "the old processes to be gone", func() bool { return len(hosttest.Running(t, dir)) == 1 })
}

func TestAFileThatIsBeingWrittenIsWaitedFor(t *testing.T) {
	dir := hosttest.Dir(t)
	f, states := runReal(t, watched(dir))
	<-f.Ready()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "named")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(raw[:len(raw)/2]); err != nil {
		t.Fatal(err)
	}
	hosttest.Eventually(t, "the half file to be seen", func() bool {
		all := f.Status()
		return len(all) == 1 && all[0].State == Starting && strings.Contains(all[0].Error, "written")
	})
	if _, err := file.Write(raw[len(raw)/2:]); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if s := await(t, states, "named", Ready); s.Restarts != 0 {
		t.Errorf("status %+v, want the first start", s)
	}
}

func TestATruncatedFileIsWaitedForAndItsWholeOneServes(t *testing.T) {
	dir := hosttest.Dir(t)
	path := filepath.Join(dir, "named")
	copyOf(t, path, "1")
	f, states := runReal(t, watched(dir))
	<-f.Ready()
	await(t, states, "named", Ready)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, whole[:len(whole)/3])
	if _, err := callNamed(t.Context(), f, "named_tool", "meanwhile"); err != nil {
		t.Errorf("call while a half file lies there = %v", err)
	}
	copyOf(t, path, "2")
	for await(t, states, "named", Ready).Version != "2" {
	}
}

func TestALeakyPluginIsRecycledBetweenCalls(t *testing.T) {
	dir := hosttest.Dir(t)
	hosttest.Install(t, dir, "leaky")
	cfg := realConfig(dir)
	cfg.ProbeInterval = 20 * time.Millisecond
	cfg.MaxRSS = func() int64 { return 300 << 20 }
	f, states := runReal(t, cfg)
	<-f.Ready()
	first := await(t, states, "leaky", Ready)
	e, _ := f.Catalog().Lookup("leaky_tool")
	leak := tool.Request{Arguments: json.RawMessage(`{"mib": 400}`)}
	if _, err := e.Handler.Call(t.Context(), leak, func(tool.Event) {}); err != nil {
		t.Fatalf("Call() = %v", err)
	}
	second := await(t, states, "leaky", Ready)
	if second.Pid == first.Pid || !strings.Contains(second.Reason, "max_rss") || second.RSS > 300<<20 {
		t.Errorf("status %+v after %+v, want another process, and why", second, first)
	}
	hosttest.Eventually(t, "the old process to be gone", func() bool { return len(hosttest.Running(t, dir)) == 1 })
}

func TestALazyHostKnowsFromItsLastLifeWhatPluginsOffer(t *testing.T) {
	dir := hosttest.Dir(t)
	copyOf(t, filepath.Join(dir, "named.a"), "7")
	state := hosttest.Dir(t)
	lazy := func(t *testing.T) (*Fleet, <-chan Status) {
		cache, err := manifests.Open(filepath.Join(state, "manifests"))
		if err != nil {
			t.Fatal(err)
		}
		cfg := watched(dir)
		cfg.Launch, cfg.Manifests = Lazy, cache
		f, states := runReal(t, cfg)
		<-f.Ready()
		return f, states
	}
	t.Run("first", func(t *testing.T) {
		f, _ := lazy(t)
		if s := f.Status()[0]; s.State != Ready {
			t.Errorf("status %+v, want it started: nobody knows it", s)
		}
	})
	t.Run("second", func(t *testing.T) {
		f, states := lazy(t)
		s := f.Status()[0]
		if s.State != Idle || s.Version != "7" || s.Pid != 0 || len(s.Tools) != 1 {
			t.Errorf("status %+v, want it known and idle", s)
		}
		if _, err := callNamed(t.Context(), f, "named_a_tool", "wake up"); err != nil {
			t.Errorf("call = %v", err)
		}
		await(t, states, "named_a", Ready)
		copyOf(t, filepath.Join(dir, "named.a"), "8")
		for await(t, states, "named_a", Ready).Version != "8" {
		}
	})
}

// TestWhatEscapesFromAPluginEndsWithIt is of a process that has left the plugin's session and parents; a bare one
// has also shed the environment by which it would be known, and only a cgroup holds it.
func TestWhatEscapesFromAPluginEndsWithIt(t *testing.T) {
	cgroup, err := proc.NewCgroup()
	t.Cleanup(func() {
		if err := cgroup.Close(); err != nil {
			t.Errorf("Close() of the cgroup = %v", err)
		}
	})
	rows := map[string]*proc.Cgroup{`{}`: nil}
	if err == nil {
		rows[`{"bare": true}`] = cgroup
	}
	for args, cgroup := range rows {
		t.Run(args, func(t *testing.T) {
			dir := hosttest.Dir(t)
			hosttest.Install(t, dir, "orphan")
			cfg := realConfig(dir)
			cfg.AdoptOrphans, cfg.Cgroup = true, cgroup
			f, states := runReal(t, cfg)
			<-f.Ready()
			first := await(t, states, "orphan", Ready)
			e, _ := f.Catalog().Lookup("orphan_tool")
			res, err := e.Handler.Call(t.Context(), tool.Request{Arguments: json.RawMessage(args)}, func(tool.Event) {})
			if err != nil {
				t.Fatalf("Call() = %v", err)
			}
			escaped := int(res.Metadata["orphan"].(float64))
			if _, err := f.Restart(t.Context(), first.Path, ""); err != nil {
				t.Fatal(err)
			}
			hosttest.Eventually(t, "what escaped to end", func() bool {
				_, err := os.Stat(fmt.Sprintf("/proc/%d", escaped))
				return os.IsNotExist(err)
			})
		})
	}
}

// TestAFileThatIsAnotherThanWasLookedAtIsNotStarted is of the time between a scan, which judges owner and mode, and
// the start.
func TestAFileThatIsAnotherThanWasLookedAtIsNotStarted(t *testing.T) {
	dir := hosttest.Dir(t)
	hosttest.Install(t, dir, "echo")
	f, err := New(realConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	f.runtime = hosttest.RuntimeDir(t)
	c := discover.Scan([]string{dir}).Candidates[0]
	if err := os.Chmod(c.Path, 0o777); err != nil { // which a scan would refuse
		t.Fatal(err)
	}
	if p, err := f.startProcess(t.Context(), birth{candidate: c}); !errors.Is(err, proc.ErrUnfinished) {
		t.Errorf("startProcess() = %v, %v; want it put off", p, err)
	}
	select {
	case <-f.look:
	default:
		t.Error("nobody looks at the file again")
	}
	hosttest.AwaitNone(t, dir)
}
