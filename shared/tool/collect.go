package tool

import (
	"strings"
	"unicode/utf8"
)

// Collector assembles the output of a call from its events under caps of its own, so that what a plugin
// sends beyond them costs nothing. The zero Collector keeps nothing and passes nothing on; it is not safe
// for concurrent use, as events are not either.
type Collector struct {
	MaxStdout, MaxStderr int64       // bytes kept of each stream
	Next                 func(Event) // gets every event on its way, output beyond the caps left out; nil: nobody

	stdout, stderr capped
}

// NewCollector makes a collector with the caps of a request that passes events on to next, which may be nil.
func NewCollector(r Request, next func(Event)) *Collector {
	return &Collector{MaxStdout: r.MaxStdout, MaxStderr: r.MaxStderr, Next: next}
}

// Event takes the next event of the call.
func (c *Collector) Event(ev Event) {
	if ev.Output != nil {
		ev.Output = c.keep(*ev.Output)
	}
	if c.Next != nil && (ev.Output != nil || ev.Progress != nil || ev.Exec != nil || ev.Log != nil) {
		c.Next(ev)
	}
}

func (c *Collector) keep(o Output) *Output {
	to, limit := &c.stdout, c.MaxStdout
	if o.Stream == Stderr {
		to, limit = &c.stderr, c.MaxStderr
	}
	if o.Data = to.add(o.Data, limit); len(o.Data) == 0 {
		return nil
	}
	return &o
}

// Fill writes the assembled output into a result. Truncation that the plugin reported stays reported.
func (c *Collector) Fill(r *Result) {
	r.Stdout, r.Stderr = c.stdout.String(), c.stderr.String()
	r.TruncatedStdout = r.TruncatedStdout || c.stdout.cut
	r.TruncatedStderr = r.TruncatedStderr || c.stderr.cut
}

// capped is the beginning of a text.
type capped struct {
	strings.Builder
	cut bool
}

// add keeps what fits of data and returns that part; a cut never splits a character.
func (b *capped) add(data []byte, limit int64) []byte {
	if b.cut {
		return nil
	}
	if room := limit - int64(b.Len()); int64(len(data)) > room {
		data, b.cut = wholeRunes(data[:max(room, 0)]), true
	}
	b.Write(data)
	return data
}

// wholeRunes cuts an incomplete character off the end.
func wholeRunes(p []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(p)); i++ {
		if c := p[len(p)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}
