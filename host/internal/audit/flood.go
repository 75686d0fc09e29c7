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
//
// Strangers, who have no credential, have a small budget of their own: what they do must not cost the trail what
// known clients do.
const (
	floodBurst    = 100 // of one kind, see floodKey
	floodRate     = 10  // each second, of one kind
	allBurst      = 1000
	allRate       = 100 // each second, of all kinds
	strangerBurst = 100
	strangerRate  = 5 // each second, of all kinds
	maxFloods     = 1024
	maxStrangers  = 64 // kinds
)

// floodKey is what lines that are summed up have in common.
type floodKey struct {
	event                      Event
	door                       origin.Door
	client, remote, tool, gate string
	kind                       tool.Kind
	verdict                    tool.Verdict
}

func (k floodKey) stranger() bool { return k.client == "" }

func floodKeyOf(e *Entry) floodKey {
	k := floodKey{
		event: e.Event, door: e.Origin.Door, client: e.Origin.Client, remote: e.Origin.Remote,
		gate: e.Gate, kind: e.ErrorType, verdict: e.Verdict,
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
	mu        sync.Mutex // guards all below
	all       *rate.Limiter
	strangers *rate.Limiter
	keys      map[floodKey]*flood // key -> its flood; bounded, see of
	unknown   int                 // keys of strangers
	closed    bool
}

func newFloods() *floods {
	return &floods{
		all: rate.NewLimiter(allRate, allBurst), strangers: rate.NewLimiter(strangerRate, strangerBurst),
		keys: make(map[floodKey]*flood),
	}
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
	k, all := floodKeyOf(e), f.all
	if k.stranger() {
		all = f.strangers
	}
	one := f.of(k)
	if one.bucket.AllowN(now, 1) && all.AllowN(now, 1) {
		return false
	}
	if one.repeats == 0 {
		one.from = e.Time
	}
	one.repeats++
	one.to = e.Time
	return true
}

// of returns the flood of a key, or, when there are too many, one that is shared: first by all addresses of a
// client, then by all clients. Strangers share with strangers.
func (f *floods) of(k floodKey) *flood {
	shared := k
	shared.remote = ""
	all := shared
	all.client, all.tool = "", ""
	if !k.stranger() {
		all.client = "*" // no client's name
	}
	for _, one := range []floodKey{k, shared} {
		if flood := f.keys[one]; flood != nil {
			return flood
		}
		if f.room(one) {
			return f.add(one)
		}
	}
	if flood := f.keys[all]; flood != nil {
		return flood
	}
	return f.add(all)
}

// room reports whether there may be another key. The last eighth of the room is kept for keys without an
// address, of which there are few.
func (f *floods) room(k floodKey) bool {
	most, are := maxFloods, len(f.keys)-f.unknown
	if k.stranger() {
		most, are = maxStrangers, f.unknown
	}
	if k.remote != "" {
		most -= most / 8
	}
	return are < most
}

func (f *floods) add(k floodKey) *flood {
	one := &flood{bucket: rate.NewLimiter(floodRate, floodBurst)}
	f.keys[k] = one
	if k.stranger() {
		f.unknown++
	}
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
			if k.stranger() {
				f.unknown--
			}
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
	j.text("verdict", string(k.verdict), maxName)
	j.text("error_type", string(k.kind), maxName)
	return j
}
