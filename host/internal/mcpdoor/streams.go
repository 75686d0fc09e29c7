package mcpdoor

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// heartbeat is how often a stream shows that it lives, so that a client that is gone is noticed when nothing happens.
const heartbeat = 15 * time.Second

// listen serves a stream of a session, until the client goes or the session ends. mcp-go leaves the streams of a
// session open that has ended, and tells them nothing: their clients would not learn that they are to come back.
func (h *HTTP) listen(o *owned, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(o.ended, cancel)()
	if _, ok := w.(http.Flusher); !ok {
		h.server.ServeHTTP(w, r) // which refuses a writer that cannot flush
		return
	}
	s := &stream{ResponseWriter: w, pause: h.heartbeat}
	var beats sync.WaitGroup
	beats.Go(func() { s.beat(ctx, cancel) })
	h.server.ServeHTTP(s, r.WithContext(ctx))
	cancel()
	beats.Wait() // nobody may write when the handler has returned
}

// stream is a stream of server-sent events with a heartbeat. It is a comment: the ping that mcp-go would send has
// to be answered by a request each time, with a credential, that nobody reads.
//
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
type stream struct {
	http.ResponseWriter
	pause time.Duration // between two comments

	mu    sync.Mutex // held for each write: mcp-go writes an event at once
	began bool       // the status is written
}

var _ http.Flusher = (*stream)(nil)

// beat writes a comment now and then until ctx ends, which a failure does.
func (s *stream) beat(ctx context.Context, cancel context.CancelFunc) {
	tick := time.NewTicker(s.pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.comment(); err != nil {
				cancel()
				return
			}
		}
	}
}

func (s *stream) comment() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began {
		return nil
	}
	if _, err := s.ResponseWriter.Write([]byte(": alive\n\n")); err != nil {
		return err
	}
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// WriteHeader implements [http.ResponseWriter].
func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = true
	s.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = true
	return s.ResponseWriter.Write(p)
}

// Flush implements [http.Flusher].
func (s *stream) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = http.NewResponseController(s.ResponseWriter).Flush() // the next write has the error
}

// Unwrap is for [http.NewResponseController].
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }
