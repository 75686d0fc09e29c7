package executions

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// pollEvery is how often an execution of another host is looked at: that host writes about once a second.
const pollEvery = time.Second

// followChunk is the most bytes of one update.
const followChunk = 32 << 10

// Position is how much of each stream a follower has: the offsets, in bytes, of what it wants next.
type Position struct {
	Stdout int64 `json:"stdout"`
	Stderr int64 `json:"stderr"`
}

// String is the form that [ParsePosition] reads, such as "1024.0": for the id of an event.
func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Stdout, p.Stderr) }

// ParsePosition reads what [Position.String] wrote. The error is of kind validation_error.
func ParsePosition(text string) (Position, error) {
	stdout, stderr, ok := strings.Cut(text, ".")
	a, err1 := strconv.ParseInt(stdout, 10, 64)
	b, err2 := strconv.ParseInt(stderr, 10, 64)
	p := Position{Stdout: a, Stderr: b}
	if !ok || err1 != nil || err2 != nil || p.String() != text || a < 0 || b < 0 {
		e := badRange("the position %q is none: it is two numbers with a dot between", clip(text, 64))
		return Position{}, e.Suggest("give the id of the last event as it came, or none to begin at the start")
	}
	return p, nil
}

// Output is a piece of a stream of an execution.
type Output struct {
	Stream tool.Stream
	Offset int64 // of its first byte
	Data   []byte
}

// Update is one thing that a follower learns: exactly one of the first three is set.
type Update struct {
	Execution *Execution // at first, at each change of state, and at the end
	Progress  *tool.Progress
	Output    *Output

	// Position is where a follower goes on that has got this update.
	Position Position
	// End says that this is the last one: Execution is as it ended, and all output came before.
	End bool
}

// Follow yields what becomes of an execution from a position on, until it has ended or ctx ends: then the
// error of ctx comes last. It reads from what is kept: a follower may be as slow as it likes, loses no
// output, and gets none twice; of progress it gets the latest. Errors are those of Read.
//
// Offsets of one execution are the same for all followers, before and after its end and in every host.
func (b *Book) Follow(ctx context.Context, id string, from Position) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		f := follower{book: b, at: from}
		var l look
		for {
			var change change
			var err error
			if l, change, err = b.watch(id, l); err == nil {
				err = f.check(l)
			}
			if err != nil {
				yield(Update{Position: f.at}, err)
				return
			}
			if !f.tell(l, yield) || l.x.State.Ended() {
				return
			}
			if err := change.wait(ctx); err != nil {
				yield(Update{Position: f.at}, err)
				return
			}
		}
	}
}

// follower is what somebody has got of an execution.
type follower struct {
	book     *Book
	at       Position
	state    State
	progress tool.Progress
}

func (f *follower) check(l look) error {
	switch {
	case f.at.Stdout < 0 || f.at.Stderr < 0:
		return badRange("the position %+v is negative", f.at)
	case f.at.Stdout > l.x.StdoutBytes || f.at.Stderr > l.x.StderrBytes:
		return badRange("the position is %d of stdout and %d of stderr, but there are %d and %d bytes",
			f.at.Stdout, f.at.Stderr, l.x.StdoutBytes, l.x.StderrBytes)
	}
	return nil
}

// tell yields all that is new, and reports whether more is wanted.
func (f *follower) tell(l look, yield func(Update, error) bool) bool {
	x := l.x
	if x.State != f.state && !x.State.Ended() {
		f.state = x.State
		if !yield(Update{Execution: &x, Position: f.at}, nil) {
			return false
		}
	}
	for s, at := range []*int64{&f.at.Stdout, &f.at.Stderr} {
		if !f.tellOutput(l, tool.Stream(s), at, yield) {
			return false
		}
	}
	if p := x.Progress; p != nil && *p != f.progress {
		f.progress = *p
		if !yield(Update{Progress: p, Position: f.at}, nil) {
			return false
		}
	}
	return !x.State.Ended() || yield(Update{Execution: &x, Position: f.at, End: true}, nil)
}

func (f *follower) tellOutput(l look, s tool.Stream, at *int64, yield func(Update, error) bool) bool {
	for {
		c, err := f.book.readPart(l, part(s), *at, followChunk)
		if err != nil {
			yield(Update{Position: f.at}, err)
			return false
		}
		if len(c.Data) == 0 {
			return true
		}
		*at = c.Next()
		if !yield(Update{Output: &Output{Stream: s, Offset: c.Offset, Data: c.Data}, Position: f.at}, nil) {
			return false
		}
	}
}

// change is how the next change of an execution is waited for.
type change struct {
	told <-chan struct{} // nil: nobody tells, it is to be looked for
}

// watch is an execution as it is now, and how to wait for its next change. Who has seen it in memory stays
// with that: it may be pushed out there before its end has been told.
func (b *Book) watch(id string, seen look) (look, change, error) {
	if seen.entry == nil {
		var err error
		if seen, err = b.find(id); err != nil || seen.entry == nil {
			return seen, change{}, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := seen.entry
	l, c := look{x: e.x, entry: e, out: e.out}, change{}
	if !e.x.State.Ended() {
		c.told = e.next()
	}
	return l, c, nil
}

func (c change) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var again <-chan time.Time
	if c.told == nil {
		t := time.NewTimer(pollEvery)
		defer t.Stop()
		again = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.told:
	case <-again:
	}
	return nil
}
