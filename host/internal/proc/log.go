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

// maxLines and maxBytes are how much of one plugin is logged in a second. What it says beyond is counted.
const (
	maxLines = 200
	maxBytes = 256 << 10
)

// levelTrace is below slog's own levels, as hclog's trace is.
const levelTrace = slog.LevelDebug - 4

// newSink makes the way of a plugin's words into the log.
func newSink(plugin string, to *slog.Logger) *sink {
	return &sink{
		plugin: plugin, to: to,
		lines: rate.NewLimiter(maxLines, maxLines), bytes: rate.NewLimiter(maxBytes, maxBytes),
	}
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
	lines  *rate.Limiter
	bytes  *rate.Limiter

	mu   sync.Mutex // guards what follows
	left omitted
}

// omitted is what was left out and not yet told of.
type omitted struct{ lines, bytes int }

var _ hclog.SinkAdapter = (*sink)(nil)

// Accept takes one record. Keys of the plugin's choice go into a group, where they cannot pass for the host's
// own. go-plugin writes under no name or one of its own choice, the plugin's lines come under the plugin's
// name.
func (s *sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	ctx := context.Background() // a log record belongs to no request
	if !s.to.Enabled(ctx, levelOf(level)) {
		return
	}
	if !s.admit(size(msg, args)) {
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

// admit reports whether a line of n bytes may be logged. A second after the first one that may not, one line
// tells of all.
func (s *sink) admit(n int) bool {
	if s.lines.Allow() && s.bytes.AllowN(time.Now(), min(n, maxBytes)) {
		return true
	}
	s.mu.Lock()
	s.left.lines++
	s.left.bytes += n
	first := s.left.lines == 1
	s.mu.Unlock()
	if first {
		time.AfterFunc(time.Second, s.tell)
	}
	return false
}

func (s *sink) tell() {
	s.mu.Lock()
	left := s.left
	s.left = omitted{}
	s.mu.Unlock()
	s.to.Warn("the plugin logs too much, lines were left out", "plugin", s.plugin,
		"lines", left.lines, "bytes", left.bytes,
		"allowed_lines_per_second", maxLines, "allowed_bytes_per_second", maxBytes)
}

// size is about how much a record adds to the log.
func size(msg string, args []any) int {
	n := len(msg)
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			n += len(text)
		} else {
			n += len(fmt.Sprint(arg))
		}
	}
	return n
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
