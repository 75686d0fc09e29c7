package mcpdoor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestBadLinesAreToldAndTheStreamGoesOn(t *testing.T) {
	w := newBed(t, entry("ATool")).wire(t)
	w.open("{}")
	for _, row := range []struct {
		says, line string
		code       int
		id         string
	}{
		{"nonsense", "nonsense", -32700, "null"},
		{"half a message", `{"jsonrpc":"2.0","id":1,"meth`, -32700, "null"},
		{"no UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}", -32700, "null"},
		{"half a surrogate", `{"jsonrpc":"2.0","id":1,"method":"\ud800"}`, -32700, "null"},
		{"a member that stands twice", `{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`, -32700, "null"},
		{"a member in other letters", `{"jsonrpc":"2.0","id":1,"METHOD":"ping"}`, -32600, "null"},
		{"nesting without end", strings.Repeat("[", 5000), -32700, "null"},
		{"more values than a message has", `{"a":[` + strings.Repeat("1,", 10_000) + `1]}`, -32700, "null"},
		{"a list of messages", "[" + pingBody("1") + "]", -32600, "null"},
		{"a number", "7", -32600, "null"},
		{"another version", `{"jsonrpc":"1.0","id":5,"method":"ping"}`, -32600, "5"},
		{"no method", `{"jsonrpc":"2.0","id":6}`, -32600, "6"},
		{"a null for an id", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, -32600, "null"},
		{"a list for an id", `{"jsonrpc":"2.0","id":[1],"method":"ping"}`, -32600, "null"},
		{"a large initialize", strings.Replace(initializeBody, `"capabilities":{`, `"capabilities":{"experimental":{"a":"`+
			strings.Repeat("x", 70<<10)+`"}`, 1), -32600, "null"},
		{"a line that is too long", strings.Repeat(" ", maxLine+1), -32600, "null"},
		{"an answer to nothing", `{"jsonrpc":"2.0","id":1,"result":{}}`, -32600, "null"},
		{"an unknown method", `{"jsonrpc":"2.0","id":"x","method":"no/such"}`, -32601, `"x"`},
	} {
		w.send(row.line)
		m := w.next()
		if m.Error == nil || m.Error.Code != row.code || string(m.ID) != row.id || m.Error.Message == "" {
			t.Errorf("%s: %.60q = %v, want error %d of %s", row.says, row.line, m, row.code, row.id)
		}
		w.send("", "  \r", pingBody("7")) // blank lines are nothing
		if m := w.next(); m.String() != "7: result" {
			t.Errorf("%s: the ping behind it = %v, want a result", row.says, m)
		}
	}
}

func TestALastLineWithoutAnEndIsAMessage(t *testing.T) {
	for line, want := range map[string]string{pingBody("1"): "1: result", pingBody("1")[:20]: "null: error -32700"} {
		w := newBed(t).wire(t)
		if _, err := io.WriteString(w.in, line); err != nil {
			t.Fatal(err)
		}
		if rest, err := w.close(); err != nil || fmt.Sprint(rest) != "["+want+"]" {
			t.Errorf("%q = %v, %v, want %s", line, rest, err, want)
		}
	}
}

func TestALineOf64MiBIsOneErrorAndNoMemory(t *testing.T) {
	w := newBed(t).wire(t)
	before := heap()
	go func() {
		_, _ = io.Copy(w.in, &endless{64 << 20})
		_, _ = io.WriteString(w.in, "\n"+pingBody("1")+"\n")
	}()
	if m := w.next(); m.String() != "null: error -32600" {
		t.Errorf("a line of 64 MiB = %v, want -32600", m)
	}
	if m := w.next(); m.String() != "1: result" {
		t.Errorf("the ping behind it = %v, want a result", m)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d bytes are kept, want less than 4 MiB", grown)
	}
}

func TestUntilInitializeOnlyWhatNeedsNoSessionIsServed(t *testing.T) {
	w := newBed(t, entry("ATool")).wire(t)
	for _, row := range []struct{ line, want string }{
		{listBody, "2: error -32600"},
		{callBody("3", ""), "3: error -32600"},
		{pingBody("4"), "4: result"},
		{modernCall("5", "", "{}", ""), "5: result"},
		{listBody, "2: error -32600"}, // what needs no session begins none
		{`{"jsonrpc":"2.0","id":6,"method":"initialize","params":7}`, "6: error -32600"},
		{listBody, "2: error -32600"}, // nor does what fails
	} {
		w.send(row.line)
		if m := w.next(); m.String() != row.want {
			t.Errorf("%s = %v, want %s", row.line, m, row.want)
		}
	}
	w.send(initializeBody, listBody) // without waiting
	if first, second := w.next(), w.next(); first.String() != "1: result" || second.String() != "2: result" {
		t.Errorf("initialize and what is behind it = %v, %v, want the results in this order", first, second)
	}
	if rest, err := w.close(); len(rest) > 0 || err != nil {
		t.Errorf("the end = %v, %v, want nothing", rest, err)
	}
}

// 8 and "8" are two ids, and so are numbers that a float64 cannot tell apart.
func TestACancelEndsTheCallOfExactlyItsID(t *testing.T) {
	for _, row := range []struct {
		cancel string
		ends   string // target of the call that ends; the targets are the ids
	}{
		{`8`, "8"}, {`8.0`, "8"}, {`80e-1`, "8"}, {`"8"`, "text"}, {`"\u0038"`, "text"},
		{`9007199254740993`, "big"}, {`-1`, "minus"}, {`1.5`, "half"},
	} {
		for era, body := range map[string]func(id, target string) string{
			"with a session": callBody,
			"stateless":      func(id, target string) string { return modernCall(id, target, "{}", "") },
		} {
			u := newUntil()
			b := newBed(t, entry("ATool"))
			b.caller.call = u.call
			w := b.wire(t)
			w.open("{}")
			calls := map[string]string{
				"8": `8`, "text": `"8"`, "big": `9007199254740993`, "near": `9007199254740992`, "minus": `-1`, "half": `1.5`,
			}
			for target, id := range calls {
				w.send(body(id, target))
			}
			for range calls {
				<-u.began
			}
			w.send(cancelBody(`77`), cancelBody(`"nobody"`), cancelBody(`{}`), cancelBody(`null`), // of no call
				cancelBody(row.cancel))
			if got := <-u.ended; got != row.ends {
				t.Errorf("%s: cancel of %s ends the call %s, want %s", era, row.cancel, got, row.ends)
			}
			close(u.free)
			want := maps.Clone(calls)
			delete(want, row.ends) // it is owed no answer
			got := map[string]bool{}
			for range want {
				got[w.next().String()] = true
			}
			for target, id := range want {
				if !got[id+": result"] {
					t.Errorf("%s: after a cancel of %s the call %s has no answer; there are %v", era, row.cancel, target, got)
				}
			}
			if rest, err := w.close(); len(rest) > 0 || err != nil {
				t.Errorf("%s: after a cancel of %s the door says %v, %v; want nothing more", era, row.cancel, rest, err)
			}
		}
	}
}

// Two processes of clients use the same ids as a matter of course.
func TestTwoClientsOfStdioHaveNothingOfOneAnother(t *testing.T) {
	u := newUntil()
	b := newBed(t, entry("ATool"))
	b.caller.call = u.call
	one, other := b.wire(t), b.wire(t)
	one.open("{}")
	other.open("{}")
	one.send(callBody("1", "one"), `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}`)
	other.send(callBody("1", "other"))
	<-u.began
	<-u.began
	if m := one.next(); m.String() != "2: result" {
		t.Errorf("setLevel = %v, want a result", m)
	}
	other.send(cancelBody("1"))
	if got := <-u.ended; got != "other" {
		t.Errorf("a cancel of the other's call ends %s's", got)
	}
	close(u.free)
	if m := one.next(); m.String() != "1: result" {
		t.Errorf("the call = %v, want a result", m)
	}
}

func TestAnIDThatIsUnderWayIsRefused(t *testing.T) {
	u := newUntil()
	b := newBed(t, entry("ATool"))
	b.caller.call = u.call
	w := b.wire(t)
	w.open("{}")
	w.send(callBody("1", "first"))
	<-u.began
	w.send(callBody("1", "second"), pingBody("1"), modernCall("1", "third", "{}", ""), callBody(`"1"`, "text"))
	for range 3 {
		if m := w.next(); m.String() != "1: error -32600" {
			t.Errorf("the same id again = %v, want -32600", m)
		}
	}
	if got := <-u.began; got != "text" {
		t.Errorf("%s began, want the one with a text for its id", got)
	}
	close(u.free)
	got := []string{w.next().String(), w.next().String()}
	slices.Sort(got)
	if want := []string{`"1": result`, "1: result"}; !slices.Equal(got, want) {
		t.Errorf("answers = %v, want %v", got, want)
	}
	w.send(callBody("1", "again")) // a client that waits for its answer may use it again
	if m := w.next(); m.String() != "1: result" {
		t.Errorf("the id of a call that has ended = %v, want a result", m)
	}
}

func TestIDsComeBackAsTheyWereWritten(t *testing.T) {
	w := newBed(t, entry("ATool")).wire(t)
	w.open("{}")
	for _, id := range []string{`0`, `-7`, `12345678901234567890`, `9007199254740993`, `1.50`, `1e3`, `"a\u00e9"`, `""`, `"<&>"`} {
		for _, body := range []string{pingBody(id), callBody(id, ""), modernCall(id, "", "{}", ""),
			`{"jsonrpc":"2.0","id":` + id + `,"method":"no/such"}`} {
			w.send(body)
			if m := w.next(); string(m.ID) != id {
				t.Errorf("%s: the answer is of %s", body, m.ID)
			}
		}
	}
}

func TestOnlySoManyRequestsAreUnderWay(t *testing.T) {
	u := newUntil()
	b := newBed(t, entry("ATool"))
	b.caller.call = u.call
	w := b.wire(t)
	w.open("{}")
	for i := range maxInFlight {
		w.send(callBody(fmt.Sprint(i), fmt.Sprint(i)))
	}
	for range maxInFlight {
		<-u.began
	}
	w.send(callBody("1000", "more"))
	if m := w.next(); m.String() != "1000: error -32000" {
		t.Errorf("one request more = %v, want -32000", m)
	}
	w.send(cancelBody(fmt.Sprint(maxInFlight - 1))) // the last one can be cancelled like the first
	if got := <-u.ended; got != fmt.Sprint(maxInFlight-1) {
		t.Errorf("%s has ended, want the last", got)
	}
	close(u.free)
	for range maxInFlight - 1 {
		if m := w.next(); m.Result == nil {
			t.Errorf("answer = %v, want a result", m)
		}
	}
	w.send(callBody("2000", ""))
	if m := w.next(); m.String() != "2000: result" {
		t.Errorf("a request when there is room = %v, want a result", m)
	}
}

// Who does not read is not read from: what it can make the door keep has a bound, and nobody waits for it at the end.
func TestAClientThatNeverReadsIsNotReadFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, entry("ATool"))
		b.caller.call = func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{Stdout: strings.Repeat("x", 1000)}, nil
		}
		in, toServer := io.Pipe()
		fromServer, out := io.Pipe()
		defer fromServer.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1) // gets the one result
		s := newStdio(b.Door, out)
		b.register(ctx, s.session)
		go func() { ended <- s.serve(ctx, newLineReader(in, maxLine)) }()
		go func() { _, _ = io.WriteString(toServer, initializeBody+"\n") }()
		if _, err := bufio.NewReader(fromServer).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		written := 0 // messages that the door took
		go func() {
			defer toServer.Close()
			for i := 0; ; i++ {
				if _, err := io.WriteString(toServer, callBody(fmt.Sprint(i), "")+"\n"); err != nil {
					return
				}
				written++
			}
		}()
		synctest.Wait()
		if written < maxInFlight || written > maxInFlight+2 {
			t.Errorf("%d messages were taken, want %d and what is on its way", written, maxInFlight)
		}
		for range 1000 { // and what has changed waits once
			b.offer(entry("ATool"))
			b.Refresh()
			b.offer(entry("ATool"), entry("BTool"))
			b.Refresh()
		}
		cancel()
		start := time.Now()
		if err := <-ended; err != nil || time.Since(start) > unread {
			t.Errorf("serve = %v after %v, want nil within %v", err, time.Since(start), unread)
		}
		s.running.mu.Lock()
		if n := s.running.count; n > 1 {
			t.Errorf("%d requests are left, want at most the one that writes", n)
		}
		s.running.mu.Unlock()
		_ = in.Close() // so that the goroutine that writes ends; never fails
	})
}

func TestAThousandChangesAreOneMessage(t *testing.T) {
	b := newBed(t, entry("ATool"))
	w := b.wire(t)
	w.open("{}")
	for i := range 1000 {
		b.offer(entry(fmt.Sprintf("Tool%d", i)))
		b.Refresh()
	}
	told := map[string]int{} // method -> times
	for told["notifications/tools/list_changed"] == 0 {
		told[w.next().Method]++
	}
	w.send(pingBody("1"))
	for m := w.next(); m.Result == nil; m = w.next() {
		told[m.Method]++
	}
	for method, times := range told { // the first is on its way before the last has changed
		if times > 2 {
			t.Errorf("a client that does not read was told %s %d times, want once or twice", method, times)
		}
	}
}

func TestNothingIsToldBeforeInitialize(t *testing.T) {
	b := newBed(t, entry("ATool"))
	w := b.wire(t)
	b.offer(entry("BTool"))
	b.Refresh()
	w.send(pingBody("1"), initializeBody, pingBody("2"))
	for i := range 3 {
		if m := w.next(); m.Result == nil {
			t.Errorf("message %d = %v, want an answer", i, m)
		}
	}
	if rest, err := w.close(); len(rest) > 0 || err != nil {
		t.Errorf("the rest = %v, %v, want nothing", rest, err)
	}
}

func TestTheEndOfTheStreamCancelsWhatIsUnderWayAndItsAnswersAreWritten(t *testing.T) {
	u := newUntil()
	b := newBed(t, entry("ATool"))
	b.caller.call = u.call
	w := b.wire(t)
	w.open("{}")
	w.send(callBody("1", "scan"))
	<-u.began
	w.send(pingBody("2"))
	rest, err := w.close()
	if got := <-u.ended; got != "scan" {
		t.Errorf("%s has ended, want the call", got)
	}
	var ids []string
	for _, m := range rest {
		ids = append(ids, string(m.ID))
	}
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{"1", "2"}) {
		t.Errorf("the answers after the end are of %v, %v; want 1 and 2", ids, err)
	}
}

func TestAClientThatIsGoneIsTheEndOfTheStream(t *testing.T) {
	b := newBed(t, entry("ATool"))
	in, toServer := io.Pipe()
	defer toServer.Close()
	fromServer, out := io.Pipe()
	ended := make(chan error, 1) // gets the one result
	go func() { ended <- b.ServeStdio(t.Context(), in, out) }()
	_ = fromServer.Close() // never fails
	if _, err := io.WriteString(toServer, pingBody("1")+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("ServeStdio = %v, want nil", err)
	}
}

// full is where nothing can be written.
type full struct{}

var errFull = errors.New("no space")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAFailureToWriteEndsTheStreamWithIt(t *testing.T) {
	in, toServer := io.Pipe()
	defer toServer.Close()
	ended := make(chan error, 1) // gets the one result
	go func() { ended <- newBed(t).ServeStdio(t.Context(), in, full{}) }()
	if _, err := io.WriteString(toServer, pingBody("1")+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errFull) {
		t.Errorf("ServeStdio = %v, want %v", err, errFull)
	}
}

func TestAPanicIsAnErrorWithoutDetails(t *testing.T) {
	b := newBed(t, entry("ATool"))
	b.cfg.Visible = func(context.Context, string) bool { panic("the secret") }
	w := b.wire(t)
	w.open("{}")
	w.send(listBody)
	if m := w.next(); m.String() != "2: error -32603" || m.Error.Message != "internal error" {
		t.Errorf("tools/list = %v %+v, want -32603 without details", m, m.Error)
	}
	w.send(pingBody("3"))
	if m := w.next(); m.String() != "3: result" {
		t.Errorf("the ping behind it = %v, want a result", m)
	}
	h := b.HTTP()
	answer := ask(t, h, "alice", "POST", openSession(t, h, "alice"), listBody)
	if checkFault(t, "tools/list over HTTP", answer.Body.Bytes(), -32603); strings.Contains(answer.Body.String(), "secret") {
		t.Errorf("tools/list over HTTP = %s, want no details", answer.Body)
	}
}

func TestSubscriptionsOnStdioAreToldApart(t *testing.T) {
	b := newBed(t, entry("ATool"))
	w := b.wire(t)
	w.send(listenBody("9007199254740993", `{"toolsListChanged":true}`))
	first := w.next()
	const tag = `"_meta":{"io.modelcontextprotocol/subscriptionId":`
	if first.Method != "notifications/subscriptions/acknowledged" || !strings.Contains(string(first.Params), tag+"9007199254740993}") {
		t.Errorf("listen = %v %s, want the acknowledgement of it", first, first.Params)
	}
	w.send(listenBody(`"x"`, `{}`)) // of nothing: it ends at once
	if ack, end := w.next(), w.next(); !strings.Contains(string(ack.Params), tag+`"x"}`) || end.String() != `"x": result` {
		t.Errorf("listen to nothing = %v, %v, want an acknowledgement and the end", ack, end)
	}
	b.offer(entry("BTool"))
	b.Refresh()
	if m := w.next(); m.Method != "notifications/tools/list_changed" || !strings.Contains(string(m.Params), tag+"9007199254740993}") {
		t.Errorf("a change = %v %s, want it told to the subscription", m, m.Params)
	}
	w.send(cancelBody("9007199254740993"), pingBody("3"))
	if m := w.next(); m.String() != "3: result" {
		t.Errorf("after the cancel = %v, want the ping alone", m)
	}
	b.offer(entry("CTool"))
	b.Refresh()
	if rest, err := w.close(); len(rest) > 0 || err != nil {
		t.Errorf("the rest = %v, %v, want nothing", rest, err)
	}
}

// What a client asks for behind its subscription is older than what it is told.
func TestASubscriptionHoldsForWhatIsBehindIt(t *testing.T) {
	b := newBed(t, entry("ATool"))
	w := b.wire(t)
	for i := range 100 {
		w.send(listenBody("1", `{"toolsListChanged":true}`), modernList("3"))
		for m := w.next(); string(m.ID) != "3"; m = w.next() {
		}
		b.offer(entry(fmt.Sprintf("Tool%d", i)))
		b.Refresh()
		for m := w.next(); m.Method != "notifications/tools/list_changed"; m = w.next() {
		}
		w.send(cancelBody("1"))
		for again := true; again; { // until the id is free
			w.send(modernList("1"))
			again = w.next().Error != nil
		}
	}
}

func TestASubscriptionEndsWithTheHost(t *testing.T) {
	w := newBed(t, entry("ATool")).wire(t)
	w.send(listenBody("1", `{"toolsListChanged":true}`))
	w.next()
	if rest, err := w.close(); err != nil || fmt.Sprint(rest) != "[1: result]" {
		t.Errorf("the rest = %v, %v, want the result of the subscription", rest, err)
	}
}

func TestStdioLeavesNothingBehind(t *testing.T) {
	b := newBed(t, entry("ATool"))
	count := func() {
		w := b.wire(t)
		w.open("{}")
		w.send(callBody("1", ""), listenBody("2", `{"toolsListChanged":true}`))
		w.next()
		if _, err := w.close(); err != nil {
			t.Error(err)
		}
		b.caller.asked = nil // which nobody adds to now
	}
	count()
	before := heap()
	for range 200 {
		count()
	}
	if grown := heap() - before; grown > 200*2<<10 {
		t.Errorf("each connection leaves %d bytes", grown/200)
	}
	runtime.KeepAlive(b)
}

// Half a line in the middle of the stream would be the end of all that comes behind it.
func TestALineThatWasBegunIsWrittenWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		w, giveUp, failed := newLineWriter(to), make(chan struct{}), make(chan error, 1)
		go func() { failed <- w.send(giveUp, []byte("first\n")) }()
		synctest.Wait()
		answered := make(chan error, 1)
		go func() { answered <- w.send(nil, []byte("second\n")) }()
		synctest.Wait()
		close(giveUp)
		if err := <-failed; !errors.Is(err, errGone) {
			t.Errorf("send = %v, want %v", err, errGone)
		}
		if w.rest(giveUp) {
			t.Error("rest = true while somebody writes")
		}
		out := bufio.NewReader(from)
		for _, want := range []string{"first\n", "second\n"} {
			if got, err := out.ReadString('\n'); got != want || err != nil {
				t.Errorf("the client reads %q, %v; want %q", got, err, want)
			}
		}
		if err := <-answered; err != nil || !w.rest(nil) {
			t.Errorf("the send behind it = %v, want nil", err)
		}
	})
}
