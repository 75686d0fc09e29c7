package httpdoor

import (
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// streamRetry is when it is worth trying again to open one.
const streamRetry = 10 * time.Second

// streams counts the streams that stay open, of each client.
type streams struct {
	most int // of one client; 0: any number

	mu   sync.Mutex
	open map[string]int // client -> streams; only of those that have any
}

// enter takes a place for a client, which leave gives back.
func (s *streams) enter(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > 0 && s.open[client] >= s.most {
		return false
	}
	s.open[client]++
	return true
}

func (s *streams) leave(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[client]--; s.open[client] <= 0 {
		delete(s.open, client)
	}
}

// stream is counted for a handler that stays open on GET.
func (d *Door) stream(next http.HandlerFunc) http.HandlerFunc {
	open := d.counted(next)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			next(w, r)
			return
		}
		open(w, r)
	}
}

// counted lets a client have only so many streams of a handler that stays open.
func (d *Door) counted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		visitOf(r).listens = true
		client := origin.From(r.Context()).Client
		if !d.streams.enter(client) {
			e := tool.Errorf(tool.KindRateLimited, "the client %s has %d streams open already", client, d.streams.most).
				Suggest("end another stream first; the operator can raise server.max_streams_per_client").
				With("limit_streams", d.streams.most)
			e.RetryAfter = streamRetry
			d.refuse(w, r, http.StatusTooManyRequests, e)
			return
		}
		defer d.streams.leave(client)
		next(w, r)
	}
}
