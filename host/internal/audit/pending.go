package audit

import (
	"errors"
	"fmt"
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
func (p *pending) take(j *job, cause error) error {
	switch j.class {
	case must:
		return cause
	case keep:
		if len(p.kept) < maxKept && p.bytes+len(j.b) <= maxKeptBytes {
			p.kept = append(p.kept, append([]byte(nil), j.b...))
			p.bytes += len(j.b)
			return fmt.Errorf("%w: %w", ErrKept, cause)
		}
	}
	if len(p.gap.events) == 0 {
		p.gap = gap{events: make(map[Event]int64), from: j.from, cause: cause.Error()}
	}
	p.gap.events[j.event] += j.count
	p.gap.to = j.to
	p.lost += uint64(j.count)
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
	if len(p.kept) > 0 {
		written, err := t.chain.add(p.kept)
		for _, members := range p.kept[:written] {
			p.bytes -= len(members)
		}
		p.kept = p.kept[written:]
		if err != nil {
			return err
		}
		p.kept = nil
	}
	if len(p.gap.events) == 0 {
		return nil
	}
	written, err := t.chain.add([][]byte{p.gap.members(time.Now())})
	if written > 0 {
		p.gap = gap{}
	}
	return err
}

// Append adds a line. It returns nil when the line has been written, and after lines that waited. Otherwise
// the error says what became of it: that of an Accept is nowhere, and the call must not run (but
// see Config.Continue); lines of calls that run already and of the host wait in memory (ErrKept) and are
// written, in order, before anything else later; refusals and plans are counted only (ErrLost), and a gap
// record says how many they were.
//
// Refusals and plans that come in floods are summed up: Append counts the line and returns nil, and within a
// second one line tells how many there were of a client, tool, gate and kind of error (Status.Summed).
//
// A sync that failed is an error too, though the line has been written.
func (t *Trail) Append(e Entry) error {
	now := time.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	if t.floods.takes(&e, now) {
		return nil
	}
	j := newJob(&e)
	if j.class == must && t.cfg.Continue {
		j.class = keep
	}
	t.put(j)
	err := j.err
	j.free()
	return err
}

// sumUp writes how many lines were counted since it did so last.
func (t *Trail) sumUp(closing bool) {
	if sums := t.floods.sums(time.Now(), closing); len(sums) > 0 {
		t.put(sums...) // what cannot be written becomes a gap of as many lines
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, j := range sums {
			t.status.Summed += uint64(j.count)
		}
	}
}
