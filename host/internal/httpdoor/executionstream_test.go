package httpdoor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// follows opens the stream of an execution, and reads how it begins.
func (s *site) follows(t *testing.T, id string, header ...string) *reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/executions/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() }) // the other side may have closed it
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != eventStream ||
		resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("GET events = %d %v, want a stream that nothing keeps back", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	read := &reader{Closer: resp.Body, lines: lines}
	if first := read.block(); !strings.HasPrefix(first, "retry: 2000\nid: ") {
		t.Errorf("the stream begins with %q, want retry and an id to come back with", first)
	}
	return read
}

// told is an event as it was read.
type told struct {
	id, kind string
	data     map[string]any
}

// next reads an event.
func (r *reader) next(t *testing.T) told {
	t.Helper()
	var e told
	text := r.block()
	for _, line := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				t.Errorf("the data of %.200q: %v", text, err)
			}
		}
	}
	return e
}

// want reads an event that must be of that kind and id, and have that in its data.
func (r *reader) want(t *testing.T, id, kind, data string) {
	t.Helper()
	if e := r.next(t); e.id != id || e.kind != kind || !strings.Contains(fmt.Sprint(e.data), data) {
		t.Errorf("the stream says %+v, want an event %s with the id %q and %q", e, kind, id, data)
	}
}

func TestAnExecutionIsFollowedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown)
		id := l.begin("a", nil)
		r := s.follows(t, id)
		r.want(t, "0-0", "state", "state:queued")
		l.Start(id)
		r.want(t, "0-0", "state", "state:running")
		l.print(id, "a\n\xe2\x82")
		r.want(t, "2-0", "output", "map[offset:0 stream:stdout text:a\n]")
		l.print(id, "\xac")
		r.want(t, "5-0", "output", "map[offset:2 stream:stdout text:€]")
		l.Event(id, tool.Event{Output: &tool.Output{Stream: tool.Stderr, Data: []byte("warn")}})
		r.want(t, "5-4", "output", "map[offset:0 stream:stderr text:warn]")
		l.Event(id, tool.Event{Progress: &tool.Progress{Task: "scan", Percent: 50}})
		r.want(t, "5-4", "progress", "percent:50 task:scan")
		l.end(id, tool.Result{Stdout: "a\n€", Stderr: "warn", ReturnCode: 3})
		r.want(t, "5-4", "end", "returncode:3")
		if rest := r.block(); rest != "" {
			t.Errorf("after the end comes %q, want nothing", rest)
		}
	})
}

// Whatever id a client comes back with, it gets the rest and nothing twice.
func TestWhoComesBackToAnExecutionGetsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown)
		id := l.begin("a", nil)
		const text = "one €uro\ntwo\n"
		for _, line := range strings.SplitAfter(text, "\n") {
			l.print(id, line)
		}
		l.end(id, tool.Result{Stdout: text})
		for at := range len(text) + 1 {
			if at == 5 || at == 6 { // within the character; no event has such an id
				continue
			}
			r := s.follows(t, id, "Last-Event-ID", fmt.Sprintf("%d-0", at))
			got := ""
			e := r.next(t)
			for ; e.kind == "output"; e = r.next(t) {
				got += e.data["text"].(string)
			}
			if got != text[at:] || e.kind != "end" {
				t.Errorf("from %d on comes %q and %s, want %q and the end", at, got, e.kind, text[at:])
			}
		}
	})
}

func TestALargeOutputComesInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown)
		id := l.begin("a", nil)
		text := strings.Repeat("€\x01", 100_000)
		r := s.follows(t, id)
		r.want(t, "0-0", "state", "queued")
		l.print(id, text) // nobody reads now, and nobody waits for who does not
		l.end(id, tool.Result{Stdout: text})
		got := 0
		e := r.next(t)
		for ; e.kind == "output"; e = r.next(t) {
			part := e.data["text"].(string)
			if !strings.HasPrefix(text[got:], part) || e.data["offset"] != float64(got) {
				t.Fatalf("at %v comes %.20q, want what follows %d", e.data["offset"], part, got)
			}
			got += len(part)
		}
		if got != len(text) || e.kind != "end" {
			t.Errorf("%d bytes and %s came, want %d and the end", got, e.kind, len(text))
		}
	})
}

func TestAnExecutionThatIsSilentShowsThatItIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown)
		id := l.begin("a", nil)
		r := s.follows(t, id)
		r.want(t, "0-0", "state", "queued")
		start := time.Now()
		for i := range 3 {
			if got := r.block(); got != ": alive" || time.Since(start) != time.Duration(i+1)*defaultHeartbeat {
				t.Errorf("after %v comes %q, want a heartbeat each %v", time.Since(start), got, defaultHeartbeat)
			}
		}
		l.end(id, tool.Result{})
		r.want(t, "0-0", "end", "completed")
	})
}

func TestAFollowedExecutionKeepsNoHostFromItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown)
		id := l.begin("a", nil)
		l.print(id, "x")
		r := s.follows(t, id)
		r.want(t, "0-0", "state", "queued")
		r.want(t, "1-0", "output", "x")
		start := time.Now()
		s.stop()
		r.want(t, "", "bye", "last_event_id:1-0 reason:the host ends")
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

func TestAWithdrawnTokenFollowsNothing(t *testing.T) {
	for says, happen := range map[string]func(l library, id string){
		"something comes": func(l library, id string) { l.print(id, "secret output") },
		"nothing comes":   func(library, string) {},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t)
			clients, tokens := clientsOf(auth.Token{Name: "ci", SHA256: auth.Hash("secret"), Role: auth.Viewer})
			s := open(t, l.shown, func(c *Config) { c.Clients = clients })
			id := l.begin("ci", nil)
			r := s.follows(t, id, "Authorization", "Bearer secret")
			r.want(t, "0-0", "state", "queued")
			if err := tokens.Replace(nil); err != nil {
				t.Fatal(err)
			}
			happen(l, id)
			if e := r.next(t); e.kind != "bye" || !strings.Contains(fmt.Sprint(e.data), "credential") {
				t.Errorf("%s: the stream says %+v, want bye", says, e)
			}
		})
	}
}

func TestFollowingIsAStreamOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown, func(c *Config) { c.Budget.StreamsPerClient = 1 })
		id := l.begin("a", nil)
		for range 2 {
			r := s.follows(t, id)
			resp, err := s.client.Get("http://127.0.0.1/executions/" + id + "/events")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close() // its head says all
			if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "10" {
				t.Errorf("a second stream = %d %v, want 429", resp.StatusCode, resp.Header)
			}
			_ = r.Close() // goes away
			synctest.Wait()
		}
	})
}

// A reader that stalls is dropped, and its goroutines with it: the bubble would find one that is left.
func TestAFollowerThatStallsIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		s := open(t, l.shown)
		id := l.begin("a", nil)
		c, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /executions/"+id+"/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		l.print(id, strings.Repeat("x", 200<<10))
		<-time.After(stallTimeout + time.Second) // of the bubble's clock
		synctest.Wait()
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the stalled connection ends with %v, want it closed", err)
		}
	})
}

func TestWhatIsNoStreamOfAnExecutionEndsAtOnce(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	l.print(id, "four")
	path := "/executions/" + id + "/events"
	if w := serve(d, request("HEAD", path, "")); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("HEAD events = %d %q, want the head alone", w.Code, w.Body)
	}
	checkProblem(t, serve(d, request("HEAD", "/executions/"+exampleID+"/events", "")), 404, tool.KindValidation)
	for _, bad := range []string{
		"5-0", "4-1", "4", "-", "4-", "-1-0", "4-0-0", "+4-0", "a-b", "9223372036854775808-0", strings.Repeat("1", maxLastID+1),
	} {
		checkProblem(t, serve(d, request("GET", path, "", "Last-Event-ID", bad)), 400, tool.KindValidation)
	}
	checkProblem(t, serve(d, request("GET", path+"?last_event_id=5-0", "")), 400, tool.KindValidation)
	checkProblem(t, serve(d, request("GET", path+"?from=0", "")), 400, tool.KindValidation)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	serve(d, request("GET", path, "").WithContext(gone))
}

// breaking is an execution whose stream breaks.
type breaking struct {
	fakeExecutions
	err error // nil: it ends without a word
}

func (b *breaking) Follow(context.Context, string, executions.Position) iter.Seq2[executions.Update, error] {
	return func(yield func(executions.Update, error) bool) {
		if b.err != nil {
			yield(executions.Update{}, b.err)
		}
	}
}

func TestAStreamThatBreaksSaysWhy(t *testing.T) {
	for want, err := range map[string]error{"unreadable": errors.New("unreadable"), "nothing more": nil} {
		d := newDoor(t, func(c *Config) {
			x := executions.Execution{ID: exampleID, StdoutBytes: 9}
			c.Executions = func(context.Context) Executions { return &breaking{fakeExecutions{x}, err} }
		})
		w := serve(d, request("GET", "/executions/"+exampleID+"/events?last_event_id=9-0", ""))
		if text := w.Body.String(); !strings.Contains(text, "event: bye\ndata: {\"last_event_id\":\"9-0\"") ||
			!strings.Contains(text, want) {
			t.Errorf("the stream says %q, want bye, because %s", text, want)
		}
	}
}
