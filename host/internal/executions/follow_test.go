package executions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// followed is what a follower got.
type followed struct {
	out    [2]strings.Builder
	at     Position
	states []State
	last   *tool.Progress
	end    *Execution
}

// take takes an update, which must be the next one.
func (f *followed) take(u Update) error {
	if o := u.Output; o != nil {
		if want := int64(f.out[o.Stream].Len()); o.Offset != want {
			return fmt.Errorf("output of stream %d at %d, want it at %d", o.Stream, o.Offset, want)
		}
		if !utf8.Valid(o.Data) || len(o.Data) == 0 {
			return fmt.Errorf("output %q, want whole characters", o.Data)
		}
		f.out[o.Stream].Write(o.Data)
	}
	if want := (Position{int64(f.out[0].Len()), int64(f.out[1].Len())}); u.Position != want {
		return fmt.Errorf("position %+v, want %+v", u.Position, want)
	}
	f.at = u.Position
	if u.Execution != nil {
		f.states = append(f.states, u.Execution.State)
	}
	if u.Progress != nil {
		f.last = u.Progress
	}
	if u.End {
		f.end = u.Execution
	}
	return nil
}

// follow follows to the end, in several goes: after some updates it leaves and comes back with its position.
func follow(ctx context.Context, b *Book, id string, stay func() int) (*followed, error) {
	f := &followed{}
	for f.end == nil {
		left := stay()
		for u, err := range b.Follow(ctx, id, f.at) {
			if err != nil {
				return f, err
			}
			if f.end != nil {
				return f, errors.New("an update after the end")
			}
			if err := f.take(u); err != nil {
				return f, err
			}
			if left--; left == 0 {
				break
			}
		}
	}
	return f, nil
}

// TestFollowersLoseNothingAndGetNothingTwice cuts a text at random, within characters too, and lets
// followers come and go while it is printed, ended and written.
func TestFollowersLoseNothingAndGetNothingTwice(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		for seed := range uint64(8) {
			rng := rand.New(rand.NewPCG(seed, 7))
			texts := [2]string{
				strings.Repeat("out: a€😀é\n", 1+rng.IntN(20_000)), strings.Repeat("err €\n", rng.IntN(5000)),
			}
			id := begin(t, b, func(e *Execution) { e.Detached = seed%2 == 0 })
			var wg sync.WaitGroup
			for n := range 4 {
				mine := rand.New(rand.NewPCG(seed, uint64(n)))
				wg.Go(func() {
					f, err := follow(t.Context(), b, id, func() int { return 1 + mine.IntN(8) })
					if err != nil || f.out[0].String() != texts[0] || f.out[1].String() != texts[1] {
						t.Errorf("seed %d: follower %d got %d and %d bytes, %v; want %d and %d", seed, n,
							f.out[0].Len(), f.out[1].Len(), err, len(texts[0]), len(texts[1]))
					}
				})
			}
			b.Start(id)
			rest := texts
			for rest != [2]string{} {
				s := rng.IntN(2)
				cut := min(rng.IntN(9000), len(rest[s]))
				print(b, id, tool.Stream(s), rest[s][:cut])
				rest[s] = rest[s][cut:]
				if rng.IntN(20) == 0 {
					settle()
				}
			}
			b.End(id, Outcome{})
			settle()
			wg.Wait()
		}
	})
}

func TestAFollowerLearnsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{})
		defer b.Close() // within the bubble
		id := begin(t, b, nil)
		var f followed
		done := make(chan error, 1)
		go func() {
			for u, err := range b.Follow(t.Context(), id, Position{}) {
				if err == nil {
					err = f.take(u)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		step := func(what string, do func(), got func() string, want string) {
			do()
			synctest.Wait()
			if s := got(); s != want {
				t.Errorf("after %s: %s, want %s", what, s, want)
			}
		}
		states := func() string { return fmt.Sprint(f.states) }
		stdout := func() string { return f.out[0].String() }
		step("Begin", func() {}, states, "[queued]")
		step("Start", func() { b.Start(id) }, states, "[queued running]")
		step("half a character", func() { print(b, id, tool.Stdout, "a\xe2\x82") }, stdout, "a")
		step("the rest", func() { print(b, id, tool.Stdout, "\xac") }, stdout, "a€")
		progress := func() string { return fmt.Sprint(f.last) }
		step("progress", func() {
			b.Event(id, tool.Event{Progress: &tool.Progress{Percent: 1}})
			b.Event(id, tool.Event{Progress: &tool.Progress{Percent: 2}})
		}, progress, fmt.Sprint(&tool.Progress{Percent: 2}))
		step("the end", func() { b.End(id, Outcome{}) }, states, "[queued running completed]")
		if err := <-done; err != nil || f.end == nil {
			t.Errorf("Follow = %v, the end is %v; want the end", err, f.end)
		}
	})
}

func TestAFollowerLeavesWithItsContext(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, _ func()) {
		id := begin(t, b, detached)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for u, err := range b.Follow(ctx, id, Position{}) {
			if err == nil && u.Execution == nil {
				t.Errorf("update %+v, want the execution", u)
			}
			last = err
			cancel()
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("Follow = %v, want %v", last, context.Canceled)
		}
	})
}

func TestAPositionThatThereIsNotIsRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id := run(t, b, "abc", nil)
		settle()
		for _, at := range []Position{{Stdout: 4}, {Stderr: 1}, {Stdout: -1}, {Stderr: -1}} {
			for u, err := range b.Follow(t.Context(), id, at) {
				if reason(err) != ReasonBadRange {
					t.Errorf("Follow(%+v) = %+v, %v; want a refusal", at, u, err)
				}
			}
		}
		f, err := follow(t.Context(), b, id, func() int { return 99 })
		if err != nil || f.out[0].String() != "abc" || len(f.states) != 1 {
			t.Errorf("Follow after the end = %q, %v, %v; want the output and the end", f.out[0].String(), f.states, err)
		}
	})
}

func TestAPositionIsReadAsItIsWritten(t *testing.T) {
	for _, p := range []Position{{}, {Stdout: 1}, {Stdout: 1 << 40, Stderr: 7}} {
		if got, err := ParsePosition(p.String()); err != nil || got != p {
			t.Errorf("ParsePosition(%q) = %+v, %v; want %+v", p, got, err, p)
		}
	}
	for _, bad := range []string{"", ".", "1", "1.", ".1", "-1.0", "1.-1", "+1.0", "01.0", "1.0.0", " 1.0", "9999999999999999999.0"} {
		if got, err := ParsePosition(bad); tool.KindOf(err) != tool.KindValidation {
			t.Errorf("ParsePosition(%q) = %+v, %v; want a refusal", bad, got, err)
		}
	}
}

// TestWhoWaitsLearnsTheEndOfWhatIsPushedOut has no room at all for what has ended.
func TestWhoWaitsLearnsTheEndOfWhatIsPushedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Limits: Limits{MaxBytes: 1}})
		defer b.Close() // within the bubble
		id := begin(t, b, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if x, err := b.Wait(t.Context(), id); err != nil || x.State != Completed {
				t.Errorf("Wait = %s, %v; want the end", x.State, err)
			}
		})
		wg.Go(func() {
			f, err := follow(t.Context(), b, id, func() int { return 99 })
			if err != nil || f.out[0].String() != "all of it" {
				t.Errorf("Follow = %q, %v; want all of it", f.out[0].String(), err)
			}
		})
		synctest.Wait()
		print(b, id, tool.Stdout, "all of it")
		b.End(id, Outcome{})
		wg.Wait()
		if _, err := b.Get(id); reason(err) != ReasonNoSuch {
			t.Errorf("Get = %v, want %s", err, ReasonNoSuch)
		}
	})
}

// TestAnotherHostsExecutionCanBeFollowed has the clock of a bubble: the follower looks once a second.
func TestAnotherHostsExecutionCanBeFollowed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, b := healthy(t, Config{Dir: dir}), healthy(t, Config{Dir: dir})
		defer a.Close() // within the bubble
		defer b.Close()
		id := begin(t, a, detached)
		a.Start(id)
		var wg sync.WaitGroup
		wg.Go(func() {
			f, err := follow(t.Context(), b, id, func() int { return 99 })
			if err != nil || f.out[0].String() != "one two" || f.end == nil || f.end.State != Completed {
				t.Errorf("Follow = %q, %v, %v; want all of it", f.out[0].String(), f.end, err)
			}
		})
		wg.Go(func() {
			if x, err := b.Wait(t.Context(), id); err != nil || x.State != Completed {
				t.Errorf("Wait = %s, %v; want the end", x.State, err)
			}
		})
		for _, text := range []string{"one", " ", "two"} {
			print(a, id, tool.Stdout, text)
			flush(t, a)
		}
		a.End(id, Outcome{})
		flush(t, a)
		wg.Wait()
	})
}
