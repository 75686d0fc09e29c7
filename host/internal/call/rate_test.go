package call

import (
	"fmt"
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
