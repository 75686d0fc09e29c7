package config

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch calls changed whenever the content of the file has become another one, until the context ends. A
// file that is gone, or cannot be read, says nothing: the next one that can is compared with the last.
// seen is the content that the caller knows already: when the file has another one by now, that is a change.
//
// The directory is watched and not the file, because editors and orchestrators put a new file, or a new
// symbolic link, in the place of the old one. Where it cannot be watched, the file is looked at every few
// seconds.
func Watch(ctx context.Context, file string, seen Fingerprint, log *slog.Logger, changed func()) error {
	w := &watch{
		last: seen,
		file: file, quiet: 200 * time.Millisecond, patience: 2 * time.Second, slow: 5 * time.Second, log: log,
		changed: changed, checked: func() {},
	}
	return w.run(ctx)
}

// WatchEvery is Watch for who has a memory of the file that is changed by other ways as well: changed is called
// after all news of the directory, and once at the beginning, whether the file says anything else or not.
func WatchEvery(ctx context.Context, file string, log *slog.Logger, changed func()) error {
	w := &watch{
		every: true,
		file:  file, quiet: 200 * time.Millisecond, patience: 2 * time.Second, slow: 5 * time.Second, log: log,
		changed: changed, checked: func() {},
	}
	return w.run(ctx)
}

// Fingerprint tells contents of a file apart. The zero Fingerprint is that of none.
type Fingerprint [sha256.Size]byte

type watch struct {
	file     string
	quiet    time.Duration // without news, before the file is read: writers take several steps
	patience time.Duration // how long news may go on, before it is read nevertheless
	slow     time.Duration // between two looks where the directory cannot be watched
	log      *slog.Logger
	changed  func()
	checked  func() // after each comparison, for tests

	every  bool // call changed without a comparison
	last   Fingerprint
	fs     *fsnotify.Watcher // nil: there is none on this system
	blind  bool              // the directory is not watched at present
	warned bool
}

func (w *watch) run(ctx context.Context) error {
	var events chan fsnotify.Event // closed by the watcher
	var failures chan error        // likewise
	fs, err := fsnotify.NewWatcher()
	if err == nil {
		defer fs.Close()
		w.fs, events, failures = fs, fs.Events, fs.Errors
	}
	w.follow()
	quiet := time.NewTimer(0) // what changed before the directory was watched
	defer quiet.Stop()
	slow := time.NewTicker(w.slow)
	defer slow.Stop()
	var since time.Time // the first news that was not looked at
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-events:
		case <-failures: // news may be lost
		case <-quiet.C:
			since = time.Time{}
			w.look()
			continue
		case <-slow.C:
			if w.blind {
				w.look()
			}
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < w.patience {
			quiet.Reset(w.quiet)
		}
	}
}

// look compares the file with what it was.
func (w *watch) look() {
	w.follow()
	if now, ok := fingerprint(w.file); w.every || ok && now != w.last {
		w.last = now
		w.changed()
	}
	w.checked()
}

// follow watches the directory of the file and, when that is a symbolic link, the one that it leads to.
func (w *watch) follow() {
	dirs := []string{filepath.Dir(w.file)}
	if real, err := filepath.EvalSymlinks(w.file); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	w.blind = w.fs == nil || !w.followAll(dirs)
	if w.blind && !w.warned {
		w.warned = true
		w.log.Warn("the directory of the configuration cannot be watched; the file is looked at now and then",
			"file", w.file, "seconds", w.slow.Seconds())
	}
}

// followAll watches these directories and no others. Adding one again costs nothing, and finds one that was
// made anew.
func (w *watch) followAll(dirs []string) bool {
	for _, old := range w.fs.WatchList() {
		if !slices.Contains(dirs, old) {
			_ = w.fs.Remove(old) // it may be gone by itself
		}
	}
	for _, dir := range dirs {
		if w.fs.Add(dir) != nil {
			return false
		}
	}
	return true
}

// fingerprint tells contents apart. Only a regular file has one: reading a pipe would take what it holds.
func fingerprint(file string) (sum Fingerprint, ok bool) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return sum, false
	}
	f, err := os.Open(file)
	if err != nil {
		return sum, false
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return sha256.Sum256(raw), err == nil
}
