package call

import (
	"context"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// bucketKey is whose bucket it is; tool is empty for all those that do not exist. Tools come from the
// catalog, and clients were recognised by a door: neither can be invented.
type bucketKey struct{ client, tool string }

// limit is so many calls within a time; a zero in it: no limit.
type limit struct {
	requests int
	per      time.Duration
}

// rate takes a token from the bucket of client and tool. A refused call takes none, and neither does one that comes
// again with a person's answer: it would be thrown away.
func (r *Router) rate(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if consent.IsAgain(ctx) {
			return inner(ctx, c)
		}
		l := r.limitOf(ctx, c.state.settings)
		after, ok := r.take(bucketKey{c.req.Client, c.req.Tool}, l)
		if ok {
			return inner(ctx, c)
		}
		return rateLimited(l, after, tool.Errorf(tool.KindRateLimited, "%s was called more than %d times in %v "+
			"by %s", c.req.Tool, l.requests, l.per, c.req.Client))
	}
}

// limitOf is the caller's own rate, else the tool's.
func (r *Router) limitOf(ctx context.Context, s catalog.Settings) limit {
	requests, per := r.cfg.Rate(ctx)
	switch {
	case requests <= 0:
		return limit{s.RateRequests, s.RatePer}
	case per <= 0:
		per = s.RatePer
	}
	if per <= 0 {
		per = time.Minute // a tool without a rate has no time either, and a client's bound binds all the same
	}
	return limit{requests, per}
}

func rateLimited(l limit, after time.Duration, err *tool.Error) *tool.Error {
	err.RetryAfter = after
	return err.Suggest("wait %v, then call again", after.Round(time.Millisecond)).
		With("limit_requests", l.requests).With("limit_per_sec", l.per.Seconds())
}

// take takes a token from a bucket; where there is none, it says how long it takes until there is.
func (r *Router) take(key bucketKey, l limit) (after time.Duration, ok bool) {
	if l.requests <= 0 || l.per <= 0 {
		return 0, true
	}
	b, now := r.bucket(key, l), time.Now()
	// Not Reserve and Cancel: of two reservations only the later is given back whole, and refusals would cost
	// tokens.
	if b.AllowN(now, 1) {
		return 0, true
	}
	return wait(b, now), false
}

// bucket finds the bucket of a key, or makes a full one. One that was made for another limit takes on the new
// one now, with the tokens that it has got so far.
func (r *Router) bucket(key bucketKey, l limit) *rate.Limiter {
	pace := rate.Limit(float64(l.requests) / l.per.Seconds())
	b, ok := r.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(pace, l.requests)
		if first, taken, _ := r.buckets.PeekOrAdd(key, b); taken {
			b = first
		}
	}
	if b.Limit() != pace {
		b.SetLimit(pace)
	}
	if b.Burst() != l.requests {
		b.SetBurst(l.requests)
	}
	return b
}

// wait is the time until the bucket holds a whole token, rounded up.
func wait(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	return max(time.Duration(math.Ceil(missing/float64(b.Limit())*float64(time.Second))), 1)
}
