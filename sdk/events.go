package sdk

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// events passes on what a tool emits: one event at a time, output up to the caps of the request, and
// nothing after the end of the call. A tool may therefore emit from any goroutine, and as much as it
// likes.
type events struct {
	mu      sync.Mutex // guards what follows; held while emit runs, which must not call back
	emit    func(Event)
	room    [2]int64 // Stream -> bytes that may still be passed on
	dropped [2]bool  // Stream -> whether some were not
	logs    int      // messages so far
}

// maxLogs is how many messages of one call are passed on.
const maxLogs = 1000

func newEvents(r Request, emit func(Event)) *events {
	if emit == nil {
		emit = func(Event) {}
	}
	return &events{emit: emit, room: [2]int64{Stdout: r.MaxStdout, Stderr: r.MaxStderr}}
}

func (e *events) event(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.emit == nil {
		return
	}
	if ev.Progress != nil {
		e.emit(Event{Progress: ev.Progress})
	}
	if ev.Exec != nil {
		e.emit(Event{Exec: ev.Exec})
	}
	if ev.Log != nil {
		e.logLocked(*ev.Log)
	}
	if ev.Output != nil {
		e.outputLocked(*ev.Output)
	}
}

func (e *events) logLocked(l Log) {
	e.logs++
	switch {
	case e.logs == maxLogs:
		l = Log{Level: tool.LogWarning, Message: fmt.Sprintf(
			"this call has logged %d messages; those that follow are left out", maxLogs-1)}
	case e.logs > maxLogs:
		return
	}
	l.Level, l.Message = l.Level.Valid(), strings.ToValidUTF8(l.Message, "\ufffd")
	if len(l.Message) > tool.MaxLogText {
		l.Message = string(wholeCharacters([]byte(l.Message), tool.MaxLogText))
	}
	e.emit(Event{Log: &l})
}

func (e *events) outputLocked(o Output) {
	s := Stdout
	if o.Stream == Stderr {
		s = Stderr
	}
	if e.dropped[s] {
		return
	}
	if int64(len(o.Data)) > e.room[s] {
		o.Data, e.dropped[s] = wholeCharacters(o.Data, e.room[s]), true
	}
	e.room[s] -= int64(len(o.Data))
	if len(o.Data) > 0 {
		e.emit(Event{Output: &Output{Stream: s, Data: o.Data}})
	}
}

// end lets nothing through any more, and writes into the result what was dropped before.
func (e *events) end(r *Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emit = nil
	r.TruncatedStdout = r.TruncatedStdout || e.dropped[Stdout]
	r.TruncatedStderr = r.TruncatedStderr || e.dropped[Stderr]
}

// wholeCharacters is the beginning of data, of at most n bytes and without a character cut in two.
func wholeCharacters(data []byte, n int64) []byte {
	cut := int(max(n, 0))
	for back := 0; cut > 0 && back < utf8.UTFMax && !utf8.RuneStart(data[cut]); back++ {
		cut--
	}
	return data[:cut]
}
