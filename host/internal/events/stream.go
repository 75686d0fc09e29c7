package events

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Stream is one listener's way through the events. Next is for one goroutine; Close for any.
type Stream struct {
	hub     *Hub
	start   uint64   // sequence number of the event before the first
	gap     *GapData // told first; nil: there is none
	backlog []*entry // what was missed, told next

	buffer chan *entry // closed by endLocked
	ended  error       // why; set before buffer is closed, under hub.mu
}

// Start is the id from which the stream goes on: who got nothing yet can come back with it.
func (s *Stream) Start() string { return id(s.hub.boot, s.start) }

// Next waits for the next event. It fails when ctx ends, and with ErrSlow or ErrClosed when the stream does
// and everything before its end was read.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	if s.gap != nil {
		return s.told(), nil
	}
	if len(s.backlog) > 0 {
		e := s.backlog[0]
		s.backlog[0], s.backlog = nil, s.backlog[1:]
		return e.event(s.hub.boot), nil
	}
	select {
	case e, open := <-s.buffer:
		if !open {
			return Event{}, s.ended
		}
		return e.event(s.hub.boot), nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Waiting reports whether Next has an event, or the end, at once.
func (s *Stream) Waiting() bool { return s.gap != nil || len(s.backlog) > 0 || len(s.buffer) > 0 }

// told is the event that tells of the gap. Its id is that of what lies just before the first event that is
// still there.
func (s *Stream) told() Event {
	now := time.Now().UTC()
	var raw json.RawMessage = encode(now, s.gap)
	s.gap = nil
	return Event{ID: s.Start(), Type: Gap, Time: now, Data: raw}
}

// Close ends the stream. It may be called twice.
func (s *Stream) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.streams, s); i >= 0 {
		h.streams = slices.Delete(h.streams, i, i+1)
		s.endLocked(ErrClosed)
	}
}

// endLocked ends a stream that is, or just was, in the hub's list. What is buffered can still be read.
func (s *Stream) endLocked(why error) {
	s.ended = why
	close(s.buffer)
}
