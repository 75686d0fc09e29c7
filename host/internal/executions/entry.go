package executions

import (
	"bytes"
	"container/list"
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of what is kept of an execution besides its output.
const (
	maxArguments = 256 << 10 // bytes; larger ones, and those that are no JSON, are left out
	maxError     = 4 << 10   // bytes of a message
	maxProgress  = 1 << 10   // bytes of a text
	entryCost    = 1 << 10   // bytes that an execution takes whatever it printed
)

// noReturnCode stands where no program returned one.
const noReturnCode = -1

// entry is an execution in memory. [Book.mu] guards it; what it printed only grows, and what it came to does
// not change, so that both may be read without once they are in hand.
type entry struct {
	x      Execution
	cancel context.CancelCauseFunc // nil: it cannot be
	out    [2][]byte               // by tool.Stream; a longer one may replace it, but no other text
	result tool.Result             // of one that has ended; without its output
	err    *tool.Error
	waits  chan struct{} // closed at the next change; nil: nobody waits
	size   int64         // of one that has ended, in bytes

	place *list.Element // on the shelf

	version int      // counts the changes
	stored  bool     // there is a row, or may be
	written [2]int64 // bytes of out that are in the database
	known   int      // the version that is
}

func newEntry(e Execution, id string, cancel context.CancelCauseFunc) *entry {
	if e.Created.IsZero() {
		e.Created = time.Now()
	}
	n := &entry{cancel: cancel, version: 1, x: Execution{
		ID: id, CorrelationID: e.CorrelationID, Tool: e.Tool, Plugin: e.Plugin, Version: e.Version,
		Client: e.Client, Door: e.Door, Target: e.Target, Targets: e.Targets, Detached: e.Detached,
		State: Queued, Created: e.Created.UTC(), Timeout: e.Timeout,
	}}
	if len(e.Arguments) <= maxArguments && json.Valid(e.Arguments) {
		n.x.Arguments = bytes.Clone(e.Arguments) // which may lie in the body of a request
	}
	return n
}

// changed tells who waits.
func (e *entry) changed() {
	e.version++
	if e.waits != nil {
		close(e.waits)
		e.waits = nil
	}
}

// next is closed at the next change.
func (e *entry) next() <-chan struct{} {
	if e.waits == nil {
		e.waits = make(chan struct{})
	}
	return e.waits
}

// print captures a chunk of output as far as it fits.
func (e *entry) print(o tool.Output, l *Limits) {
	s, limit, cut := tool.Stdout, l.MaxStdout, &e.x.TruncatedStdout
	if o.Stream == tool.Stderr {
		s, limit, cut = tool.Stderr, l.MaxStderr, &e.x.TruncatedStderr
	}
	if *cut {
		return
	}
	data := o.Data
	if room := limit - int64(len(e.out[s])); int64(len(data)) > room {
		data, *cut = wholeRunes(data[:max(room, 0)]), true
	}
	e.out[s] = append(e.out[s], data...)
	e.measure()
}

func (e *entry) measure() {
	e.x.StdoutBytes, e.x.StderrBytes = int64(len(e.out[tool.Stdout])), int64(len(e.out[tool.Stderr]))
}

func (e *entry) progress(p tool.Progress) {
	p.Task, p.Message = clip(p.Task, maxProgress), clip(p.Message, maxProgress)
	e.x.Progress = &p
}

// end fills in what the execution came to. What others still hold of the result is copied.
func (e *entry) end(o Outcome, l *Limits) {
	r, x := o.Result, &e.x
	x.State, x.Finished = o.state(), o.Finished.UTC()
	x.ReturnCode, x.TimedOut, x.Elapsed = r.ReturnCode, r.TimedOut, r.Elapsed
	e.complete(tool.Stdout, r.Stdout, l.MaxStdout, &x.TruncatedStdout)
	e.complete(tool.Stderr, r.Stderr, l.MaxStderr, &x.TruncatedStderr)
	x.TruncatedStdout = x.TruncatedStdout || r.TruncatedStdout
	x.TruncatedStderr = x.TruncatedStderr || r.TruncatedStderr
	x.DataBytes = int64(len(r.Data))
	e.measure()
	if o.Err != nil {
		e.err = o.Err.About(x.Tool, x.Target)
		x.ErrorType, x.Error = o.Err.Kind, clip(o.Err.Message, maxError)
	}
	r.Stdout, r.Stderr, r.Questions, r.State = "", "", nil, nil
	r.Metadata = maps.Clone(r.Metadata)
	r.ExecutionID, r.CorrelationID = x.ID, x.CorrelationID
	e.result, e.cancel = r, nil
	e.size = e.weigh()
}

// complete puts the text of the result in the place of what the events brought, where that is only its
// beginning. A text that is another one is not taken: somebody may have read the first.
func (e *entry) complete(s tool.Stream, text string, limit int64, cut *bool) {
	have := e.out[s]
	if len(text) > len(have) && !*cut && text[:len(have)] == string(have) {
		if int64(len(text)) > limit {
			text, *cut = clip(text, int(limit)), true
		}
		e.out[s] = []byte(text)
		return
	}
	if waste := cap(have) - len(have); waste > 4<<10 && waste > len(have)/4 {
		e.out[s] = bytes.Clone(have)
	}
}

// weigh is about what an execution that has ended takes in memory.
func (e *entry) weigh() int64 {
	n := entryCost + len(e.x.Arguments) + len(e.out[0]) + len(e.out[1]) + len(e.result.Data)
	n += size(e.result.Metadata)
	for _, c := range e.result.Content {
		n += len(c.Text) + len(c.Data) + len(c.URI) + len(c.About) + 256
	}
	if e.err != nil {
		n += len(e.err.Message) + size(e.err.Metadata)
	}
	return int64(n)
}

// size is about what a JSON value takes in memory.
func size(value any) int {
	n := 16
	switch v := value.(type) {
	case string:
		n += len(v)
	case []any:
		for _, each := range v {
			n += size(each)
		}
	case map[string]any:
		for key, each := range v {
			n += 32 + len(key) + size(each)
		}
	}
	return n
}

// shelf is what has ended and is in memory, in the order of the ends: those that are not detached, and the
// others.
type shelf struct {
	rows [2]*list.List
	room room
}

func newShelf() shelf { return shelf{rows: [2]*list.List{list.New(), list.New()}} }

func (s *shelf) add(e *entry) {
	class := e.x.class()
	e.place = s.rows[class].PushBack(e)
	s.room.add(class, 1, e.size)
}

func (s *shelf) remove(e *entry) {
	if e.place == nil {
		return
	}
	class := e.x.class()
	s.rows[class].Remove(e.place)
	s.room.add(class, -1, -e.size)
	e.place = nil
}

func (s *shelf) oldest(class int) *entry { return s.rows[class].Front().Value.(*entry) }

// older is the class of which the oldest ended before a time; -1: none did.
func (s *shelf) older(than time.Time) int {
	for class, row := range s.rows {
		if front := row.Front(); front != nil && front.Value.(*entry).x.Finished.Before(than) {
			return class
		}
	}
	return -1
}
