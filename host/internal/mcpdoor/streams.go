package mcpdoor

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"
)

// What a stream says when nothing else is to be said.
const (
	// heartbeat is how often a stream shows that it lives, so that a client that is gone is noticed when nothing
	// happens, and nobody on the way takes it for dead.
	heartbeat = 15 * time.Second
	// patience is how long a client of a request waits without a word, before its answer becomes a stream.
	patience = 10 * time.Second

	// brief is how long a write that nobody waits for any more may still take, before its connection is given up.
	brief = 100 * time.Millisecond
)

const eventStream = "text/event-stream"

// takesStream reports whether a client takes server-sent events, and the writer can send them.
func takesStream(w http.ResponseWriter, r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	_, flushes := w.(http.Flusher)
	return flushes && (strings.Contains(accept, eventStream) || strings.Contains(accept, "*/*"))
}

// exchange is what one request of HTTP is answered with: one JSON text, or a stream of server-sent events if something
// goes before it. Comments keep a stream alive: a ping of MCP would have to be answered by a request each time, with a
// credential, that nobody reads.
//
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
type exchange struct {
	w       http.ResponseWriter
	streams bool          // events can be sent
	left    chan struct{} // closed by leave: nobody writes or waits any more
	once    sync.Once     // of closing it

	// turn holds one while somebody writes, as an event is written at once, and guards what follows; never closed. It
	// is no mutex, so that who waits for it can give up.
	turn  chan struct{}
	began bool // the status is written, and is that of a stream
	gone  bool // the request of HTTP has ended: nothing may be written any more
}

var _ sink = (*exchange)(nil)

func newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	return &exchange{w: w, streams: takesStream(w, r), left: make(chan struct{}), turn: make(chan struct{}, 1)}
}

// stream begins a stream, if it has not begun.
func (x *exchange) stream() error { return x.write(nil, nil) }

// send writes one message as an event. How long it may take is the business of who bounds writes, as long as somebody
// waits for it.
func (x *exchange) send(giveUp <-chan struct{}, line []byte) error {
	return x.write(giveUp, event(line))
}

func (x *exchange) comment(giveUp <-chan struct{}) error {
	return x.write(giveUp, []byte(": alive\n\n"))
}

// write writes a piece of the stream when it is its turn. It gives up when giveUp is closed, or the exchange is left:
// in the middle of a piece too, which is the end of the connection.
func (x *exchange) write(giveUp <-chan struct{}, piece []byte) error {
	select {
	case x.turn <- struct{}{}:
	case <-giveUp:
		return errGone
	case <-x.left:
		return errGone
	}
	defer func() { <-x.turn }()
	defer x.hurry(giveUp)()
	return x.writeLocked(piece)
}

// hurry makes a write fail that blocks when nobody waits for it any more. Who reads has taken it long before. What
// bounds writes sets deadlines of its own, between the pieces too, so that one word is not enough. stop is called when
// the write has ended.
func (x *exchange) hurry(giveUp <-chan struct{}) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-done:
			return
		case <-giveUp:
		case <-x.left:
		}
		rc, tick := http.NewResponseController(x.w), time.NewTicker(brief)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = rc.SetWriteDeadline(time.Now()) // a writer without deadlines is not reached over a network
			case <-done:
				_ = rc.SetWriteDeadline(time.Time{}) // of a write that succeeded; else nothing can be written any more
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func event(line []byte) []byte {
	const before, after = "event: message\ndata: ", "\n\n"
	b := make([]byte, 0, len(before)+len(line)+len(after))
	b = append(b, before...)
	b = append(b, bytes.TrimSuffix(line, []byte{'\n'})...)
	return append(b, after...)
}

// writeLocked writes a piece of the stream, and begins it before.
func (x *exchange) writeLocked(piece []byte) error {
	switch {
	case x.gone:
		return errGone
	case !x.streams:
		return errNoStream
	case !x.began:
		x.began = true
		h := x.w.Header()
		h.Set("Content-Type", eventStream)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // or nginx collects events before it passes them on
		x.w.WriteHeader(http.StatusOK)
	}
	if len(piece) > 0 {
		if _, err := x.w.Write(piece); err != nil {
			return err
		}
	}
	return http.NewResponseController(x.w).Flush()
}

// answer ends the exchange with an answer; status is for one that is no stream.
func (x *exchange) answer(status int, line []byte) {
	x.answerWith(status, line, "", "")
}

// answerWith is answer with a header, if a header can still be sent; an empty name: none.
func (x *exchange) answerWith(status int, line []byte, name, value string) {
	x.turn <- struct{}{}
	defer func() { <-x.turn }()
	switch {
	case x.gone:
	case x.began:
		_ = x.writeLocked(event(line)) // a client that is gone needs no answer
	default:
		if name != "" {
			x.w.Header().Set(name, value)
		}
		writeJSON(x.w, status, line)
	}
	x.gone = true
}

// silent ends the exchange of a request that its client has withdrawn: an empty stream where the client takes one, as
// no answer is owed, and else the answer that HTTP cannot be without.
func (x *exchange) silent(line []byte) {
	if x.streams && x.stream() == nil {
		x.leave()
		return
	}
	x.answer(http.StatusOK, line)
}

// leave ends the exchange as it is, and what is being written.
func (x *exchange) leave() {
	x.once.Do(func() { close(x.left) })
	x.turn <- struct{}{}
	defer func() { <-x.turn }()
	x.gone = true
}

func writeJSON(w http.ResponseWriter, status int, line []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(line) // a client that is gone needs no answer
}
