package logs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// handler brings records from slog to hclog.
type handler struct {
	to    hclog.Logger
	json  bool
	outer []group     // that are open, outermost first, each with the attributes given before the next
	attrs []slog.Attr // of the innermost
}

// group holds what stands before the next group in it.
type group struct {
	attrs []slog.Attr
	next  string // name of the group within
}

var _ slog.Handler = (*handler)(nil)

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return levelOf(l) >= h.to.GetLevel() }

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Concat(h.attrs, attrs)
	return &c
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.outer, c.attrs = append(slices.Clip(h.outer), group{h.attrs, name}), nil
	return &c
}

// encoded is a record whose attributes are written down already; it goes through hclog as one argument.
// Attributes may have methods of their own, which must not run under hclog's lock: they might log.
type encoded struct {
	at    time.Time
	given []slog.Attr
	attrs encoder
	line  []byte
}

// spare are encoded records that nobody uses; a line costs half of the time with them.
var spare = sync.Pool{New: func() any { return new(encoded) }}

// free gives e back, unless it has grown large.
func (e *encoded) free() {
	if cap(e.attrs.buf)+cap(e.line) > 1<<16 || cap(e.given) > maxAttrs {
		return
	}
	clear(e.given)
	clear(e.attrs.tidied)
	spare.Put(e)
}

// Handle implements [slog.Handler].
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	e := spare.Get().(*encoded)
	defer e.free()
	attrs := append(e.given[:0], h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	e.at, e.given, e.attrs.json, e.attrs.buf = r.Time, attrs, h.json, e.attrs.buf[:0]
	for _, g := range slices.Backward(h.outer) {
		attrs = append(slices.Clip(g.attrs), slog.Attr{Key: g.next, Value: slog.GroupValue(attrs...)})
	}
	e.attrs.attrs(attrs)
	h.to.Log(levelOf(r.Level), r.Message, e)
	return nil
}

// sink writes what comes through hclog.
type sink Logs

var _ hclog.SinkAdapter = (*sink)(nil)

// Accept implements [hclog.SinkAdapter].
func (s *sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	if level < s.root.GetLevel() {
		return
	}
	if len(args) == 1 {
		if e, ok := args[0].(*encoded); ok {
			e.line = e.attrs.line(e.line[:0], e.at, level, name, msg)
			s.queue.add(e.line)
			return
		}
	}
	e := encoder{json: s.json}
	e.attrs(pairs(args))
	s.queue.add(e.line(nil, time.Now(), level, name, msg))
}

// pairs are the arguments of one who speaks hclog.
func pairs(args []any) []slog.Attr {
	var attrs []slog.Attr
	for ; len(args) >= 2; args = args[2:] {
		key, ok := args[0].(string)
		if !ok {
			key = plain(slog.AnyValue(args[0]))
		}
		attrs = append(attrs, slog.Any(key, args[1]))
	}
	if len(args) == 1 {
		attrs = append(attrs, slog.Any(hclog.MissingKey, args[0]))
	}
	return attrs
}
