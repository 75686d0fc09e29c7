package proc

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
)

// maxLines is how many lines of one plugin are logged in a second. What it says beyond is counted.
const maxLines = 200

// levelTrace is below slog's own levels, as hclog's trace is.
const levelTrace = slog.LevelDebug - 4

// newSink makes the way of a plugin's words into the log.
func newSink(plugin string, to *slog.Logger) *sink {
	return &sink{plugin: plugin, to: to, limit: rate.NewLimiter(maxLines, maxLines)}
}

// bridge makes the logger that go-plugin writes to: what it says itself, and what the plugin prints on its
// stderr while it starts.
func bridge(s *sink) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: lowest(s.to), Output: io.Discard})
	l.RegisterSink(s)
	return l
}

// lowest is the level below which nobody listens, so that go-plugin does not prepare what is thrown away.
func lowest(l *slog.Logger) hclog.Level {
	for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn} {
		if l.Enabled(context.Background(), levelOf(level)) {
			return level
		}
	}
	return hclog.Error
}

func levelOf(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace:
		return levelTrace
	case hclog.Info:
		return slog.LevelInfo
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	default:
		return slog.LevelDebug
	}
}

// sink takes records from hclog to slog, as many as a log can bear.
type sink struct {
	plugin string
	to     *slog.Logger
	limit  *rate.Limiter

	mu   sync.Mutex
	left int // lines that were left out and not yet told of
}

var _ hclog.SinkAdapter = (*sink)(nil)

// Accept takes one record. Keys of the plugin's choice go into a group, where they cannot pass for the host's
// own. go-plugin writes under no name or one of its own choice, the plugin's lines come under the plugin's
// name.
func (s *sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	ctx := context.Background() // a log record belongs to no request
	if !s.to.Enabled(ctx, levelOf(level)) {
		return
	}
	if !s.limit.Allow() {
		s.leaveOut()
		return
	}
	source := "go-plugin"
	if name == s.plugin {
		source = "plugin"
	}
	s.to.LogAttrs(ctx, levelOf(level), msg,
		slog.String("plugin", s.plugin), slog.String("source", source),
		slog.Attr{Key: "fields", Value: fields(args)})
}

// leaveOut counts a line. A second after the first of them, one line tells of all.
func (s *sink) leaveOut() {
	s.mu.Lock()
	s.left++
	first := s.left == 1
	s.mu.Unlock()
	if first {
		time.AfterFunc(time.Second, s.tell)
	}
}

func (s *sink) tell() {
	s.mu.Lock()
	n := s.left
	s.left = 0
	s.mu.Unlock()
	s.to.Warn("the plugin logs too much, lines were left out", "plugin", s.plugin, "lines", n,
		"allowed_per_second", maxLines)
}

func fields(args []any) slog.Value {
	var attrs []slog.Attr
	for ; len(args) >= 2; args = args[2:] {
		attrs = append(attrs, slog.Any(fmt.Sprint(args[0]), args[1]))
	}
	if len(args) == 1 {
		attrs = append(attrs, slog.Any("extra", args[0]))
	}
	return slog.GroupValue(attrs...)
}
