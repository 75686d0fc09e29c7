package audit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Refusals and plans cost their caller nothing, and each line of one brings the oldest file nearer to its
// removal. So many of them are written line by line; those beyond are summed up, once a second.
const (
	floodBurst = 100 // of one kind, see floodKey
	floodRate  = 10  // each second, of one kind
	allBurst   = 1000
	allRate    = 100 // each second, of all kinds
	maxFloods  = 1024
)

// floodKey is what lines that are summed up have in common.
type floodKey struct {
	event                      Event
	door                       origin.Door
	client, remote, tool, gate string
	kind                       tool.Kind
}

func floodKeyOf(e *Entry) floodKey {
	k := floodKey{
		event: e.Event, door: e.Origin.Door, client: e.Origin.Client, remote: e.Origin.Remote,
		gate: e.Gate, kind: e.ErrorType,
	}
	if e.Plugin != "" { // otherwise there is no such tool: the caller may invent a name for each call
		k.tool = e.Tool
	}
	return k
}

// flood is what is summed up of one key.
type flood struct {
	bucket   *rate.Limiter
	repeats  int64
	from, to time.Time
}

// floods counts the lines that are not written one by one.
type floods struct {
	mu     sync.Mutex // guards all below
	all    *rate.Limiter
	keys   map[floodKey]*flood // key -> its flood; bounded by maxFloods, and one for each kind of refusal
	closed bool
}

func newFloods() *floods {
	return &floods{all: rate.NewLimiter(allRate, allBurst), keys: make(map[floodKey]*flood)}
}

// takes counts a line when there are too many like it. Otherwise the line is to be written.
func (f *floods) takes(e *Entry, now time.Time) bool {
	if e.Event.class() != counted {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	one := f.of(floodKeyOf(e))
	if one.bucket.AllowN(now, 1) && f.all.AllowN(now, 1) {
		return false
	}
	if one.repeats == 0 {
		one.from = e.Time
	}
	one.repeats++
	one.to = e.Time
	return true
}

// of returns the flood of a key, or, when there are too many, one that is shared by all callers.
func (f *floods) of(k floodKey) *flood {
	if one := f.keys[k]; one != nil {
		return one
	}
	if len(f.keys) >= maxFloods {
		k.client, k.remote, k.tool = "", "", ""
		if one := f.keys[k]; one != nil {
			return one
		}
	}
	one := &flood{bucket: rate.NewLimiter(floodRate, floodBurst)}
	f.keys[k] = one
	return one
}

// sums returns a line for each key that has something counted, and forgets the keys of which nothing comes
// any more.
func (f *floods) sums(now time.Time, closed bool) (lines []*job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = closed
	for k, one := range f.keys {
		switch {
		case one.repeats > 0:
			lines = append(lines, one.line(k, now))
			one.repeats = 0
		case one.bucket.TokensAt(now) >= floodBurst:
			delete(f.keys, k)
		}
	}
	return lines
}

// line says how many lines were summed up, and what they have in common.
func (one *flood) line(k floodKey, now time.Time) *job {
	j := &job{event: k.event, class: counted, from: one.from, to: one.to, count: one.repeats}
	j.begin(k.event, now)
	j.number("repeats", one.repeats)
	j.time("from", one.from)
	j.time("to", one.to)
	j.text("client", k.client, maxName)
	j.text("remote", k.remote, maxName)
	j.text("door", string(k.door), maxName)
	j.text("tool", k.tool, maxName)
	j.text("gate", k.gate, maxName)
	j.text("error_type", string(k.kind), maxName)
	return j
}
