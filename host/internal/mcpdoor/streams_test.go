package mcpdoor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
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
			one, other, bobs := listening(t, h, "alice", session), listening(t, h, "alice", session),
				listening(t, h, "bob", bob)
			end(t, h, session)
			synctest.Wait()
			if one.open() || other.open() {
				t.Errorf("%s: streams are open = %t, %t, want none", says, one.open(), other.open())
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

func TestASessionOutlivesTheNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBed(t, entry("ATool")).HTTP()
		session, silent := openSession(t, h, "alice"), openSession(t, h, "alice")
		stream := listening(t, h, "alice", session)
		<-time.After(24 * time.Hour)
		if !stream.open() {
			t.Error("the stream has ended in the night, want it open")
		}
		for _, id := range []string{session, silent} {
			if w := ask(t, h, "alice", http.MethodPost, id, listBody); w.Code != http.StatusOK {
				t.Errorf("a session = %d in the morning, want 200", w.Code)
			}
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
		const alive, told = ": alive\n\n", "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":" +
			"\"notifications/tools/list_changed\"}\n\n"
		if got, want := stream.text(), alive+alive+told+alive; got != want {
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
	h.heartbeat = time.Millisecond
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
