package httpdoor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/events"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// with gives a door the events of a hub.
func with(h *events.Hub) func(*Config) { return func(c *Config) { c.Events = h } }

// reader reads an event stream block by block.
type reader struct {
	io.Closer
	lines *bufio.Scanner
}

// listens opens the stream of events and reads how it begins.
func (s *site) listens(t *testing.T, query string, header ...string) (r *reader, first string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("GET /events = %v", err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" ||
		resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("GET /events = %d %v, want a stream that nothing keeps back", resp.StatusCode, resp.Header)
	}
	t.Cleanup(func() { _ = resp.Body.Close() }) // the other side may have closed it
	r = &reader{Closer: resp.Body, lines: bufio.NewScanner(resp.Body)}
	return r, r.block()
}

// block reads to the next empty line; "" is the end.
func (r *reader) block() string {
	var lines []string
	for r.lines.Scan() && r.lines.Text() != "" {
		lines = append(lines, r.lines.Text())
	}
	return strings.Join(lines, "\n")
}

// event reads a block that must be an event of that type and have that in its data, and returns its id.
func (r *reader) event(t *testing.T, kind, data string) (id string) {
	t.Helper()
	b := r.block()
	if !strings.Contains(b, "event: "+kind+"\ndata: {") || !strings.Contains(b, `"time":"2000-`) || // the bubble's
		!strings.Contains(b, data) || strings.Count(b, "\ndata: ") != 1 {
		t.Errorf("the stream says %q, want an event %s with %q", b, kind, data)
	}
	id, _, _ = strings.Cut(strings.TrimPrefix(b, "id: "), "\n")
	return id
}

func number(n int) map[string]any { return map[string]any{"n": n} }

func TestAStreamTellsEachEventAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{})
		s := open(t, with(hub))
		a, first := s.listens(t, "")
		b, _ := s.listens(t, "")
		if !strings.HasPrefix(first, "retry: 2000\nid: ") {
			t.Errorf("the stream begins with %q, want retry and an id to come back with", first)
		}
		for n := range 3 {
			hub.Publish("call.progress", map[string]any{"n": n, "text": "a\nb"})
			for _, r := range []*reader{a, b} {
				r.event(t, "call.progress", fmt.Sprintf(`"n":%d,"text":"a\nb"}`, n))
			}
		}
	})
}

func TestAStreamWithoutEventsShowsThatItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{})
		s := open(t, with(hub))
		r, _ := s.listens(t, "")
		start := time.Now()
		for i := range 3 {
			if got := r.block(); got != ": alive" || time.Since(start) != time.Duration(i+1)*defaultHeartbeat {
				t.Errorf("after %v comes %q, want a heartbeat each %v", time.Since(start), got, defaultHeartbeat)
			}
		}
		hub.Publish("count", number(1))
		r.event(t, "count", `"n":1`)
	})
}

func TestWhoComesBackMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{History: 4})
		s := open(t, with(hub))
		r, first := s.listens(t, "")
		_, last, _ := strings.Cut(first, "id: ")
		_ = r.Close() // before anything came
		for n := 1; n <= 6; n++ {
			hub.Publish("count", number(n))
			query, header := "", []string{"Last-Event-ID", last}
			if n%2 == 0 {
				query, header = "?last_event_id="+url.QueryEscape(last), nil
			}
			r, _ = s.listens(t, query, header...)
			last = r.event(t, "count", fmt.Sprintf(`"n":%d`, n))
			_ = r.Close() // comes back in the next round
		}
		for n := 7; n <= 12; n++ {
			hub.Publish("count", number(n))
		}
		r, _ = s.listens(t, "", "Last-Event-ID", last)
		r.event(t, "gap", `"missed":2`)
		for n := 9; n <= 12; n++ {
			r.event(t, "count", fmt.Sprintf(`"n":%d`, n))
		}
		r, _ = s.listens(t, "?last_event_id=x%0Adata:1")
		r.event(t, "gap", `"missed":null`)
	})
}

func TestAReaderThatStallsIsLetGoAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{Buffer: 4})
		s := open(t, with(hub))
		c, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		r, _ := s.listens(t, "")
		synctest.Wait() // the stalled one is in its first write
		start := time.Now()
		for n := range 100 {
			hub.Publish("count", number(n)) // would not return if somebody were waited for
			r.event(t, "count", fmt.Sprintf(`"n":%d`, n))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the quick reader waited for %v, want for nobody", took)
		}
		<-time.After(stallTimeout + time.Second) // of the bubble's clock
		synctest.Wait()
		if got := hub.Stats(); got.Streams != 1 || got.Dropped != 1 {
			t.Errorf("Stats = %+v, want one stream left and one dropped", got)
		}
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the stalled connection ends with %v, want it closed", err)
		}
	})
}

func TestAReaderThatIsTooSlowIsToldAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{Buffer: 2, History: 16})
		s := open(t, with(hub))
		r, _ := s.listens(t, "")
		synctest.Wait()
		for n := range 8 { // nobody reads between
			hub.Publish("count", map[string]any{"n": n, "text": strings.Repeat("x", 8<<10)})
		}
		last, seen := "", -1
		for {
			b := r.block()
			if !strings.Contains(b, "event: count") {
				if !strings.Contains(b, "event: dropped\n") || !strings.Contains(b, `"last_event_id":"`+last+`"`) ||
					strings.Contains(b, "id: "+last) {
					t.Errorf("the stream ends with %.200q, want dropped, and the last id %s in its data", b, last)
				}
				break
			}
			seen++
			last, _, _ = strings.Cut(strings.TrimPrefix(b, "id: "), "\n")
		}
		if rest := r.block(); rest != "" {
			t.Errorf("after dropped comes %q, want the end", rest)
		}
		r, _ = s.listens(t, "", "Last-Event-ID", last)
		for n := seen + 1; n < 8; n++ {
			r.event(t, "count", fmt.Sprintf(`"n":%d`, n))
		}
	})
}

func TestAReaderThatGoesLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{MaxStreams: 1})
		s := open(t, with(hub))
		for range 3 {
			r, _ := s.listens(t, "")
			resp, err := s.client.Get("http://127.0.0.1/events")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close() // its head says all
			if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "10" {
				t.Errorf("GET /events = %d, Retry-After %q, want 503 and 10", resp.StatusCode,
					resp.Header.Get("Retry-After"))
			}
			_ = r.Close() // goes away
			synctest.Wait()
		}
		if got := hub.Stats().Streams; got != 0 {
			t.Errorf("%d streams are left, want none", got)
		}
	})
}

func TestStreamsAreNotWaitedForAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{})
		s := open(t, with(hub))
		r, _ := s.listens(t, "")
		hub.Publish("count", number(1))
		last := r.event(t, "count", `"n":1`)
		start := time.Now()
		s.stop()
		r.event(t, "bye", `"last_event_id":"`+last+`"`)
		if rest := r.block(); rest != "" {
			t.Errorf("after bye comes %q, want the end", rest)
		}
		err := <-s.ended
		if took := time.Since(start); err != nil || took > time.Second {
			t.Errorf("Serve = %v after %v, want nil without the grace of 10 s", err, took)
		}
		s.ended <- err
	})
}

func TestAWithdrawnTokenEndsItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{})
		clients, tokens := clientsOf(auth.Token{Name: "ci", SHA256: auth.Hash("secret"), Role: auth.Viewer})
		s := open(t, with(hub), func(c *Config) { c.Clients = clients })
		r, _ := s.listens(t, "", "Authorization", "Bearer secret")
		if err := tokens.Replace(nil); err != nil {
			t.Fatal(err)
		}
		hub.Publish("count", number(1))
		r.event(t, "bye", "credential")
	})
}

func TestAHubThatClosesEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := events.New(events.Config{})
		s := open(t, with(hub))
		r, _ := s.listens(t, "")
		hub.Close()
		r.event(t, "bye", `"reason"`)
		w := serve(newDoor(t, with(hub)), request("GET", "/events", ""))
		checkProblem(t, w, 503, tool.KindUnavailable)
	})
}

func TestWhatIsNoStreamEndsAtOnce(t *testing.T) {
	hub := events.New(events.Config{})
	d := newDoor(t, with(hub))
	if w := serve(d, request("HEAD", "/events", "")); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("HEAD /events = %d %q, want the head alone", w.Code, w.Body)
	}
	long := strings.Repeat("x", maxLastID+1)
	checkProblem(t, serve(d, request("GET", "/events?last_event_id="+long, "")), 400, tool.KindValidation)
	checkProblem(t, serve(d, request("GET", "/events", "", "Last-Event-ID", long)), 400, tool.KindValidation)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	serve(d, request("GET", "/events", "").WithContext(gone))
	if got := hub.Stats().Streams; got != 0 {
		t.Errorf("%d streams are left, want none", got)
	}
}
