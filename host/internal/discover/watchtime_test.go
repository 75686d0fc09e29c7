package discover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// clockwork is a watch in a bubble of synctest, of sources that the test speaks for.
type clockwork struct {
	t      *testing.T
	start  time.Time
	dir    string
	events chan fsnotify.Event // of the latest source
	errs   chan error
	opened int
	closed int
	log    bytes.Buffer
	stop   func()

	mu      sync.Mutex
	news    []string // "250ms why", each with the time since start
	during  func()   // in News
	openErr error
	addErr  error
}

// inBubble runs a test with a watch of one directory that is there, after the first News.
func inBubble(t *testing.T, prepare func(*clockwork), test func(c *clockwork)) {
	dir := tree(t, map[string]string{"below/x": ""})
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{t: t, dir: dir, start: time.Now(), during: func() {}}
		prepare(c)
		w, err := newWatch([]string{dir}, WatchConfig{
			News: func(why string) {
				c.hear(why)()
			},
			Logger: slog.New(slog.NewTextHandler(&c.log, nil)),
		})
		must(t, err)
		w.open = c.open
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.run(ctx) }()
		c.stop = func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("run() = %v, want nil", err)
			}
		}
		synctest.Wait()
		c.want("0s the watch began")
		test(c)
		c.stop()
		if c.opened != c.closed {
			t.Errorf("%d sources were opened, %d closed", c.opened, c.closed)
		}
	})
}

func ready(*clockwork) {}

// hear takes a News, and returns what is to be done in it.
func (c *clockwork) hear(why string) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news = append(c.news, fmt.Sprint(time.Since(c.start), " ", why))
	return c.during
}

// heard returns the news since it was last called.
func (c *clockwork) heard() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	news := c.news
	c.news = nil
	return news
}

// set changes what the other goroutine looks at.
func (c *clockwork) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *clockwork) open() (*source, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.openErr != nil {
		return nil, c.openErr
	}
	c.opened++
	c.events, c.errs = make(chan fsnotify.Event), make(chan error)
	watched := make(map[string]bool)
	return &source{
		events: c.events, failures: c.errs,
		add: func(path string) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			watched[path] = c.addErr == nil
			return c.addErr
		},
		remove: func(path string) error { delete(watched, path); return nil },
		list:   func() []string { return slices.Collect(maps.Keys(watched)) },
		close:  func() error { c.closed++; return nil },
	}, nil
}

// want compares the news since the last want.
func (c *clockwork) want(news ...string) {
	c.t.Helper()
	if got := c.heard(); !slices.Equal(got, news) {
		c.t.Errorf("at %v the news is %q, want %q", time.Since(c.start), got, news)
	}
}

// at lets time go by until so long after the start.
func (c *clockwork) at(d time.Duration) {
	<-time.After(time.Until(c.start.Add(d)))
	synctest.Wait()
}

func (c *clockwork) change(rel string, op fsnotify.Op) {
	c.events <- fsnotify.Event{Name: c.dir + rel, Op: op}
}

const ms = time.Millisecond

func TestNewsComesWhenItIsQuiet(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		for _, at := range []time.Duration{1000, 1040, 1080} {
			c.at(at * ms)
			c.change("/tool", fsnotify.Write)
		}
		c.at(1129 * ms)
		c.want()
		c.at(2000 * ms)
		c.want("1.13s changed: " + c.dir + "/tool")
	})
}

func TestNewsComesInSpiteOfEventsWithoutEnd(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		for at := 1000 * ms; at < 1600*ms; at += 7 * ms {
			c.at(at)
			c.change("/log", fsnotify.Write)
		}
		c.at(2000 * ms)
		c.want("1.25s changed: "+c.dir+"/log", "1.502s changed: "+c.dir+"/log", "1.645s changed: "+c.dir+"/log")
	})
}

func TestLostEventsAreNewsAtOnce(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		c.at(1000 * ms)
		c.change("/tool", fsnotify.Write)
		c.errs <- fmt.Errorf("read: %w", fsnotify.ErrEventOverflow)
		c.want("1s events were lost")
		c.at(2000 * ms)
		c.want()
		if c.opened != 1 {
			t.Errorf("%d sources were opened, want the first to go on", c.opened)
		}
	})
}

func TestErrorsWithoutEndAreNewsNowAndThen(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		for at := 1000 * ms; at < 1500*ms; at += ms {
			c.at(at)
			c.errs <- fsnotify.ErrEventOverflow
			c.change("/tool", fsnotify.Write)
		}
		c.at(2000 * ms)
		c.want("1s events were lost", "1.25s events were lost", "1.5s events were lost")
	})
}

func TestAWatcherThatFailsIsReplacedAtOnce(t *testing.T) {
	for name, fail := range map[string]func(c *clockwork){
		"an error":       func(c *clockwork) { c.errs <- errors.New("broken") },
		"the end":        func(c *clockwork) { close(c.events) },
		"a silent error": func(c *clockwork) { close(c.errs) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ready, func(c *clockwork) {
				c.at(1000 * ms)
				fail(c)
				news := c.heard()
				if len(news) != 1 || !strings.HasPrefix(news[0], "1s the watcher failed: ") || c.opened != 2 {
					t.Fatalf("news %q, %d sources; want one at 1s, and a second source", news, c.opened)
				}
				c.at(2000 * ms)
				c.change("/tool", fsnotify.Create)
				c.at(3000 * ms)
				c.want("2.05s changed: " + c.dir + "/tool")
			})
		})
	}
}

func TestADirectoryThatVanishesIsNewsAtOnce(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		for i, op := range []fsnotify.Op{fsnotify.Remove, fsnotify.Rename} {
			at := time.Duration(i+1) * time.Second
			c.at(at)
			c.change("/below", op)
			c.want(fmt.Sprint(at, " a directory vanished: ", c.dir, "/below"))
			c.change("", op) // right behind it
			c.change("/below", op)
			c.at(at + 500*ms)
			c.want(fmt.Sprint(at+50*ms, " a directory vanished: ", c.dir))
		}
	})
}

func TestRescansComeInAnyCase(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		c.at(9990 * ms)
		c.change("/tool", fsnotify.Write)
		c.at(25_000 * ms)
		c.want("10s a look every 10s", "20s a look every 10s")
	})
}

// TestBlindnessIsLoggedOnceAndBridged is about both causes: no watcher, and one that refuses a directory.
func TestBlindnessIsLoggedOnceAndBridged(t *testing.T) {
	for name, spoil := range map[string]func(c *clockwork, err error){
		"no watcher":   func(c *clockwork, err error) { c.openErr = err },
		"no directory": func(c *clockwork, err error) { c.addErr = err },
	} {
		t.Run(name, func(t *testing.T) {
			broken := func(c *clockwork) { spoil(c, errors.New("no space")) }
			inBubble(t, broken, func(c *clockwork) {
				logged := func(word string) int { return strings.Count(c.log.String(), word) }
				const why = "a look every 1s, as something cannot be watched"
				c.at(3500 * ms)
				c.want("1s "+why, "2s "+why, "3s "+why)
				if logged("level=WARN") != 1 || logged("no space") != 1 || logged("level=INFO") != 0 {
					t.Errorf("the log says %s, want one warning", c.log.String())
				}
				c.set(func() { spoil(c, nil) })
				c.at(9500 * ms)
				c.want("4s " + why) // which finds that it sees
				if logged("level=WARN") != 1 || logged("level=INFO") != 1 {
					t.Errorf("the log says %s, want that it is over", c.log.String())
				}
				c.change("/tool", fsnotify.Write)
				c.at(9900 * ms)
				c.want("9.55s changed: " + c.dir + "/tool")
			})
		})
	}
}

func TestNewsIsNeverConcurrent(t *testing.T) {
	inBubble(t, ready, func(c *clockwork) {
		busy := 0
		c.set(func() {
			c.during = func() {
				if busy++; busy != 1 {
					t.Errorf("%d News at a time", busy)
				}
				<-time.After(time.Minute) // many rescans long
				busy--
			}
		})
		c.change("/tool", fsnotify.Write)
		go func() { c.errs <- fsnotify.ErrEventOverflow }()
		c.at(90 * time.Second)
		if news := c.heard(); len(news) < 2 {
			t.Errorf("the news is %q, want what happened meanwhile after it", news)
		}
	})
}
