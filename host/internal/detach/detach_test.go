package detach

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// fake is a caller that does what the test says.
type fake func(ctx context.Context, r tool.Request) (tool.Result, error)

func (f fake) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	return f(ctx, r)
}

// enlist is a call that has a slot, and runs until its context ends.
func enlist(ctx context.Context, r tool.Request) (tool.Result, error) {
	d, ok := From(ctx)
	if !ok {
		return tool.Result{}, errors.New("there is no detachment")
	}
	d.Enlisted("id of " + r.Tool)
	<-ctx.Done()
	return tool.Result{ExecutionID: "id of " + r.Tool}, context.Cause(ctx)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newRunner(t *testing.T, cfg Config) *Runner {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Caller: fake(enlist)}, {Logger: quiet()},
		{Caller: fake(enlist), Logger: quiet(), MaxRunning: -1}, {Caller: fake(enlist), Logger: quiet(), MaxPerClient: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%+v) = nil, want an error", cfg)
		}
	}
}

func TestACallGoesOnWhenItsCallerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		r := newRunner(t, Config{Caller: fake(func(ctx context.Context, req tool.Request) (tool.Result, error) {
			from := origin.From(ctx)
			if _, limited := ctx.Deadline(); limited || from.Client != "alice" {
				t.Errorf("the call has a deadline: %v; it comes from %+v", limited, from)
			}
			d, _ := From(ctx)
			d.Enlisted("1")
			d.Enlisted("2") // which nobody waits for
			select {
			case <-ctx.Done():
				ended <- context.Cause(ctx)
			case <-time.After(time.Hour):
				ended <- nil
			}
			return tool.Result{}, nil
		})})
		ctx, cancel := context.WithTimeout(origin.With(t.Context(), origin.Origin{Client: "alice"}), time.Minute)
		id, err := r.Start(ctx, tool.Request{Tool: "T", Client: "alice"})
		cancel()
		if id != "1" || err != nil || r.Running() != 1 {
			t.Fatalf("Start = %q, %v with %d running; want 1", id, err, r.Running())
		}
		if err := <-ended; err != nil {
			t.Errorf("the call was ended by %v", err)
		}
		synctest.Wait()
		if n := r.Running(); n != 0 {
			t.Errorf("%d calls run, want none", n)
		}
	})
}

func TestARefusalIsReturnedAsItIs(t *testing.T) {
	refusal := tool.Errorf(tool.KindForbidden, "not for you")
	r := newRunner(t, Config{Caller: fake(func(context.Context, tool.Request) (tool.Result, error) {
		return tool.Result{ExecutionID: "x"}, refusal
	})})
	if _, err := r.Start(t.Context(), tool.Request{}); !errors.Is(err, error(refusal)) {
		t.Errorf("Start = %v, want the call's own error", err)
	}
}

func TestACallThatEndsAtOnceHasStarted(t *testing.T) {
	r := newRunner(t, Config{Caller: fake(func(ctx context.Context, req tool.Request) (tool.Result, error) {
		if req.Tool == "enlisted" {
			d, _ := From(ctx)
			d.Enlisted("id")
			return tool.Result{ExecutionID: "id"}, tool.Errorf(tool.KindExecution, "it broke")
		}
		return tool.Result{ExecutionID: "id"}, nil
	})})
	for _, name := range []string{"enlisted", "not enlisted"} {
		for range 50 { // either may be seen first
			if id, err := r.Start(t.Context(), tool.Request{Tool: name}); id != "id" || err != nil {
				t.Fatalf("Start of a call that was %s = %q, %v; want its id", name, id, err)
			}
		}
	}
}

func TestACallWhoseCallerLeavesBeforeItIsEnlistedIsEnded(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	r := newRunner(t, Config{Caller: fake(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return tool.Result{}, ctx.Err()
	})})
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	go func() {
		<-began
		cancel(left)
	}()
	if _, err := r.Start(ctx, tool.Request{}); tool.KindOf(err) != tool.KindCancelled || !errors.Is(err, left) {
		t.Errorf("Start = %v, want cancelled", err)
	}
	if cause := <-ended; !errors.Is(cause, left) {
		t.Errorf("the call was ended by %v, want %v", cause, left)
	}
	if _, err := r.Start(ctx, tool.Request{}); tool.KindOf(err) != tool.KindCancelled {
		t.Errorf("Start for a caller that is gone = %v, want cancelled", err)
	}
}

func TestNoMoreRunThanAllowed(t *testing.T) {
	r := newRunner(t, Config{Caller: fake(enlist), MaxRunning: 3, MaxPerClient: 2})
	for _, row := range []struct {
		client, says string
		kind         tool.Kind
	}{
		{"alice", "", ""}, {"alice", "", ""},
		{"alice", "2 detached executions of alice run already", tool.KindOverloaded},
		{"bob", "", ""},
		{"bob", "3 detached executions run already", tool.KindOverloaded},
	} {
		_, err := r.Start(t.Context(), tool.Request{Client: row.client})
		e := tool.AsError(err)
		if tool.KindOf(err) != row.kind || e != nil && (!strings.Contains(e.Message, row.says) || e.Suggestion == "") {
			t.Errorf("Start for %s = %v, want %s", row.client, err, row.says)
		}
	}
}

func TestWhatHasEndedMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		r := newRunner(t, Config{MaxRunning: 1, Caller: fake(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			d, _ := From(ctx)
			d.Enlisted("id")
			<-end
			return tool.Result{}, nil
		})})
		for range 3 {
			if _, err := r.Start(t.Context(), tool.Request{Client: "alice"}); err != nil {
				t.Fatal(err)
			}
			end <- struct{}{}
			synctest.Wait()
		}
		if len(r.byClient) != 0 {
			t.Errorf("byClient = %v, want nobody", r.byClient)
		}
	})
}

func TestCloseEndsWhatRunsAndWaits(t *testing.T) {
	causes := make(chan error, 2)
	r := newRunner(t, Config{Caller: fake(func(ctx context.Context, req tool.Request) (tool.Result, error) {
		res, err := enlist(ctx, req)
		causes <- err
		return res, err
	})})
	for range 2 {
		if _, err := r.Start(t.Context(), tool.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.Close(t.Context()); err != nil || r.Running() != 0 {
			t.Errorf("Close = %v with %d running, want none", err, r.Running())
		}
	}
	for range 2 {
		if cause := <-causes; !errors.Is(cause, ErrHostEnds) {
			t.Errorf("a call was ended by %v, want %v", cause, ErrHostEnds)
		}
	}
	_, err := r.Start(t.Context(), tool.Request{})
	if tool.KindOf(err) != tool.KindUnavailable || tool.AsError(err).Suggestion == "" {
		t.Errorf("Start after Close = %v, want unavailable", err)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	stuck := make(chan struct{})
	r := newRunner(t, Config{Caller: fake(func(ctx context.Context, req tool.Request) (tool.Result, error) {
		res, err := enlist(ctx, req)
		<-stuck
		return res, err
	})})
	if _, err := r.Start(t.Context(), tool.Request{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 executions have not ended") {
		t.Errorf("Close = %v, want that one has not ended", err)
	}
	close(stuck)
	if err := r.Close(t.Context()); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestAPanicIsTheErrorOfTheCall(t *testing.T) {
	var log strings.Builder
	r := newRunner(t, Config{Logger: slog.New(slog.NewTextHandler(io.Writer(&log), nil)),
		Caller: fake(func(_ context.Context, req tool.Request) (tool.Result, error) {
			if req.Tool == "exit" {
				runtime.Goexit()
			}
			panic("secret of the call")
		})})
	_, err := r.Start(t.Context(), tool.Request{})
	if tool.KindOf(err) != tool.KindUnknown || strings.Contains(err.Error(), "secret") || !strings.Contains(log.String(), "secret") {
		t.Errorf("Start = %v, log %q; want an internal error, and the value in the log alone", err, log.String())
	}
	if _, err := r.Start(t.Context(), tool.Request{Tool: "exit"}); tool.KindOf(err) != tool.KindUnknown {
		t.Errorf("Start of a call that leaves its goroutine = %v, want an internal error", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestOnlyADetachedCallHasADetachment(t *testing.T) {
	if _, ok := From(t.Context()); ok {
		t.Error("From of an ordinary context found one")
	}
}
