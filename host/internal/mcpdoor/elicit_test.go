package mcpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// asking makes calls that ask the client, and end with what it says.
func asking(b *bed, answers chan<- string) {
	b.caller.call = func(ctx context.Context, r tool.Request) (tool.Result, error) {
		said, err := b.server.RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{
			Message: "May I " + target(r) + "?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
		}})
		if err != nil {
			answers <- target(r) + ": " + err.Error()
			return tool.Result{}, err
		}
		answers <- fmt.Sprintf("%s: %s %v", target(r), said.Action, said.Content)
		return tool.Result{Stdout: "done"}, nil
	}
}

func answerBody(id, action string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"action":"` + action + `","content":{"ok":true}}}`
}

func TestAQuestionIsAnsweredOnStdio(t *testing.T) {
	b, answers := newBed(t, entry("ATool")), make(chan string, 10)
	asking(b, answers)
	w := b.wire(t)
	w.open(`{"elicitation":{}}`)
	w.send(callBody("1", "scan"))
	q := w.next()
	if q.Method != "elicitation/create" || !strings.Contains(string(q.Params), "May I scan?") || len(q.ID) == 0 {
		t.Fatalf("the question = %v %s", q, q.Params)
	}
	w.send(answerBody("77", "accept"), answerBody(`"`+string(q.ID)+`"`, "accept")) // forged
	for range 2 {
		if m := w.next(); m.String() != "null: error -32600" {
			t.Errorf("a forged answer = %v, want -32600", m)
		}
	}
	w.send(answerBody(string(q.ID), "accept"), answerBody(string(q.ID), "decline")) // the first counts
	if got := <-answers; got != "scan: accept map[ok:true]" {
		t.Errorf("the call has heard %q", got)
	}
	if m := w.next(); m.String() != "1: result" {
		t.Errorf("the call = %v, want its result", m)
	}
	w.send(callBody("2", "probe"))
	q = w.next()
	w.send(`{"jsonrpc":"2.0","id":` + string(q.ID) + `,"error":{"code":-1,"message":"no window"}}`)
	if got := <-answers; !strings.Contains(got, "no window") {
		t.Errorf("the call has heard %q, want the client's reason", got)
	}
}

func TestAQuestionGoesOutOnTheStreamOfItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, answers := newBed(t, entry("ATool")), make(chan string, 10)
		asking(b, answers)
		h := b.HTTP()
		alice, bob := openElicited(t, h, "alice"), openElicited(t, h, "bob")
		stream := listening(t, h, "alice", alice)
		one, other := post(t, h, "alice", alice, callBody("1", "one")), post(t, h, "bob", bob, callBody("1", "other"))
		if got := fmt.Sprint(one.messages(t), other.messages(t)); got != "[elicitation/create] [elicitation/create]" {
			t.Fatalf("the questions = %s", got)
		}
		for _, row := range []struct {
			says, client, session, id string
			status                    int
		}{
			{"an answer to what was never asked", "alice", alice, "9", 400},
			{"one from another's session", "bob", alice, "1", 404},
			{"one with a text for the number", "bob", bob, `"1"`, 400},
		} {
			if w := ask(t, h, row.client, http.MethodPost, row.session, answerBody(row.id, "accept")); w.Code != row.status {
				t.Errorf("%s = %d, want %d", row.says, w.Code, row.status)
			}
		}
		synctest.Wait()
		if len(answers) > 0 {
			t.Errorf("a call has heard %q from somebody else", <-answers)
		}
		if w := ask(t, h, "bob", http.MethodPost, bob, answerBody("1", "decline")); w.Code != 202 {
			t.Errorf("the answer = %d, want 202", w.Code)
		}
		if got := <-answers; got != "other: decline map[ok:true]" {
			t.Errorf("the call has heard %q", got)
		}
		<-other.ended
		if got := fmt.Sprint(other.messages(t)); got != "[elicitation/create 1: result]" {
			t.Errorf("the stream of the call = %s", got)
		}
		ask(t, h, "alice", http.MethodPost, alice, cancelBody("1"))
		<-one.ended
		if got := <-answers; got != "one: context canceled" {
			t.Errorf("the call that was cancelled has heard %q", got)
		}
		if got := fmt.Sprint(one.messages(t)); got != "[elicitation/create notifications/cancelled]" {
			t.Errorf("its stream = %s, want the question and its end", got)
		}
		if w := ask(t, h, "alice", http.MethodPost, alice, answerBody("1", "accept")); w.Code != 202 {
			t.Errorf("an answer that comes too late = %d, want 202", w.Code)
		}
		if got := stream.text(); got != "" {
			t.Errorf("the session's own stream has %q", got)
		}
		h.CloseSessions(t.Context())
	})
}

func TestOnlyAClientThatCanIsAsked(t *testing.T) {
	for capabilities, want := range map[string]bool{
		`{}`: false, `{"elicitation":{}}`: true, `{"elicitation":{"form":{}}}`: true, `{"elicitation":{"form":{},"url":{}}}`: true,
		`{"elicitation":{"url":{}}}`: false,
	} {
		b := newBed(t, entry("ATool"))
		b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			if got := canElicit(ctx); got != want {
				t.Errorf("%s: canElicit = %t, want %t", capabilities, got, want)
			}
			if !want {
				_, err := b.server.RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{
					Message: "?", RequestedSchema: map[string]any{}}})
				if !errors.Is(err, server.ErrElicitationNotSupported) {
					t.Errorf("%s: RequestElicitation = %v, want %v", capabilities, err, server.ErrElicitationNotSupported)
				}
			}
			return tool.Result{}, nil
		}
		w := b.wire(t)
		w.open(capabilities)
		w.send(callBody("1", ""))
		w.next()
		h := b.HTTP()
		opened := ask(t, h, "alice", http.MethodPost, "", strings.Replace(initializeBody, `"capabilities":{}`,
			`"capabilities":`+capabilities, 1))
		ask(t, h, "alice", http.MethodPost, opened.Header().Get(sessionHeader), callBody("1", ""))
		if n := len(b.caller.requests()); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	}
	if canElicit(t.Context()) || outboxOf(t.Context()).open() || logLevelOf(t.Context()) != "" {
		t.Error("a context of no request can do something")
	}
	if err := outboxOf(t.Context()).notify("x", nil); !errors.Is(err, errNoStream) {
		t.Errorf("notify of no request = %v, want %v", err, errNoStream)
	}
}

func TestOnlySoManyQuestionsAreOpen(t *testing.T) {
	b, answers := newBed(t, entry("ATool")), make(chan string, 2*maxAsks)
	asking(b, answers)
	w := b.wire(t)
	w.open(`{"elicitation":{}}`)
	for i := range maxAsks {
		w.send(callBody(fmt.Sprint(i), "wait"))
		w.next()
	}
	w.send(callBody("100", "more"))
	if m := w.next(); m.Method != "" || m.Result == nil && m.Error == nil {
		t.Errorf("a question too many = %v, want an answer of the call", m)
	}
	if got := <-answers; got != "more: "+errTooManyAsks.Error() {
		t.Errorf("the call has heard %q, want %v", got, errTooManyAsks)
	}
	w.send(cancelBody("0"))
	if m := w.next(); m.Method != "notifications/cancelled" || !strings.Contains(string(m.Params), `"requestId":1`) {
		t.Errorf("the question of what was cancelled = %v %s, want its end", m, m.Params)
	}
	w.send(callBody("101", "again"))
	if m := w.next(); m.Method != "elicitation/create" {
		t.Errorf("a question when there is room = %v", m)
	}
}

func TestASessionBoundsWhatItsClientCanMakeItKeep(t *testing.T) {
	s := newSession("x")
	message := func(body string) rpcmessage.Message {
		m, err := rpcmessage.Read([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for i := range maxInFlight {
		if f := s.begin(&call{message: message(pingBody(fmt.Sprint(i)))}); f != nil {
			t.Fatalf("request %d = %v", i, f)
		}
	}
	if f := s.begin(&call{message: message(pingBody("1000"))}); f != errTooMany {
		t.Errorf("one request more = %v, want %v", f, errTooMany)
	}
	s.end(&call{message: message(pingBody("7"))})
	if f := s.begin(&call{message: message(pingBody("1000"))}); f != nil {
		t.Errorf("a request when there is room = %v", f)
	}
	_, answer, err := s.openAsk(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // nobody listens yet, and whoever reads messages must not wait
		if f := s.answered(message(answerBody("1", "accept"))); f != nil {
			t.Errorf("an answer = %v, want it taken", f)
		}
	}
	if <-answer; len(answer) > 0 {
		t.Error("the second answer counts as well")
	}
}

// A client may look at the answer before what it has read with it.
func TestAnAnswerKeepsItsDistance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		var told time.Time
		b.caller.call = func(ctx context.Context, r tool.Request) (tool.Result, error) {
			if target(r) == "tell" {
				if err := outboxOf(ctx).notify("notifications/progress", nil); err != nil {
					t.Errorf("notify = %v", err)
				}
				told = time.Now()
			}
			return tool.Result{}, nil
		}
		h := b.HTTP()
		session := openSession(t, h, "alice")
		<-post(t, h, "alice", session, callBody("1", "")).ended
		if !told.IsZero() {
			t.Fatal("told")
		}
		start := time.Now()
		p := post(t, h, "alice", session, callBody("2", "tell"))
		if p.open() && fmt.Sprint(p.messages(t)) != "[notifications/progress]" {
			t.Errorf("at once there are %v, want the progress", p.messages(t))
		}
		<-p.ended
		if d := time.Since(start); d != gap || fmt.Sprint(p.messages(t)) != "[notifications/progress 2: result]" {
			t.Errorf("the answer came after %v, %v; want %v", d, p.messages(t), gap)
		}
	})
}

func TestNothingIsToldAfterTheAnswer(t *testing.T) {
	b, late := newBed(t, entry("ATool")), make(chan *outbox, 1)
	b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		late <- outboxOf(ctx)
		return tool.Result{}, nil
	}
	w := b.wire(t)
	w.open("{}")
	w.send(callBody("1", ""))
	w.next()
	if err := (<-late).notify("notifications/progress", nil); !errors.Is(err, errAnswered) {
		t.Errorf("notify after the answer = %v, want %v", err, errAnswered)
	}
	h := b.HTTP()
	ask(t, h, "alice", http.MethodPost, openSession(t, h, "alice"), callBody("1", ""))
	if err := (<-late).notify("notifications/progress", nil); !errors.Is(err, errAnswered) {
		t.Errorf("notify after the answer over HTTP = %v, want %v", err, errAnswered)
	}
	if rest, err := w.close(); len(rest) > 0 || err != nil {
		t.Errorf("the rest = %v, %v, want nothing", rest, err)
	}
}

// A call that tells a client which does not read is not held by it when it is cancelled.
func TestATellerIsNotHeldByAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, failed := newBed(t, entry("ATool")), make(chan error, 2)
		b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			err := outboxOf(ctx).notify("notifications/progress", nil)
			failed <- err
			return tool.Result{}, err
		}
		w := b.wire(t)
		w.open("{}")
		w.send(callBody("1", ""), callBody("2", ""))
		synctest.Wait() // one of the two writes, which nobody reads, and the other waits
		w.send(cancelBody("1"), cancelBody("2"))
		if err := <-failed; !errors.Is(err, errGone) {
			t.Errorf("notify = %v, want %v", err, errGone)
		}
		w.stop()
		_ = w.in.Close() // never fails
		w.next()         // what was begun is written whole
		<-w.ended
	})
}

func TestTheLevelOfASessionIsItsOwn(t *testing.T) {
	b, levels := newBed(t, entry("ATool")), make(chan mcp.LoggingLevel, 1)
	b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
		levels <- logLevelOf(ctx)
		return tool.Result{}, nil
	}
	h := b.HTTP()
	alice, bob := openSession(t, h, "alice"), openSession(t, h, "bob")
	set := func(level string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"` + level + `"}}`
	}
	if w := ask(t, h, "alice", http.MethodPost, alice, set("warning")); w.Code != 200 || !strings.Contains(w.Body.String(), `"result":{}`) {
		t.Errorf("setLevel = %d %s, want an empty result", w.Code, w.Body)
	}
	checkFault(t, "a level that there is not", ask(t, h, "alice", http.MethodPost, alice, set("loud")).Body.Bytes(), -32602)
	for session, want := range map[string]mcp.LoggingLevel{alice: "warning", bob: defaultLevel} {
		client := map[string]string{alice: "alice", bob: "bob"}[session]
		ask(t, h, client, http.MethodPost, session, callBody("2", ""))
		if got := <-levels; got != want {
			t.Errorf("the level of %s = %s, want %s", client, got, want)
		}
	}
}

func TestAnInboxTellsTheLastOfEachKindAndWhatMustBeFirst(t *testing.T) {
	n := func(method, uri string) mcp.JSONRPCNotification {
		return mcp.JSONRPCNotification{Notification: mcp.Notification{Method: method, Params: mcp.NotificationParams{
			AdditionalFields: map[string]any{"uri": uri}}}}
	}
	b := newInbox()
	for range 1000 {
		for _, x := range []mcp.JSONRPCNotification{n("a", ""), n("b", "x"), n("b", "y")} {
			select {
			case b.channel() <- x:
			default:
				t.Fatal("there is no room")
			}
		}
	}
	var got []string
	for _, x := range b.take() {
		got = append(got, fmt.Sprint(x.Method, x.Params.AdditionalFields["uri"]))
	}
	if fmt.Sprint(got) != "[a bx by]" || len(b.take()) > 0 {
		t.Errorf("take = %v, want one of each kind", got)
	}
	b = newInbox()
	b.first = "first"
	b.channel() <- n("a", "")
	if all := b.take(); len(all) > 0 {
		t.Errorf("take = %v before the first", all)
	}
	b.channel() <- n("first", "")
	if all := b.take(); len(all) != 2 || all[0].Method != "first" {
		t.Errorf("take = %v, want the first and the other", all)
	}
	b.shut()
	b.channel() <- n("a", "")
	if all := b.take(); len(all) > 0 {
		t.Errorf("take = %v after the end", all)
	}
}

func TestASessionKeepsLittleOfWhatItsClientSays(t *testing.T) {
	s := newSession("x")
	long := strings.Repeat("x", 10_000)
	s.SetClientInfo(mcp.Implementation{Name: long, Version: long, Description: long, Icons: make([]mcp.Icon, 100)})
	s.SetClientCapabilities(mcp.ClientCapabilities{Experimental: map[string]any{"x": long}, Extensions: map[string]any{"x": long},
		Elicitation: &mcp.ElicitationCapability{}})
	if i := s.GetClientInfo(); len(i.Name) > 100 || len(i.Version) > 100 || i.Description != "" || i.Icons != nil {
		t.Errorf("it keeps %.100v", i)
	}
	if c := s.GetClientCapabilities(); c.Experimental != nil || c.Extensions != nil || c.Elicitation == nil {
		t.Errorf("it keeps %.100v, want what the protocol knows", c)
	}
	for i := range 2 * maxSubscriptions {
		s.SubscribeToResource(fmt.Sprint("x:", i))
	}
	if err := s.SubscribeToResourceErr("x:" + long); err == nil || len(s.SubscribedResources()) != maxSubscriptions {
		t.Errorf("%d subscriptions, and a long one: %v", len(s.SubscribedResources()), err)
	}
	s.UnsubscribeFromResource("x:0")
	for uri, want := range map[string]int{"x:0": 0, "x:1": 1} {
		s.inbox.channel() <- mcp.JSONRPCNotification{Notification: mcp.Notification{Method: mcp.MethodNotificationResourceUpdated,
			Params: mcp.NotificationParams{AdditionalFields: map[string]any{"uri": uri}}}}
		if got := len(s.inbox.take()); got != want {
			t.Errorf("a change of %s is told %d times, want %d", uri, got, want)
		}
	}
}

// Nobody waits for an answer that cannot come any more: its place is another's.
func TestAQuestionEndsWithItsSession(t *testing.T) {
	for says, end := range map[string]func(t *testing.T, h *HTTP, session string){
		"its client ends it": func(t *testing.T, h *HTTP, session string) {
			ask(t, h, "alice", http.MethodDelete, session, "")
		},
		"the client opens too many that are in use": func(t *testing.T, h *HTTP, _ string) {
			for range maxSessionsPerClient {
				listening(t, h, "alice", openSession(t, h, "alice"))
			}
		},
		"the host begins to end": func(t *testing.T, h *HTTP, _ string) { h.CloseSessions(t.Context()) },
	} {
		synctest.Test(t, func(t *testing.T) {
			b, answers := newBed(t, entry("ATool")), make(chan string, 10)
			asking(b, answers)
			h := b.HTTP()
			session := openElicited(t, h, "alice")
			o := h.sessions.byID[session]
			p := post(t, h, "alice", session, callBody("1", "scan"))
			start := time.Now()
			end(t, h, session)
			<-p.ended
			if got := <-answers; got != "scan: "+errOver.Error() || time.Since(start) > time.Second {
				t.Errorf("%s: the call has heard %q after %v, want that the session has ended", says, got, time.Since(start))
			}
			if got := fmt.Sprint(p.messages(t)); got != "[elicitation/create notifications/cancelled 1: result]" {
				t.Errorf("%s: its stream = %s, want the question and its end", says, got)
			}
			if _, _, err := o.openAsk(nil); !errors.Is(err, errOver) || len(o.asks) > 0 {
				t.Errorf("%s: another question = %v, %d are open; want %v, none", says, err, len(o.asks), errOver)
			}
			h.CloseSessions(t.Context())
		})
	}
}

func TestAQuestionEndsWithTheStreamThatItWentOutOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, answers := newBed(t, entry("ATool")), make(chan string, 10)
		asking(b, answers)
		h := b.HTTP()
		session := openElicited(t, h, "alice")
		gone, other := post(t, h, "alice", session, callBody("1", "gone")), post(t, h, "alice", session, callBody("2", "other"))
		gone.hangUp()
		if got := <-answers; got != "gone: "+errGone.Error() {
			t.Errorf("the call has heard %q, want that the client is gone", got)
		}
		synctest.Wait()
		if len(answers) > 0 || len(h.sessions.byID[session].asks) != 1 {
			t.Errorf("another call has heard %d answers, %d questions are open; want none and its own", len(answers),
				len(h.sessions.byID[session].asks))
		}
		ask(t, h, "alice", http.MethodPost, session, answerBody("2", "accept"))
		<-other.ended
		if got := <-answers; got != "other: accept map[ok:true]" {
			t.Errorf("the other call has heard %q", got)
		}
		if w := ask(t, h, "alice", http.MethodPost, session, answerBody("1", "accept")); w.Code != 202 {
			t.Errorf("an answer that comes too late = %d, want 202", w.Code)
		}
	})
}

// openElicited opens a session of a client that can be asked.
func openElicited(t *testing.T, h *HTTP, client string) string {
	t.Helper()
	w := ask(t, h, client, http.MethodPost, "", strings.Replace(initializeBody, `"capabilities":{}`,
		`"capabilities":{"elicitation":{}}`, 1))
	return w.Header().Get(sessionHeader)
}

// curious is a tool that says a lot and then asks something.
type curious struct{ words int }

func (c curious) Call(_ context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	if len(r.Answers) > 0 {
		return tool.Result{Stdout: "done"}, nil
	}
	for i := range c.words {
		emit(tool.Event{Log: &tool.Log{Level: tool.LogInfo, Message: fmt.Sprint(i)}})
	}
	return tool.Result{Questions: []tool.Question{{ID: "q", Message: "?", Schema: anyObject}}}, nil
}

func TestWhatACallHasSaidComesBeforeItsQuestion(t *testing.T) {
	const words = 20
	b := bedWith(t, func(cfg *Config) { cfg.Caller = curious{words} }, entry("ATool"))
	w := b.wire(t)
	w.open(`{"elicitation":{}}`)
	for id := range 20 {
		w.send(callBody(fmt.Sprint(100+id), ""))
		for i := range words {
			if m := w.next(); m.Method != messageMethod {
				t.Errorf("message %d = %v, want what the call has said", i, m)
			}
		}
		q := w.next()
		if q.Method != "elicitation/create" {
			t.Errorf("behind the messages = %v, want the question", q)
		}
		w.send(answerBody(string(q.ID), "accept"))
		if m := w.next(); m.String() != fmt.Sprint(100+id, ": result") {
			t.Errorf("the end = %v, want the result", m)
		}
	}
}
