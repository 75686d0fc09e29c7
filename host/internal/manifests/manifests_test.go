package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// manifest is one that Validate takes, with something in it that tells it from others.
func manifest(name string) tool.Manifest {
	return tool.Manifest{Name: name, Version: "1.0", Tools: []tool.Spec{{
		Name: "Tool", Description: "does <this> & that",
		InputSchema: json.RawMessage("{ \"type\":\t\"object\", \"properties\": {\"host\": {\"x\": \"<&>\"}} }\n"),
		Targets:     []tool.TargetArgument{{Argument: "host", Network: true}},
		MaxTimeout:  90 * time.Second, Breaker: tool.Breaker{Threshold: 3, Recovery: time.Nanosecond},
		Needs: []tool.Need{},
		Facts: tool.Facts{Templates: map[string]string{"quick": "-F"}, Details: json.RawMessage(`{"a": 1}`)},
	}}, Layers: []tool.Layer{{Name: "landlock", Active: true, Detail: "reads little"}}}
}

// program is a file that a plugin could be.
type program struct {
	path, sum string
	stamp     discover.Stamp
}

func newProgram(t testing.TB, path, text string) program {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o700))
	sum, err := discover.Sum(path)
	must(t, err)
	stamp, err := discover.StampOf(path)
	must(t, err)
	return program{path, sum, stamp}
}

// open opens a cache for which every file is old enough. dir may be of t.TempDir, whatever the umask.
func open(t testing.TB, dir string) *Cache {
	t.Helper()
	if err := os.Chmod(dir, 0o700); !errors.Is(err, fs.ErrNotExist) {
		must(t, err)
	}
	c, err := Open(dir)
	must(t, err)
	c.now = func() time.Time { return time.Now().Add(time.Minute) }
	return c
}

func keep(t testing.TB, c *Cache, p program, m tool.Manifest) {
	t.Helper()
	if err := c.Keep(p.path, p.stamp, p.sum, m); err != nil {
		t.Fatalf("Keep() = %v", err)
	}
}

func wantFound(t testing.TB, c *Cache, p program, want tool.Manifest) {
	t.Helper()
	sum, got, ok := c.Find(p.path, p.stamp)
	if !ok || sum != p.sum || !reflect.DeepEqual(got, want) {
		t.Errorf("Find() = %s, %+v, %v, want %s, %+v", sum, got, ok, p.sum, want)
	}
}

func wantMiss(t testing.TB, c *Cache, p program) {
	t.Helper()
	if sum, got, ok := c.Find(p.path, p.stamp); ok || sum != "" || !reflect.DeepEqual(got, tool.Manifest{}) {
		t.Errorf("Find() = %s, %+v, %v, want nothing", sum, got, ok)
	}
}

func TestWhatWasKeptIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state/manifests")
	a := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	b := newProgram(t, filepath.Join(t.TempDir(), "b"), "b")
	c := open(t, dir)
	wantMiss(t, c, a)
	keep(t, c, a, manifest("one"))
	wantFound(t, c, a, manifest("one"))
	wantMiss(t, c, b)
	keep(t, c, a, manifest("two"))
	keep(t, c, b, manifest("three"))
	for _, c := range []*Cache{c, open(t, dir)} {
		wantFound(t, c, a, manifest("two"))
		wantFound(t, c, b, manifest("three"))
	}
}

func TestTheCacheIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state/manifests")
	keep(t, open(t, dir), newProgram(t, filepath.Join(t.TempDir(), "a"), "a"), manifest("one"))
	files := 0
	must(t, filepath.WalkDir(filepath.Dir(dir), func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		return nil
	}))
	if files != 2 {
		t.Errorf("%d files, want the index and a manifest", files)
	}
}

func TestACacheThatOthersMayWriteToIsRefused(t *testing.T) {
	dir := t.TempDir()
	for _, mode := range []fs.FileMode{0o770, 0o707 | fs.ModeSticky} {
		must(t, os.Chmod(dir, mode))
		if c, err := Open(dir); c != nil || err == nil || !strings.Contains(err.Error(), "chmod go-w "+dir) {
			t.Errorf("Open() of one with mode %v = %v, %v, want an error that says chmod", mode, c, err)
		}
	}
	must(t, os.Chmod(dir, 0o755))
	if _, err := Open(dir); err != nil {
		t.Errorf("Open() of one that others may read = %v", err)
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if c, err := Open(file); c != nil || err == nil {
		t.Errorf("Open() of a file = %v, %v, want an error", c, err)
	}
	if os.Geteuid() != 0 {
		return // who is not root cannot give a directory away
	}
	must(t, os.Chown(dir, 4711, 0))
	if c, err := Open(dir); c != nil || err == nil || !strings.Contains(err.Error(), "chown 0 "+dir) {
		t.Errorf("Open() of a stranger's = %v, %v, want an error that says chown", c, err)
	}
}

func TestNilIsACacheOfNothing(t *testing.T) {
	var c *Cache
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	keep(t, c, p, manifest("one"))
	wantMiss(t, c, p)
}

func TestAProgramWithOtherBytesIsAMiss(t *testing.T) {
	c, path := open(t, t.TempDir()), filepath.Join(t.TempDir(), "a")
	old := newProgram(t, path, "a")
	keep(t, c, old, manifest("one"))
	changed := newProgram(t, path, "b")
	wantMiss(t, c, changed)
	keep(t, c, changed, manifest("two"))
	wantFound(t, c, changed, manifest("two"))
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("a"), 0o700))
	back := newProgram(t, path, "a")
	wantFound(t, c, back, manifest("one"))
}

func TestTheSameBytesElsewhereAreFound(t *testing.T) {
	dir := t.TempDir()
	c := open(t, t.TempDir())
	keep(t, c, newProgram(t, filepath.Join(dir, "a"), "a"), manifest("one"))
	moved := newProgram(t, filepath.Join(dir, "b"), "a")
	wantFound(t, c, moved, manifest("one"))
	must(t, os.Chmod(moved.path, 0o500)) // another stamp
	wantFound(t, c, newStamp(t, moved), manifest("one"))
}

func newStamp(t *testing.T, p program) program {
	t.Helper()
	stamp, err := discover.StampOf(p.path)
	must(t, err)
	if stamp == p.stamp {
		t.Fatal("the stamp is the same")
	}
	p.stamp = stamp
	return p
}

// unread takes the directory of a program away, and tells whether Find still finds it, by its stamp alone.
func unread(t *testing.T, c *Cache, p program) bool {
	t.Helper()
	dir := filepath.Dir(p.path) // to rename the file itself would give it another stamp
	must(t, os.Rename(dir, dir+"~"))
	defer func() { must(t, os.Rename(dir+"~", dir)) }()
	_, _, ok := c.Find(p.path, p.stamp)
	return ok
}

func TestAKnownStampSavesReadingTheFile(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	keep(t, c, p, manifest("one"))
	if !unread(t, c, p) || !unread(t, open(t, dir), p) {
		t.Error("Find() read a file whose stamp was kept")
	}
	other := newProgram(t, filepath.Join(t.TempDir(), "b"), "a")
	if unread(t, c, other) {
		t.Error("Find() of a path that is not there, with a stamp that was never kept, found something")
	}
	wantFound(t, c, other, manifest("one"))
	if !unread(t, c, other) || !unread(t, open(t, dir), other) {
		t.Error("Find() read a file that it had hashed before")
	}
}

func TestHostsSeeWhatOthersKeep(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	one, two := open(t, dir), open(t, dir)
	a, b := newProgram(t, filepath.Join(bin, "a"), "a"), newProgram(t, filepath.Join(bin, "b"), "b")
	keep(t, one, a, manifest("one"))
	keep(t, two, b, manifest("two"))
	for i, c := range []*Cache{one, two, open(t, dir)} {
		if !unread(t, c, a) || !unread(t, c, b) {
			t.Errorf("host %d does not know both stamps", i)
		}
	}
}

func TestAStampThatMayLieIsNotRemembered(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	c.now = func() time.Time { return time.Unix(0, p.stamp.Changed) }
	keep(t, c, p, manifest("one"))
	if unread(t, c, p) {
		t.Error("Find() goes by a stamp that was new when it was kept")
	}
	wantFound(t, c, p, manifest("one"))
	stale := p
	stale.stamp.Changed -= int64(time.Hour)
	c = open(t, dir)
	keep(t, c, stale, manifest("one"))
	if unread(t, c, stale) {
		t.Error("Find() goes by a stamp that the file did not have any more when it was kept")
	}
	wantMiss(t, c, stale)
}

func TestAFileThatIsWrittenToWhileItIsHashedIsAMiss(t *testing.T) {
	c := open(t, t.TempDir())
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	c.now = func() time.Time { return time.Unix(0, p.stamp.Changed) } // the stamp is not remembered
	keep(t, c, p, manifest("one"))
	c.sum = func(path string) (string, error) {
		sum, err := discover.Sum(path)
		return sum, errors.Join(err, os.WriteFile(path, []byte("longer"), 0o700))
	}
	wantMiss(t, c, p)
	c.sum = func(string) (string, error) { return "", errors.New("unreadable") }
	wantMiss(t, c, newStamp(t, p))
}

func TestSettled(t *testing.T) {
	const s = int64(time.Second)
	for name, row := range map[string]struct {
		stamp discover.Stamp
		age   time.Duration // since second 1000
		want  bool
	}{
		"a fine clock, at once":            {discover.Stamp{Changed: 1000*s + 1}, 50 * time.Millisecond, false},
		"a fine clock, later":              {discover.Stamp{Changed: 1000*s + 1}, 150 * time.Millisecond, true},
		"a coarse clock, at once":          {discover.Stamp{Changed: 1000 * s}, 1900 * time.Millisecond, false},
		"a coarse clock, later":            {discover.Stamp{Changed: 1000 * s}, 2100 * time.Millisecond, true},
		"a clock that goes fast":           {discover.Stamp{Changed: 2000*s + 1}, time.Minute, false},
		"an old modification, set by hand": {discover.Stamp{Changed: 1000 * s, Modified: s}, time.Second, false},
		"a modification alone, at once":    {discover.Stamp{Modified: 1000*s + 1}, 1900 * time.Millisecond, false},
		"a modification alone, later":      {discover.Stamp{Modified: 1000*s + 1}, 2100 * time.Millisecond, true},
	} {
		if got := settled(row.stamp, time.Unix(1000, 0).Add(row.age)); got != row.want {
			t.Errorf("settled() of %s = %v, want %v", name, got, row.want)
		}
	}
}

func TestKeepRefuses(t *testing.T) {
	large := manifest("large")
	for i := range 100 {
		s := large.Tools[0]
		s.Name, s.Description = fmt.Sprint("Tool", i), strings.Repeat("x", tool.MaxDescription)
		s.OutputSchema = json.RawMessage(`{"type":"object","x":"` + strings.Repeat("x", 100_000) + `"}`)
		large.Tools = append(large.Tools, s)
	}
	garbled := manifest("garbled")
	garbled.Tools[0].Title = "\xff"
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	for name, row := range map[string]struct {
		sum string
		m   tool.Manifest
	}{
		"no hash":                    {"", manifest("m")},
		"a path for a hash":          {"../" + p.sum[3:], manifest("m")},
		"a hash in capitals":         {strings.ToUpper(p.sum), manifest("m")},
		"no manifest":                {p.sum, tool.Manifest{}},
		"a very large manifest":      {p.sum, large},
		"a manifest that is no text": {p.sum, garbled},
	} {
		dir := t.TempDir()
		c := open(t, dir)
		if err := c.Keep(p.path, p.stamp, row.sum, row.m); err == nil {
			t.Errorf("Keep() of %s = nil, want an error", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("Keep() of %s left %v", name, left)
		}
	}
}

func TestAFailedKeepLeavesNoTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	c, p := open(t, dir), newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	must(t, os.MkdirAll(filepath.Join(c.file(p.sum), "full"), 0o700))
	if err := c.Keep(p.path, p.stamp, p.sum, manifest("one")); err == nil {
		t.Error("Keep() over a directory = nil, want an error")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("Keep() left %v, want the directory alone", left)
	}
	wantMiss(t, c, p)
}

func TestConcurrentHostsLoseNothingThatMatters(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	var programs []program
	for i := range 20 {
		programs = append(programs, newProgram(t, filepath.Join(bin, fmt.Sprint(i)), fmt.Sprint(i)))
	}
	hosts := []*Cache{open(t, dir), open(t, dir), open(t, dir)}
	var all sync.WaitGroup
	for i, c := range hosts {
		for j := range 4 {
			all.Go(func() {
				for k := range programs {
					n := (k + 5*i + 3*j) % len(programs)
					p, m := programs[n], manifest(fmt.Sprint("m", n))
					if err := c.Keep(p.path, p.stamp, p.sum, m); err != nil {
						t.Errorf("Keep() = %v", err)
					}
					wantFound(t, c, p, m)
				}
			})
		}
	}
	all.Wait()
	for n, p := range programs {
		for _, c := range append(hosts, open(t, dir)) {
			wantFound(t, c, p, manifest(fmt.Sprint("m", n)))
		}
	}
	left, err := os.ReadDir(dir)
	if must(t, err); len(left) != len(programs)+1 {
		t.Errorf("%d files in the cache, want %d and the index", len(left), len(programs))
	}
}
