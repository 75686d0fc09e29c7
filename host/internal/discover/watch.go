package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchConfig says how Watch works. Of the durations, zero is the default, and less is an error.
type WatchConfig struct {
	News     func(why string) // called for each change, never concurrently; needed
	Quiet    time.Duration    // without events, before News: a copy takes several steps; 50 ms
	Patience time.Duration    // how long events may go on, before News comes nevertheless; 250 ms
	Rescan   time.Duration    // between two News that come in any case; 10 s
	Blind    time.Duration    // the same, while some directory cannot be watched; 1 s
	Logger   *slog.Logger     // nil: nobody
}

// Watch calls News whenever something in one of dirs, or below, may have become another, until ctx ends. It
// does so once at the beginning, as soon as nothing is missed any more. why is for logs.
//
// A directory need not be there: what is there of the way to it is watched. Lost events and a directory that
// vanishes are news at once. Network file systems tell nothing of what other machines do; for them, and for
// directories that cannot be watched, there are Rescan and Blind.
func Watch(ctx context.Context, dirs []string, w WatchConfig) error {
	own, err := newWatch(dirs, w)
	if err != nil {
		return fmt.Errorf("watch the plugin directories: %w", err)
	}
	return own.run(ctx)
}

// watch is one run of Watch. All of it belongs to the goroutine of run.
type watch struct {
	WatchConfig
	dirs []string                // absolute
	open func() (*source, error) // another one in tests

	source *source                    // nil: there is none at present
	wanted map[string]map[string]bool // directory -> paths in it that matter; nil: all do
	blind  error                      // what cannot be watched, and why
	warned bool

	due    *time.Timer // for the next News
	why    string      // of the next News
	since  time.Time   // the first event that News does not know of; zero: it knows all
	urgent bool        // the next News does not wait until it is quiet
	last   time.Time   // when News returned
}

// source is where events come from.
type source struct {
	events      <-chan fsnotify.Event // closed by close
	failures    <-chan error          // likewise
	add, remove func(path string) error
	list        func() []string
	close       func() error
}

func openSource() (*source, error) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &source{
		events: fs.Events, failures: fs.Errors, add: fs.Add, remove: fs.Remove, list: fs.WatchList, close: fs.Close,
	}, nil
}

func newWatch(dirs []string, cfg WatchConfig) (*watch, error) {
	if cfg.News == nil {
		return nil, errors.New("nobody wants the news: set WatchConfig.News")
	}
	if shortest := min(cfg.Quiet, cfg.Patience, cfg.Rescan, cfg.Blind); shortest < 0 {
		return nil, fmt.Errorf("a duration of %v is negative: take zero for the default", shortest)
	}
	cfg.Quiet = cmp.Or(cfg.Quiet, 50*time.Millisecond)
	cfg.Patience = cmp.Or(cfg.Patience, 250*time.Millisecond)
	cfg.Rescan = cmp.Or(cfg.Rescan, 10*time.Second)
	cfg.Blind = cmp.Or(cfg.Blind, time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	w := &watch{WatchConfig: cfg, open: openSource}
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		w.dirs = append(w.dirs, abs)
	}
	return w, nil
}

func (w *watch) run(ctx context.Context) error {
	defer func() { w.drop() }()
	w.due = time.NewTimer(time.Hour) // until there is news
	defer w.due.Stop()
	rescan := time.NewTicker(w.Rescan)
	defer rescan.Stop()
	blind := time.NewTicker(w.Blind)
	defer blind.Stop()
	w.tell("the watch began")
	for ctx.Err() == nil { // select chooses at random, and there may be events without end
		events, failures := w.channels()
		select {
		case <-ctx.Done():
		case e, ok := <-events:
			w.hear(e, ok)
		case err := <-failures:
			w.fail(err)
		case <-w.due.C:
			w.tell(w.why)
		case <-rescan.C:
			w.tell(fmt.Sprintf("a look every %v", w.Rescan))
		case <-blind.C:
			if w.blind != nil {
				w.tell(fmt.Sprintf("a look every %v, as something cannot be watched", w.Blind))
			}
		}
	}
	return nil
}

func (w *watch) channels() (<-chan fsnotify.Event, <-chan error) {
	if w.source == nil {
		return nil, nil
	}
	return w.source.events, w.source.failures
}

// tell watches what is there by now, and then calls News, so that a change in between is seen twice rather
// than never.
func (w *watch) tell(why string) {
	w.due.Stop()
	w.since, w.urgent = time.Time{}, false
	w.follow()
	w.News(why)
	w.last = time.Now()
}

// hear takes an event.
func (w *watch) hear(e fsnotify.Event, ok bool) {
	switch {
	case !ok:
		w.fail(errors.New("the watcher ended"))
	case !w.matters(e):
	case e.Has(fsnotify.Remove|fsnotify.Rename) && w.watches(e.Name):
		w.hurry("a directory vanished: "+e.Name, w.Quiet)
	default:
		w.wait(e)
	}
}

// wait puts off the news until it is quiet, or patience ends.
func (w *watch) wait(e fsnotify.Event) {
	if w.urgent {
		return
	}
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
		w.why = "changed: " + e.Name
	}
	w.due.Reset(min(w.Quiet, w.since.Add(w.Patience).Sub(now)))
}

// hurry lets News come at once; but not without a pause from the one before, as a directory that goes takes
// many with it, and errors may come without end.
func (w *watch) hurry(why string, pause time.Duration) {
	if w.urgent {
		return
	}
	w.urgent = true
	w.why = why
	w.due.Reset(time.Until(w.last.Add(pause)))
}

// fail takes an error of the source. All but lost events make it suspect, and another one is taken.
func (w *watch) fail(err error) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		w.hurry("events were lost", w.Patience)
		return
	}
	w.drop()
	w.hurry(fmt.Sprintf("the watcher failed: %v", err), w.Patience)
}

func (w *watch) drop() {
	if w.source != nil {
		_ = w.source.close() // nothing is expected of it any more
		w.source = nil
	}
}
