package call

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestTheRestGrowsWithEachFailedTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, failing(tool.Errorf(tool.KindExecution, "broken")), func(s *setup) {
			s.settings.Breaker.Multiplier, s.settings.Breaker.MaxRecovery = 1.5, 60*time.Second
		})
		for range 3 {
			b.run(t.Context(), "")
		}
		for _, want := range []time.Duration{30 * time.Second, 45 * time.Second, time.Minute, time.Minute} {
			got := b.State("ScanTool").RetryAfter
			if got != want {
				t.Errorf("the rest is %v, want %v", got, want)
			}
			time.Sleep(got)
			b.run(t.Context(), "") // the trial
		}
	})
}

func TestPartOfTheRestIsRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, failing(tool.Errorf(tool.KindExecution, "broken")), func(s *setup) {
			s.settings.Breaker.Jitter = 0.5
		})
		b.State("ScanTool") // makes the circuit
		b.tools.get("ScanTool").circuit.random = func() float64 { return 0.5 }
		for range 3 {
			b.run(t.Context(), "")
		}
		if got, want := b.State("ScanTool").RetryAfter, 37500*time.Millisecond; got != want {
			t.Errorf("RetryAfter = %v, want 30 s and half of at most 15 s: %v", got, want)
		}
	})
}

func TestSeveralTrialsMustSucceedToCloseABreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := failing(tool.Errorf(tool.KindExecution, "broken"))
		b := newBed(t, h, func(s *setup) { s.settings.Breaker.Trials = 3 })
		for range 3 {
			b.run(t.Context(), "")
		}
		time.Sleep(30 * time.Second)
		h.call = nil
		for i, want := range []BreakerState{HalfOpen, HalfOpen, Closed} {
			if k := b.run(t.Context(), ""); k != "" || b.State("ScanTool").Breaker != want {
				t.Errorf("trial %d: %q, %s; want it to go well and %s", i+1, k, b.State("ScanTool").Breaker, want)
			}
		}
	})
}

func TestTheOperatorOpensABreakerUntilHeClosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{})
		if err := b.SetBreaker("ScanTool", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		_, err := b.Call(t.Context(), request(""), nil)
		e := asError(t, err)
		if e.Kind != tool.KindBreakerOpen || e.RetryAfter != 0 || e.Metadata["by_hand"] != true {
			t.Errorf("Call = %+v, want circuit_breaker_open by hand, without a time", e)
		}
		if s := b.State("ScanTool"); s.Breaker != Open || !s.Forced || s.RetryAfter != 0 {
			t.Errorf("State = %+v, want OPEN, forced", s)
		}
		b.settings.Breaker.Threshold, b.settings.Breaker.Trials = 9, 2
		b.publish(t)
		if k := b.run(t.Context(), ""); k != tool.KindBreakerOpen {
			t.Errorf("after a reload: %q, want circuit_breaker_open", k)
		}
		if err := b.SetBreaker("ScanTool", false); err != nil {
			t.Fatal(err)
		}
		if k := b.run(t.Context(), ""); k != "" {
			t.Errorf("after it was closed: %q", k)
		}
		if want := []BreakerState{Open, Closed}; !slices.Equal(b.news, want) {
			t.Errorf("told %v, want %v", b.news, want)
		}
	})
}

// waiting starts a call that holds the one slot of ScanTool until release is called, and one that waits for it;
// outcome is what the second comes to.
func waiting(t *testing.T, b *bed, h *fake) (release func(), outcome <-chan tool.Kind) {
	t.Helper()
	hold, second := make(chan struct{}), make(chan tool.Kind, 1)
	h.call = func(context.Context, tool.Request, events) (tool.Result, error) {
		<-hold
		return tool.Result{}, nil
	}
	go b.run(context.WithoutCancel(t.Context()), "")
	synctest.Wait()
	go func() { second <- b.run(context.WithoutCancel(t.Context()), "") }()
	synctest.Wait()
	return func() { close(hold) }, second
}

func TestAnOperatorMeansThoseWhoWaitAsWell(t *testing.T) {
	for _, row := range []struct {
		says string
		act  func(t *testing.T, b *bed)
		want tool.Kind
	}{
		{"a tool is switched off", func(t *testing.T, b *bed) {
			b.settings.Enabled = false
			b.publish(t)
		}, tool.KindDisabled},
		{"a tool is taken out", func(_ *testing.T, b *bed) {
			empty, _ := catalog.New()
			b.current.Store(empty)
		}, tool.KindToolNotFound},
		{"a client loses its right", func(_ *testing.T, b *bed) { b.forbid = "alice" }, tool.KindForbidden},
		{"a breaker is opened", func(t *testing.T, b *bed) { _ = b.SetBreaker("ScanTool", true) }, tool.KindBreakerOpen},
		{"a breaker is closed, which makes it anew, and opened", func(t *testing.T, b *bed) {
			_ = b.SetBreaker("ScanTool", false)
			_ = b.SetBreaker("ScanTool", true)
		}, tool.KindBreakerOpen},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &fake{}
			b := newBed(t, h)
			release, outcome := waiting(t, b, h)
			row.act(t, b)
			release()
			if got := <-outcome; got != row.want {
				t.Errorf("%s: a call that waits = %q, want %q", row.says, got, row.want)
			}
			if n := h.calls.Load(); n != 1 {
				t.Errorf("%s: the plugin was asked %d times, want once", row.says, n)
			}
		})
	}
}

// TestALateCallDoesNotBringOldSettingsBack has a call that took its entry before a reload.
func TestALateCallDoesNotBringOldSettingsBack(t *testing.T) {
	b := newBed(t, &fake{})
	old, _ := b.current.Load().Lookup("ScanTool")
	b.settings.Concurrency = 7
	b.publish(t)
	if got := b.tools.of(old).settings.Concurrency; got != 7 {
		t.Errorf("of(an old entry) = concurrency %d, want the 7 in force", got)
	}
	if got := b.State("ScanTool").Slots; got != 7 {
		t.Errorf("State = %d slots, want 7", got)
	}
}

func TestTheOperatorClosesABreakerThatFailuresOpened(t *testing.T) {
	h := failing(tool.Errorf(tool.KindExecution, "broken"))
	b := newBed(t, h)
	for range 3 {
		b.run(t.Context(), "")
	}
	if err := b.SetBreaker("ScanTool", false); err != nil {
		t.Fatal(err)
	}
	if s := b.State("ScanTool"); s.Breaker != Closed || s.Failures != 0 {
		t.Errorf("State = %+v, want CLOSED without failures", s)
	}
	h.call = nil
	if k := b.run(t.Context(), ""); k != "" {
		t.Errorf("Call = %q", k)
	}
}

func TestABreakerOfNoToolCannotBeSet(t *testing.T) {
	b := newBed(t, &fake{})
	if e := asError(t, b.SetBreaker("NoTool", true)); e.Kind != tool.KindToolNotFound {
		t.Errorf("SetBreaker = %v, want tool_not_found", e)
	}
}

// TestACallThatLeavesNoTraceDoesNotRun also holds that a trail which cannot be written is no fault of the
// tool's.
func TestACallThatLeavesNoTraceDoesNotRun(t *testing.T) {
	full := errors.New("no space left on device")
	h := &fake{}
	b := newBed(t, h, func(s *setup) { s.Admit = func(Record) error { return full } })
	for range 9 {
		_, err := b.Call(t.Context(), request(""), nil)
		e := asError(t, err)
		if e.Kind != tool.KindUnavailable || !errors.Is(e, full) || e.Suggestion == "" {
			t.Fatalf("Call = %+v, want unavailable because of %v", e, full)
		}
		if rec := b.last(t); rec.Gate != "trail" || rec.Ran {
			t.Errorf("record = %+v, want it refused by the trail", rec)
		}
	}
	if n := h.calls.Load(); n != 0 {
		t.Errorf("the plugin was asked %d times", n)
	}
	if s := b.State("ScanTool"); s.Breaker != Closed || s.Failures != 0 {
		t.Errorf("State = %+v, want CLOSED", s)
	}
}

func TestWhatIsExecutedIsToldBeforeTheEnd(t *testing.T) {
	said := tool.Exec{Program: "/usr/bin/scan", Argv: []string{"/usr/bin/scan", "-x", "10.0.0.1"}}
	h := &fake{call: func(_ context.Context, _ tool.Request, emit events) (tool.Result, error) {
		for range 100 {
			emit(tool.Event{Exec: &said})
		}
		return tool.Result{}, nil
	}}
	var told []tool.Exec
	b := newBed(t, h, func(s *setup) {
		s.Executing = func(_ Record, x tool.Exec) { told = append(told, x) }
	})
	events := 0
	if _, err := b.Call(t.Context(), request(""), func(tool.Event) { events++ }); err != nil {
		t.Fatal(err)
	}
	if len(told) != maxExec || told[0].Program != said.Program || !slices.Equal(told[0].Argv, said.Argv) {
		t.Errorf("told %d times %+v, want %d times %+v", len(told), told[0], maxExec, said)
	}
	if rec := b.last(t); len(rec.Exec) != maxExec || events != 0 {
		t.Errorf("record has %d, the caller got %d events; want %d and none", len(rec.Exec), events, maxExec)
	}
}

func TestProgressIsToldNowAndThenAndAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fake{call: func(_ context.Context, _ tool.Request, emit events) (tool.Result, error) {
			for i := range 1000 {
				emit(tool.Event{Progress: &tool.Progress{Done: int64(i)}})
				time.Sleep(time.Millisecond)
			}
			return tool.Result{}, nil
		}}
		var told []int64
		b := newBed(t, h, func(s *setup) {
			s.Progress = func(_ Record, p tool.Progress) { told = append(told, p.Done) }
		})
		got := 0
		if _, err := b.Call(t.Context(), request(""), func(tool.Event) { got++ }); err != nil {
			t.Fatal(err)
		}
		if want := []int64{0, 250, 500, 750, 999}; !slices.Equal(told, want) || got != 1000 {
			t.Errorf("told %v in a second, the caller got %d; want %v and 1000", told, got, want)
		}
	})
}

func TestLimitsChangeForCallsThatComeLater(t *testing.T) {
	h := &fake{call: func(_ context.Context, r tool.Request, _ events) (tool.Result, error) {
		return tool.Result{ReturnCode: int(r.MaxStdout)}, nil
	}}
	b := newBed(t, h, limited(5, time.Hour))
	for _, client := range []string{"a", "b", "c"} {
		req := request("")
		req.Client = client
		if _, err := b.Call(t.Context(), req, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.SetLimits(Limits{MaxClients: 2, MaxStdout: 77}); err != nil {
		t.Fatal(err)
	}
	if n := b.Buckets(); n != 2 {
		t.Errorf("Buckets = %d, want 2", n)
	}
	if res, err := b.Call(t.Context(), request(""), nil); err != nil || res.ReturnCode != 77 {
		t.Errorf("Call = cap of %d, %v; want 77", res.ReturnCode, err)
	}
	if err := b.SetLimits(Limits{MaxStderr: -1}); err == nil {
		t.Error("SetLimits took a negative number")
	}
}

func TestStateCountsCalls(t *testing.T) {
	h := &fake{}
	b := newBed(t, h)
	b.run(t.Context(), "")
	b.run(t.Context(), `{"target": "8.8.8.8"}`)
	if s := b.State("ScanTool"); s.Calls != 2 || s.Errors != 1 {
		t.Errorf("State = %d calls, %d errors; want 2 and 1", s.Calls, s.Errors)
	}
}
