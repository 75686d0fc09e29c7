// Package logs writes the host's log, through hclog. [Logs] owns where it goes; the host's packages get a
// [slog.Logger] from it, by name, and never know.
//
//	l, err := logs.New(logs.Config{Level: slog.LevelInfo, Output: os.Stderr})
//	if err != nil {
//		return err
//	}
//	defer l.Close()
//	l.Named("fleet").Info("plugin ready", "plugin", "nmap")
//
// One record is one line, whatever is in it: what is not printable is escaped, in messages, keys and values
// alike. In JSON the host's own keys begin with an @ (@level, @message, @module, @timestamp), as hclog has
// them, and no other does. Lines are written by a goroutine of Logs: a disk that is full or a pipe that
// nobody reads costs lines, which are counted and told of later, but never holds up or ends the host.
package logs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/go-hclog"
)

// The formats.
const (
	Structured = "structured" // JSON
	Simple     = "simple"     // text
)

// Config says what is logged, how, and where to. Output or File is required.
type Config struct {
	Level  slog.Level // what is logged from; can be changed by SetLevel
	Format string     // Structured or Simple; empty: Structured
	Name   string     // of the root logger; empty: "gatehouse"

	Output io.Writer // used when File is empty; it is not closed

	File        string // path; made with mode 0600
	MaxFileSize int64  // bytes, before the file becomes File.1; zero: 10 MiB
	Backups     int    // full files that are kept: File.1 is the youngest; zero: none
}

// Logs is a log that is open.
type Logs struct {
	root  hclog.InterceptLogger
	queue *queue
	json  bool
	name  string
}

// New opens a log. Close must be called.
func New(cfg Config) (*Logs, error) {
	l := &Logs{json: cfg.Format != Simple, name: cfg.Name}
	if l.name == "" {
		l.name = "gatehouse"
	}
	if cfg.Format != "" && cfg.Format != Structured && cfg.Format != Simple {
		return nil, fmt.Errorf("log format %q is neither %s nor %s", cfg.Format, Structured, Simple)
	}
	out, err := cfg.open()
	if err != nil {
		return nil, err
	}
	l.root = hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: l.name, Level: levelOf(cfg.Level), Output: io.Discard,
		// hclog's JSON takes three times as long as ours, its text spreads a value over several lines, and
		// both leave characters as they are that turn the direction of a line. So hclog keeps names and
		// levels, and the sink writes.
		Exclude: func(hclog.Level, string, ...any) bool { return true },
	})
	l.queue = newQueue(out, l.lost)
	l.root.RegisterSink((*sink)(l))
	return l, nil
}

func (c Config) open() (io.WriteCloser, error) {
	switch {
	case c.MaxFileSize < 0 || c.Backups < 0:
		return nil, errors.New("a log file's size and number of backups cannot be negative")
	case c.File != "":
		f := &file{path: c.File, max: c.MaxFileSize, backups: c.Backups}
		if f.max == 0 {
			f.max = 10 << 20
		}
		return f, f.open()
	case c.Output != nil:
		return own(c.Output), nil
	}
	return nil, errors.New("a log needs an output or a file")
}

// Logger returns the root logger.
func (l *Logs) Logger() *slog.Logger { return slog.New(&handler{to: l.root, json: l.json}) }

// Named returns a logger for a part of the host; the part's name is in @module, below the root's.
func (l *Logs) Named(part string) *slog.Logger {
	return slog.New(&handler{to: l.root.Named(part), json: l.json})
}

// HCLog returns the root logger for those who speak hclog.
func (l *Logs) HCLog() hclog.Logger { return l.root }

// SetLevel changes what is logged from, for all loggers at once.
func (l *Logs) SetLevel(level slog.Level) { l.root.SetLevel(levelOf(level)) }

// Close writes what was logged, or gives up after two seconds. What is logged later is lost.
func (l *Logs) Close() error { return l.queue.close() }

// lost is the line that tells of lines that could not be written.
func (l *Logs) lost(n int) []byte {
	e := encoder{json: l.json}
	e.attrs([]slog.Attr{slog.Int("lines", n)})
	return e.line(nil, time.Now(), hclog.Warn, l.name, "lines of the log were lost")
}

// levelOf is the hclog level of a slog level.
func levelOf(l slog.Level) hclog.Level {
	switch {
	case l < slog.LevelDebug:
		return hclog.Trace
	case l < slog.LevelInfo:
		return hclog.Debug
	case l < slog.LevelWarn:
		return hclog.Info
	case l < slog.LevelError:
		return hclog.Warn
	}
	return hclog.Error
}
