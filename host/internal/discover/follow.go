package discover

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// rounds is how often follow tries to catch up with directories that come and go while it looks at them.
const rounds = 3

// follow watches what is there by now, and nothing else. It adds what is watched already as well: that costs
// a system call, and finds a directory that was made anew under the old name.
func (w *watch) follow() {
	w.blind = w.reopen()
	for range rounds {
		if w.source == nil {
			break
		}
		w.wanted = make(map[string]map[string]bool)
		w.blind = nil
		for _, dir := range w.dirs {
			w.blind = orErr(w.blind, w.followDir(dir))
		}
		// A directory that was renamed is known by its old name still. Removing that stops the watch of the new
		// one too, so that it has to be added again.
		if removed := w.forget(); !removed && !gone(w.blind) {
			break
		}
	}
	w.say()
}

func orErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (w *watch) reopen() error {
	if w.source != nil {
		return nil
	}
	s, err := w.open()
	if err != nil {
		return err
	}
	w.source = s
	return nil
}

// say tells the log when the sight is lost, and when it is back.
func (w *watch) say() {
	switch {
	case w.blind != nil && !w.warned:
		w.Logger.Warn("a plugin directory cannot be watched; it is looked at now and then",
			"error", w.blind, "seconds", w.Blind.Seconds(),
			"fix", "if a limit is reached, raise fs.inotify.max_user_watches and fs.inotify.max_user_instances")
	case w.blind == nil && w.warned:
		w.Logger.Info("all plugin directories can be watched again")
	}
	w.warned = w.blind != nil
}

// followDir watches a plugin directory, each symbolic link on the way to it, and where the way ends too soon,
// the place where it would go on. What holds a thing is watched before the thing is looked at: what comes
// later is an event.
func (w *watch) followDir(dir string) error {
	base, err := way(dir, func(path string) (fs.FileInfo, error) {
		info, err := os.Lstat(path)
		if missing := gone(err); !missing && (err != nil || info.Mode()&fs.ModeSymlink == 0) {
			return info, err
		}
		if err := w.want(filepath.Dir(path), path); err != nil {
			return nil, err
		}
		return os.Lstat(path)
	})
	switch {
	case err == nil:
		return w.followTree(base)
	case gone(err) && w.waitsFor(err):
		return nil
	}
	return err
}

// waitsFor tells whether an error is about a path that was looked for in a directory that is watched.
func (w *watch) waitsFor(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && w.wanted[filepath.Dir(path.Path)][path.Path]
}

// followTree watches a directory and all below it, the hidden ones too: links may lead there. What is no
// directory is watched as well, until it becomes one.
func (w *watch) followTree(dir string) error {
	if err := w.want(dir, ""); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		// One that is gone by now was an event of this directory.
		if below := w.followTree(filepath.Join(dir, e.Name())); !gone(below) {
			err = orErr(err, below)
		}
	}
	if gone(err) {
		return nil
	}
	return err
}

// want watches a directory for the sake of one path in it, or of everything.
func (w *watch) want(dir, path string) error {
	if err := w.source.add(dir); err != nil {
		return &fs.PathError{Op: "watch", Path: dir, Err: err}
	}
	only, known := w.wanted[dir]
	switch {
	case path == "":
		w.wanted[dir] = nil
	case !known:
		w.wanted[dir] = map[string]bool{path: true}
	case only != nil:
		only[path] = true
	}
	return nil
}

// forget stops watching what is not wanted, and tells whether there was any.
func (w *watch) forget() (removed bool) {
	for _, path := range w.source.list() {
		if !w.watches(path) {
			_ = w.source.remove(path) // it may be gone by itself
			removed = true
		}
	}
	return removed
}

func (w *watch) watches(path string) bool {
	_, ok := w.wanted[filepath.Clean(path)]
	return ok
}

// matters tells whether an event is about something in a plugin directory, or on the way to one. /tmp may be
// on the way, where much happens.
func (w *watch) matters(e fsnotify.Event) bool {
	path := filepath.Clean(e.Name)
	only, known := w.wanted[filepath.Dir(path)]
	return !known || only == nil || only[path] || w.watches(path)
}

// gone tells whether something is not there; on the way, a file in the place of a directory is no better.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
