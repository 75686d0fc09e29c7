package mcpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// heard is what a client was told.
type heard struct {
	mu      sync.Mutex
	methods []string
	params  []map[string]any
	err     error
}

func (h *heard) notify(method string, params map[string]any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.methods, h.params = append(h.methods, method), append(h.params, params)
	return h.err
}

// numbers are the places that were told, with their totals.
func (h *heard) numbers() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.params {
		if p["total"] != nil {
			all = append(all, fmt.Sprintf("%v/%v", p["progress"], p["total"]))
		} else {
			all = append(all, fmt.Sprint(p["progress"]))
		}
	}
	return all
}

var aToken = json.RawMessage(`"t"`)

func progress(p tool.Progress) tool.Event { return tool.Event{Progress: &p} }

func TestThePlaceOfACallRises(t *testing.T) {
	for says, row := range map[string]struct {
		told []tool.Progress
		want []string
	}{
		"things are counted, with their total": {
			[]tool.Progress{{Total: 3}, {Done: 1, Total: 3}, {Done: 3, Total: 3}}, []string{"0/3", "1/3", "3/3"},
		},
		"each task is a hundred more, and nobody knows how many there are": {
			[]tool.Progress{{Task: "ping", Percent: 50}, {Task: "ping", Percent: 100}, {Task: "scan", Percent: 0.5}},
			[]string{"50", "100", "100.5"},
		},
		"percents of a task count before hosts that are all there at the end": {
			[]tool.Progress{{Task: "scan", Percent: 10, Total: 1}, {Task: "scan", Percent: 20, Total: 1}}, []string{"10", "20"},
		},
		"percents that say the same as the count give way to it": {
			[]tool.Progress{{Task: "ping", Percent: 33.4, Done: 1, Total: 3}, {Task: "ping", Percent: 100, Done: 3, Total: 3}},
			[]string{"1/3", "3/3"},
		},
		"what stands still, or goes back, rises a little": {
			[]tool.Progress{{Task: "a", Percent: 30}, {Task: "a", Percent: 30}, {Task: "a", Percent: 10}},
			[]string{"30", "30.001", "30.002"},
		},
		"what nobody knows rises a little": {
			[]tool.Progress{{Percent: -1}, {Percent: -1, Message: "still"}}, []string{"0", "0.001"},
		},
		"more than there was to do has no total": {
			[]tool.Progress{{Done: 2, Total: 2}, {Done: 2, Total: 2}}, []string{"2/2", "2.001"},
		},
	} {
		var h heard
		teller := newTeller(&h, aToken, "ScanTool", "")
		for _, p := range row.told {
			teller.event(progress(p))
		}
		teller.end()
		if got := h.numbers(); !slices.Equal(got, row.want) {
			t.Errorf("%s: told %q, want %q", says, got, row.want)
		}
	}
}

func TestAFloodOfProgressIsThinnedAndItsLastIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		teller := newTeller(&h, aToken, "ScanTool", "")
		for i := range 1000 {
			teller.event(progress(tool.Progress{Done: int64(i), Total: 1000}))
		}
		synctest.Wait()
		burst := len(h.numbers())
		if burst != progressBurst {
			t.Errorf("told %d at once, want %d", burst, progressBurst)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := h.numbers(); len(got) != burst+1 || got[burst] != "999/1000" {
			t.Errorf("then told %q, want the latest, once", got[burst:])
		}
		for i := range 20 {
			teller.event(progress(tool.Progress{Done: int64(1000 + i), Total: 2000}))
		}
		teller.end()
		got := h.numbers()
		if got[len(got)-1] != "1019/2000" {
			t.Errorf("the last that was told is %s, want what was held back", got[len(got)-1])
		}
		n := len(got)
		teller.event(progress(tool.Progress{Done: 1999, Total: 2000}))
		<-time.After(time.Minute)
		synctest.Wait()
		if got := h.numbers(); len(got) != n {
			t.Errorf("after the end told %q, want nothing", got[n:])
		}
	})
}

func TestACallThatIsSilentSaysThatItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		teller := newTeller(&h, aToken, "ScanTool", "")
		teller.event(progress(tool.Progress{Done: 1, Total: 4}))
		<-time.After(quiet*3 + time.Second)
		synctest.Wait()
		if got, want := h.numbers(), []string{"1/4", "1.001/4", "1.002/4", "1.003/4"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if got := h.params[3]["message"]; got != "ScanTool is at work for 30s" {
			t.Errorf("told %q, want for how long", got)
		}
		teller.end()
	})
}

func TestNothingIsToldToAClientThatAsksForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		teller := newTeller(&h, nil, "ScanTool", "")
		teller.event(progress(tool.Progress{Done: 1, Total: 4}))
		teller.event(tool.Event{Log: &tool.Log{Level: tool.LogEmergency, Message: "fire"}})
		<-time.After(time.Hour)
		teller.end()
		if len(h.methods) > 0 {
			t.Errorf("told %q, want nothing", h.methods)
		}
	})
}

func TestMessagesBelowTheLevelAreNotTold(t *testing.T) {
	var h heard
	teller := newTeller(&h, nil, "ScanTool", mcp.LoggingLevelWarning)
	for _, l := range []tool.LogLevel{tool.LogDebug, tool.LogInfo, tool.LogWarning, tool.LogError} {
		teller.event(tool.Event{Log: &tool.Log{Level: l, Message: "\x1b[31mred"}})
	}
	teller.end()
	if len(h.params) != 2 || h.params[0]["level"] != mcp.LoggingLevelWarning || h.params[0]["data"] != `\x1B[31mred` {
		t.Errorf("told %v, want warning and error, clean", h.params)
	}
}

func TestAFloodOfMessagesIsCutAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		teller := newTeller(&h, nil, "ScanTool", mcp.LoggingLevelDebug)
		for range 1000 {
			teller.event(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: "x"}})
		}
		teller.end()
		last := h.params[len(h.params)-1]
		if len(h.params) != logBurst+1 || last["data"] != "950 messages were left out; there were too many" {
			t.Errorf("told %d, the last %v; want %d and a count", len(h.params), last, logBurst)
		}
	})
}

func TestWhoTakesNothingIsToldNothingMore(t *testing.T) {
	h := heard{err: errors.New("gone")}
	teller := newTeller(&h, aToken, "ScanTool", mcp.LoggingLevelDebug)
	for range 5 {
		teller.event(progress(tool.Progress{Percent: -1}))
		teller.event(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: "x"}})
	}
	teller.end()
	if len(h.methods) != 1 {
		t.Errorf("tried %d times, want once", len(h.methods))
	}
}

// stuck is a client that reads when it is let.
type stuck struct {
	heard
	reads chan struct{} // a receive is what it reads
}

func (s *stuck) notify(method string, params map[string]any) error {
	<-s.reads
	return s.heard.notify(method, params)
}

// Who runs a tool has its slot: it is not to wait for who reads.
func TestWhatAToolSaysWaitsForNoClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{reads: make(chan struct{})}
		teller := newTeller(s, aToken, "ScanTool", mcp.LoggingLevelDebug)
		const minutes = 3
		long := strings.Repeat("\x1b", tool.MaxLogText)
		start := time.Now()
		for time.Since(start) < minutes*time.Minute {
			for range 20 {
				teller.event(progress(tool.Progress{Percent: -1, Message: "still"}))
				teller.event(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: long}})
				teller.event(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: "x"}})
			}
			<-time.After(time.Second)
		}
		if d := time.Since(start); d != minutes*time.Minute {
			t.Errorf("the tool was held for %v", d-minutes*time.Minute)
		}
		teller.mu.Lock()
		n, text := len(teller.mail), teller.text
		teller.mu.Unlock()
		if n == 0 || n > progressBurst+maxMailLogs || text > maxMailText {
			t.Errorf("%d notes wait, with %d bytes; want some, at most %d and %d", n, text, progressBurst+maxMailLogs, maxMailText)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			teller.end()
		}()
		<-time.After(parting + 1)
		close(s.reads)
		<-ended
		if len(s.methods) != 1 {
			t.Errorf("told %d, want the one that was being written, and nothing more to who does not read", len(s.methods))
		}
	})
}

// What a client reads late, and before the end, is all there, in the order in which it was said.
func TestWhatIsReadLateIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{reads: make(chan struct{})}
		teller := newTeller(s, aToken, "ScanTool", mcp.LoggingLevelDebug)
		var want []string
		for i := range progressBurst {
			teller.event(progress(tool.Progress{Done: int64(i), Total: 100}))
			teller.event(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: fmt.Sprint(i)}})
			want = append(want, fmt.Sprint("p", i), fmt.Sprint("m", i))
		}
		teller.event(progress(tool.Progress{Done: 90, Total: 100})) // one too many, which is held
		go func() {
			for range 3 * progressBurst {
				<-time.After(parting / (4 * progressBurst))
				s.reads <- struct{}{}
			}
		}()
		teller.end()
		var got []string
		for i, p := range s.params {
			if s.methods[i] == progressMethod {
				got = append(got, fmt.Sprint("p", p["progress"]))
			} else {
				got = append(got, fmt.Sprint("m", p["data"]))
			}
		}
		if want = append(want, "p90"); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		for range 3*progressBurst - len(got) {
			<-s.reads // what is let read besides
		}
	})
}

// flood is a tool that says a lot until it is cancelled.
type flood struct {
	said  atomic.Int64
	ended chan struct{} // closed with the run
}

func (f *flood) Call(ctx context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	defer close(f.ended)
	for ctx.Err() == nil {
		emit(progress(tool.Progress{Percent: -1, Message: "still"}))
		emit(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: "still"}})
		f.said.Add(1)
		<-time.After(10 * time.Millisecond)
	}
	return tool.Result{}, ctx.Err()
}

// checkRuns holds a flood to its pace while nobody reads, and to its end when it is cancelled.
func (f *flood) checkRuns(t *testing.T, says string, cancel func()) {
	t.Helper()
	before := f.said.Load()
	<-time.After(time.Minute)
	if n := f.said.Load() - before; n < 5000 {
		t.Errorf("%s: the tool got %d words out in a minute, want it not to wait", says, n)
	}
	start := time.Now()
	cancel()
	if <-f.ended; time.Since(start) > time.Second {
		t.Errorf("%s: the run ended %v after the cancel, want within a second", says, time.Since(start))
	}
}

// progressing calls ATool and wants to hear of its progress.
func progressing(body string) string {
	if strings.Contains(body, `"_meta":{`) {
		return strings.Replace(body, `"_meta":{`, `"_meta":{"progressToken":1,`, 1)
	}
	return strings.Replace(body, `"name":"ATool"`, `"name":"ATool","_meta":{"progressToken":1}`, 1)
}

func TestAToolIsNotHeldByAClientOfStdioThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flood{ended: make(chan struct{})}
		b := bedWith(t, func(cfg *Config) { cfg.Caller = f }, entry("ATool"))
		w := b.wire(t)
		w.open("{}")
		w.send(progressing(callBody("1", "")))
		f.checkRuns(t, "stdio", func() { w.send(cancelBody("1")) })
		w.send(pingBody("2"))
		for m := w.next(); m.String() != "2: result"; m = w.next() { // each line is whole
			if m.Method == "" {
				t.Errorf("%v, want no answer of what was cancelled", m)
			}
		}
		if rest, err := w.close(); len(rest) > 0 || err != nil {
			t.Errorf("the rest = %v, %v, want nothing", rest, err)
		}
	})
}

func TestAToolIsNotHeldByAClientOfHTTPThatDoesNotRead(t *testing.T) {
	for _, row := range []struct {
		says   string
		modern bool
		cancel func(t *testing.T, h *HTTP, session string, hangUp func())
	}{
		{"it cancels", false, func(t *testing.T, h *HTTP, session string, _ func()) {
			ask(t, h, "alice", http.MethodPost, session, cancelBody("1"))
		}},
		{"it goes away, stateless", true, func(_ *testing.T, _ *HTTP, _ string, hangUp func()) { hangUp() }},
		{"the host ends", false, func(t *testing.T, h *HTTP, _ string, _ func()) {
			if err := h.Close(t.Context()); err != nil {
				t.Errorf("Close = %v", err)
			}
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &flood{ended: make(chan struct{})}
			b := bedWith(t, func(cfg *Config) { cfg.Caller = f }, entry("ATool"))
			h := b.HTTP()
			session := openSession(t, h, "alice")
			r := requestOf(t, "alice", http.MethodPost, session, progressing(callBody("1", "")))
			if row.modern {
				r = requestOf(t, "alice", http.MethodPost, "", progressing(modernCall("1", "", "{}", "")))
				r.Header.Set(mcp.HeaderProtocolVersion, "2026-07-28")
				r.Header.Set(mcp.HeaderMethod, "tools/call")
				r.Header.Set(mcp.HeaderName, "ATool")
			}
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			served := make(chan struct{})
			go func() {
				defer close(served)
				h.ServeHTTP(newStalled(), r.WithContext(ctx))
			}()
			f.checkRuns(t, row.says, func() { row.cancel(t, h, session, cancel) })
			start := time.Now()
			if <-served; time.Since(start) > 2*parting {
				t.Errorf("%s: the request of HTTP ended %v later, want soon", row.says, time.Since(start))
			}
		})
	}
}

// A token comes back as it was written, and only what is one does.
func TestATokenOfProgressComesBackAsItWas(t *testing.T) {
	b := bedWith(t, func(cfg *Config) { cfg.Caller = once{} }, entry("ATool"))
	w := b.wire(t)
	w.open("{}")
	call := func(token string) string {
		return strings.Replace(progressing(callBody("5", "")), `"progressToken":1`, `"progressToken":`+token, 1)
	}
	long := `"` + strings.Repeat("x", 254) + `"`
	for _, token := range []string{`9007199254740993`, `-12345678901234567890`, `1.50`, `0`, `""`, `"a\u00e9"`, long} {
		w.send(call(token))
		var p struct {
			Token json.RawMessage `json:"progressToken"`
		}
		m := w.next()
		if err := json.Unmarshal(m.Params, &p); err != nil || m.Method != progressMethod || string(p.Token) != token {
			t.Errorf("token %.40s: %v %.80s (%v), want progress with it", token, m, m.Params, err)
		}
		if m := w.next(); m.String() != "5: result" {
			t.Errorf("token %.40s: %v, want the result", token, m)
		}
	}
	w.send(call("null"))
	if m := w.next(); m.String() != "5: result" {
		t.Errorf("no token: %v, want the result alone", m)
	}
	for _, token := range []string{`{"a":1}`, `[1]`, `true`, `"x` + long[1:], strings.Repeat("1", 257)} {
		w.send(call(token))
		if m := w.next(); m.String() != "5: error -32602" || len(m.Error.Message) > 200 {
			t.Errorf("token %.40s: %v, want -32602", token, m)
		}
	}
}

// once is a tool that says one thing.
type once struct{}

func (once) Call(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	emit(progress(tool.Progress{Done: 1, Total: 2}))
	return tool.Result{Stdout: "done"}, nil
}
