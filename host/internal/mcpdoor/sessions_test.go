package mcpdoor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
)

const initializeBody = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
	`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// ask sends a message of a client to an endpoint, as a door that knows the client does.
func ask(t *testing.T, h *HTTP, client, method, session, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set(server.HeaderKeySessionID, session)
	}
	r = r.WithContext(origin.With(r.Context(), origin.Origin{Client: client, Door: origin.REST}))
	w := httptest.NewRecorder()
	if !h.Knows(r) {
		w.Code = http.StatusNotFound
		return w
	}
	h.ServeHTTP(w, r)
	return w
}

func openSession(t *testing.T, h *HTTP, client string) string {
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
	s := newSessions()
	s.end = func(string) { ended++ }
	const clients = 2 * maxSessions
	for i := range clients {
		s.open(fmt.Sprint("client", i))
	}
	if s.all.Len() != maxSessions || len(s.byID) != maxSessions || len(s.clients) != maxSessions ||
		ended != clients-maxSessions {
		t.Errorf("%d sessions, %d ids, %d clients, %d ended; want %d", s.all.Len(), len(s.byID), len(s.clients), ended,
			maxSessions)
	}
}
