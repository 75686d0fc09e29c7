package events

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a zero in [Config] means.
const (
	defaultMaxStreams = 32
	defaultBuffer     = 256
)

// Config bounds a hub. What is negative counts as zero.
type Config struct {
	History    int // events kept for those who come back; zero: none
	MaxStreams int // listeners at a time; zero: 32
	Buffer     int // events that a listener may lag behind; zero: 256
}

// Stats are the numbers of a hub, for metrics.
type Stats struct {
	Streams   int    // open now
	Published uint64 // events since the start
	Dropped   uint64 // streams that ended because their readers were slow
}

// Hub takes events and hands them to streams.
type Hub struct {
	cfg  Config
	boot string // tells the ids of this run from those of another

	mu      sync.Mutex
	last    uint64 // sequence number of the newest event; the first has 1
	ring    []*entry
	streams []*Stream
	dropped uint64
	closed  bool
}

// New makes a hub.
func New(cfg Config) *Hub {
	cfg.History = max(cfg.History, 0)
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = defaultMaxStreams
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = defaultBuffer
	}
	var boot [6]byte
	rand.Read(boot[:]) // never fails
	return &Hub{cfg: cfg, boot: hex.EncodeToString(boot[:]), ring: make([]*entry, cfg.History)}
}

// Publish tells all streams of an event. It never waits and does no input or output. data is made into JSON
// later, once, by whoever reads it first: it must be a value that nobody changes any more. An object gets a
// member "time" and must not have one. After Close nothing happens.
func (h *Hub) Publish(kind string, data any) {
	e := &entry{kind: kind, data: data, at: time.Now().UTC()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.last++
	e.seq = h.last
	if len(h.ring) > 0 {
		h.ring[e.seq%uint64(len(h.ring))] = e
	}
	h.streams = slices.DeleteFunc(h.streams, func(s *Stream) bool {
		select {
		case s.buffer <- e:
			return false
		default:
			h.dropped++
			s.endLocked(ErrSlow)
			return true
		}
	})
}

// Subscribe opens a stream of what is published from now on. last is the id of the last event that the
// listener got, or empty: what came after it comes first, as far as it is kept; what is not is told by a
// [Gap]. It fails with ErrFull or ErrClosed.
func (h *Hub) Subscribe(last string) (*Stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case len(h.streams) >= h.cfg.MaxStreams:
		return nil, ErrFull
	}
	s := &Stream{hub: h, buffer: make(chan *entry, h.cfg.Buffer), start: h.last}
	if last != "" {
		h.rewindLocked(s, last)
	}
	h.streams = append(h.streams, s)
	return s, nil
}

// rewindLocked puts what a listener missed in front of what is to come.
func (h *Hub) rewindLocked(s *Stream, last string) {
	oldest := h.last + 1 - min(h.last, uint64(len(h.ring)))
	seq, known := h.parse(last)
	if !known || seq > h.last {
		s.start = oldest - 1
		s.gap = &GapData{Reason: "the last id is of another run of the host; this is all that is kept of this one"}
	} else if s.start = seq; seq+1 < oldest {
		missed := oldest - 1 - seq
		s.start, s.gap = oldest-1, &GapData{Reason: "the last id is older than what is kept", Missed: &missed}
	}
	for n := s.start + 1; n <= h.last; n++ {
		s.backlog = append(s.backlog, h.ring[n%uint64(len(h.ring))])
	}
}

// parse reads an id of this run.
func (h *Hub) parse(id string) (seq uint64, ok bool) {
	digits, ok := strings.CutPrefix(id, h.boot+"-")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil
}

// Stats returns the numbers of this moment.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{Streams: len(h.streams), Published: h.last, Dropped: h.dropped}
}

// Close ends all streams, and takes nothing new. It may be called twice.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, s := range h.streams {
		s.endLocked(ErrClosed)
	}
	h.streams = nil
}
