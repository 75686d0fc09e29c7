package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Failures counts, by address, the credentials that were not good, and says of which address there were too
// many. It only counts: it looks at no credential and turns nobody away. Whether somebody who shows a good one
// at such an address is let in, the door decides.
//
// It knows the addresses that failed last, and no more of them than it was told: one that has been forgotten
// begins anew. Who has more addresses than that can therefore try more often. It is no guard against
// guessing, which the 256 random bits of a token are (see [TokenPrefix]), but against one peer that fills the
// log and the trail and keeps the host busy.
type Failures struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets *simplelru.LRU[netip.Prefix, *rate.Limiter] // address or network -> what it may fail yet
}

// ipv6Bits is how much of an address a network gives away for the asking: a machine has all the others.
const ipv6Bits = 64

// NewFailures grants each address so many failures within a time, and knows that many addresses. Each is
// at least one.
func NewFailures(most int, per time.Duration, addresses int) *Failures {
	most = max(most, 1)
	per = max(per, 1)
	buckets, err := simplelru.NewLRU[netip.Prefix, *rate.Limiter](max(addresses, 1), nil)
	if err != nil {
		panic(err) // for a size below one alone
	}
	return &Failures{limit: rate.Limit(float64(most) / per.Seconds()), burst: most, buckets: buckets}
}

// Fail notes a failure of an address without a port. Of one too many, ok is false, and wait is the true
// time until the next is looked at. All whose address cannot be read count as one, and so do those of an
// IPv6 network of 64 bits.
func (f *Failures) Fail(address string) (wait time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, now := f.bucketLocked(failureKey(address)), time.Now()
	if b.AllowN(now, 1) {
		return 0, true
	}
	return f.wait(b, now), false
}

// Blocked reports whether one more failure of an address would be one too many, and notes nothing.
func (f *Failures) Blocked(address string) (wait time.Duration, blocked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, known := f.buckets.Get(failureKey(address)) // who goes on trying is not forgotten
	if !known {
		return 0, false
	}
	now := time.Now()
	wait = f.wait(b, now)
	return wait, wait > 0
}

// wait is the time until a bucket has something to give.
func (f *Failures) wait(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Duration(missing/float64(f.limit)*float64(time.Second)), time.Millisecond)
}

func (f *Failures) bucketLocked(key netip.Prefix) *rate.Limiter {
	b, known := f.buckets.Get(key)
	if !known {
		b = rate.NewLimiter(f.limit, f.burst)
		f.buckets.Add(key, b)
	}
	return b
}

// failureKey is the network that stands for an address.
func failureKey(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = ipv6Bits
	}
	p, _ := ip.Prefix(bits) // which fails for other bits alone
	return p
}
