package auth

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterTooManyFailuresAnAddressWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(3, time.Minute, 10)
		for i := range 3 {
			if wait, ok := f.Fail("10.0.0.1"); !ok || wait != 0 {
				t.Errorf("Fail %d = %v, %t, want none", i, wait, ok)
			}
		}
		wait, ok := f.Fail("10.0.0.1")
		if ok || wait < 19*time.Second || wait > 20*time.Second {
			t.Errorf("Fail of one too many = %v, %t, want 20 s: a third of a minute", wait, ok)
		}
		if again, ok := f.Fail("10.0.0.1"); ok || again != wait {
			t.Errorf("Fail again = %v, %t, want %v still: a refused one costs nothing", again, ok, wait)
		}
		if _, ok := f.Fail("10.0.0.2"); !ok {
			t.Error("another address has to wait as well")
		}
		if blocked, ok := f.Blocked("10.0.0.1"); !ok || blocked != wait {
			t.Errorf("Blocked = %v, %t, want %v", blocked, ok, wait)
		}
		for _, other := range []string{"10.0.0.2", "10.0.0.3"} {
			if blocked, ok := f.Blocked(other); ok || blocked != 0 {
				t.Errorf("Blocked(%s) = %v, %t, want none", other, blocked, ok)
			}
		}
		time.Sleep(wait)
		if blocked, ok := f.Blocked("10.0.0.1"); ok || blocked != 0 {
			t.Errorf("Blocked after the wait = %v, %t, want none", blocked, ok)
		}
		if wait, ok := f.Fail("10.0.0.1"); !ok {
			t.Errorf("Fail after the wait = %v, %t, want none", wait, ok)
		}
		if _, ok := f.Fail("10.0.0.1"); ok {
			t.Error("Fail after the wait lets two through")
		}
	})
}

func TestWhichAddressesCountAsOne(t *testing.T) {
	for _, row := range []struct {
		says, a, b string
		one        bool
	}{
		{"the same", "10.0.0.1", "10.0.0.1", true},
		{"neighbours", "10.0.0.1", "10.0.0.2", false},
		{"one, and it within IPv6", "10.0.0.1", "::ffff:10.0.0.1", true},
		{"neighbours within IPv6", "::ffff:10.0.0.1", "::ffff:10.0.0.2", false},
		{"the same network of 64 bits", "2001:db8::1", "2001:db8::ffff:1", true},
		{"another network of 64 bits", "2001:db8::1", "2001:db8:0:1::1", false},
		{"the same of two interfaces", "fe80::1%eth0", "fe80::2%eth1", true},
		{"two that are none", "@", "nonsense", true},
		{"one that is none", "", "10.0.0.1", false},
	} {
		f := NewFailures(1, time.Hour, 10)
		_, first := f.Fail(row.a)
		if _, second := f.Fail(row.b); !first || second == row.one {
			t.Errorf("%s: Fail(%q), Fail(%q) = %t, %t, want one bucket: %t", row.says, row.a, row.b, first, second, row.one)
		}
	}
}

func TestManyAddressesNeedNoMoreMemory(t *testing.T) {
	f := NewFailures(1, time.Hour, 100)
	for i := range 10_000 {
		f.Fail(fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	if n := f.buckets.Len(); n != 100 {
		t.Errorf("it knows %d addresses, want 100", n)
	}
	if _, ok := f.Fail("10.0.0.0"); !ok {
		t.Error("an address that was forgotten does not begin anew")
	}
}

func TestBoundsOfFailuresAreAtLeastOne(t *testing.T) {
	f := NewFailures(0, 0, 0)
	if _, ok := f.Fail("10.0.0.1"); !ok {
		t.Error("the first failure has to wait")
	}
}

func TestFailuresAtTheSameTime(t *testing.T) {
	f := NewFailures(10, time.Hour, 10)
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, ok := f.Fail("10.0.0.1"); ok {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 10 {
		t.Errorf("%d of 100 failures passed, want 10", n)
	}
}

func BenchmarkFail(b *testing.B) {
	f := NewFailures(30, time.Minute, 1000)
	addresses := make([]string, 4096)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("2001:db8:%x::1", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f.Fail(addresses[i%len(addresses)])
		i++
	}
}
