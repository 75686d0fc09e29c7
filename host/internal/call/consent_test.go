package call

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var scanArgv = []string{"/usr/bin/scan", "--loud", "10.0.0.7"}

// gated is a plugin that runs scanArgv when a person has allowed it, and nothing else.
func gated() *fake {
	return &fake{
		plan: func(_ context.Context, r tool.Request) (tool.Plan, error) {
			if r.Grant == nil {
				return tool.Plan{Verdict: tool.Gated, Rule: "--loud is intrusive"}, nil
			}
			return tool.Plan{Verdict: tool.Accept, Program: scanArgv[0], Argv: scanArgv}, nil
		},
		call: func(_ context.Context, r tool.Request, emit events) (tool.Result, error) {
			if r.Grant == nil {
				return tool.Result{}, tool.Errorf(tool.KindIntrusiveDenied, "--loud is intrusive")
			}
			emit(tool.Event{Exec: &tool.Exec{Program: scanArgv[0], Argv: scanArgv}})
			return tool.Result{}, nil
		},
	}
}

func asking(s *setup) {
	s.spec.Intrusive = true
	s.AskIntrusive = func() bool { return true }
}

// answering is a context whose client answers every question, and notes it.
func answering(t *testing.T, answer consent.Answer, err error) (context.Context, *[]consent.Question) {
	var asked []consent.Question
	return consent.With(t.Context(), func(_ context.Context, q consent.Question) (consent.Answer, error) {
		asked = append(asked, q)
		return answer, err
	}), &asked
}

const scanSeven = `{"target": "10.0.0.7"}`

func TestAPersonAllowsExactlyOneCommand(t *testing.T) {
	b := newBed(t, gated(), asking)
	ctx, asked := answering(t, consent.Granted, nil)
	if _, err := b.Call(ctx, request(scanSeven), nil); err != nil {
		t.Fatalf("Call = %v, want it to run", err)
	}
	if len(*asked) != 1 {
		t.Fatalf("asked %d times, want once", len(*asked))
	}
	q := (*asked)[0]
	if !slices.Equal(q.Grant.Argv, scanArgv) || len(q.Targets) != 1 || q.Targets[0].Literal() != "10.0.0.7" ||
		q.Tool != "ScanTool" || q.Rule != "--loud is intrusive" {
		t.Errorf("asked %+v, want the argv and the pinned target", q)
	}
	if r := b.records[0]; r.Consent != ConsentGranted || !r.Ran {
		t.Errorf("Record = consent %q, ran %t; want it granted and run", r.Consent, r.Ran)
	}
}

func TestWhatIsNotAllowedDoesNotRun(t *testing.T) {
	for _, row := range []struct {
		says    string
		ctx     func(t *testing.T) context.Context
		consent string
	}{
		{"nobody can be asked", func(t *testing.T) context.Context { return t.Context() }, ConsentUnavailable},
		{"the person says no", func(t *testing.T) context.Context {
			ctx, _ := answering(t, consent.Declined, nil)
			return ctx
		}, ConsentDeclined},
		{"the answer is none that is known", func(t *testing.T) context.Context {
			ctx, _ := answering(t, "", nil)
			return ctx
		}, ConsentDeclined},
		{"the client fails", func(t *testing.T) context.Context {
			ctx, _ := answering(t, consent.Granted, errors.New("broken"))
			return ctx
		}, ConsentUnavailable},
		{"the person is being asked", func(t *testing.T) context.Context {
			ctx, _ := answering(t, "", consent.ErrPending)
			return ctx
		}, ConsentAsked},
	} {
		t.Run(row.says, func(t *testing.T) {
			h := gated()
			b := newBed(t, h, asking)
			_, err := b.Call(row.ctx(t), request(scanSeven), nil)
			e := asError(t, err)
			if e.Kind != tool.KindIntrusiveDenied || e.Suggestion == "" || !strings.Contains(e.Message, "--loud") {
				t.Errorf("Call = %+v, want intrusive_denied that names the rule", e)
			}
			r := b.records[0]
			if h.calls.Load() != 0 || r.Ran || r.Gate != "consent" || r.Consent != row.consent {
				t.Errorf("ran %t, gate %q, consent %q; want it refused at consent, %q", r.Ran, r.Gate, r.Consent, row.consent)
			}
			if r.Question == nil || !slices.Equal(r.Question.Grant.Argv, scanArgv) || len(r.Exec) > 0 {
				t.Errorf("Record = question %v, exec %v; want what was asked for, and nothing executed", r.Question, r.Exec)
			}
			if pending := errors.Is(err, consent.ErrPending); pending != (row.consent == ConsentAsked) {
				t.Errorf("the door sees pending %t", pending)
			}
		})
	}
}

func TestNobodyIsAskedWhatNeedsNoAsking(t *testing.T) {
	for says, change := range map[string]func(*setup){
		"the policy says no":          func(s *setup) { s.spec.Intrusive = true },
		"the tool is never intrusive": func(s *setup) { s.AskIntrusive = func() bool { return true } },
	} {
		b := newBed(t, gated(), change)
		ctx, asked := answering(t, consent.Granted, nil)
		if _, err := b.Call(ctx, request(scanSeven), nil); tool.KindOf(err) != tool.KindIntrusiveDenied || len(*asked) > 0 {
			t.Errorf("%s: Call = %v, asked %d times; want the plugin's own refusal", says, err, len(*asked))
		}
	}
	h := gated()
	h.plan = func(context.Context, tool.Request) (tool.Plan, error) { return tool.Plan{Verdict: tool.Accept}, nil }
	h.call = nil
	b := newBed(t, h, asking)
	ctx, asked := answering(t, consent.Declined, nil)
	if _, err := b.Call(ctx, request(scanSeven), nil); err != nil || len(*asked) > 0 {
		t.Errorf("a harmless call: %v, asked %d times; want it to run", err, len(*asked))
	}
}

func TestAPluginThatExecutesSomethingElseIsBrokenOff(t *testing.T) {
	h := gated()
	h.call = func(ctx context.Context, _ tool.Request, emit events) (tool.Result, error) {
		emit(tool.Event{Exec: &tool.Exec{Program: scanArgv[0], Argv: append(slices.Clone(scanArgv), "--louder")}})
		<-ctx.Done() // or it would run for ever
		return tool.Result{}, nil
	}
	b := newBed(t, h, asking)
	ctx, _ := answering(t, consent.Granted, nil)
	_, err := b.Call(ctx, request(scanSeven), nil)
	if e := asError(t, err); e.Kind != tool.KindUnknown || !strings.Contains(e.Message, "another command") {
		t.Errorf("Call = %+v, want it broken off", e)
	}
}

func TestTheRightToAskIsLookedAtAgainBeforeTheRun(t *testing.T) {
	may := true
	h := gated()
	b := newBed(t, h, asking, func(s *setup) {
		s.AskIntrusive = func() bool { return may }
		s.Enlist = func(ctx context.Context, _ Record, _ bool) context.Context {
			may = false // the operator, while the call waits
			return ctx
		}
	})
	ctx, _ := answering(t, consent.Granted, nil)
	if _, err := b.Call(ctx, request(scanSeven), nil); tool.KindOf(err) != tool.KindIntrusiveDenied || h.calls.Load() != 0 {
		t.Errorf("Call = %v, want intrusive_denied", err)
	}
}

func TestACallIsEnlistedWhenItsPlaceIsSure(t *testing.T) {
	type enlisted struct {
		id     string
		queued bool
	}
	var list []enlisted
	h := &fake{call: func(ctx context.Context, _ tool.Request, emit events) (tool.Result, error) {
		emit(tool.Event{Output: &tool.Output{Data: []byte("x")}})
		<-ctx.Done()
		return tool.Result{}, ctx.Err()
	}}
	var told []string
	b := newBed(t, h, func(s *setup) {
		s.Enlist = func(ctx context.Context, r Record, queued bool) context.Context {
			list = append(list, enlisted{r.ExecutionID, queued})
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(errors.New("cancelled by hand")) // its context is the call's
			return ctx
		}
		s.Event = func(id string, ev tool.Event) { told = append(told, id+string(ev.Output.Data)) }
	})
	res, err := b.Call(t.Context(), request(scanSeven), nil)
	if e := asError(t, err); e.Kind != tool.KindCancelled || !strings.Contains(e.Message, "by hand") {
		t.Errorf("Call = %+v, want it cancelled by hand", e)
	}
	if want := []enlisted{{res.ExecutionID, false}}; !slices.Equal(list, want) {
		t.Errorf("enlisted %v, want %v", list, want)
	}
	if want := []string{res.ExecutionID + "x"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	b.run(t.Context(), `{"target": "8.8.8.8"}`)
	if len(list) != 1 {
		t.Errorf("enlisted %v, want nothing of a refused call", list)
	}
}

func TestQuestionsAreRefusedWhereNobodyCanBeAsked(t *testing.T) {
	h := &fake{call: func(context.Context, tool.Request, events) (tool.Result, error) {
		return tool.Result{Questions: []tool.Question{{ID: "name", Message: "Who\x1b?"}}, State: []byte("s")}, nil
	}}
	b := newBed(t, h)
	res, err := b.Call(t.Context(), request(scanSeven), nil)
	if e := asError(t, err); e.Kind != tool.KindValidation || !strings.Contains(e.Message, `Who\x1B?`) || len(res.Questions) > 0 {
		t.Errorf("Call = %+v with %v, want a refusal with the question in it, clean", e, res.Questions)
	}
	ctx, _ := answering(t, consent.Granted, nil)
	if res, err := b.Call(ctx, request(scanSeven), nil); err != nil || len(res.Questions) != 1 {
		t.Errorf("with a person: %v, %v; want the question", res.Questions, err)
	}
}

func TestACallThatComesAgainWithAnAnswerHasPaid(t *testing.T) {
	b := newBed(t, gated(), asking, func(s *setup) { s.settings.RateRequests, s.settings.RatePer = 1, time.Hour })
	ctx, _ := answering(t, "", consent.ErrPending)
	if _, err := b.Call(ctx, request(scanSeven), nil); !errors.Is(err, consent.ErrPending) {
		t.Fatalf("Call = %v, want a question", err)
	}
	granted, _ := answering(t, consent.Granted, nil)
	if _, err := b.Call(consent.Again(granted), request(scanSeven), nil); err != nil {
		t.Errorf("with the answer: %v, want it to run", err)
	}
	if _, err := b.Call(granted, request(scanSeven), nil); tool.KindOf(err) != tool.KindRateLimited {
		t.Errorf("another call: %v, want rate_limited", err)
	}
}

func TestAGrantIsUsedWhenItsCommandRuns(t *testing.T) {
	for says, row := range map[string]struct {
		handler *fake
		want    int
	}{
		"the command is executed":                   {gated(), 1},
		"the tool asks before it executes anything": {asksFirst(), 0},
		"the tool runs no program":                  {noProgram(), 1},
	} {
		b := newBed(t, row.handler, asking)
		ctx, _ := answering(t, consent.Granted, nil)
		used := 0
		if _, err := b.Call(consent.WithUse(ctx, func() { used++ }), request(scanSeven), nil); err != nil {
			t.Fatalf("%s: Call = %v", says, err)
		}
		if used != row.want {
			t.Errorf("%s: the grant was used %d times, want %d", says, used, row.want)
		}
	}
}

func asksFirst() *fake {
	h := gated()
	h.call = func(context.Context, tool.Request, events) (tool.Result, error) {
		return tool.Result{Questions: []tool.Question{{ID: "name"}}}, nil
	}
	return h
}

func noProgram() *fake {
	h := gated()
	gate := h.plan
	h.plan = func(ctx context.Context, r tool.Request) (tool.Plan, error) {
		p, err := gate(ctx, r)
		p.Program, p.Argv = "", nil
		return p, err
	}
	h.call = nil
	return h
}
