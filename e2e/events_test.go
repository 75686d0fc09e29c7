package e2e

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// event is one of GET /events.
type event struct{ id, kind, data string }

// stream is a client of GET /events.
type stream struct {
	events chan event // closed when the stream has ended
	seen   []event    // taken from events
}

// events listens to the host's events from after a given one on; "" is from now on.
func (h *host) events(t *testing.T, last string) *stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /events = %s", resp.Status)
	}
	s := &stream{events: make(chan event, 100_000)}
	go s.read(bufio.NewScanner(resp.Body))
	return s
}

func (s *stream) read(lines *bufio.Scanner) {
	defer close(s.events)
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
		case "":
			if e.kind != "" {
				s.events <- e
			}
			e = event{}
		}
	}
}

// await waits for an event of a kind whose data has a text.
func (s *stream) await(t *testing.T, kind, text string) event {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				t.Fatalf("the stream ended before %s %q; seen: %v", kind, text, s.seen)
			}
			s.seen = append(s.seen, e)
			if e.kind == kind && strings.Contains(e.data, text) {
				return e
			}
		case <-late:
			t.Fatalf("no event %s %q; seen: %v", kind, text, s.seen)
		}
	}
}

func TestTheEventsOfACallComeInOrder(t *testing.T) {
	h := serve(t, "plugins")
	s := h.events(t, "")
	if _, kind := h.rest(t, "PingTool", `{"target":"127.0.0.1","extra_args":"-c 1","correlation_id":"mine"}`); kind != "" {
		t.Fatalf("the call = %q", kind)
	}
	for _, kind := range []string{"call.received", "call.started", "call.finished"} {
		if e := s.await(t, kind, `"correlation_id":"mine"`); !strings.Contains(e.data, `"door":"rest"`) {
			t.Errorf("%s = %s, want the door", kind, e.data)
		}
	}
	if _, kind := h.rest(t, "PingTool", `{"target":"8.8.8.8"}`); kind != "out_of_scope" {
		t.Fatalf("the call = %q", kind)
	}
	if e := s.await(t, "call.refused", "out_of_scope"); !strings.Contains(e.data, `"gate":"scope"`) {
		t.Errorf("call.refused = %s, want the gate", e.data)
	}
}

func TestHealthAndMetricsAreToldEveryFewSeconds(t *testing.T) {
	h := serve(t, "plugins")
	s := h.events(t, "")
	s.await(t, "metrics", `"received"`)
	s.await(t, "health", `"status"`)
}

func TestWhoComesBackMissesNothing(t *testing.T) {
	h := serve(t, "plugins")
	s := h.events(t, "")
	call := func(id string) {
		t.Helper()
		h.rest(t, "PingTool", `{"target":"8.8.8.8","correlation_id":"`+id+`"}`)
	}
	call("one")
	last := s.await(t, "call.refused", `"one"`)
	call("two")
	again := h.events(t, last.id)
	again.await(t, "call.received", `"two"`)
	again.await(t, "call.refused", `"two"`)
	for _, e := range again.seen {
		if strings.Contains(e.data, `"one"`) || e.kind == "gap" {
			t.Errorf("after %s comes %+v", last.id, e)
		}
	}
}
