// Package develop puts plugins that are being written where hosts find them. [Install] copies a program into
// a plugin directory; a [Loop] builds one from source whenever that changes, and has each build taken over.
//
//	loop := develop.Loop{Dir: "port-check", Words: os.Stderr, Built: func(ctx context.Context, program string) error {
//		_, err := develop.Install(ctx, program, dir, describe)
//		return err
//	}}
//	err := loop.Run(ctx) // until ctx ends
package develop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quiet is how long the sources must be left alone before they are built: editors save in several steps, and
// people several files.
const quiet = 200 * time.Millisecond

// Loop builds a program again and again.
type Loop struct {
	Dir   string    // of the main package
	Words io.Writer // gets what the compiler says, as it says it
	// Built takes a program that was built; it is gone when Built has returned.
	Built func(ctx context.Context, program string) error
	// Failed is told of a build, or of a program that was not taken. The loop goes on.
	Failed func(error)
}

// Run builds at once, and after each change of the sources, until ctx ends.
func (l Loop) Run(ctx context.Context) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("the go command is not in PATH; install Go, from https://go.dev/dl")
	}
	dir, err := filepath.Abs(l.Dir)
	if err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return fmt.Errorf("the sources cannot be found: %w", err)
	}
	l.Dir = dir
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the sources: %w", err)
	}
	defer watcher.Close() // nothing is expected of it any more
	temp, err := os.MkdirTemp("", "gatehouse-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for ctx.Err() == nil {
		seen, unseen := l.follow(ctx, watcher) // before the build: what is saved during it is news
		err := l.once(ctx, filepath.Join(temp, "program"))
		if err == nil {
			err = unseen // else the build says more
		}
		if err != nil && ctx.Err() == nil {
			l.Failed(err)
		}
		if err := wait(ctx, watcher, seen); err != nil {
			return err
		}
	}
	return nil
}

// once builds the program and hands it over.
func (l Loop) once(ctx context.Context, program string) error {
	defer os.Remove(program) // there may be none
	if err := Build(ctx, l.Dir, program, l.Words); err != nil {
		return err
	}
	return l.Built(ctx, program)
}

// follow watches the directories of the sources that there are now.
func (l Loop) follow(ctx context.Context, w *fsnotify.Watcher) (sources, error) {
	if err := w.Add(l.Dir); err != nil {
		return sources{}, fmt.Errorf("watch the sources: %w", err)
	}
	s, err := look(ctx, l.Dir)
	if err != nil {
		return s, err
	}
	var errs []error
	for dir := range s.dirs {
		errs = append(errs, w.Add(dir))
	}
	return s, errors.Join(errs...)
}

// wait returns when a source has changed and they have been left alone for a moment.
func wait(ctx context.Context, w *fsnotify.Watcher, s sources) error {
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("the watcher of the sources ended")
			}
			if s.matters(e.Name) && e.Op != fsnotify.Chmod {
				due = time.After(quiet)
			}
		case err, ok := <-w.Errors:
			if ok && !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch the sources: %w", err)
			}
			due = time.After(quiet)
		}
	}
}
