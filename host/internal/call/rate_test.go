package call

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func limited(requests int, per time.Duration) func(*setup) {
	return func(s *setup) {
		s.settings.RateRequests, s.settings.RatePer, s.settings.Concurrency = requests, per, 100
	}
}

// TestRetryAfterIsTrue waits exactly as long as it is told, after less, and for several odd rates.
func TestRetryAfterIsTrue(t *testing.T) {
	for _, row := range []struct {
		requests int
		per      time.Duration
	}{{10, time.Minute}, {7, time.Minute}, {3, time.Second}, {1, time.Hour}, {1000, 17 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, &fake{}, limited(row.requests, row.per))
			for range row.requests {
				if k := b.run(t.Context(), ""); k != "" {
					t.Fatalf("a call within the burst: %s", k)
				}
			}
			for range 20 {
				_, err := b.Call(t.Context(), request(""), nil)
				e := asError(t, err)
				if e.Kind != tool.KindRateLimited || e.RetryAfter <= 0 || e.RetryAfter > row.per {
					t.Fatalf("Call over the rate = %s, retry after %v", e.Kind, e.RetryAfter)
				}
				if half := e.RetryAfter / 2; half > time.Microsecond {
					time.Sleep(half)
					if k := b.run(t.Context(), ""); k != tool.KindRateLimited {
						t.Fatalf("after half of retry_after: %q, want rate_limited", k)
					}
					time.Sleep(e.RetryAfter - half)
				}
				if k := b.run(t.Context(), ""); k != "" {
					t.Fatalf("%d per %v: after exactly %v: %s", row.requests, row.per, e.RetryAfter, k)
				}
			}
		})
	}
}

func TestRefusedCallsTakeNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{}, limited(1, 10*time.Second))
		b.run(t.Context(), "")
		var crowd sync.WaitGroup
		for range 50 {
			crowd.Go(func() { b.run(t.Context(), "") })
		}
		crowd.Wait()
		time.Sleep(10 * time.Second)
		if k := b.run(t.Context(), ""); k != "" {
			t.Errorf("the call after a full refill: %s; refused calls took tokens", k)
		}
	})
}

func TestEveryClientHasItsOwnBucket(t *testing.T) {
	b := newBed(t, &fake{}, limited(1, time.Hour), func(s *setup) { s.Limits.MaxClients = 3 })
	for i := range 5 {
		req := request("")
		req.Client = fmt.Sprint("client", i)
		if _, err := b.Call(t.Context(), req, nil); err != nil {
			t.Errorf("first call of %s: %v", req.Client, err)
		}
	}
	if n := b.buckets.Len(); n != 3 {
		t.Errorf("%d buckets are kept, want 3", n)
	}
}

func TestReloadChangesTheRateOfABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{}, limited(1, time.Hour))
		b.run(t.Context(), "")
		b.settings.RatePer = time.Second
		b.publish(t)
		b.run(t.Context(), "") // from here on the bucket fills as the new rate has it
		time.Sleep(time.Second)
		if k := b.run(t.Context(), ""); k != "" {
			t.Errorf("a second after the reload: %s", k)
		}
	})
}

type ownRate struct {
	requests int
	per      time.Duration
}

// withOwnRate lets contexts carry a rate.
func withOwnRate(s *setup) {
	s.Rate = func(ctx context.Context) (int, time.Duration) {
		own, _ := ctx.Value(ownRate{}).(ownRate)
		return own.requests, own.per
	}
}

func TestAClientMayHaveARateOfItsOwn(t *testing.T) {
	for _, row := range []struct {
		says string
		own  ownRate
		want int // calls at once
		per  time.Duration
	}{
		{"none of its own", ownRate{}, 2, time.Minute},
		{"a time alone is none", ownRate{0, time.Second}, 2, time.Minute},
		{"more", ownRate{5, 10 * time.Second}, 5, 10 * time.Second},
		{"less", ownRate{1, time.Hour}, 1, time.Hour},
		{"other calls within the tool's time", ownRate{3, 0}, 3, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, &fake{}, limited(2, time.Minute), withOwnRate)
			ctx := context.WithValue(t.Context(), ownRate{}, row.own)
			for range row.want {
				if k := b.run(ctx, ""); k != "" {
					t.Errorf("%s: a call within the rate: %s", row.says, k)
				}
			}
			_, err := b.Call(ctx, request(""), nil)
			e := asError(t, err)
			if e.Kind != tool.KindRateLimited || e.RetryAfter != row.per/time.Duration(row.want) ||
				e.Metadata["limit_requests"] != row.want || e.Metadata["limit_per_sec"] != row.per.Seconds() ||
				!strings.Contains(e.Message, fmt.Sprintf("more than %d times in %v", row.want, row.per)) {
				t.Errorf("%s: Call = %+v, want %d per %v in force", row.says, e, row.want, row.per)
			}
			other := request("")
			other.Client = "other"
			if _, err := b.Call(t.Context(), other, nil); err != nil {
				t.Errorf("%s: Call of another client = %v, want its own bucket", row.says, err)
			}
		})
	}
}

func TestARateOfItsOwnBindsWhereTheToolHasNone(t *testing.T) {
	b := newBed(t, &fake{}, limited(0, 0), withOwnRate)
	ctx := context.WithValue(t.Context(), ownRate{}, ownRate{requests: 1})
	if first, second := b.run(ctx, ""), b.run(ctx, ""); first != "" || second != tool.KindRateLimited {
		t.Errorf("two calls = %q, %q, want the second rate limited", first, second)
	}
}

func unknownAt(requests int, per time.Duration) func(*setup) {
	return func(s *setup) { s.Unknown = func() (int, time.Duration) { return requests, per } }
}

func TestUnknownToolsShareABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{}, unknownAt(3, time.Minute))
		ask := func(client, name string, plan bool) *tool.Error {
			req := tool.Request{Tool: name, Client: client}
			_, err := b.Call(t.Context(), req, nil)
			if plan {
				_, err = b.Plan(t.Context(), req)
			}
			return tool.AsError(err)
		}
		for i := range 3 {
			if e := ask("alice", fmt.Sprint("ScanTol", i), false); e.Kind != tool.KindToolNotFound {
				t.Errorf("unknown tool %d = %s, want tool_not_found", i, e.Kind)
			}
		}
		for range 100 {
			for _, plan := range []bool{false, true} {
				e := ask("alice", "scantool", plan)
				if e.Kind != tool.KindRateLimited || e.RetryAfter != 20*time.Second || e.Metadata["nearest"] != nil ||
					e.Metadata["limit_requests"] != 3 || strings.Contains(e.Message+e.Suggestion, "ScanTool") {
					t.Fatalf("plan %v: %+v, want rate_limited for 20 s, and no names", plan, e)
				}
				if rec := b.last(t); rec.Gate != "lookup" || rec.Tool != "" || rec.Plan != plan {
					t.Fatalf("record = %+v, want lookup to refuse and no tool", rec)
				}
			}
		}
		if e := ask("bob", "scantool", true); e.Kind != tool.KindToolNotFound {
			t.Errorf("another client: %s, want tool_not_found", e.Kind)
		}
		if k := b.run(t.Context(), ""); k != "" {
			t.Errorf("a tool that there is: %s, want no error", k)
		}
		if n := b.Buckets(); n != 2 {
			t.Errorf("%d buckets, want one of each client", n)
		}
		time.Sleep(20 * time.Second)
		if e := ask("alice", "x", false); e.Kind != tool.KindToolNotFound {
			t.Errorf("after retry_after: %s, want tool_not_found", e.Kind)
		}
	})
}

func BenchmarkRate(b *testing.B) {
	bed := newBed(b, &fake{})
	l, key := limit{1e9, time.Second}, bucketKey{"alice", "ScanTool"}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := bed.take(key, l); !ok {
			b.Fatal("take = false, want a token")
		}
	}
}
