package mcpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// reader is a client of a stream.
type reader struct {
	*httptest.ResponseRecorder
	ended chan struct{} // closed with the stream

	mu   sync.Mutex
	gone bool // nothing can be written any more
	sent strings.Builder
	read string // of what is sent what was flushed
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return 0, errors.New("the client is gone")
	}
	return r.sent.Write(p)
}

func (r *reader) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = r.sent.String()
}

func (r *reader) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
}

func (r *reader) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

func (r *reader) open() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// listening opens the stream of a session, within a bubble. It ends with the test.
func listening(t *testing.T, h *HTTP, client, session string) *reader {
	t.Helper()
	r := &reader{ResponseRecorder: httptest.NewRecorder(), ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		h.ServeHTTP(r, requestOf(t, client, http.MethodGet, session, ""))
	}()
	synctest.Wait()
	if !r.open() {
		t.Fatalf("GET of %s = %d, want a stream", session, r.Code)
	}
	return r
}

// A stream that stays open when its session has ended is deaf, and its client would not know.
func TestTheStreamsOfASessionEndWithIt(t *testing.T) {
	for says, end := range map[string]func(t *testing.T, h *HTTP, session string){
		"its client ends it": func(t *testing.T, h *HTTP, session string) {
			if w := ask(t, h, "alice", http.MethodDelete, session, ""); w.Code != http.StatusOK {
				t.Errorf("DELETE = %d, want 200", w.Code)
			}
		},
		"the client opens too many that listen": func(t *testing.T, h *HTTP, _ string) {
			for range maxSessionsPerClient {
				listening(t, h, "alice", openSession(t, h, "alice"))
			}
		},
		"the door closes": func(t *testing.T, h *HTTP, _ string) { h.CloseSessions(t.Context()) },
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newBed(t, entry("ATool")).HTTP()
			session := openSession(t, h, "alice")
			bob := openSession(t, h, "bob")
			one, bobs := listening(t, h, "alice", session), listening(t, h, "bob", bob)
			end(t, h, session)
			synctest.Wait()
			if one.open() {
				t.Errorf("%s: the stream is open, want it ended", says)
			}
			if want := says != "the door closes"; bobs.open() != want {
				t.Errorf("%s: the stream of another is open = %t, want %t", says, !want, want)
			}
			if w := ask(t, h, "alice", http.MethodPost, session, listBody); w.Code != http.StatusNotFound {
				t.Errorf("%s: the session = %d, want 404", says, w.Code)
			}
		})
	}
}

func TestAnEndpointThatEndsHasNoStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBed(t, entry("ATool")).HTTP()
		h.CloseSessions(t.Context())
		session := openSession(t, h, "alice")
		if w := ask(t, h, "alice", http.MethodGet, session, ""); w.Code != http.StatusOK || w.Body.Len() > 0 {
			t.Errorf("GET = %d %s, want an empty stream", w.Code, w.Body)
		}
	})
}

// What a session is told goes out on one stream: a second would take half of it.
func TestASessionHasOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBed(t, entry("ATool")).HTTP()
		session := openSession(t, h, "alice")
		stream := listening(t, h, "alice", session)
		w := ask(t, h, "alice", http.MethodGet, session, "")
		if checkFault(t, "a second GET", w.Body.Bytes(), -32600); w.Code != http.StatusConflict || !stream.open() {
			t.Errorf("a second GET = %d, the first is open: %t; want 409 and true", w.Code, stream.open())
		}
		stream.leave()
		<-stream.ended
		listening(t, h, "alice", session)
		h.CloseSessions(t.Context())
	})
}

// A session that listens is in use: those that do nothing go first, whatever their age.
func TestASessionThatListensIsNotTheFirstToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBed(t, entry("ATool")).HTTP()
		session := openSession(t, h, "alice")
		stream := listening(t, h, "alice", session)
		for range 3 * maxSessionsPerClient {
			openSession(t, h, "alice")
		}
		synctest.Wait()
		if w := ask(t, h, "alice", http.MethodPost, session, listBody); w.Code != http.StatusOK || !stream.open() {
			t.Errorf("the session = %d, its stream is open = %t, want 200 and true", w.Code, stream.open())
		}
	})
}

func TestASessionOutlivesTheNightAndWhatNobodyUsesADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBed(t, entry("ATool")).HTTP()
		session, silent := openSession(t, h, "alice"), openSession(t, h, "alice")
		stream := listening(t, h, "alice", session)
		<-time.After(12 * time.Hour)
		if !stream.open() {
			t.Error("the stream has ended in the night, want it open")
		}
		for _, id := range []string{session, silent} {
			if w := ask(t, h, "alice", http.MethodPost, id, listBody); w.Code != http.StatusOK {
				t.Errorf("a session = %d in the morning, want 200", w.Code)
			}
		}
		forgotten := openSession(t, h, "alice")
		<-time.After(sessionIdle + sessionIdle/24)
		for id, want := range map[string]int{session: 200, silent: 404, forgotten: 404} {
			if w := ask(t, h, "alice", http.MethodPost, id, listBody); w.Code != want {
				t.Errorf("a session = %d a day later, want %d", w.Code, want)
			}
		}
		if err := h.Close(t.Context()); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	})
}

// The end of a session is no cancellation of a call.
func TestACallOfASessionThatEndsHasItsAnswer(t *testing.T) {
	for says, end := range map[string]func(t *testing.T, h *HTTP, session string){
		"its client ends it": func(t *testing.T, h *HTTP, session string) {
			ask(t, h, "alice", http.MethodDelete, session, "")
		},
		"the client opens too many that listen": func(t *testing.T, h *HTTP, _ string) {
			for range maxSessionsPerClient {
				listening(t, h, "alice", openSession(t, h, "alice"))
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, entry("ATool"))
			h, release := b.HTTP(), make(chan struct{}) // closed when the call may end
			b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
				select {
				case <-release:
					return tool.Result{Stdout: "scanned"}, nil
				case <-ctx.Done():
					return tool.Result{}, ctx.Err()
				}
			}
			session := openSession(t, h, "alice")
			answer := make(chan *httptest.ResponseRecorder) // gets the answer
			go func() {
				answer <- ask(t, h, "alice", http.MethodPost, session,
					`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"ATool"}}`)
			}()
			synctest.Wait()
			end(t, h, session)
			close(release)
			if w := <-answer; w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "scanned") {
				t.Errorf("%s: the call = %d %s, want its result", says, w.Code, w.Body)
			}
			if w := ask(t, h, "alice", http.MethodPost, session, listBody); w.Code != http.StatusNotFound {
				t.Errorf("%s: the session = %d, want 404", says, w.Code)
			}
		})
	}
}

func TestAStreamShowsThatItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		h := b.HTTP()
		stream := listening(t, h, "alice", openSession(t, h, "alice"))
		<-time.After(2*heartbeat + 1)
		b.offer(entry("BTool"))
		b.Refresh()
		<-time.After(heartbeat)
		const alive = ": alive\n\n"
		told := func(list string) string {
			return `event: message` + "\n" + `data: {"jsonrpc":"2.0","method":"notifications/` + list + `/list_changed"}` + "\n\n"
		}
		// what the host says of each tool changes with them
		if got, want := stream.text(), alive+alive+told("tools")+told("resources")+alive; got != want {
			t.Errorf("the stream = %q, want %q", got, want)
		}
	})
}

// A client that has gone without a word is noticed at the next heartbeat.
func TestAStreamThatNobodyReadsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBed(t, entry("ATool")).HTTP()
		session := openSession(t, h, "alice")
		stream := listening(t, h, "alice", session)
		stream.leave()
		start := time.Now()
		<-stream.ended
		if d := time.Since(start); d > heartbeat {
			t.Errorf("the stream ends after %v, want it within %v", d, heartbeat)
		}
		if w := ask(t, h, "alice", http.MethodPost, session, listBody); w.Code != http.StatusOK {
			t.Errorf("the session = %d, want 200: its client may come back", w.Code)
		}
		for range maxSessionsPerClient {
			openSession(t, h, "alice")
		}
		if w := ask(t, h, "alice", http.MethodPost, session, listBody); w.Code != http.StatusNotFound {
			t.Errorf("the session = %d, want 404: it is in use no longer", w.Code)
		}
	})
}

// unflushable is a writer that keeps what it is given until the end.
type unflushable struct{ http.ResponseWriter }

func TestAStreamThatCannotFlushIsRefused(t *testing.T) {
	h := newBed(t, entry("ATool")).HTTP()
	w := httptest.NewRecorder()
	h.ServeHTTP(unflushable{w}, requestOf(t, "alice", http.MethodGet, openSession(t, h, "alice"), ""))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET = %d, want 405", w.Code)
	}
}

// beats counts heartbeats.
type beats struct {
	http.ResponseWriter
	seen chan struct{} // gets one for each heartbeat; full: the rest is dropped
}

func (b beats) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), ":") {
		select {
		case b.seen <- struct{}{}:
		default:
		}
	}
	return b.ResponseWriter.Write(p)
}

func (b beats) Flush() { _ = http.NewResponseController(b.ResponseWriter).Flush() }

func TestTheOfficialClientTakesHeartbeats(t *testing.T) {
	b, seen := newBed(t, entry("ATool")), make(chan struct{}, 10)
	h := b.HTTP()
	h.beat, h.patience = time.Millisecond, time.Millisecond
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(beats{w, seen}, r.WithContext(origin.With(r.Context(), origin.Origin{Client: "ci"})))
	}))
	changed := make(chan struct{}, 10)
	s := connect(t, &sdk.StreamableClientTransport{Endpoint: srv.URL, HTTPClient: srv.Client(), MaxRetries: -1},
		&sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {
			changed <- struct{}{}
		}})
	t.Cleanup(func() {
		_ = s.Close()
		h.CloseSessions(context.WithoutCancel(t.Context()))
		srv.Close()
	})
	for range 3 {
		<-seen
	}
	b.offer(entry("BTool"))
	b.Refresh()
	<-changed
}

// stalled is a client that does not read: what is flushed to it blocks until its deadline.
type stalled struct {
	*httptest.ResponseRecorder
	late chan struct{} // closed when a deadline has passed
	once sync.Once

	mu       sync.Mutex
	deadline time.Time // the last that was set
}

func newStalled() *stalled {
	return &stalled{ResponseRecorder: httptest.NewRecorder(), late: make(chan struct{})}
}

func (s *stalled) FlushError() error {
	<-s.late
	return os.ErrDeadlineExceeded
}

func (s *stalled) Flush() { _ = s.FlushError() }

func (s *stalled) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deadline = t; !t.IsZero() && !t.After(time.Now()) {
		s.once.Do(func() { close(s.late) })
	}
	return nil
}

// patient is one that reads at once.
type patient struct{ *stalled }

func (patient) FlushError() error { return nil }

func TestAWriteEndsWhenNobodyWaitsForIt(t *testing.T) {
	for says, end := range map[string]func(x *exchange, giveUp chan struct{}){
		"who waits gives up":   func(_ *exchange, giveUp chan struct{}) { close(giveUp) },
		"the exchange is left": func(x *exchange, _ chan struct{}) { go x.leave() },
	} {
		synctest.Test(t, func(t *testing.T) {
			x, giveUp := newExchange(newStalled(), requestOf(t, "alice", http.MethodPost, "", "")), make(chan struct{})
			failed := make(chan error, 2)
			for range 2 { // one that writes, and one that waits for its turn
				go func() { failed <- x.send(giveUp, []byte("{}\n")) }()
			}
			synctest.Wait()
			<-time.After(time.Hour)
			if len(failed) > 0 {
				t.Fatalf("%s: send = %v before", says, <-failed)
			}
			start := time.Now()
			end(x, giveUp)
			for range 2 {
				if err := <-failed; err == nil {
					t.Errorf("%s: send = nil, want an error", says)
				}
			}
			if d := time.Since(start); d > brief {
				t.Errorf("%s: send ended after %v, want %v", says, d, brief)
			}
			x.leave()
			if err := x.send(nil, nil); !errors.Is(err, errGone) {
				t.Errorf("%s: send afterwards = %v, want %v", says, err, errGone)
			}
		})
	}
}

// Who waits behind a write that others still wait for ends no connection by giving up.
func TestWhoGivesUpItsTurnEndsNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, giveUp := newStalled(), make(chan struct{})
		x := newExchange(slow, requestOf(t, "alice", http.MethodPost, "", ""))
		written, failed := make(chan error, 1), make(chan error, 1)
		go func() { written <- x.comment(nil) }()
		synctest.Wait()
		go func() { failed <- x.send(giveUp, []byte("{}\n")) }()
		synctest.Wait()
		close(giveUp)
		synctest.Wait()
		select {
		case err := <-failed:
			if !errors.Is(err, errGone) {
				t.Errorf("send = %v, want %v", err, errGone)
			}
		default:
			t.Error("send waits on, and nobody waits for it")
		}
		<-time.After(time.Hour)
		if len(written) > 0 {
			t.Errorf("the write before it = %v, want it to go on", <-written)
		}
		x.leave()
		<-written
	})
}

// A client that reads does not lose its connection because somebody gives up.
func TestAWriteThatSucceedsKeepsNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := patient{newStalled()}
		x := newExchange(slow, requestOf(t, "alice", http.MethodPost, "", ""))
		giveUp := make(chan struct{})
		close(giveUp)
		stop := x.hurry(giveUp)
		<-time.After(brief + 1)
		stop()
		if slow.deadline != (time.Time{}) {
			t.Errorf("the deadline is %v, want none", slow.deadline)
		}
	})
}

// What a client may not do any more ends with its right to it.
func TestARequestOfWhoHasLostItsCredentialIsCancelled(t *testing.T) {
	for _, row := range []struct {
		says     string
		modern   bool
		streamed bool // something went before
	}{{"in a session", false, false}, {"in a session, on a stream", false, true}, {"stateless", true, false}} {
		synctest.Test(t, func(t *testing.T) {
			u := newUntil()
			b := newBed(t, entry("ATool"))
			b.caller.call = u.call
			h := b.HTTP()
			session := openSession(t, h, "alice")
			p := (*posting)(nil)
			if row.modern {
				p = postModern(t, h, "alice", "tools/call", "ATool", modernCall("1", "scan", "{}", ""))
			} else {
				p = post(t, h, "alice", session, callBody("1", "scan"))
			}
			if row.streamed {
				<-time.After(patience + 1)
			}
			p.expel()
			<-u.ended
			<-p.ended
			want := "[1: error -32000]"
			if row.streamed {
				want = "[: alive 1: error -32000]"
			}
			if got := fmt.Sprint(p.messages(t)); got != want || (p.Code == http.StatusUnauthorized) == row.streamed {
				t.Errorf("%s: %d %s, want %s", row.says, p.Code, got, want)
			}
			if h.count > 0 {
				t.Errorf("%s: it goes on without its client", row.says)
			}
		})
	}
}

func TestASubscriptionOfWhoHasLostItsCredentialIsToldWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		p := postModern(t, b.HTTP(), "alice", "subscriptions/listen", "", listenBody("1", `{"toolsListChanged":true}`))
		p.expel()
		<-p.ended
		if got := fmt.Sprint(p.messages(t)); got != "[notifications/subscriptions/acknowledged 1: error -32000]" {
			t.Errorf("the stream = %s", got)
		}
	})
}

// Who waits for an execution learns at once that the host ends, and does not hold it up.
func TestWhatOnlyWaitsDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUntil()
		b := newBed(t, entry("ATool"), entry(waitTool))
		b.caller.call = u.call
		h := b.HTTP()
		session := openSession(t, h, "alice")
		scan := post(t, h, "alice", session, callBody("1", "scan"))
		wait := post(t, h, "alice", session, strings.Replace(callBody("2", "wait"), "ATool", waitTool, 1))
		h.CloseSessions(t.Context())
		<-wait.ended
		if got := <-u.ended; got != "wait" || fmt.Sprint(wait.messages(t)) != "[2: result]" {
			t.Errorf("%s has ended with %v, want what waits, with an answer", got, wait.messages(t))
		}
		if !scan.open() {
			t.Error("a call ends when the endpoint begins to end, want it to have its time")
		}
		close(u.free)
		<-scan.ended
	})
}
