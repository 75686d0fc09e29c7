package conns

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestWhichConnectionMakesRoom(t *testing.T) {
	for _, row := range []struct {
		says, have string
		comes      string // from which client
		goes       int    // which of those that were there; -1: none
	}{
		{"there is room", "1p 2p", "3", -1},
		{"the one that waits longest", "1p 2p 3p 4p", "5", 0},
		{"pending before idle", "1i 2k 3p 4a", "5", 2},
		{"idle before known", "1k 2i 3k 4a", "5", 1},
		{"the longest idle", "1a 2i 3i 4i", "5", 1},
		{"known ones at last", "1a 2k 3k 4a", "5", 1},
		{"of the client that has most pending ones", "1p 2p 3p 2p", "5", 1},
		{"of the client that has most idle ones", "1i 2i 3p 2i", "5", 2},
		{"pending before leaving", "1l 2a 3p 4a", "5", 2},
		{"leaving before idle", "1a 2i 3l 4a", "5", 2},
		{"what a client has active is no reason to end its new one", "1p 2p 3a 3p", "5", 0},
		{"the newcomer's own client has most", "1p 2p 2p 2a", "2", 1},
		{"a proxy is not taken for a crowd", "1p 9p 9p 9p", "5", 0},
		{"nor is a unix socket", "1p 0p 0p 0p", "5", 0},
		{"but the oldest goes", "9p 1p 2p 3p", "5", 0},
		{"a client with all that it may have comes in, to be told so", "1a 1a 1a", "1", -1},
	} {
		f := newFixture(Config{Max: 4, MaxPerClient: 3, Exempt: exempt9})
		peers := f.fill(t, row.have)
		nc := f.arrive(t, from(host(row.comes[0])))
		if Over(f.Context(t.Context(), nc)) {
			t.Errorf("%s: Over = true, want the newcomer within its bound", row.says)
		}
		for i, p := range peers {
			if got, want := p.closed.Load() == 1, i == row.goes; got != want {
				t.Errorf("%s: %q, then %s: closed(%d) = %v, want %v", row.says, row.have, row.comes, i, got, want)
			}
		}
		f.checkSums(t)
	}
}

func TestAClientWithAllActiveIsToldSo(t *testing.T) {
	f := newFixture(Config{Max: 20, MaxPerClient: 3, Exempt: exempt9})
	f.fill(t, "1i 1a 1a 1a 1p 2a")
	over := func(nc net.Conn) bool { return Over(f.Context(t.Context(), nc)) }
	fourth := f.arrive(t, from("10.0.0.1"))
	if over(fourth) {
		t.Error("Over = true before there was a request, want false")
	}
	f.bring(t, fourth, 'a')
	other := f.arrive(t, from("10.0.0.2"))
	f.bring(t, other, 'a')
	if !over(fourth) || over(other) {
		t.Errorf("Over = %t and %t, want the fourth of one client flagged and the second of another not", over(fourth), over(other))
	}
	for _, addr := range []string{"10.0.0.9", ""} { // of a proxy, and of a unix socket
		for range 5 {
			nc := f.arrive(t, from(addr))
			f.bring(t, nc, 'a')
			if over(nc) {
				t.Errorf("Over(%q) = true, want no bound", addr)
			}
		}
	}
	if s := f.checkSums(t); s.Over != 1 {
		t.Errorf("Stats = %+v, want 1 over", s)
	}
	f.State(fourth, http.StateIdle)
	f.bring(t, fourth, 'a')
	if s := f.checkSums(t); !over(fourth) || s.Over != 2 {
		t.Errorf("Stats = %+v, want the next request over it flagged as well", s)
	}
}

// One that is flagged makes room, and its place among the active ones is nobody's.
func TestAFlaggedOneTakesNoPlace(t *testing.T) {
	f := newFixture(Config{Max: 3, MaxPerClient: 2})
	peers := f.fill(t, "1a 1a 1a")
	f.arrive(t, from("10.0.0.2"))
	if peers[2].closed.Load() != 1 || peers[0].closed.Load()+peers[1].closed.Load() != 0 {
		t.Error("want the third, which is over the bound, to have made room")
	}
	f.checkSums(t)
}

func TestCloseGivesTheSlotBackOnce(t *testing.T) {
	f := newFixture(Config{Max: 2})
	one, two := from("10.0.0.1"), from("10.0.0.2")
	nc := f.arrive(t, one)
	f.arrive(t, two)
	for range 3 {
		if err := nc.Close(); err != nil {
			t.Errorf("Close = %v, want nothing however often", err)
		}
	}
	f.State(nc, http.StateActive) // too late
	if s := f.checkSums(t); one.closed.Load() != 1 || s.Open != 1 || s.Pending != 1 {
		t.Errorf("Stats = %+v, closed %d times, want one left, one closed once", s, one.closed.Load())
	}
	f.fill(t, "3p 4p") // the second evicts
	if s := f.checkSums(t); two.closed.Load() != 1 || s.Open != 2 || s.Evicted != 1 {
		t.Errorf("Stats = %+v, closed %d times, want one evicted", s, two.closed.Load())
	}
	if len(f.clients) != 2 {
		t.Errorf("%d clients are remembered, want those that are connected", len(f.clients))
	}
}

func TestWhoIsOneClient(t *testing.T) {
	for _, row := range []struct {
		says, one, other string
		same             bool
	}{
		{"two addresses", "10.0.0.1", "10.0.0.2", false},
		{"one address, written in two ways", "10.0.0.1", "::ffff:10.0.0.1", true},
		{"two addresses of one IPv6 net", "2001:db8::1", "2001:db8::ffff:0:0:1", true},
		{"the nets beside each other", "2001:db8::1", "2001:db8:0:1::1", false},
		{"one address through two interfaces", "fe80::1%eth0", "fe80::1%eth1", true},
		{"loopback of both kinds", "127.0.0.1", "::1", false},
	} {
		f := newFixture(Config{MaxPerClient: 1})
		first := from(row.one)
		f.bring(t, f.arrive(t, first), 'a')
		nc := f.arrive(t, from(row.other))
		f.bring(t, nc, 'a')
		if got := Over(f.Context(t.Context(), nc)); got != row.same {
			t.Errorf("%s: %s beside %s is over its bound: %v, want %v", row.says, row.other, row.one, got, row.same)
		}
	}
}

func TestAnExemptAddressIsGivenPlainly(t *testing.T) {
	var asked []netip.Addr
	f := newFixture(Config{MaxPerClient: 1, Exempt: func(a netip.Addr) bool {
		asked = append(asked, a)
		return true
	}})
	f.arrive(t, from("::ffff:10.0.0.9"))
	f.arrive(t, from("fe80::1%eth0"))
	f.arrive(t, from(""))
	want := []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fe80::1")}
	if len(asked) != 2 || asked[0] != want[0] || asked[1] != want[1] {
		t.Errorf("Exempt was asked about %v, want %v", asked, want)
	}
}

func TestAnExemptAddressIsSparedByItsNeighbours(t *testing.T) {
	exempt := netip.MustParseAddr("2001:db8::9")
	f := newFixture(Config{MaxPerClient: 1, Exempt: func(a netip.Addr) bool { return a == exempt }})
	for _, row := range []struct {
		addr string
		over bool
	}{
		{exempt.String(), false}, {exempt.String(), false}, {"2001:db8::1", false}, {"2001:db8::2", true},
		{exempt.String(), false},
	} {
		nc := f.arrive(t, from(row.addr))
		f.bring(t, nc, 'a')
		if got := Over(f.Context(t.Context(), nc)); got != row.over {
			t.Errorf("Over(%s) = %t, want %t", row.addr, got, row.over)
		}
	}
}

func TestHijackedIsActive(t *testing.T) {
	f := newFixture(Config{})
	f.State(f.arrive(t, from("10.0.0.1")), http.StateHijacked)
	if s := f.checkSums(t); s.Active != 1 {
		t.Errorf("Stats = %+v, want one active", s)
	}
}

func TestForeignConnectionsAndContextsAreLeftAlone(t *testing.T) {
	f, other := newFixture(Config{Max: 1}), newFixture(Config{Max: 1})
	nc := other.arrive(t, from("10.0.0.1"))
	f.State(nc, http.StateActive)
	f.State(from("10.0.0.1"), http.StateActive)
	if s := other.checkSums(t); s.Active != 0 || f.checkSums(t).Active != 0 {
		t.Errorf("Stats = %+v, want nothing changed by another's hook", s)
	}
	ctx := f.Context(t.Context(), from("10.0.0.1"))
	Known(ctx)
	if ctx != t.Context() || Over(ctx) {
		t.Error("Context and Over know a connection that is not counted")
	}
}

func TestZeroIsAnyNumber(t *testing.T) {
	f := newFixture(Config{})
	f.fill(t, strings.Repeat("1a ", 500))
	if s := f.checkSums(t); s.Open != 500 || s.Evicted+s.Over != 0 {
		t.Errorf("Stats = %+v, want 500 let in", s)
	}
}

func TestCloseWriteReachesTheSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	nc, err := New(Config{}).Listener(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.(*conn).CloseWrite(); err != nil {
		t.Errorf("CloseWrite = %v", err)
	}
	if n, err := far.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("Read = %d, %v, want the end", n, err)
	}
	if err := (&conn{Conn: from("")}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite = %v, want it unsupported", err)
	}
}
