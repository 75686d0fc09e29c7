package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestWhoComesBackGetsWhatItMissed(t *testing.T) {
	for _, row := range []struct {
		says   string
		events int    // published before
		last   string // BOOT stands for that of this run
		gap    string // member missed; empty: no gap
		want   string
	}{
		{"nothing missed", 5, "BOOT-5", "", "[]"},
		{"some missed", 5, "BOOT-3", "", "[4 5]"},
		{"all that is kept", 5, "BOOT-1", "", "[2 3 4 5]"},
		{"one more than is kept", 5, "BOOT-0", "1", "[2 3 4 5]"},
		{"many more", 100, "BOOT-6", "90", "[97 98 99 100]"},
		{"before anything happened", 0, "BOOT-0", "", "[]"},
		{"the ring is not full", 2, "BOOT-0", "", "[1 2]"},
		{"another run", 3, "feedfeedfeed-2", "null", "[1 2 3]"},
		{"another run, longer", 6, "feedfeedfeed-99", "null", "[3 4 5 6]"},
		{"from the future", 3, "BOOT-4", "null", "[1 2 3]"},
		{"the largest number", 3, "BOOT-18446744073709551615", "null", "[1 2 3]"},
		{"too large a number", 3, "BOOT-18446744073709551616", "null", "[1 2 3]"},
		{"no number", 3, "BOOT-x", "null", "[1 2 3]"},
		{"a signed number", 3, "BOOT-+1", "null", "[1 2 3]"},
		{"no id at all", 3, "x", "null", "[1 2 3]"},
	} {
		h := New(Config{History: 4})
		publish(h, 1, row.events)
		s := subscribe(t, h, strings.Replace(row.last, "BOOT", h.boot, 1))
		publish(h, row.events+1, row.events+1)
		if row.gap != "" {
			e := next(t, s)
			var data map[string]json.RawMessage
			if err := json.Unmarshal(e.Data, &data); err != nil || e.Type != Gap ||
				string(data["missed"]) != row.gap || len(data["reason"]) < 5 {
				t.Errorf("%s: Next = %s %s, want a gap of %s", row.says, e.Type, e.Data, row.gap)
			}
		}
		kept := len(strings.Fields(row.want))
		if row.want == "[]" {
			kept = 0
		}
		if got := fmt.Sprint(numbers(t, s, kept)); got != row.want {
			t.Errorf("%s: missed %s, want %s", row.says, got, row.want)
		}
		if got := numbers(t, s, 1)[0]; got != row.events+1 {
			t.Errorf("%s: then came %d, want %d", row.says, got, row.events+1)
		}
	}
}

func TestWithoutHistoryAllThatWasMissedIsAGap(t *testing.T) {
	h := New(Config{})
	publish(h, 1, 3)
	s := subscribe(t, h, h.boot+"-1")
	if e := next(t, s); e.Type != Gap || !strings.Contains(string(e.Data), `"missed":2`) || e.ID != h.boot+"-3" {
		t.Errorf("Next = %+v %s, want a gap of two that ends at the third", e, e.Data)
	}
	publish(h, 4, 4)
	if got := fmt.Sprint(numbers(t, s, 1)); got != "[4]" {
		t.Errorf("then came %s, want [4]", got)
	}
}

// Whoever got only the gap, or nothing, loses nothing by coming back.
func TestTheStartAndTheGapAreIDsToComeBackWith(t *testing.T) {
	h := New(Config{History: 2})
	s := subscribe(t, h, "")
	publish(h, 1, 2)
	if got := fmt.Sprint(numbers(t, subscribe(t, h, s.Start()), 2)); got != "[1 2]" {
		t.Errorf("from Start on = %s, want [1 2]", got)
	}
	publish(h, 3, 4)
	gap := next(t, subscribe(t, h, s.Start()))
	if got := fmt.Sprint(numbers(t, subscribe(t, h, gap.ID), 2)); gap.Type != Gap || got != "[3 4]" {
		t.Errorf("from the gap %+v on = %s, want [3 4]", gap, got)
	}
}

func TestIDsOfTwoRunsAreNotMistaken(t *testing.T) {
	a, b := New(Config{History: 4}), New(Config{History: 4})
	publish(a, 1, 2)
	publish(b, 1, 2)
	last := next(t, subscribe(t, a, a.boot+"-0")).ID
	if e := next(t, subscribe(t, b, last)); e.Type != Gap {
		t.Errorf("another hub answers %q with %s, want a gap", last, e.Type)
	}
}

// Many publish while readers come, read, go, and come back: nobody misses or repeats anything.
func TestNothingIsLostOrRepeatedOverReconnects(t *testing.T) {
	const writers, each, readers = 4, 500, 4
	h := New(Config{History: writers * each, Buffer: writers * each})
	origin := subscribe(t, h, "").Start()
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			last, seen := origin, uint64(0)
			for seen < writers*each {
				s, err := h.Subscribe(last)
				if err != nil {
					t.Errorf("Subscribe(%q) = %v", last, err)
					return
				}
				for range 50 {
					if seen == writers*each {
						break
					}
					e, err := s.Next(t.Context())
					seen++
					if want := id(h.boot, seen); err != nil || e.ID != want {
						t.Errorf("Next = %s, %v, want %s", e.ID, err, want)
						s.Close()
						return
					}
					last = e.ID
				}
				s.Close()
			}
		})
	}
	for range writers {
		wg.Go(func() { publish(h, 1, each) })
	}
	wg.Wait()
}

func FuzzSubscribe(f *testing.F) {
	for _, seed := range []string{"", "-", "BOOT-1", "BOOT--1", "BOOT-9", "x-1", "BOOT-1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, last string) {
		h := New(Config{History: 2})
		publish(h, 1, 3)
		s := subscribe(t, h, strings.Replace(last, "BOOT", h.boot, 1))
		publish(h, 4, 4)
		for {
			e, err := s.Next(t.Context())
			if err != nil {
				t.Fatalf("Next = %v, want the fourth event in the end", err)
			}
			if e.ID == id(h.boot, 4) {
				return
			}
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1, 32} {
		b.Run(fmt.Sprintf("streams=%d", readers), func(b *testing.B) {
			h := New(Config{History: 1024, Buffer: 1 << 16})
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() {
					for ctx.Err() == nil {
						s, err := h.Subscribe("")
						if err != nil {
							b.Error(err)
							return
						}
						for err == nil {
							_, err = s.Next(ctx)
						}
						s.Close()
					}
				})
			}
			var data any = number{1}
			b.ReportAllocs()
			for b.Loop() {
				h.Publish("count", data)
			}
			cancel()
			wg.Wait()
		})
	}
}
