package config

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watching is a watch that runs until the test ends.
type watching struct {
	t       *testing.T
	changed chan struct{} // one for each call
	checked chan struct{} // one for each comparison
	log     *bytes.Buffer // read it after stop
	stop    func()
}

func startWatch(t *testing.T, file string) *watching {
	t.Helper()
	r := &watching{
		t: t, changed: make(chan struct{}, 1000), checked: make(chan struct{}, 100_000), log: new(bytes.Buffer),
	}
	w := &watch{
		file: file, quiet: 10 * time.Millisecond, patience: time.Second, slow: 10 * time.Millisecond,
		log:     slog.New(slog.NewTextHandler(r.log, nil)),
		changed: func() { r.changed <- struct{}{} },
		checked: func() { r.checked <- struct{}{} },
	}
	w.last, _ = fingerprint(file)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	r.stop = func() {
		cancel()
		if err, ok := <-ended; ok && err != nil {
			t.Errorf("Watch = %v, want nil", err)
		}
		close(ended)
		r.stop = func() {}
	}
	t.Cleanup(func() { r.stop() })
	r.waitCheck() // the first look: from now on nothing is missed
	return r
}

func (r *watching) waitChange() {
	r.t.Helper()
	select {
	case <-r.changed:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the change was not seen")
	}
}

// waitCheck waits for a comparison that was not waited for yet.
func (r *watching) waitCheck() {
	r.t.Helper()
	select {
	case <-r.checked:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the file was not looked at")
	}
}

// put writes a file and fails the test when it cannot.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// swap puts a whole file in the place of another, so that nobody sees half of it.
func swap(t *testing.T, path, text string) {
	t.Helper()
	put(t, path+".new", text)
	must(t, os.Rename(path+".new", path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryWayToChangeAFileIsSeen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	put(t, file, "a")
	r := startWatch(t, file)

	put(t, file, "b")
	r.waitChange()

	swap(t, file, "c")
	r.waitChange()

	must(t, os.Remove(file))
	put(t, file, "d")
	r.waitChange()
}

// Kubernetes mounts FILE -> ..data/FILE and ..data -> ..1, and swaps ..data.
func TestTheSwapOfASymbolicLinkIsSeen(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1", "2"} {
		must(t, os.Mkdir(filepath.Join(dir, ".."+version), 0o700))
		put(t, filepath.Join(dir, ".."+version, "c.yaml"), version)
	}
	must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	file := filepath.Join(dir, "c.yaml")
	must(t, os.Symlink("..data/c.yaml", file))
	r := startWatch(t, file)
	must(t, os.Symlink("..2", filepath.Join(dir, "..next")))
	must(t, os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")))
	r.waitChange()

	put(t, filepath.Join(dir, "..2", "c.yaml"), "edited where it lies")
	r.waitChange()
}

func TestWhatChangesNothingCallsNobody(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	put(t, file, "a")
	r := startWatch(t, file)

	must(t, os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)))
	r.waitCheck()
	put(t, filepath.Join(dir, "other"), "b")
	r.waitCheck()
	must(t, os.Remove(file))
	r.waitCheck()
	swap(t, file, "a")
	r.waitCheck()
	r.stop()
	if n := len(r.changed); n != 0 {
		t.Errorf("changed was called %d times, want never: the content is what it was", n)
	}
}

func TestWithoutItsDirectoryTheFileIsLookedAtNowAndThen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	must(t, os.Mkdir(dir, 0o700))
	file := filepath.Join(dir, "c.yaml")
	put(t, file, "a")
	r := startWatch(t, file)
	must(t, os.RemoveAll(dir))
	r.waitCheck()
	r.waitCheck()
	must(t, os.Mkdir(dir, 0o700))
	swap(t, file, "b")
	r.waitChange()
	swap(t, file, "c") // watched again
	r.waitChange()
	r.stop()
	if got := strings.Count(r.log.String(), "cannot be watched"); got != 1 {
		t.Errorf("log = %q, want one warning", r.log)
	}
}

func TestWatchSeesWhatChangedBeforeItBegan(t *testing.T) {
	file := write(t, "c.yaml", "{}")
	changed := make(chan struct{}, 10)
	l, err := Read(Source{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("server: {port: 1}"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- Watch(ctx, file, l.Sum, slog.New(slog.DiscardHandler), func() { changed <- struct{}{} })
	}()
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Error("the change was not seen")
	}
	cancel()
	<-ended
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Watch(ctx, filepath.Join(t.TempDir(), "none"), Fingerprint{}, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Errorf("Watch = %v, want nil", err)
	}
}
