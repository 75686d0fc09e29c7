package proc_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// copyOf is a plugin with a file of its own, for tests that write to it.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	to := filepath.Join(hosttest.Dir(t), filepath.Base(path))
	if err == nil {
		err = os.WriteFile(to, text, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestAFileThatIsOpenForWritingIsUnfinished(t *testing.T) {
	path := copyOf(t, hosttest.Install(t, hosttest.Dir(t), "echo"))
	cfg := proc.Config{Path: path, RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env()}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = proc.Start(t.Context(), cfg); !errors.Is(err, proc.ErrUnfinished) {
		t.Errorf("Start() of a file that is being written = %v, want %v in its chain", err, proc.ErrUnfinished)
	}
	checkStartError(t, err, "open for writing")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var p *proc.Process
	// Another test may be forking at this moment, and its child have the descriptor still.
	hosttest.Eventually(t, "the file to be whole", func() bool {
		p, err = proc.Start(t.Context(), cfg)
		return !errors.Is(err, proc.ErrUnfinished)
	})
	if err != nil {
		t.Fatalf("Start() of the whole file = %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// startedWith are the descriptors that a plugin was given by a host that has inherited one itself.
func startedWith(t *testing.T, path string) []string {
	t.Helper()
	r, _ := startHost(t, order{Path: path, RuntimeDir: hosttest.RuntimeDir(t)}, nil)
	if r.Error != "" {
		t.Fatalf("report of the host: %s", r.Error)
	}
	var data struct{ FDs map[string]string }
	if err := json.Unmarshal(r.Data, &data); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(data.FDs, func(_, to string) bool {
		return strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "/sys/fs/cgroup/") // of the Go runtime
	})
	return slices.Sorted(maps.Keys(data.FDs))
}

func TestAPluginInheritsNoDescriptors(t *testing.T) {
	dir := hosttest.Dir(t)
	path := hosttest.Install(t, dir, "fds")
	if got, want := startedWith(t, path), []string{"0", "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("a program was started with %v, want %v", got, want)
	}
	script := hosttest.InstallScript(t, dir, "script", "exec "+path)
	if got, want := startedWith(t, script), []string{"0", "1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("a script was started with %v, want %v: the last is the script", got, want)
	}
}

// A file of root's cannot be leased by others. Its bytes are copied, and the copy runs.
func TestAHostWithoutTheRightToLeaseRunsACopy(t *testing.T) {
	who := nobody()
	path := hosttest.Install(t, passable(t), "echo")
	old := time.Now().Add(-time.Hour) // a file without a lease must have been left alone for a while
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	r, _ := startHost(t, order{Path: path, RuntimeDir: runtimeOf(t, who)}, who)
	if r.Error != "" || r.SHA256 != sumOf(t, path) {
		t.Fatalf("report of the host: %+v, want a started plugin and its hash", r)
	}
	want := "a sealed copy in memory"
	if who == nil {
		want = "(lease)" // the file is the user's own
	}
	if l := layer(t, r.Layers, "exact bytes"); !l.Active || !strings.Contains(l.Detail, want) {
		t.Errorf("layer %+v, want %q", l, want)
	}
}

// The kernel keeps writers away from what runs, so that it stays what was hashed. (Linux 6.11 does not.)
func TestNobodyCanWriteToWhatRuns(t *testing.T) {
	path := copyOf(t, hosttest.Install(t, hosttest.Dir(t), "echo"))
	var p *proc.Process
	hosttest.Eventually(t, "the file to be whole", func() (ok bool) {
		var err error
		p, err = proc.Start(t.Context(), proc.Config{
			Path: path, RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
		})
		return err == nil
	})
	defer p.Close() // its error is another test's
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if !errors.Is(err, unix.ETXTBSY) {
		t.Errorf("open for writing = %v, want %v", err, unix.ETXTBSY)
	}
	if err == nil {
		_ = f.Close() // nothing was written
	}
}
