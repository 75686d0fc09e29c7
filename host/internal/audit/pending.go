package audit

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// What waits in memory is bounded, because the disk may be full for days.
const (
	maxKept      = 4096
	maxKeptBytes = 16 << 20
)

// What became of a line that Append could not write. errors.Is tells them apart; neither: the line was of a
// call to be accepted, and there is nothing of it.
var (
	ErrKept   = errors.New("the line waits in memory")
	ErrLost   = errors.New("the line is lost, and counted")
	ErrClosed = errors.New("audit: the trail is closed")
)

// pending is what could not be written yet.
type pending struct {
	kept  [][]byte // members of lines, in order
	bytes int      // of kept

	gap  gap
	lost uint64 // in all gaps since New
}

// gap counts lines that were lost in a row.
type gap struct {
	events   map[Event]int64 // event -> lines
	from, to time.Time
	cause    string
}

func (p *pending) empty() bool { return len(p.kept) == 0 && len(p.gap.events) == 0 }

// count is the number of lines that are lost when the process ends now.
func (p *pending) count() int {
	n := len(p.kept)
	for _, lost := range p.gap.events {
		n += int(lost)
	}
	return n
}

// take keeps or counts a line, as its event asks, and returns the error that says so.
func (p *pending) take(e *Entry, class class, members []byte, cause error) error {
	switch class {
	case must:
		return cause
	case keep:
		if len(p.kept) < maxKept && p.bytes+len(members) <= maxKeptBytes {
			p.kept = append(p.kept, append([]byte(nil), members...))
			p.bytes += len(members)
			return fmt.Errorf("%w: %w", ErrKept, cause)
		}
	}
	if len(p.gap.events) == 0 {
		p.gap = gap{events: make(map[Event]int64), from: e.Time, cause: cause.Error()}
	}
	p.gap.events[e.Event]++
	p.gap.to = e.Time
	p.lost++
	return fmt.Errorf("%w: %w", ErrLost, cause)
}

// members writes the gap record.
func (g gap) members(now time.Time) []byte {
	var e encoder
	e.begin(gapEvent, now)
	var lost int64
	for _, event := range []Event{Accept, Exec, Finish, Refuse, Plan, Admin, Start, Stop} {
		if n := g.events[event]; n > 0 {
			e.number("lost_"+string(event), n)
			lost += n
		}
	}
	e.number("lost", lost)
	e.time("from", g.from)
	e.time("to", g.to)
	e.text("error", g.cause, maxMessage)
	return e.b
}

// settle writes what waits: first the lines, then the count of those that are lost.
func (t *Trail) settle() error {
	p := &t.pending
	for len(p.kept) > 0 {
		written, err := t.chain.add(p.kept[0])
		if written {
			p.bytes -= len(p.kept[0])
			p.kept = p.kept[1:]
		}
		if err != nil {
			return err
		}
	}
	p.kept = nil
	if len(p.gap.events) == 0 {
		return nil
	}
	written, err := t.chain.add(p.gap.members(time.Now()))
	if written {
		p.gap = gap{}
	}
	return err
}

// buffers are for the members of a line; they are made outside of the lock.
var buffers = sync.Pool{New: func() any { return &encoder{b: make([]byte, 0, 2048)} }}

// Append adds a line. It returns nil when the line has been written, and after lines that waited. Otherwise
// the error says what became of it: that of an Accept is nowhere, and the call must not run (but
// see Config.Continue); lines of calls that run already and of the host wait in memory (ErrKept) and are
// written, in order, before anything else later; refusals and plans are counted only (ErrLost), and a gap
// record says how many they were.
//
// A sync that failed is an error too, though the line has been written.
func (t *Trail) Append(e Entry) error {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	enc := buffers.Get().(*encoder)
	enc.b, enc.cut = enc.b[:0], nil
	enc.entry(&e)
	changed, err := t.append(&e, enc.b)
	if cap(enc.b) <= 16<<10 { // large ones are rare, and not worth their memory
		buffers.Put(enc)
	}
	if changed {
		t.cfg.Changed(err)
	}
	return err
}

func (t *Trail) append(e *Entry, members []byte) (changed bool, err error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if t.closed {
		return false, ErrClosed
	}
	written := false
	if err = t.settle(); err == nil {
		written, err = t.chain.add(members)
	}
	if err != nil && !written {
		class := e.Event.class()
		if class == must && t.cfg.Continue {
			class = keep
		}
		err = t.pending.take(e, class, members, err)
	}
	return t.publish(err), err
}
