package mcpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// posting is a POST under way, within a bubble.
type posting struct {
	*reader
	hangUp context.CancelFunc // its client goes away
	expel  context.CancelFunc // its client's credential is withdrawn
}

// post sends a message of a client, in a bubble, and goes on when nothing happens any more.
func post(t *testing.T, h *HTTP, client, session, body string, headers ...string) *posting {
	t.Helper()
	r := requestOf(t, client, http.MethodPost, session, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	p := &posting{
		&reader{ResponseRecorder: httptest.NewRecorder(), ended: make(chan struct{})},
		func() { cancel(nil) }, func() { cancel(rpcmessage.ErrWithdrawn) },
	}
	go func() {
		defer close(p.ended)
		h.ServeHTTP(p, r.WithContext(ctx))
		p.Flush()
	}()
	synctest.Wait()
	return p
}

// postModern sends a message of the stateless revision.
func postModern(t *testing.T, h *HTTP, client, method, name, body string) *posting {
	t.Helper()
	headers := []string{mcp.HeaderProtocolVersion, "2026-07-28", mcp.HeaderMethod, method}
	if name != "" {
		headers = append(headers, mcp.HeaderName, name)
	}
	return post(t, h, client, "", body, headers...)
}

func (p *posting) stream() bool { return p.Header().Get("Content-Type") == eventStream }

// messages are what stands in an answer, in its order; comments are ": alive".
func (p *posting) messages(t testing.TB) []string {
	t.Helper()
	var all []string
	if !p.stream() {
		if text := p.text(); text != "" {
			all = append(all, readSent(t, text).String())
		}
		return all
	}
	for event := range strings.SplitSeq(strings.TrimSuffix(p.text(), "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "event: message\ndata: ")
		if !ok {
			all = append(all, event)
			continue
		}
		all = append(all, readSent(t, data).String())
	}
	return all
}

func TestAnAnswerIsJSONUnlessSomethingGoesBeforeIt(t *testing.T) {
	for _, row := range []struct {
		says, accept string
		told         []string
		stream       bool
		want         string
	}{
		{"nothing before it", "application/json, text/event-stream", nil, false, "[3: result]"},
		{"progress before it", "application/json, text/event-stream", []string{"notifications/progress", "notifications/message"},
			true, "[notifications/progress notifications/message 3: result]"},
		{"anything is taken", "*/*", []string{"notifications/progress"}, true, "[notifications/progress 3: result]"},
		{"a client that takes no stream", "application/json", []string{"notifications/progress"}, false, "[3: result]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, entry("ATool"))
			b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
				for _, method := range row.told {
					if err := outboxOf(ctx).notify(method, map[string]any{"n": 1}); (err == nil) != row.stream {
						t.Errorf("%s: notify = %v", row.says, err)
					}
				}
				return tool.Result{Stdout: "done"}, nil
			}
			h := b.HTTP()
			p := post(t, h, "alice", openSession(t, h, "alice"), callBody("3", ""), "Accept", row.accept)
			<-p.ended
			if got := fmt.Sprint(p.messages(t)); p.stream() != row.stream || got != row.want || p.Code != 200 {
				t.Errorf("%s: %d, stream: %t, %s; want 200, %t, %s", row.says, p.Code, p.stream(), got, row.stream, row.want)
			}
		})
	}
}

// A client, or somebody on the way, that hears nothing for long gives up.
func TestALongCallShowsThatItLives(t *testing.T) {
	for accept, want := range map[string]string{
		"application/json, text/event-stream": "[: alive : alive : alive 3: result]", "application/json": "[3: result]",
	} {
		for _, modern := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				u := newUntil()
				b := newBed(t, entry("ATool"))
				b.caller.call = u.call
				h := b.HTTP()
				var p *posting
				if modern {
					p = post(t, h, "alice", "", modernCall("3", "", "{}", ""), mcp.HeaderProtocolVersion, "2026-07-28",
						mcp.HeaderMethod, "tools/call", mcp.HeaderName, "ATool", "Accept", accept)
				} else {
					p = post(t, h, "alice", openSession(t, h, "alice"), callBody("3", ""), "Accept", accept)
				}
				<-time.After(patience - 1)
				if got := p.text(); got != "" {
					t.Errorf("a call that is not long says %q", got)
				}
				<-time.After(2*heartbeat + 2)
				close(u.free)
				<-p.ended
				if got := fmt.Sprint(p.messages(t)); got != want {
					t.Errorf("Accept %s, stateless: %t: %s, want %s", accept, modern, got, want)
				}
			})
		}
	}
}

// What goes through the outbox of a call is on the stream of that call, in order, and never behind its answer.
func TestTenCallsAtOnceKeepTheirStreamsApart(t *testing.T) {
	const calls, steps = 10, 20
	b := newBed(t, entry("ATool"))
	b.caller.call = func(ctx context.Context, r tool.Request) (tool.Result, error) {
		for i := range steps {
			if err := outboxOf(ctx).notify("notifications/progress", map[string]any{
				"progressToken": target(r), "progress": i}); err != nil {
				t.Errorf("notify = %v", err)
			}
		}
		return tool.Result{Stdout: "done"}, nil
	}
	h := b.HTTP()
	session := openSession(t, h, "alice")
	got := make(chan [2]string, calls) // gets the body of each answer
	for i := range calls {
		go func() {
			id := fmt.Sprint(i)
			got <- [2]string{id, ask(t, h, "alice", http.MethodPost, session, callBody(id, id)).Body.String()}
		}()
	}
	for range calls {
		answer := <-got
		for i, event := range strings.Split(strings.TrimSuffix(answer[1], "\n\n"), "\n\n") {
			want := fmt.Sprintf(`"params":{"progress":%d,"progressToken":"%s"}}`, i, answer[0])
			if i == steps {
				want = `{"jsonrpc":"2.0","id":` + answer[0] + `,"result":`
			}
			if !strings.Contains(event, want) {
				t.Errorf("event %d of call %s = %s, want %s", i, answer[0], event, want)
			}
		}
	}
}

// A disconnection is no cancellation, but it has its bounds.
func TestACallOfASessionGoesOnWithoutItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUntil()
		b := newBed(t, entry("ATool"))
		b.caller.call = u.call
		h := b.HTTP()
		session := openSession(t, h, "alice")
		for i := range maxDetachedPerClient + 1 {
			p := post(t, h, "alice", session, callBody(fmt.Sprint(i), fmt.Sprint(i)))
			p.hangUp()
			synctest.Wait()
			if p.open() {
				t.Errorf("the request of HTTP of call %d goes on without its client", i)
			}
			select {
			case got := <-u.ended:
				if i < maxDetachedPerClient {
					t.Errorf("call %s has ended with its client, want it to go on", got)
				}
			default:
				if i >= maxDetachedPerClient {
					t.Errorf("call %d goes on, want it to be one too many", i)
				}
			}
		}
		post(t, h, "alice", session, cancelBody("0"))
		if got := <-u.ended; got != "0" {
			t.Errorf("a cancel of 0 ends %s", got)
		}
		bobs := post(t, h, "bob", openSession(t, h, "bob"), callBody("1", "bob"))
		bobs.hangUp()
		synctest.Wait()
		if len(u.ended) > 0 {
			t.Errorf("the call of another is cancelled by %s", <-u.ended)
		}
		close(u.free)
		synctest.Wait()
		if len(h.detached) > 0 || h.count > 0 {
			t.Errorf("%v are kept, want none", h.detached)
		}
		if w := ask(t, h, "alice", http.MethodPost, session, callBody("0", "")); w.Code != 200 {
			t.Errorf("the next call = %d, want 200", w.Code)
		}
	})
}

// The request of HTTP has ended: whoever writes to it then writes into another's.
func TestNothingIsWrittenWhenTheClientHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, later, failed := newBed(t, entry("ATool")), make(chan struct{}), make(chan error, 1)
		b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			<-later
			failed <- outboxOf(ctx).notify("notifications/progress", nil)
			return tool.Result{}, nil
		}
		h := b.HTTP()
		p := post(t, h, "alice", openSession(t, h, "alice"), callBody("1", ""))
		p.hangUp()
		<-p.ended
		close(later)
		if err := <-failed; !errors.Is(err, errGone) {
			t.Errorf("notify = %v, want %v", err, errGone)
		}
		synctest.Wait()
		p.Flush()
		if got := p.text(); got != "" {
			t.Errorf("%q was written", got)
		}
	})
}

func TestTheEndOfTheEndpointCancelsWhatGoesOnAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		var over atomic.Bool
		b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			<-ctx.Done()
			<-time.After(time.Second) // as a scan takes to end
			over.Store(true)
			return tool.Result{}, context.Cause(ctx)
		}
		h := b.HTTP()
		p := post(t, h, "alice", openSession(t, h, "alice"), callBody("1", ""))
		p.hangUp()
		synctest.Wait()
		brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := h.Close(brief); err == nil || over.Load() {
			t.Errorf("Close within a moment = %v, the call is over: %t; want an error and false", err, over.Load())
		}
		if err := h.Close(t.Context()); err != nil || !over.Load() {
			t.Errorf("Close = %v, the call is over: %t; want nil and true", err, over.Load())
		}
		if w := ask(t, h, "alice", http.MethodPost, openSession(t, h, "alice"), pingBody("2")); w.Code != http.StatusServiceUnavailable {
			t.Errorf("a request afterwards = %d, want 503", w.Code)
		}
	})
}

// At a shutdown it is the host that goes: who is still there has the answer to what is cancelled.
func TestAShutdownAnswersWhatItCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUntil()
		b := newBed(t, entry("ATool"))
		b.caller.call = u.call
		h := b.HTTP()
		p := post(t, h, "alice", openSession(t, h, "alice"), callBody("1", "scan"))
		h.CloseSessions(t.Context())
		synctest.Wait()
		if !p.open() || len(u.ended) > 0 {
			t.Error("a call ends when the endpoint begins to end, want it to have its time")
		}
		p.hangUp() // as the server does when the time is over
		if <-u.ended; true {
			<-p.ended
		}
		if got := p.messages(t); len(got) != 1 || !strings.HasPrefix(got[0], "1: ") {
			t.Errorf("the answer = %v, want one", got)
		}
	})
}

func TestAModernCallEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUntil()
		b := newBed(t, entry("ATool"))
		b.caller.call = u.call
		h := b.HTTP()
		one := postModern(t, h, "alice", "tools/call", "ATool", modernCall("1", "one", "{}", ""))
		other := postModern(t, h, "bob", "tools/call", "ATool", modernCall("1", "other", "{}", ""))
		// neither another client nor its own other request can cancel it
		for _, client := range []string{"alice", "bob"} {
			p := postModern(t, h, client, "notifications/cancelled", "", cancelBody("1"))
			if <-p.ended; p.Code != http.StatusAccepted || p.text() != "" {
				t.Errorf("a cancel = %d %s, want 202 and nothing", p.Code, p.text())
			}
		}
		ask(t, h, "bob", http.MethodPost, openSession(t, h, "bob"), cancelBody("1"))
		synctest.Wait()
		if len(u.ended) > 0 {
			t.Errorf("the call of %s was cancelled", <-u.ended)
		}
		one.hangUp()
		if got := <-u.ended; got != "one" {
			t.Errorf("%s has ended, want the one without its client", got)
		}
		close(u.free)
		<-other.ended
		if got := fmt.Sprint(other.messages(t)); got != "[1: result]" {
			t.Errorf("the other = %s, want its result", got)
		}
	})
}

func TestACancelOverHTTPIsOfItsSessionAndItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUntil()
		b := newBed(t, entry("ATool"))
		b.caller.call = u.call
		h := b.HTTP()
		alice, second, bob := openSession(t, h, "alice"), openSession(t, h, "alice"), openSession(t, h, "bob")
		number, text := post(t, h, "alice", alice, callBody("8", "number")), post(t, h, "alice", alice, callBody(`"8"`, "text"))
		post(t, h, "alice", second, callBody("8", "second"))
		post(t, h, "bob", bob, callBody("8", "bob"))
		again := post(t, h, "alice", alice, callBody("8", "again"))
		if id := checkFault(t, "the id again", []byte(again.text()), -32600); id != "8" || again.Code != http.StatusBadRequest {
			t.Errorf("the id again = %d of %s, want 400 of 8", again.Code, id)
		}
		if w := ask(t, h, "bob", http.MethodPost, alice, cancelBody("8")); w.Code != http.StatusNotFound {
			t.Errorf("a cancel by another = %d, want 404", w.Code)
		}
		for _, id := range []string{`9`, `"nobody"`, `{}`} {
			if w := ask(t, h, "alice", http.MethodPost, alice, cancelBody(id)); w.Code != http.StatusAccepted {
				t.Errorf("a cancel of %s = %d, want 202", id, w.Code)
			}
		}
		synctest.Wait()
		if len(u.ended) > 0 {
			t.Errorf("the call %s was cancelled", <-u.ended)
		}
		if w := ask(t, h, "alice", http.MethodPost, alice, cancelBody(`"8"`)); w.Code != http.StatusAccepted {
			t.Errorf("a cancel = %d, want 202", w.Code)
		}
		if got := <-u.ended; got != "text" {
			t.Errorf(`a cancel of "8" ends %s`, got)
		}
		<-text.ended // it is owed no answer
		if text.Code != 200 || !text.stream() || text.text() != "" {
			t.Errorf("the call that was cancelled = %d %q, want a stream without an answer", text.Code, text.text())
		}
		close(u.free)
		<-number.ended
		if got := fmt.Sprint(number.messages(t)); got != "[8: result]" {
			t.Errorf("the call with the number = %s, want its result", got)
		}
	})
}

func TestEveryRefusalIsAnErrorOfJSONRPC(t *testing.T) {
	h := newBed(t, entry("ATool")).HTTP()
	session := openSession(t, h, "alice")
	modern := []string{mcp.HeaderProtocolVersion, "2026-07-28"}
	for _, row := range []struct {
		says, method, session, body string
		headers                     []string
		status, code                int
		id                          string
	}{
		{"nonsense", "POST", session, "nonsense", nil, 400, -32700, "null"},
		{"no UTF-8", "POST", session, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", nil, 400, -32700, "null"},
		{"half a message", "POST", session, pingBody("1")[:20], nil, 400, -32700, "null"},
		{"a list", "POST", session, "[" + pingBody("1") + "]", nil, 400, -32600, "null"},
		{"too much", "POST", session, strings.Repeat(" ", rpcmessage.MaxSize+1), nil, 400, -32600, "null"},
		{"an old JSON-RPC", "POST", session, `{"jsonrpc":"1.0","id":5,"method":"ping"}`, nil, 400, -32600, "5"},
		{"no session", "POST", "", pingBody("1"), nil, 400, -32600, "1"},
		{"a session that nobody opened", "POST", "mcp-session-1", pingBody(`"a"`), nil, 404, -32600, `"a"`},
		{"an answer to nothing", "POST", session, `{"jsonrpc":"2.0","id":1,"result":{}}`, nil, 400, -32600, "null"},
		{"an unknown revision", "POST", session, pingBody("1"), []string{mcp.HeaderProtocolVersion, "1999-01-01"}, 400, -32600, "1"},
		{"an unknown revision", "GET", session, "", []string{mcp.HeaderProtocolVersion, "1999-01-01"}, 400, -32600, "null"},
		{"an unknown revision", "DELETE", session, "", []string{mcp.HeaderProtocolVersion, "x"}, 400, -32600, "null"},
		{"a later revision", "POST", "", pingBody("1"), []string{mcp.HeaderProtocolVersion, "2099-01-01"}, 400, -32602, "1"},
		{"another method", "PUT", session, "", nil, 405, -32600, "null"},
		{"a stateless GET", "GET", session, "", modern, 405, -32600, "null"},
		{"a stateless DELETE", "DELETE", session, "", modern, 405, -32600, "null"},
		{"an unknown method", "POST", session, `{"jsonrpc":"2.0","id":1,"method":"no/such"}`, nil, 200, -32601, "1"},
		{"a request and an answer", "POST", session, `{"jsonrpc":"2.0","id":1,"method":"ping","result":1}`, nil, 400, -32600, "1"},
		{"no token of progress", "POST", session, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":{}}}}`,
			nil, 400, -32602, "1"},
		{"an unknown tool", "POST", session, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"no"}}`, nil, 200, -32602, "1"},
		{"a bad initialize", "POST", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":7}`, nil, 200, -32600, "1"},
	} {
		r := requestOf(t, "alice", row.method, row.session, row.body)
		for i := 0; i < len(row.headers); i += 2 {
			r.Header.Set(row.headers[i], row.headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		id := checkFault(t, row.says, w.Body.Bytes(), row.code)
		if w.Code != row.status || id != row.id || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s = %d of %s, %s; want %d of %s, JSON", row.says, row.method, w.Code, id,
				w.Header().Get("Content-Type"), row.status, row.id)
		}
		if row.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s: no Allow", row.says)
		}
	}
	if h.sessions.all.Len() != 1 {
		t.Errorf("%d sessions are left, want one", h.sessions.all.Len())
	}
}

func TestAModernMessageIsWhatItsHeadersSay(t *testing.T) {
	b := newBed(t, entry("ATool"))
	h := b.HTTP()
	good := func() http.Header {
		return http.Header{
			mcp.HeaderProtocolVersion: {"2026-07-28"}, mcp.HeaderMethod: {"tools/call"}, mcp.HeaderName: {"ATool"},
			"Accept": {"application/json, text/event-stream"},
		}
	}
	call := modernCall("5", "", "{}", "")
	for _, row := range []struct {
		says         string
		change       func(http.Header)
		body         string
		status, code int
	}{
		{"all is well", func(http.Header) {}, call, 200, 0},
		{"a session, which there is none of", func(h http.Header) { h.Set(sessionHeader, "x") }, call, 200, 0},
		{"no revision in the header", func(h http.Header) { h.Del(mcp.HeaderProtocolVersion) }, call, 400, -32020},
		{"two revisions", func(h http.Header) { h.Add(mcp.HeaderProtocolVersion, "2026-07-28") }, call, 400, -32020},
		{"another revision", func(h http.Header) { h.Set(mcp.HeaderProtocolVersion, "2025-11-25") }, call, 400, -32020},
		{"no revision in the message", func(http.Header) {}, callBody("5", ""), 400, -32602},
		{"a revision that nobody has", func(h http.Header) { h.Set(mcp.HeaderProtocolVersion, "v999.0.0") },
			strings.Replace(call, "2026-07-28", "v999.0.0", 1), 400, -32022},
		{"no capabilities", func(http.Header) {}, strings.Replace(call, "clientCapabilities", "x", 1), 400, -32602},
		{"no method", func(h http.Header) { h.Del(mcp.HeaderMethod) }, call, 400, -32020},
		{"another method", func(h http.Header) { h.Set(mcp.HeaderMethod, "tools/list") }, call, 400, -32020},
		{"no name", func(h http.Header) { h.Del(mcp.HeaderName) }, call, 400, -32020},
		{"another name", func(h http.Header) { h.Set(mcp.HeaderName, "BTool") }, call, 400, -32020},
		{"two methods", func(h http.Header) { h.Add(mcp.HeaderMethod, "tools/list") }, call, 400, -32020},
		{"one method twice", func(h http.Header) { h.Add(mcp.HeaderMethod, "tools/call") }, call, 400, -32020},
		{"two names", func(h http.Header) { h.Add(mcp.HeaderName, "harmless") }, call, 400, -32020},
		{"two of a parameter", func(h http.Header) { h["Mcp-Param-Zone"] = []string{"a", "a"} }, call, 400, -32020},
		{"one of a parameter", func(h http.Header) { h.Set("Mcp-Param-Zone", "a") }, call, 200, 0},
		{"two of another header", func(h http.Header) { h["Mcp-Paramount"] = []string{"a", "b"} }, call, 200, 0},
		{"an event to go on from", func(h http.Header) { h.Set(mcp.HeaderLastEventID, "7") }, call, 400, -32020},
		{"an answer", func(http.Header) {}, `{"jsonrpc":"2.0","id":5,"result":{}}`, 400, -32600},
		{"what there is no more", func(h http.Header) { h.Set(mcp.HeaderMethod, "ping") },
			`{"jsonrpc":"2.0","id":5,"method":"ping","params":{` + modernMeta("{}", "") + `}}`, 404, -32601},
		{"initialize", func(h http.Header) { h.Set(mcp.HeaderMethod, "initialize") },
			`{"jsonrpc":"2.0","id":5,"method":"initialize","params":{` + modernMeta("{}", "") + `}}`, 404, -32601},
	} {
		r := requestOf(t, "alice", http.MethodPost, "", row.body)
		r.Header = good()
		row.change(r.Header)
		w := httptest.NewRecorder()
		if known := h.Knows(r); !known {
			t.Errorf("%s: Knows = false", row.says)
		}
		h.ServeHTTP(w, r)
		if w.Code != row.status {
			t.Errorf("%s: %d %s, want %d", row.says, w.Code, w.Body, row.status)
		}
		if row.code != 0 {
			if id := checkFault(t, row.says, w.Body.Bytes(), row.code); id != "5" {
				t.Errorf("%s: the error is of %s, want 5", row.says, id)
			}
		}
		if w.Header().Get(sessionHeader) != "" {
			t.Errorf("%s: a session began", row.says)
		}
	}
	if n := len(b.caller.requests()); n != 4 {
		t.Errorf("%d calls came through, want the 4 good ones", n)
	}
}

func TestANotificationIsAccepted(t *testing.T) {
	h := newBed(t).HTTP()
	const body = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	if w := ask(t, h, "alice", http.MethodPost, openSession(t, h, "alice"), body); w.Code != 202 || w.Body.Len() > 0 {
		t.Errorf("a notification = %d %s, want 202 and nothing", w.Code, w.Body)
	}
	synctest.Test(t, func(t *testing.T) {
		if p := postModern(t, h, "alice", "notifications/initialized", "", body); p.Code != 202 || p.text() != "" {
			t.Errorf("a stateless notification = %d %s, want 202 and nothing", p.Code, p.text())
		}
	})
}

func TestASubscriptionOverHTTPIsToldWhatItWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		h := b.HTTP()
		tools := postModern(t, h, "alice", "subscriptions/listen", "", listenBody("9007199254740993", `{"toolsListChanged":true}`))
		nothing := postModern(t, h, "alice", "subscriptions/listen", "", listenBody(`"n"`, `{}`))
		const ack = "notifications/subscriptions/acknowledged"
		if <-nothing.ended; fmt.Sprint(nothing.messages(t)) != "["+ack+` "n": result]` {
			t.Errorf("a subscription to nothing = %v, want its acknowledgement and its end", nothing.messages(t))
		}
		b.offer(entry("BTool"))
		b.Refresh()
		<-time.After(patience + 1)
		h.CloseSessions(t.Context())
		<-tools.ended
		want := "[" + ack + " notifications/tools/list_changed : alive 9007199254740993: result]"
		if got := fmt.Sprint(tools.messages(t)); got != want {
			t.Errorf("a subscription = %s, want %s", got, want)
		}
		if n := strings.Count(tools.text(), `"io.modelcontextprotocol/subscriptionId":9007199254740993`); n != 3 {
			t.Errorf("%d messages name the subscription, want 3: %s", n, tools.text())
		}
	})
}

func TestASubscriptionEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		h := b.HTTP()
		p := postModern(t, h, "alice", "subscriptions/listen", "", listenBody("1", `{"toolsListChanged":true}`))
		p.hangUp()
		<-p.ended
		if err := h.Close(t.Context()); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
		blunt := post(t, h, "alice", "", listenBody("1", `{"toolsListChanged":true}`), mcp.HeaderProtocolVersion, "2026-07-28",
			mcp.HeaderMethod, "subscriptions/listen", "Accept", "application/json")
		if checkFault(t, "no stream", []byte(blunt.text()), -32600); blunt.Code != http.StatusNotAcceptable {
			t.Errorf("a subscription without a stream = %d, want 406", blunt.Code)
		}
	})
}

func TestSubscriptionsThatEndedLeaveNothing(t *testing.T) {
	b := newBed(t, entry("ATool"))
	h := b.HTTP()
	subscribe := func(count int) {
		for range count {
			r := requestOf(t, "alice", http.MethodPost, "", listenBody("1", `{"toolsListChanged":true}`))
			r.Header.Set(mcp.HeaderProtocolVersion, "2026-07-28")
			r.Header.Set(mcp.HeaderMethod, "subscriptions/listen")
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		}
	}
	subscribe(10)
	before := heap()
	subscribe(1000)
	if err := h.Close(t.Context()); err != nil { // waits for those that have just ended
		t.Error(err)
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("1000 subscriptions leave %d bytes", grown)
	}
	runtime.KeepAlive(b)
}

// What a handler says in the name of the protocol is the answer; mcp-go would make an internal error of it.
func TestAHandlerCanAnswerWithAnErrorOfTheProtocol(t *testing.T) {
	b := newBed(t, entry("ATool"))
	b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		return tool.Result{}, missingCapability(ctx, "elicitation")
	}
	h := b.HTTP()
	synctest.Test(t, func(t *testing.T) {
		p := postModern(t, h, "alice", "tools/call", "ATool", modernCall("1", "", "{}", ""))
		checkFault(t, "a missing capability", []byte(p.text()), -32021)
		if data := string(readSent(t, p.text()).Error.Data); p.Code != 400 || data != `{"requiredCapabilities":{"elicitation":{}}}` {
			t.Errorf("a missing capability = %d %s", p.Code, data)
		}
	})
	w := b.wire(t)
	w.send(modernCall("1", "", "{}", ""))
	if m := w.next(); m.String() != "1: error -32021" {
		t.Errorf("a missing capability = %v, want -32021", m)
	}
}

// Each request of the stateless revision says for itself what its client is.
func TestStatelessRequestsShareNothing(t *testing.T) {
	type seen struct {
		level   mcp.LoggingLevel
		can     bool
		session *session
	}
	var got []seen
	b := newBed(t, entry("ATool"))
	b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		got = append(got, seen{logLevelOf(ctx), canElicit(ctx), callOf(ctx).session})
		return tool.Result{}, nil
	}
	const level = `,"io.modelcontextprotocol/logLevel":"debug"`
	h, w := b.HTTP(), b.wire(t)
	w.open(`{"elicitation":{}}`)
	for _, via := range []func(body string){
		func(body string) { w.send(body); w.next() },
		func(body string) {
			synctest.Test(t, func(t *testing.T) { <-postModern(t, h, "alice", "tools/call", "ATool", body).ended })
		},
	} {
		got = nil
		via(modernCall("1", "", `{"elicitation":{}}`, level))
		via(modernCall("1", "", `{}`, ""))
		via(modernCall("1", "", `{"elicitation":{"url":{}}}`, ""))
		want := []seen{{"debug", true, nil}, {"", false, nil}, {"", false, nil}}
		for i := range want {
			if got[i].level != want[i].level || got[i].can != want[i].can || i > 0 && got[i].session == got[i-1].session {
				t.Errorf("request %d: level %q, can elicit: %t; want %q, %t, in a session of its own", i, got[i].level, got[i].can,
					want[i].level, want[i].can)
			}
		}
	}
	w.send(callBody("2", "")) // and nothing of it is the session's
	w.next()
	if last := got[len(got)-1]; len(got) < 1 || last.session == nil {
		t.Errorf("the call of the session saw %+v", last)
	}
}

func TestTheMessageThatWasReadBeforeIsNotReadAgain(t *testing.T) {
	h := newBed(t).HTTP()
	r := requestOf(t, "alice", http.MethodPost, openSession(t, h, "alice"), "nonsense")
	m, err := rpcmessage.Read([]byte(pingBody("7")))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(rpcmessage.With(r.Context(), m)))
	if got := readSent(t, w.Body.String()); got.String() != "7: result" {
		t.Errorf("the answer = %v, want that of the message", got)
	}
}

// A client that opens streams and does not read them, and one that has none, cost the same: little.
func TestWhatNobodyReadsIsKeptOnce(t *testing.T) {
	b := newBed(t, entry("ATool"))
	h := b.HTTP()
	for i := range 100 {
		openSession(t, h, fmt.Sprint("client", i))
	}
	change := func(i int) {
		b.offer(entry(fmt.Sprintf("Tool%d", i)))
		b.Refresh()
	}
	change(0)
	before := heap()
	for i := range 1000 {
		change(i)
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("1000 changes keep %d bytes in 100 sessions", grown)
	}
	for _, o := range h.sessions.byID {
		told := map[string]bool{}
		for _, n := range o.inbox.take() {
			if told[n.Method] {
				t.Errorf("a session is to be told %s twice", n.Method)
			}
			told[n.Method] = true
		}
		if !told["notifications/tools/list_changed"] {
			t.Errorf("a session is to be told %v, want that the tools have changed", told)
		}
	}
}
