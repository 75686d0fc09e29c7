package mcpdoor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
)

const initializeBody = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
	`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// requestOf is a message of a client as it comes from a door that knows the client.
func requestOf(t testing.TB, client, method, session, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set(server.HeaderKeySessionID, session)
	}
	return r.WithContext(origin.With(r.Context(), origin.Origin{Client: client, Door: origin.REST}))
}

// ask sends a message of a client to an endpoint.
func ask(t testing.TB, h *HTTP, client, method, session, body string) *httptest.ResponseRecorder {
	t.Helper()
	r, w := requestOf(t, client, method, session, body), httptest.NewRecorder()
	if !h.Knows(r) {
		w.Code = http.StatusNotFound
		return w
	}
	h.ServeHTTP(w, r)
	return w
}

func openSession(t testing.TB, h *HTTP, client string) string {
	t.Helper()
	w := ask(t, h, client, http.MethodPost, "", initializeBody)
	id := w.Header().Get(server.HeaderKeySessionID)
	if w.Code != http.StatusOK || id == "" {
		t.Fatalf("initialize of %s = %d %s, want a session", client, w.Code, w.Body)
	}
	return id
}

const listBody = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`

func TestASessionIsOfTheClientThatOpenedIt(t *testing.T) {
	h := newBed(t, entry("ATool")).HTTP()
	alice := openSession(t, h, "alice")
	for _, row := range []struct {
		says, client, method, session string
		status                        int
	}{
		{"its own client", "alice", http.MethodPost, alice, 200},
		{"another client that knows the id", "bob", http.MethodPost, alice, 404},
		{"one that would end it", "bob", http.MethodDelete, alice, 404},
		{"one that would take its stream over", "bob", http.MethodGet, alice, 404},
		{"an id that nobody opened", "alice", http.MethodGet, "mcp-session-00000000-0000-4000-8000-000000000000", 404},
		{"a stream of no session", "alice", http.MethodGet, "", 404},
		{"its own client, still", "alice", http.MethodPost, alice, 200},
		{"its own client, at the end", "alice", http.MethodDelete, alice, 200},
		{"its own client, afterwards", "alice", http.MethodPost, alice, 404},
	} {
		if w := ask(t, h, row.client, row.method, row.session, listBody); w.Code != row.status {
			t.Errorf("%s: %s = %d %s, want %d", row.says, row.method, w.Code, w.Body, row.status)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
}

// Two headers are two answers to the question whose session it is.
func TestTwoSessionsAreNone(t *testing.T) {
	h := newBed(t, entry("ATool")).HTTP()
	id := openSession(t, h, "alice")
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/mcp", strings.NewReader(listBody))
	r.Header[server.HeaderKeySessionID] = []string{id, id}
	r = r.WithContext(origin.With(r.Context(), origin.Origin{Client: "alice"}))
	if h.Knows(r) {
		t.Error("Knows(two ids) = true, want false")
	}
}

// A client that opens sessions without end ends its own oldest ones, and nobody else's.
func TestSessionsAreBounded(t *testing.T) {
	h := newBed(t, entry("ATool")).HTTP()
	bob := openSession(t, h, "bob")
	first := openSession(t, h, "alice")
	var last string
	for range 3 * maxSessionsPerClient {
		last = openSession(t, h, "alice")
	}
	for session, row := range map[string]struct {
		client string
		status int
	}{first: {"alice", 404}, last: {"alice", 200}, bob: {"bob", 200}} {
		if w := ask(t, h, row.client, http.MethodPost, session, listBody); w.Code != row.status {
			t.Errorf("a session of %s = %d, want %d", row.client, w.Code, row.status)
		}
	}
	if n := h.sessions.all.Len(); n != maxSessionsPerClient+1 {
		t.Errorf("%d sessions are kept, want %d", n, maxSessionsPerClient+1)
	}
}

func TestManyClientsDoNotHaveMoreSessionsThanThereAre(t *testing.T) {
	ended := 0
	s := newSessions(func(*session) {}, func(*session) { ended++ })
	const clients = 2 * maxSessions
	for i := range clients {
		s.done(s.open(fmt.Sprint("client", i)))
	}
	if s.all.Len() != maxSessions || len(s.byID) != maxSessions || len(s.clients) != maxSessions ||
		ended != clients-maxSessions {
		t.Errorf("%d sessions, %d ids, %d clients, %d ended; want %d", s.all.Len(), len(s.byID), len(s.clients), ended,
			maxSessions)
	}
}

// Who mounts the endpoint need not have asked Knows: nothing of another's session is served.
func TestTheEndpointItselfServesNoSessionOfAnother(t *testing.T) {
	h := newBed(t, entry("ATool")).HTTP()
	alice := openSession(t, h, "alice")
	for _, row := range []struct {
		says, method, session string
		status                int
	}{
		{"a message", http.MethodPost, alice, 404}, {"a stream", http.MethodGet, alice, 404},
		{"its end", http.MethodDelete, alice, 404},
		{"a message of no session", http.MethodPost, "", 400}, {"a stream of none", http.MethodGet, "", 400},
		{"the end of none", http.MethodDelete, "", 400},
		{"a stream of one that nobody opened", http.MethodGet, "mcp-session-1", 404},
	} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, requestOf(t, "bob", row.method, row.session, listBody)); w.Code != row.status {
			t.Errorf("%s: ServeHTTP = %d, want %d", row.says, w.Code, row.status)
		}
		checkFault(t, row.says, w.Body.Bytes(), -32600)
	}
	if w := ask(t, h, "alice", http.MethodPost, alice, listBody); w.Code != http.StatusOK {
		t.Errorf("the session = %d afterwards, want 200", w.Code)
	}
}

// One that is ended while its initialize is served, and one that is ended twice, are ended once.
func TestASessionEndsOnceAndAfterItBegan(t *testing.T) {
	state := make(map[string]string) // id -> begun, ended
	s := newSessions(func(s *session) { state[s.id] += "begun" }, func(s *session) { state[s.id] += " ended" })
	first := s.open("alice")
	other := s.enter(first.id, "alice")
	for range maxSessionsPerClient {
		s.open("alice") // each under way
	}
	s.done(other)
	s.done(first)
	s.forget(first)
	if s.enter(first.id, "alice") != nil || s.clients["alice"] != maxSessionsPerClient {
		t.Errorf("%d sessions of alice, want %d, and the first ended", s.clients["alice"], maxSessionsPerClient)
	}
	s.endAll(true)
	for id, got := range state {
		if got != "begun ended" {
			t.Errorf("session %s: %s, want begun ended", id, got)
		}
	}
}

// What a request ends is used as late as what it begins.
func TestTheSessionThatWasSilentForLongestGoesFirst(t *testing.T) {
	var ended []string
	s := newSessions(func(*session) {}, func(s *session) { ended = append(ended, s.id) })
	long := s.open("alice")
	short := s.open("alice")
	s.done(short)
	s.done(long) // began first, ends last
	for range maxSessionsPerClient - 1 {
		s.done(s.open("alice"))
	}
	if want := []string{short.id}; !slices.Equal(ended, want) {
		t.Errorf("ended are %v, want %v, which was silent for longest", ended, want)
	}
}

// As a session ends by its client's word or by a bound alone, what is kept must be little, and must not grow.
func TestSessionsThatEndedLeaveNothing(t *testing.T) {
	const each = 4 << 10 // bytes
	h := newBed(t, entry("ATool")).HTTP()
	open := func(count int) (grown int64) {
		before := heap()
		for i := range count {
			openSession(t, h, fmt.Sprint("client", i%(maxSessions/maxSessionsPerClient)))
		}
		return heap() - before
	}
	if grown := open(maxSessions); grown > maxSessions*each {
		t.Errorf("%d sessions keep %d bytes each, want at most %d", maxSessions, grown/maxSessions, each)
	} else {
		t.Logf("an ordinary session keeps %d bytes", grown/maxSessions)
	}
	if grown := open(5000); grown > 64*each {
		t.Errorf("5000 sessions in the place of others keep %d bytes, want nothing", grown)
	}
	runtime.KeepAlive(h)
}

// checkFault holds an answer to an error of JSON-RPC, and returns its id.
func checkFault(t testing.TB, says string, raw []byte, code int) string {
	t.Helper()
	var a struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  json.RawMessage `json:"result"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	err := json.Unmarshal(raw, &a)
	if err != nil || a.Version != "2.0" || a.Error.Code != code || a.Error.Message == "" || a.Result != nil || a.ID == nil {
		t.Errorf("%s: answer = %s (%v), want the error %d of JSON-RPC", says, raw, err, code)
	}
	return string(a.ID)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one leaves what has a finalizer, and the pools
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
