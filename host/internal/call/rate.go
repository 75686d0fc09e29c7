package call

import (
	"context"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// bucketKey is whose bucket it is. Tools come from the catalog and clients are authorized: neither can be
// invented.
type bucketKey struct{ client, tool string }

// rate takes a token from the bucket of client and tool. A refused call takes none.
func (r *Router) rate(inner next) next {
	return func(ctx context.Context, c *passage) error {
		s := c.state.settings
		if s.RateRequests <= 0 || s.RatePer <= 0 {
			return inner(ctx, c)
		}
		b, now := r.bucket(bucketKey{c.req.Client, c.req.Tool}, s), time.Now()
		// Not Reserve and Cancel: of two reservations only the later is given back whole, and refusals
		// would cost tokens.
		if b.AllowN(now, 1) {
			return inner(ctx, c)
		}
		err := tool.Errorf(tool.KindRateLimited, "%s was called more than %d times in %v by %s",
			c.req.Tool, s.RateRequests, s.RatePer, c.req.Client)
		err.RetryAfter = wait(b, now)
		return err.Suggest("wait %v, then call again", err.RetryAfter.Round(time.Millisecond)).
			With("limit_requests", s.RateRequests).With("limit_per_sec", s.RatePer.Seconds())
	}
}

// bucket finds the bucket of a key, or makes a full one. One that was made for other settings takes on the
// new ones now, with the tokens that it has got so far.
func (r *Router) bucket(key bucketKey, s catalog.Settings) *rate.Limiter {
	limit := rate.Limit(float64(s.RateRequests) / s.RatePer.Seconds())
	b, ok := r.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(limit, s.RateRequests)
		if first, taken, _ := r.buckets.PeekOrAdd(key, b); taken {
			b = first
		}
	}
	if b.Limit() != limit {
		b.SetLimit(limit)
	}
	if b.Burst() != s.RateRequests {
		b.SetBurst(s.RateRequests)
	}
	return b
}

// wait is the time until the bucket holds a whole token, rounded up.
func wait(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	return max(time.Duration(math.Ceil(missing/float64(b.Limit())*float64(time.Second))), 1)
}
