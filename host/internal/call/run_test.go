package call

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func emptyCatalog() *catalog.Catalog {
	c, _ := catalog.New()
	return c
}

func TestPluginIsBelievedWithinLimits(t *testing.T) {
	for _, kind := range append(tool.Kinds(), "made_up") {
		said := tool.Errorf(kind, "said the plugin").Suggest("ask me").With("port", 80)
		said.Tool = "OtherTool"
		b := newBed(t, failing(said))
		_, err := b.Call(t.Context(), request(`{"target":"10.0.0.1"}`), nil)
		e := asError(t, err)
		want := kind
		switch kind {
		case tool.KindUnauthenticated, tool.KindForbidden, tool.KindToolNotFound, tool.KindDisabled,
			tool.KindRateLimited, tool.KindOverloaded, tool.KindBreakerOpen, "made_up":
			want = tool.KindUnknown
		case tool.KindCancelled:
			want = tool.KindUnavailable
		}
		if e.Kind != want || e.Tool != "ScanTool" || e.Target != "10.0.0.1" ||
			e.Suggestion == "" || e.Metadata["port"] != 80 {
			t.Errorf("the plugin said %s: %+v, want %s about the tool that was called", kind, e, want)
		}
		if was := e.Metadata["plugin_error_type"]; kind != want && was != string(kind) {
			t.Errorf("the plugin said %s: metadata has %v", kind, was)
		}
		if said.Tool != "OtherTool" || len(said.Metadata) != 1 {
			t.Errorf("the plugin's own error was changed: %+v", said)
		}
	}
}

func TestErrorsOfOtherTypesAreUnknown(t *testing.T) {
	cause := errors.New("a bug")
	b := newBed(t, failing(cause))
	_, err := b.Call(t.Context(), request(""), nil)
	if asError(t, err).Kind != tool.KindUnknown || !errors.Is(err, cause) {
		t.Errorf("Call = %v, want unknown that wraps the cause", err)
	}
}

func TestPanicsAreCaughtAndCounted(t *testing.T) {
	h := &fake{call: func(_ context.Context, _ tool.Request, emit events) (tool.Result, error) {
		emit(tool.Event{Output: &tool.Output{Data: []byte("before")}})
		panic("secret")
	}}
	b := newBed(t, h)
	for range 3 {
		res, err := b.Call(t.Context(), request(""), nil)
		e := asError(t, err)
		if e.Kind != tool.KindUnknown || strings.Contains(e.Error(), "secret") || res.Stdout != "before" {
			t.Errorf("Call = %+v, %v; want unknown, the output, and nothing told", res, e)
		}
		told := b.last(t).Panic
		if !strings.Contains(told, "secret") || !strings.Contains(told, "run_test.go") {
			t.Errorf("the record's panic is %q, want value and stack", told)
		}
	}
	if s := b.State("ScanTool"); s.Breaker != Open || s.SlotsInUse != 0 {
		t.Errorf("state = %+v, want OPEN and no slot held", s)
	}
	if len(b.records) != 3 {
		t.Errorf("%d records, want 3", len(b.records))
	}
}

func TestPanicOfADoorIsCaught(t *testing.T) {
	b := newBed(t, &fake{call: func(_ context.Context, _ tool.Request, emit events) (tool.Result, error) {
		emit(tool.Event{Progress: &tool.Progress{Percent: 1}})
		return tool.Result{}, nil
	}})
	_, err := b.Call(t.Context(), request(""), func(tool.Event) { panic("closed") })
	if asError(t, err).Kind != tool.KindUnknown || len(b.records) != 1 {
		t.Errorf("Call = %v with %d records", err, len(b.records))
	}
}

func TestAbandonedCallIsRecordedAndGivesItsSlotBack(t *testing.T) {
	b := newBed(t, &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
		runtime.Goexit()
		return tool.Result{}, nil
	}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run(t.Context(), "")
	}()
	<-done
	if rec := b.last(t); rec.Kind != tool.KindUnknown || b.State("ScanTool").SlotsInUse != 0 {
		t.Errorf("record = %+v, state = %+v", rec, b.State("ScanTool"))
	}
}

func TestFloodIsCutAtTheCaps(t *testing.T) {
	chunk := bytes.Repeat([]byte("x"), 32<<10)
	b := newBed(t, &fake{call: func(_ context.Context, _ tool.Request, emit events) (tool.Result, error) {
		for range 4096 { // 128 MiB of each
			emit(tool.Event{Output: &tool.Output{Data: chunk}})
			emit(tool.Event{Output: &tool.Output{Stream: tool.Stderr, Data: chunk}})
		}
		return tool.Result{}, nil
	}})
	var passed int
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := b.Call(t.Context(), request(""), func(ev tool.Event) { passed += len(ev.Output.Data) })
	runtime.ReadMemStats(&after)
	if err != nil || !res.TruncatedStdout || !res.TruncatedStderr {
		t.Fatalf("Call = %v, truncated %v %v", err, res.TruncatedStdout, res.TruncatedStderr)
	}
	if len(res.Stdout) != 1<<20 || len(res.Stderr) != 256<<10 || passed != len(res.Stdout)+len(res.Stderr) {
		t.Errorf("kept %d and %d bytes, passed %d", len(res.Stdout), len(res.Stderr), passed)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d MiB were allocated for 256 MiB of output", grown>>20)
	}
	if rec := b.last(t); !rec.TruncatedStdout || len(rec.Stdout) != 1<<20 {
		t.Errorf("record = %+v", rec)
	}
}

func TestPlanGoesItsPartOfTheWay(t *testing.T) {
	b := newBed(t, &fake{plan: func(_ context.Context, r tool.Request) (tool.Plan, error) {
		argv := []string{"nmap", string(r.Arguments)}
		return tool.Plan{Verdict: tool.Accept, Argv: argv, Tool: "forged"}, nil
	}})
	p, err := b.Plan(t.Context(), request(`{"target":"10.0.0.1","timeout_sec":5}`))
	if err != nil || p.Verdict != tool.Accept || p.Tool != "ScanTool" || p.TimeoutSec != 5 ||
		len(p.Targets) != 1 || p.Argv[1] != `{"target":"10.0.0.1"}` {
		t.Errorf("Plan = %+v, %v", p, err)
	}
	if rec := b.last(t); !rec.Plan || rec.Ran || rec.Verdict != tool.Accept || len(b.started) != 0 {
		t.Errorf("record = %+v", rec)
	}
}

func TestPlanAnswersWhatPolicyRefuses(t *testing.T) {
	denied := &fake{plan: func(context.Context, tool.Request) (tool.Plan, error) {
		return tool.Plan{}, tool.Errorf(tool.KindIntrusiveDenied, "-O is intrusive")
	}}
	verdict := &fake{plan: func(context.Context, tool.Request) (tool.Plan, error) {
		return tool.Plan{Verdict: tool.Reject, Error: tool.Errorf(tool.KindForbidden, "-oN writes")}, nil
	}}
	for _, row := range []struct {
		name, args string
		h          *fake
		verdict    tool.Verdict
		kind       tool.Kind
		targets    int
	}{
		{"arguments that the schema refuses", `{"depth":"x"}`, &fake{}, tool.Reject, tool.KindValidation, 0},
		{"a target out of scope", `{"target":"8.8.8.8"}`, &fake{}, tool.Reject, tool.KindOutOfScope, 0},
		{"a plugin that refuses", `{"target":"10.0.0.1"}`, denied, tool.Gated, tool.KindIntrusiveDenied, 1},
		{"a plugin that lies", `{"target":"10.0.0.1"}`, verdict, tool.Reject, tool.KindUnknown, 1},
	} {
		b := newBed(t, row.h)
		p, err := b.Plan(t.Context(), request(row.args))
		if err != nil || p.Verdict != row.verdict || p.Error == nil || p.Error.Kind != row.kind ||
			p.Error.Suggestion == "" || p.Tool != "ScanTool" || len(p.Targets) != row.targets {
			t.Errorf("%s: Plan = %+v, %v; want %s because of %s", row.name, p, err, row.verdict, row.kind)
		}
	}
}

func TestPlanFailsWhereTheGatesDo(t *testing.T) {
	b := newBed(t, &fake{}, limited(1, time.Hour))
	_, err := b.Plan(t.Context(), tool.Request{Tool: "NoTool"})
	if tool.KindOf(err) != tool.KindToolNotFound {
		t.Errorf("Plan of no tool = %v", err)
	}
	req := request("")
	req.Client = "nobody"
	if _, err := b.Plan(t.Context(), req); tool.KindOf(err) != tool.KindForbidden {
		t.Errorf("Plan of a forbidden tool = %v", err)
	}
	_, _ = b.Plan(t.Context(), request(""))
	if _, err := b.Plan(t.Context(), request("")); tool.KindOf(err) != tool.KindRateLimited {
		t.Errorf("second Plan at one per hour = %v", err)
	}
	if len(b.records) != 4 {
		t.Errorf("%d records, want 4", len(b.records))
	}
}

func TestPlanNeedsNeitherSlotNorBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, failing(tool.Errorf(tool.KindExecution, "broken")))
		for range 3 {
			b.run(t.Context(), "")
		}
		if p, err := b.Plan(t.Context(), request("")); err != nil || p.Verdict != tool.Accept {
			t.Errorf("Plan with an open breaker = %+v, %v", p, err)
		}
	})
}

func TestHungPlanIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{plan: func(ctx context.Context, _ tool.Request) (tool.Plan, error) {
			<-ctx.Done()
			return tool.Plan{}, ctx.Err()
		}})
		begun := time.Now()
		_, err := b.Plan(t.Context(), request(""))
		if tool.KindOf(err) != tool.KindTimeout || time.Since(begun) != planTimeout {
			t.Errorf("Plan = %v after %v, want timeout after %v", err, time.Since(begun), planTimeout)
		}
	})
}

func BenchmarkRouterNoop(b *testing.B) {
	bed := newBed(b, &fake{}, func(s *setup) {
		s.Finished, s.Admit = nil, nil
		s.settings.RateRequests, s.settings.RatePer = 1e9, time.Second
	})
	for name, args := range map[string]string{
		"empty": ``, "target": `{"target":"10.0.0.7","ports":"1-100"}`,
		"stripped": `{"target":"10.0.0.7","ports":"1-100","timeout_sec":30,"correlation_id":"abc"}`,
	} {
		b.Run(name, func(b *testing.B) {
			req := request(args)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bed.Call(b.Context(), req, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
