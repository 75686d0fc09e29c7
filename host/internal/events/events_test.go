package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type number struct {
	N int `json:"n"`
}

// subscribe opens a stream that ends with the test.
func subscribe(t testing.TB, h *Hub, last string) *Stream {
	t.Helper()
	s, err := h.Subscribe(last)
	if err != nil {
		t.Fatalf("Subscribe(%q) = %v, want a stream", last, err)
	}
	t.Cleanup(s.Close)
	return s
}

// next reads one event, which must be there.
func next(t testing.TB, s *Stream) Event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()       // nothing is waited for
	for range 64 { // of an event and the end of the context, Next takes either
		e, err := s.Next(ctx)
		if err == nil {
			return e
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Next = %v, want an event", err)
		}
	}
	t.Fatal("Next = nothing, want an event")
	return Event{}
}

// numbers reads n events and returns what their data count.
func numbers(t testing.TB, s *Stream, n int) []int {
	t.Helper()
	var got []int
	for range n {
		var v number
		if err := json.Unmarshal(next(t, s).Data, &v); err != nil {
			t.Fatal(err)
		}
		got = append(got, v.N)
	}
	return got
}

func publish(h *Hub, from, to int) {
	for i := from; i <= to; i++ {
		h.Publish("count", number{i})
	}
}

func TestAllStreamsGetEverythingInOrder(t *testing.T) {
	h := New(Config{})
	publish(h, 1, 3)
	a, b := subscribe(t, h, ""), subscribe(t, h, "")
	publish(h, 4, 6)
	for name, s := range map[string]*Stream{"the first": a, "the second": b} {
		if got := fmt.Sprint(numbers(t, s, 3)); got != "[4 5 6]" {
			t.Errorf("%s stream got %s, want what was published after it began", name, got)
		}
	}
	if got := h.Stats(); got != (Stats{Streams: 2, Published: 6}) {
		t.Errorf("Stats = %+v, want two streams and six events", got)
	}
}

func TestAnEventSaysWhenItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{History: 8})
		want := time.Now().UTC()
		h.Publish("count", number{1})
		h.Publish("empty", struct{}{})
		h.Publish("list", []int{1})
		<-time.After(time.Minute) // of the bubble's clock
		s := subscribe(t, h, h.boot+"-0")
		at := want.Format(time.RFC3339Nano)
		for _, data := range []string{`{"time":"` + at + `","n":1}`, `{"time":"` + at + `"}`, `[1]`} {
			if e := next(t, s); string(e.Data) != data || !e.Time.Equal(want) {
				t.Errorf("event = %s at %v, want %s at %v", e.Data, e.Time, data, want)
			}
		}
	})
}

func TestAnEventIsOneLineOfJSONWhateverIsInIt(t *testing.T) {
	h := New(Config{})
	s := subscribe(t, h, "")
	for _, data := range []any{
		"a\nb\r\n\u2028", math.NaN(), func() {}, json.RawMessage("{\n\"a\":\n1}"), json.RawMessage(`{"a":`), nil,
		"\xff", map[string]any{"a\n": make(chan int)},
	} {
		h.Publish("odd", data)
		if e := next(t, s); !json.Valid(e.Data) || strings.ContainsAny(string(e.Data), "\r\n") {
			t.Errorf("event of %#v = %q, want one line of JSON", data, e.Data)
		}
	}
}

// counted says how often it was made into JSON.
type counted struct{ times *atomic.Int64 }

func (c counted) MarshalJSON() ([]byte, error) {
	c.times.Add(1)
	return []byte(`{}`), nil
}

func TestDataBecomesJSONOnceAndOnlyForReaders(t *testing.T) {
	h := New(Config{History: 8, MaxStreams: 8})
	var times atomic.Int64
	var streams []*Stream
	for range 8 {
		streams = append(streams, subscribe(t, h, ""))
	}
	h.Publish("counted", counted{&times})
	if n := times.Load(); n != 0 {
		t.Errorf("Publish made JSON %d times, want it left to the readers", n)
	}
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() {
			if _, err := s.Next(t.Context()); err != nil {
				t.Errorf("Next = %v", err)
			}
		})
	}
	wg.Wait()
	if n := times.Load(); n != 1 {
		t.Errorf("eight readers made JSON %d times, want once", n)
	}
}

func TestASlowReaderIsDroppedAndTheOthersGoOn(t *testing.T) {
	h := New(Config{Buffer: 2, History: 16})
	slow, quick := subscribe(t, h, ""), subscribe(t, h, "")
	for i := 1; i <= 4; i++ {
		publish(h, i, i)
		numbers(t, quick, 1)
	}
	if got := fmt.Sprint(numbers(t, slow, 2)); got != "[1 2]" {
		t.Errorf("the slow reader got %s, want what fitted into its buffer", got)
	}
	for range 2 {
		if e, err := slow.Next(t.Context()); !errors.Is(err, ErrSlow) {
			t.Errorf("Next = %v, %v, want %v", e, err, ErrSlow)
		}
	}
	if got := h.Stats(); got != (Stats{Streams: 1, Published: 4, Dropped: 1}) {
		t.Errorf("Stats = %+v, want one stream and one dropped", got)
	}
	slow.Close()
	publish(h, 5, 5)
	if got := fmt.Sprint(numbers(t, quick, 1)); got != "[5]" {
		t.Errorf("the quick reader got %s, want [5]", got)
	}
}

func TestStreamsAreLimited(t *testing.T) {
	h := New(Config{MaxStreams: 2})
	first := subscribe(t, h, "")
	subscribe(t, h, "")
	if _, err := h.Subscribe(""); !errors.Is(err, ErrFull) {
		t.Errorf("the third Subscribe = %v, want %v", err, ErrFull)
	}
	first.Close()
	first.Close()
	subscribe(t, h, "")
}

func TestClosingEndsAllStreamsAfterWhatTheyHave(t *testing.T) {
	h := New(Config{History: 4})
	s := subscribe(t, h, "")
	publish(h, 1, 1)
	h.Close()
	h.Close()
	publish(h, 2, 2)
	if got := fmt.Sprint(numbers(t, s, 1)); got != "[1]" {
		t.Errorf("the stream got %s, want [1]", got)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Next = %v, want %v", err, ErrClosed)
	}
	if _, err := h.Subscribe(""); !errors.Is(err, ErrClosed) {
		t.Errorf("Subscribe = %v, want %v", err, ErrClosed)
	}
	if got := h.Stats(); got.Published != 1 || got.Streams != 0 || got.Dropped != 0 {
		t.Errorf("Stats = %+v, want one event and no stream", got)
	}
}

func TestNextEndsWithItsContextAndGoesOnWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		s := subscribe(t, h, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %v, want %v", err, context.DeadlineExceeded)
		}
		publish(h, 1, 1)
		if got := fmt.Sprint(numbers(t, s, 1)); got != "[1]" {
			t.Errorf("then the stream got %s, want [1]", got)
		}
	})
}
