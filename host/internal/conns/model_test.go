package conns

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// modelled is a connection as the rules have it.
type modelled struct {
	nc     net.Conn
	peer   *peer
	client byte
	state  state
	known  bool
	over   bool
	since  int
}

// model says by the plainest means what must happen.
type model struct {
	*fixture
	t       *testing.T
	rnd     *rand.Rand
	open    []*modelled
	step    int
	evicted int
	over    int
}

// Whatever happens in whatever order, the slots add up, and the right one makes room.
func TestTheRulesHoldForRandomConnections(t *testing.T) {
	var evicted, over uint64
	for seed := range uint64(40) {
		cfg := Config{Max: 8, MaxPerClient: 3, Exempt: exempt9}
		m := &model{fixture: newFixture(cfg), t: t, rnd: rand.New(rand.NewPCG(seed, 0))}
		for m.step = range 500 {
			m.act()
			if t.Failed() {
				t.Fatalf("with seed %d, at step %d", seed, m.step)
			}
		}
		for _, o := range m.open {
			_ = o.nc.Close()
		}
		s := m.checkSums(t)
		if s.Open != 0 || len(m.clients) != 0 {
			t.Errorf("seed %d: Stats = %+v, want all closed in the end", seed, s)
		}
		evicted, over = evicted+s.Evicted, over+s.Over
	}
	if evicted < 1000 || over < 30 {
		t.Errorf("%d were evicted and %d over their bound, want more tried", evicted, over)
	}
}

func (m *model) act() {
	if len(m.open) == 0 || m.rnd.IntN(3) == 0 {
		m.accept("0112349"[m.rnd.IntN(7)])
	} else {
		m.touch(m.open[m.rnd.IntN(len(m.open))])
	}
	s := m.checkSums(m.t)
	if s.Open != len(m.open) || s.Evicted != uint64(m.evicted) || s.Over != uint64(m.over) || s.Pending != m.count(func(o *modelled) bool {
		return o.state == pending
	}) {
		m.t.Errorf("Stats = %+v, want %d open, %d evicted", s, len(m.open), m.evicted)
	}
}

// touch lets something happen to a connection.
func (m *model) touch(o *modelled) {
	was := o.state
	switch m.rnd.IntN(8) {
	case 0:
		_ = o.nc.Close()
		m.open = slices.DeleteFunc(m.open, func(other *modelled) bool { return other == o })
		return
	case 1:
		Known(m.Context(m.t.Context(), o.nc))
		o.known = true
	case 2, 3, 4, 5:
		m.activate(o)
		return
	default:
		if o.state == active { // net/http has no other way there
			m.State(o.nc, http.StateIdle)
			o.state, o.over = idle, false
		}
	}
	if o.state != was {
		o.since = m.step
	}
}

// activate lets a request come.
func (m *model) activate(o *modelled) {
	if o.state == active { // net/http says so once for each request
		return
	}
	m.State(o.nc, http.StateActive)
	taken := m.count(func(other *modelled) bool {
		return other.client == o.client && other.state == active && !other.over
	})
	o.over = o.client != '0' && o.client != '9' && taken >= m.cfg.MaxPerClient
	o.state, o.since = active, m.step
	if o.over {
		m.over++
	}
	if got := Over(m.Context(m.t.Context(), o.nc)); got != o.over {
		m.t.Errorf("Over = %v, want %v", got, o.over)
	}
}

func (m *model) count(which func(*modelled) bool) int {
	n := 0
	for _, o := range m.open {
		if which(o) {
			n++
		}
	}
	return n
}

// accept lets a client come and holds what follows against the rules.
func (m *model) accept(client byte) {
	goes := (*modelled)(nil)
	if len(m.open) >= m.cfg.Max {
		if goes = m.first(); goes == nil {
			return // it would wait: there is a test of its own for that
		}
	}
	p := from(host(client))
	nc := m.arrive(m.t, p)
	for _, o := range m.open {
		if got, want := o.peer.closed.Load(), o == goes; got == 1 != want {
			m.t.Errorf("closed %+v %d times, want it closed: %v", o, got, want)
		}
	}
	if goes != nil {
		m.evicted++
		m.open = slices.DeleteFunc(m.open, func(o *modelled) bool { return o == goes })
	}
	m.open = append(m.open, &modelled{nc: nc, peer: p, client: client, since: m.step})
}

// first is the one that makes room: pending, over its bound, unknown, in the larger crowd, waiting longer.
func (m *model) first() *modelled {
	var candidates []*modelled
	for _, o := range m.open {
		if o.state != active || o.over {
			candidates = append(candidates, o)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	crowd := func(o *modelled) int {
		if o.client == '0' || o.client == '9' {
			return 1
		}
		return m.count(func(other *modelled) bool { return other.client == o.client && other.state == o.state })
	}
	worth := func(o *modelled) int {
		switch {
		case o.state == pending:
			return 0
		case o.over:
			return 1
		case !o.known:
			return 2
		}
		return 3
	}
	return slices.MinFunc(candidates, func(a, b *modelled) int {
		return cmp.Or(cmp.Compare(worth(a), worth(b)), cmp.Compare(crowd(b), crowd(a)),
			cmp.Compare(a.since, b.since))
	})
}

// Everything at once, for the race detector; in the end every slot is free.
func TestManyAtOnce(t *testing.T) {
	f := newFixture(Config{Max: 6, MaxPerClient: 3, Exempt: exempt9})
	var users sync.WaitGroup
	var acceptors sync.WaitGroup
	for range 3 {
		acceptors.Go(func() {
			for {
				nc, err := f.l.Accept()
				if err != nil {
					return
				}
				users.Go(func() { use(t, f, nc) })
			}
		})
	}
	for i := range 3000 {
		f.feed <- from(host("0112349"[i%7]))
		_ = f.Stats()
	}
	if err := f.l.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	acceptors.Wait()
	users.Wait()
	if s := f.checkSums(t); s.Open != 0 || s.Evicted == 0 {
		t.Errorf("Stats = %+v, want all closed, and some to have made room", s)
	}
}

// use does with a connection what a server does.
func use(t *testing.T, f *fixture, nc net.Conn) {
	ctx := f.Context(t.Context(), nc)
	for range 2 {
		f.State(nc, http.StateActive)
		Known(ctx)
		_ = Over(ctx)
		f.State(nc, http.StateIdle)
	}
	_ = nc.Close()
	f.State(nc, http.StateClosed)
}
