// Package events spreads what happens in the host to whoever listens. A [Hub] takes events from many
// goroutines and never makes one wait: each [Stream] has a buffer, and one that is full ends its stream. The
// last events are kept in a ring, so that a listener that comes back gets what it missed; what it cannot get
// any more is told with an event of type [Gap].
//
//	hub := events.New(events.Config{History: 1024})
//	hub.Publish("breaker", map[string]string{"tool": "NmapTool", "state": "OPEN"})
//
//	s, err := hub.Subscribe(lastID) // "": from now on
//	defer s.Close()
//	for e, err := s.Next(ctx); err == nil; e, err = s.Next(ctx) { ... }
package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"
)

// Gap is the type of the event that says that a stream has a hole: its data is a [GapData].
const Gap = "gap"

// GapData says what a listener that came back cannot get any more.
type GapData struct {
	Reason string  `json:"reason"`
	Missed *uint64 `json:"missed"` // events; null: nobody knows
}

// Event is one thing that happened.
type Event struct {
	ID   string    // names this run of the host and the place in it
	Type string    // such as "call.finished"
	Time time.Time // UTC
	Data json.RawMessage
}

// The ends of a stream.
var (
	ErrFull   = errors.New("all event streams are taken")
	ErrSlow   = errors.New("the reader is slower than the events")
	ErrClosed = errors.New("the events have ended")
)

// entry is an event as the hub keeps it. Its data becomes JSON when the first reader wants it.
type entry struct {
	seq  uint64
	kind string
	at   time.Time

	once sync.Once
	data any             // nil after once
	raw  json.RawMessage // after once
}

func (e *entry) event(boot string) Event {
	e.once.Do(func() { e.raw, e.data = encode(e.at, e.data), nil })
	return Event{ID: id(boot, e.seq), Type: e.kind, Time: e.at, Data: e.raw}
}

func id(boot string, seq uint64) string { return boot + "-" + strconv.FormatUint(seq, 10) }

// encode makes one line of JSON. An object gets the time as its first member: what is read later, from the
// ring, must still say when it was.
func encode(at time.Time, data any) json.RawMessage {
	raw, err := json.Marshal(data)
	if err != nil {
		raw, err = json.Marshal(map[string]string{"error": "the event cannot be written as JSON: " + err.Error()})
	}
	if err != nil || len(raw) < 2 || raw[0] != '{' {
		return raw
	}
	var b bytes.Buffer
	b.WriteString(`{"time":"`)
	b.WriteString(at.Format(time.RFC3339Nano))
	b.WriteByte('"')
	if raw[1] != '}' {
		b.WriteByte(',')
	}
	b.Write(raw[1:])
	return b.Bytes()
}
