package discover

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
)

// sighting is one News: why, and what a scan found then.
type sighting struct {
	why string
	res Result
}

// watching is a Watch of real directories, which ends with the test. Only events make news.
type watching struct {
	t    *testing.T
	base string
	seen chan sighting
}

func startWatch(t *testing.T, base string, dirs ...string) *watching {
	t.Helper()
	for i, dir := range dirs {
		dirs[i] = filepath.Join(base, dir)
	}
	w := &watching{t: t, base: base, seen: make(chan sighting, 10_000)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- Watch(ctx, dirs, WatchConfig{
			News:  func(why string) { w.seen <- sighting{why, Scan(dirs)} },
			Quiet: 5 * time.Millisecond, Patience: 50 * time.Millisecond, Rescan: time.Hour, Blind: time.Hour,
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch() = %v, want nil", err)
		}
	})
	w.next() // from now on nothing is missed
	return w
}

func (w *watching) next() sighting {
	w.t.Helper()
	select {
	case s := <-w.seen:
		return s
	case <-time.After(30 * time.Second):
		w.t.Fatal("no news came")
		return sighting{}
	}
}

// until waits for news after which a scan finds these plugins and no others.
func (w *watching) until(want ...string) {
	w.t.Helper()
	for {
		if s := w.next(); slices.Equal(names(w.base, s.res), want) {
			return
		}
	}
}

// put makes a plugin below the base with its directories, as a whole.
func (w *watching) put(rel string) {
	w.t.Helper()
	path := filepath.Join(w.base, rel)
	must(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(w.t, os.WriteFile(path+"~", []byte(elf), 0o600))
	must(w.t, os.Chmod(path+"~", 0o755))
	must(w.t, os.Rename(path+"~", path))
}

func (w *watching) move(from, to string) {
	w.t.Helper()
	must(w.t, os.Rename(filepath.Join(w.base, from), filepath.Join(w.base, to)))
}

func TestEachChangeOfAFileIsNews(t *testing.T) {
	w := startWatch(t, tree(t, map[string]string{"p/one": elf}), "p")
	two := filepath.Join(w.base, "p/two")
	w.put("p/two")
	w.until("p/one", "p/two")
	must(t, os.Chmod(two, 0o600))
	w.until("p/one")
	must(t, os.Chmod(two, 0o755))
	w.until("p/one", "p/two")
	must(t, os.WriteFile(two, []byte("text"), 0o755))
	w.until("p/one")
	must(t, os.WriteFile(two, []byte(elf), 0o755))
	w.until("p/one", "p/two")
	w.move("p/two", "p/three")
	w.until("p/one", "p/three")
	must(t, os.Remove(filepath.Join(w.base, "p/one")))
	w.until("p/three")
	lock(t, filepath.Join(w.base, "p"))
	for s := w.next(); !s.res.Candidates[0].Locked; s = w.next() {
	}
	must(t, os.Remove(filepath.Join(w.base, "p", pin.FileName)))
	for s := w.next(); s.res.Candidates[0].Locked; s = w.next() {
	}
}

func TestDirectoriesBelowAreWatched(t *testing.T) {
	w := startWatch(t, tree(t, map[string]string{"p/old/x": "", "p/.store/x": ""}), "p")
	w.put("p/old/tool")
	w.until("p/old/tool")
	w.put("p/new/er/tool")
	w.until("p/new/er/tool", "p/old/tool")
	w.put("p/new/er/more")
	w.until("p/new/er/more", "p/new/er/tool", "p/old/tool")
	w.move("p/new", "p/newer")
	w.until("p/newer/er/more", "p/newer/er/tool", "p/old/tool")
	w.put("p/newer/tool")
	w.until("p/newer/er/more", "p/newer/er/tool", "p/newer/tool", "p/old/tool")
	must(t, os.RemoveAll(filepath.Join(w.base, "p/newer")))
	w.until("p/old/tool")
	must(t, os.Symlink("../.store/tool", filepath.Join(w.base, "p/old/link")))
	w.put("p/.store/tool")
	w.until("p/.store/tool", "p/old/tool")
}

func TestADirectoryIsNoticedWhenItAppears(t *testing.T) {
	w := startWatch(t, tree(t, map[string]string{"x": ""}), "a/b/p", "x")
	w.put("a/b/p/tool")
	w.until("a/b/p/tool")
	w.put("a/b/p/two")
	w.until("a/b/p/tool", "a/b/p/two")
	must(t, os.Remove(filepath.Join(w.base, "x"))) // a file in its place
	w.put("x/tool")
	w.until("a/b/p/tool", "a/b/p/two", "x/tool")
}

func TestADirectoryThatVanishesIsNewsAndComesBack(t *testing.T) {
	w := startWatch(t, tree(t, map[string]string{"up/p/tool": elf}), "up/p")
	for range 3 {
		w.move("up/p", "up/q")
		for s := w.next(); !strings.HasPrefix(s.why, "a directory vanished: "); s = w.next() {
		}
		w.move("up/q", "up/p")
		w.until("up/p/tool")
		must(t, os.RemoveAll(filepath.Join(w.base, "up")))
		w.until()
		w.put("up/p/tool")
		w.until("up/p/tool")
	}
}

func TestADirectoryThatIsSwappedIsWatchedAnew(t *testing.T) {
	w := startWatch(t, tree(t, map[string]string{"p/one": elf, "q/two": elf}), "p")
	w.move("p", "old")
	w.move("q", "p")
	w.until("p/two")
	w.put("p/three")
	w.until("p/three", "p/two")
}

func TestALinkOnTheWayIsWatched(t *testing.T) {
	w := startWatch(t, tree(t, map[string]string{"v1/p/one": elf, "v2/p/two": elf}))
	must(t, os.Symlink("v1", filepath.Join(w.base, "now")))
	w = startWatch(t, w.base, "now/p")
	must(t, os.Symlink("v2", filepath.Join(w.base, "next")))
	w.move("next", "now")
	w.until("v2/p/two")
	w.put("v2/p/three")
	w.until("v2/p/three", "v2/p/two")
}

// follower is a watch that has looked once, and does not run.
func follower(t *testing.T, dirs ...string) *watch {
	t.Helper()
	w, err := newWatch(dirs, WatchConfig{News: func(string) {}})
	must(t, err)
	t.Cleanup(w.drop)
	if w.follow(); w.blind != nil {
		t.Fatalf("follow() is blind: %v", w.blind)
	}
	return w
}

func TestWhatOthersDoOnTheWayIsNoNews(t *testing.T) {
	base := tree(t, map[string]string{"p/below/x": "", "real/p/x": ""})
	must(t, os.Symlink("real", filepath.Join(base, "link")))
	w := follower(t, filepath.Join(base, "p"), filepath.Join(base, "gone/p"), filepath.Join(base, "link/p"))
	for rel, want := range map[string]bool{
		"p/x": true, "p/.hidden": true, "p/below/x": true, "real/p/x": true, // in the directories
		"gone": true, "link": true, "": true, // on the way
		"other": false, "p2": false, "gone2": false, "link2": false,
	} {
		if got := w.matters(fsnotify.Event{Name: filepath.Join(base, rel), Op: fsnotify.Create}); got != want {
			t.Errorf("an event of %q is news: %v, want %v", rel, got, want)
		}
	}
}

func TestOnlyWhatIsWantedIsWatched(t *testing.T) {
	base := tree(t, map[string]string{"p/a/x": "", "p/b/x": "", "up/x": ""})
	w := follower(t, filepath.Join(base, "p"), filepath.Join(base, "up/q"))
	wantList := func(want ...string) {
		t.Helper()
		got := w.source.list()
		for i, path := range got {
			got[i], _ = filepath.Rel(base, path)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("watched are %q, want %q", got, want)
		}
	}
	wantList("p", "p/a", "p/b", "up")
	must(t, os.Mkdir(filepath.Join(base, "up/q"), 0o755))
	w.follow()
	wantList("p", "p/a", "p/b", "up/q")
	must(t, os.Rename(filepath.Join(base, "p/b"), filepath.Join(base, "p/c")))
	must(t, os.RemoveAll(filepath.Join(base, "p/a")))
	w.follow()
	wantList("p", "p/c", "up/q")
	must(t, os.RemoveAll(filepath.Join(base, "up")))
	w.follow()
	wantList(".", "p", "p/c")
}

func TestWatchRefusesWhatCannotBeMeant(t *testing.T) {
	news := func(string) { t.Error("News was called") }
	for name, cfg := range map[string]WatchConfig{
		"no News":      {},
		"a past quiet": {News: news, Quiet: -1}, "a past patience": {News: news, Patience: -1},
		"a past rescan": {News: news, Rescan: -1}, "a past blind": {News: news, Blind: -1},
	} {
		if err := Watch(t.Context(), nil, cfg); err == nil {
			t.Errorf("Watch() with %s = nil, want an error", name)
		}
	}
}
