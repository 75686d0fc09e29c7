package conns

import (
	"net"
	"net/http"
	"testing"

	"golang.org/x/net/netutil"
)

// endless is a listener to which the same peer comes for ever.
type endless struct{ p *peer }

func (e endless) Accept() (net.Conn, error) { return e.p, nil }
func (e endless) Close() error              { return nil }
func (e endless) Addr() net.Addr            { return &net.TCPAddr{} }

func BenchmarkAcceptAndClose(b *testing.B) {
	inner := endless{from("10.0.0.1")}
	b.Run("netutil", func(b *testing.B) { acceptAndClose(b, netutil.LimitListener(inner, 100), nil) })
	b.Run("empty", func(b *testing.B) {
		acceptAndClose(b, New(Config{Max: 100, MaxPerClient: 50}).Listener(inner), nil)
	})
	for name, size := range map[string]int{"full100": 100, "full1000": 1000} {
		full := New(Config{Max: size})
		l := full.Listener(inner)
		for range size {
			_, _ = l.Accept()
		}
		b.Run(name, func(b *testing.B) { acceptAndClose(b, l, l) })
	}
}

// acceptAndClose accepts and closes, or accepts again in its place.
func acceptAndClose(b *testing.B, l, again net.Listener) {
	b.ReportAllocs()
	for b.Loop() {
		nc, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		if again == nil {
			_ = nc.Close()
		}
	}
}

// What a request adds: two changes of state and a credential.
func BenchmarkRequest(b *testing.B) {
	cs := New(Config{Max: 100})
	nc, err := cs.Listener(endless{from("10.0.0.1")}).Accept()
	if err != nil {
		b.Fatal(err)
	}
	ctx := cs.Context(b.Context(), nc)
	b.ReportAllocs()
	for b.Loop() {
		cs.State(nc, http.StateActive)
		Known(ctx)
		cs.State(nc, http.StateIdle)
	}
}
