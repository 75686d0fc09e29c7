package call

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestDeadline(t *testing.T) {
	for _, row := range []struct {
		name    string
		args    string
		caller  time.Duration // own deadline
		ceiling time.Duration
		usual   time.Duration // the tool's default
		want    time.Duration
		short   bool
	}{
		{name: "the tool's default", want: time.Minute},
		{name: "what was asked for", args: `{"timeout_sec":90.5}`, want: 90500 * time.Millisecond},
		{name: "less than the default is short", args: `{"timeout_sec":1}`, want: time.Second, short: true},
		{name: "the default in so many words", args: `{"timeout_sec":60}`, want: time.Minute},
		{name: "never above the ceiling", args: `{"timeout_sec":600}`, ceiling: 2 * time.Minute,
			want: 2 * time.Minute},
		{name: "the default neither", ceiling: time.Second, want: time.Second},
		{name: "the caller's, when earlier", caller: 5 * time.Second, want: 5 * time.Second, short: true},
		{name: "the caller's, when later", caller: time.Hour, want: time.Minute},
		{name: "a tool without a default", usual: -1, want: 300 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got time.Duration
				var end time.Duration
				h := &fake{call: func(ctx context.Context, r tool.Request, _ events) (tool.Result, error) {
					got = time.Until(r.Deadline)
					<-ctx.Done()
					end = time.Since(r.Deadline)
					return tool.Result{}, ctx.Err()
				}}
				b := newBed(t, h, func(s *setup) {
					s.MaxTimeout = row.ceiling
					if s.settings.Breaker.Threshold = 1; row.usual < 0 {
						s.settings.DefaultTimeout = 0
					}
				})
				ctx := t.Context()
				if row.caller > 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, row.caller)
					defer stop()
				}
				res, err := b.Call(ctx, request(row.args), nil)
				if got != row.want || tool.KindOf(err) != tool.KindTimeout {
					t.Fatalf("the plugin has %v, then %v; want %v, timeout", got, err, row.want)
				}
				if !res.TimedOut || res.ReturnCode != 124 || b.last(t).Timeout != row.want {
					t.Errorf("result = %+v, record has %v", res, b.last(t).Timeout)
				}
				grace := defaultGrace
				if row.caller > 0 && row.caller == row.want {
					grace = 0
				}
				if end != grace {
					t.Errorf("the context ended %v after the deadline, want %v", end, grace)
				}
				if counted := b.State("ScanTool").Breaker == Open; counted == row.short {
					t.Errorf("the timeout counted against the tool: %v", counted)
				}
			})
		})
	}
}

func TestHungPluginKeepsItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fake{call: func(ctx context.Context, _ tool.Request, emit events) (tool.Result, error) {
			emit(tool.Event{Output: &tool.Output{Data: []byte("half a report")}})
			<-ctx.Done()
			return tool.Result{}, tool.AsError(context.Cause(ctx)) // as the wire does
		}}
		b := newBed(t, h)
		res, err := b.Call(t.Context(), request(`{"timeout_sec":10}`), nil)
		e := asError(t, err)
		if e.Kind != tool.KindTimeout || e.Suggestion == "" || e.Metadata["ended_by"] != "host" {
			t.Errorf("Call = %+v, want a timeout by the host", e)
		}
		if !res.TimedOut || res.ReturnCode != 124 || res.Stdout != "half a report" ||
			res.Elapsed != 15*time.Second {
			t.Errorf("result = %+v", res)
		}
	})
}

func TestPluginThatEndsWithinTheGraceIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{call: func(_ context.Context, r tool.Request, emit events) (tool.Result, error) {
			time.Sleep(time.Until(r.Deadline) + 2*time.Second)
			emit(tool.Event{Output: &tool.Output{Data: []byte("last words")}})
			return tool.Result{ReturnCode: 143}, tool.Errorf(tool.KindTimeout, "ended nmap").With("pid", 7)
		}})
		res, err := b.Call(t.Context(), request(""), nil)
		e := asError(t, err)
		if e.Kind != tool.KindTimeout || e.Message != "ended nmap" || e.Metadata["pid"] != 7 {
			t.Errorf("Call = %+v, want the plugin's own timeout", e)
		}
		if res.Stdout != "last words" || !res.TimedOut || res.ReturnCode != 124 {
			t.Errorf("result = %+v", res)
		}
	})
}

func TestCallerThatWentAwayCancelled(t *testing.T) {
	for name, said := range map[string]error{
		"a result": nil, "an error": tool.Errorf(tool.KindExecution, "killed"),
		"a timeout": tool.Errorf(tool.KindTimeout, "late"), "the context's error": context.Canceled,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &fake{call: func(ctx context.Context, _ tool.Request, _ events) (tool.Result, error) {
				<-ctx.Done()
				return tool.Result{}, said
			}}
			b := newBed(t, h, func(s *setup) { s.settings.Breaker.Threshold = 1 })
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			if k := b.run(ctx, ""); k != tool.KindCancelled {
				t.Errorf("the plugin said %s: %q, want cancelled", name, k)
			}
			if s := b.State("ScanTool"); s.Breaker != Closed || s.Failures != 0 {
				t.Errorf("the plugin said %s: breaker %+v, want it untouched", name, s)
			}
		})
	}
}
