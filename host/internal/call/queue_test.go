package call

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// arrive lets calls of some clients, one letter each, come in one after the other; what becomes of each call
// is told when it is over.
func (b *bed) arrive(t *testing.T, clients string, over func(client string, err error)) {
	t.Helper()
	for _, c := range strings.Split(clients, "") {
		go func() {
			req := request("")
			req.Client = c
			_, err := b.Call(t.Context(), req, nil)
			over(c, err)
		}()
		synctest.Wait()
	}
}

// The first arrival runs; with a queue of 4 the others wait, and leave it in order.
func TestAFullQueueIsSharedOut(t *testing.T) {
	for _, row := range []struct{ says, arrive, served, refused string }{
		{"a client alone has the whole queue", "aaaaaa", "aaaaa", "a"},
		{"a second client takes the newest place of the first", "aaaaab", "aaaab", "a"},
		{"and another one, until both have as many", "aaaaabb", "aaabb", "aa"},
		{"and then no more", "aaaaabbb", "aaabb", "aab"},
		{"who has the most gives way, whoever came first", "xbaaac", "xbaac", "a"},
		{"one place is nobody's too many", "abcdef", "abcde", "f"},
		{"a difference of one is none", "xaabbab", "xaabb", "ab"},
		{"of two with as many, the newest call gives way", "xaabbc", "xaabc", "b"},
		{"who was pushed out does not push back", "aaaaaba", "aaaab", "aa"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, taking(time.Second), func(s *setup) { s.settings.QueueLength = 4 })
			var mu sync.Mutex
			var served, refused string
			b.arrive(t, row.arrive, func(c string, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					served += c
					return
				}
				refused += c
				if e := asError(t, err); e.Kind != tool.KindOverloaded || e.RetryAfter < minHint || e.Suggestion == "" {
					t.Errorf("%s: Call = %+v, want overloaded with a hint", row.says, e)
				}
			})
			if s := b.State("ScanTool"); s.SlotsInUse != 1 || s.Queued != 4 {
				t.Errorf("%s: state = %+v, want 1 running and 4 queued", row.says, s)
			}
			time.Sleep(time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if served != row.served || refused != row.refused {
				t.Errorf("%s: %s: served %s, refused %s, want %s, %s", row.says, row.arrive, served, refused, row.served,
					row.refused)
			}
			if s := b.State("ScanTool"); s.SlotsInUse != 0 || s.Queued != 0 {
				t.Errorf("%s: state = %+v, want nothing under way", row.says, s)
			}
		})
	}
}

func TestWhoIsPushedOutOfTheQueueIsToldWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, taking(time.Second), func(s *setup) { s.settings.QueueLength = 2 })
		b.arrive(t, "aaab", func(c string, err error) {
			if err == nil {
				return
			}
			e := asError(t, err)
			if !strings.Contains(e.Message, "fewer than a in it") || e.Metadata["queued_by_client"] != 1 {
				t.Errorf("Call of %s = %+v, want the reason, and 1 queued by client", c, e)
			}
		})
		if rec := b.last(t); rec.Gate != "capacity" || rec.Kind != tool.KindOverloaded {
			t.Errorf("record = %+v, want overloaded by capacity", rec)
		}
		time.Sleep(time.Minute)
	})
}

func TestAClientMayHaveABoundOfItsOwnInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bound atomic.Int64
		bound.Store(2)
		b := newBed(t, taking(time.Second), func(s *setup) {
			s.settings.QueueLength = 8
			s.MaxQueuedPerClient = func() int { return int(bound.Load()) }
		})
		var refused sync.Map
		over := func(c string, err error) {
			if err != nil {
				refused.Store(c, err)
			}
		}
		b.arrive(t, "aaaabb", over)
		if s := b.State("ScanTool"); s.Queued != 4 {
			t.Errorf("state = %+v, want 2 of each client queued", s)
		}
		v, ok := refused.Load("a")
		if !ok {
			t.Fatal("the fourth call of a = under way, want overloaded")
		}
		e := asError(t, v.(error))
		if e.Kind != tool.KindOverloaded || e.Metadata["queued_by_client"] != 2 || e.RetryAfter < minHint ||
			!strings.Contains(e.Message, "2 calls of a wait for it already") {
			t.Errorf("Call = %+v, want overloaded by the bound of 2", e)
		}
		bound.Store(0) // a reload
		b.arrive(t, "a", over)
		if s := b.State("ScanTool"); s.Queued != 5 {
			t.Errorf("without a bound: state = %+v, want 5 queued", s)
		}
		time.Sleep(time.Minute)
	})
}

func TestNobodyWaitsWhereThereIsNoQueue(t *testing.T) {
	s := newSlots(1)
	q := queueing{client: "a"}
	if w, err := s.enter(q); w != nil || err != nil {
		t.Errorf("enter = %v, %v, want a slot", w, err)
	}
	if w, err := s.enter(q); w != nil || !errors.Is(err, errQueueFull) {
		t.Errorf("enter = %v, %v, want %v", w, err, errQueueFull)
	}
	for range 2 { // before a reload took the queue away
		_, _ = s.enter(queueing{client: "b", length: 2})
	}
	if w, err := s.enter(q); w != nil || !errors.Is(err, errQueueFull) || len(s.queue) != 2 {
		t.Errorf("enter = %v, %v with %d waiting, want %v with 2", w, err, len(s.queue), errQueueFull)
	}
}

// acquire takes a slot, at once or after a wait.
func acquire(ctx context.Context, s *slots, until time.Time, q queueing) error {
	w, err := s.enter(q)
	if err != nil {
		return err
	}
	return s.await(ctx, until, w)
}

// Both at once: the slot is there, and so is the end of the wait. It is handed on, whichever is seen first.
func TestASlotThatComesTooLateIsHandedOn(t *testing.T) {
	for range 100 {
		s := newSlots(1)
		q := queueing{client: "a", length: 2}
		_, _ = s.enter(q)
		late, _ := s.enter(q)
		next, _ := s.enter(q)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		s.release() // late has the slot now
		if err := s.await(ctx, time.Now().Add(time.Hour), late); !errors.Is(err, context.Canceled) {
			t.Fatalf("await = %v, want %v", err, context.Canceled)
		}
		select {
		case err := <-next.done:
			if err != nil {
				t.Fatalf("the next got %v, want the slot", err)
			}
		default:
			t.Fatal("the next got nothing, want the slot")
		}
		s.release()
		if busy, waiting := s.load(); busy != 0 || waiting != 0 {
			t.Fatalf("load = %d, %d, want nothing", busy, waiting)
		}
	}
}

// Whatever comes and goes, in one order: the queue is what its rules say.
func TestTheQueueKeepsItsRules(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		size, length := 1+r.IntN(3), r.IntN(6)
		s := newSlots(size)
		for range 300 {
			before, counts := slices.Clone(s.queue), make(map[string]int)
			for _, w := range before {
				counts[w.client]++
			}
			client := string(rune('a' + r.IntN(1+round%4)))
			switch {
			case r.IntN(3) == 0 && s.busy > 0:
				s.release()
			case r.IntN(6) == 0 && len(before) > 0:
				_ = s.leave(before[r.IntN(len(before))], context.Canceled)
			default:
				_, err := s.enter(queueing{client: client, length: length})
				checkEntered(t, s, before, counts, client, err)
			}
			if s.busy > size || len(s.queue) > length || len(s.queue) > 0 && s.busy < size {
				t.Fatalf("%d of %d run and %d of %d wait", s.busy, size, len(s.queue), length)
			}
		}
	}
}

// checkEntered holds an arrival to the rules of sharing.
func checkEntered(t *testing.T, s *slots, before []*waiter, counts map[string]int, client string, err error) {
	t.Helper()
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	if err != nil {
		if most >= counts[client]+2 || !slices.Equal(before, s.queue) {
			t.Fatalf("%s with %d of %v was refused, want room", client, counts[client], counts)
		}
		return
	}
	gone := slices.DeleteFunc(slices.Clone(before), func(w *waiter) bool { return slices.Contains(s.queue, w) })
	if len(gone) == 0 {
		return
	}
	newest := slices.Index(before, gone[0])
	later := slices.ContainsFunc(before[newest+1:], func(w *waiter) bool { return counts[w.client] == most })
	if len(gone) > 1 || counts[gone[0].client] != most || most < counts[client]+2 || later {
		t.Fatalf("%s with %d of %v pushed out %s at %d", client, counts[client], counts, gone[0].client, newest)
	}
}

// A crowd of several clients comes at once, some give up and some have little time: every call ends once,
// never do more run or wait than may, and nothing is left.
func TestACrowdAtTheSlots(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			size, length, clients := 1+r.IntN(3), r.IntN(8), 1+r.IntN(4)
			s := newSlots(size)
			var running, ended atomic.Int64
			var crowd sync.WaitGroup
			const calls = 300
			for range calls {
				q := queueing{client: fmt.Sprint(r.IntN(clients)), length: length}
				pause, run := time.Duration(r.IntN(200))*time.Millisecond, time.Duration(r.IntN(5))*time.Millisecond
				patience, until := time.Duration(r.IntN(40))*time.Millisecond, time.Duration(r.IntN(40))*time.Millisecond
				crowd.Go(func() {
					defer ended.Add(1)
					time.Sleep(pause)
					ctx, stop := context.WithTimeout(t.Context(), patience)
					defer stop()
					err := acquire(ctx, s, time.Now().Add(until), q)
					if _, waiting := s.load(); waiting > length {
						t.Errorf("%d wait, want at most %d", waiting, length)
					}
					if errors.Is(err, errShed) && clients == 1 {
						t.Error("a client alone was pushed out of the queue")
					}
					if err != nil {
						return
					}
					if n := running.Add(1); n > int64(size) {
						t.Errorf("%d run, want at most %d", n, size)
					}
					time.Sleep(run)
					running.Add(-1)
					s.release()
				})
			}
			crowd.Wait()
			if busy, waiting := s.load(); busy != 0 || waiting != 0 || len(s.byClient) != 0 || ended.Load() != calls {
				t.Errorf("at the end %d run, %d wait, %v, %d ended; want nothing left of %d", busy, waiting, s.byClient,
					ended.Load(), calls)
			}
		})
	}
}

func BenchmarkSlots(b *testing.B) {
	s := newSlots(1)
	q := queueing{client: "a", length: 16}
	b.Run("free", func(b *testing.B) {
		for b.Loop() {
			if err := acquire(b.Context(), s, time.Time{}, q); err != nil {
				b.Fatal(err)
			}
			s.release()
		}
	})
	b.Run("full", func(b *testing.B) { // of as many clients as have a place
		_, _ = s.enter(q)
		for i := range 16 {
			_, _ = s.enter(queueing{client: fmt.Sprint(i), length: 16})
		}
		for b.Loop() {
			if _, err := s.enter(q); !errors.Is(err, errQueueFull) {
				b.Fatalf("enter = %v, want %v", err, errQueueFull)
			}
		}
	})
}
