package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// begin starts a tool in the background, through REST.
func (h *host) begin(t *testing.T, name, arguments string) (x running) {
	t.Helper()
	h.ask(t, "POST", "/executions", inBackground(name, arguments), 202, &x)
	return x
}

// execution is one as GET has it.
func (h *host) execution(t *testing.T, id string) (x running) {
	t.Helper()
	h.ask(t, "GET", "/executions/"+id, "", 200, &x)
	return x
}

// followed is the stream of an execution from after an event on; "" is from the beginning.
func (h *host) followed(t *testing.T, id, last string) (s *stream, goAway func()) {
	t.Helper()
	var header []string
	if last != "" {
		header = []string{"Last-Event-ID", last}
	}
	resp := h.by(http.DefaultClient).open(t, "GET", "/executions/"+id+"/events", "", header...)
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the events of %s = %s", id, resp.Status)
	}
	s = &stream{events: make(chan event, 100_000)}
	lines := bufio.NewScanner(resp.Body)
	go s.read(lines)
	return s, func() { _ = resp.Body.Close() }
}

// output is the data of an event of that kind.
type output struct {
	Stream string
	Offset int
	Text   string
}

// outputs are all that were taken from a stream.
func (s *stream) outputs(t *testing.T) (all []output) {
	t.Helper()
	for _, e := range s.seen {
		var o output
		if e.kind == "output" {
			if err := json.Unmarshal([]byte(e.data), &o); err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
	}
	return all
}

func TestTheEventsOfAnExecutionAreItsOutputAsItComes(t *testing.T) {
	h, tells := serve(t, "lab"), newWitness(t)
	x := h.begin(t, "WitnessTool", tells.arguments(3))
	r := tells.meet()
	first, goAway := h.followed(t, x.ID, "")
	first.await(t, "state", `"state":"running"`)
	r.say("one")
	last := first.await(t, "output", `"text":"one\n"`)
	first.await(t, "progress", `"done":1,"total":3`)
	goAway()
	r.say("two")
	second, _ := h.followed(t, x.ID, last.id)
	second.await(t, "output", `"text":"two\n"`)
	r.say("three")
	second.await(t, "output", `three`)
	r.hangUp()
	end := second.await(t, "end", "")
	if !strings.Contains(end.data, `"state":"completed"`) || !strings.Contains(end.data, x.ID) {
		t.Errorf("the end is %s", end.data)
	}
	if _, more := <-second.events; more {
		t.Error("the stream goes on behind its end")
	}
	at := len("one\n")
	for _, o := range second.outputs(t) {
		if o.Stream != "stdout" || o.Offset != at {
			t.Errorf("%+v came to who has %d bytes: some came twice, or not at all", o, at)
		}
		at += len(o.Text)
	}
	if want := len("one\ntwo\nthree\n"); at != want {
		t.Errorf("%d bytes have come, want %d", at, want)
	}
	third, _ := h.followed(t, x.ID, "") // of what has ended there is all too
	third.await(t, "end", "")
	var all strings.Builder
	for _, o := range third.outputs(t) {
		all.WriteString(o.Text)
	}
	if got := all.String(); got != "one\ntwo\nthree\n" {
		t.Errorf("all output is %q", got)
	}
}

func TestAnExecutionIsStartedListedReadAndForgotten(t *testing.T) {
	h := serve(t, "lab")
	r := h.send(t, "POST", "/executions", inBackground("NoopTool", `{"text":"hello","correlation_id":"mine"}`))
	var x running
	if err := json.Unmarshal([]byte(r.body), &x); err != nil || r.status != 202 || !x.Detached ||
		r.header.Get("Location") != "/executions/"+x.ID || r.header.Get("X-Correlation-ID") != "mine" {
		t.Fatalf("POST /executions = %+v, %v", r, err)
	}
	s, _ := h.followed(t, x.ID, "")
	s.await(t, "end", "")
	got := h.execution(t, x.ID)
	if got.State != "completed" || string(got.Result.Data) != `{"ok":true,"text":"hello"}` {
		t.Errorf("the execution = %+v", got)
	}
	h.ask(t, "POST", execute, "{}", 200, nil) // every call is one
	var page struct {
		Executions []running
		Next       string `json:"next_cursor"`
	}
	h.ask(t, "GET", "/executions?tool=NoopTool&state=completed&limit=1", "", 200, &page)
	if len(page.Executions) != 1 || page.Executions[0].Detached || page.Next == "" {
		t.Fatalf("the first page = %+v, want the call, and that there is more", page)
	}
	h.ask(t, "GET", "/executions?limit=1&cursor="+page.Next, "", 200, &page)
	if len(page.Executions) != 1 || page.Executions[0].ID != x.ID {
		t.Errorf("the second page = %+v, want what was before", page)
	}
	if data := h.send(t, "GET", "/executions/"+x.ID+"/data", ""); data.body != `{"ok":true,"text":"hello"}` {
		t.Errorf("its data = %+v", data)
	}
	h.ask(t, "DELETE", "/executions/"+x.ID, "", 200, nil)
	h.ask(t, "GET", "/executions/"+x.ID, "", 404, nil)
}

func TestWhatTimesOutKeepsWhatItPrinted(t *testing.T) {
	h, tells := serve(t, "lab"), newWitness(t)
	arguments := strings.Replace(tells.arguments(0), "{", `{"timeout_sec":1,`, 1)
	x := h.begin(t, "WitnessTool", arguments)
	r := tells.meet()
	r.say("so far")
	s, _ := h.followed(t, x.ID, "")
	s.await(t, "output", "so far")
	s.await(t, "end", "")
	got := h.execution(t, x.ID)
	if got.State != "failed" || got.ErrorType != "timeout" || !got.Result.TimedOut ||
		got.Result.Stdout != "so far\n" || got.Result.ReturnCode != tool.ReturnCodeTimeout {
		t.Errorf("the execution = %+v, want a timeout, and what was printed until then", got)
	}
}

// again is a host that serves HTTP on a state directory.
func again(t *testing.T, state string, settings ...string) *host {
	t.Helper()
	return serve(t, "lab", append([]string{"STATE_DIRECTORY=" + state}, settings...)...)
}

func TestWhatHasEndedIsThereAfterARestart(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			first := w.join(t, "lab", mcp.ClientOptions{}, "STATE_DIRECTORY="+state)
			first.call("NoopTool", `{"text":"before"}`, nil)
			x := first.list(`{}`)[0]
			if err := first.Close(); err != nil { // and with it, on stdio, the host
				t.Fatal(err)
			}
			if !w.stdio {
				first.host.stop()
			}
			second := w.join(t, "lab", mcp.ClientOptions{}, "STATE_DIRECTORY="+state)
			if got := second.list(`{}`); len(got) != 1 || got[0].ID != x.ID || got[0].State != "completed" {
				t.Errorf("executions_list after a restart = %+v, want the one before it", got)
			}
			if got := second.ended(x); string(got.Report.Data) != `{"ok":true,"text":"before"}` {
				t.Errorf("the execution after a restart = %+v", got)
			}
		})
	}
}

// TestAHostThatIsKilledLeavesAnInterruptedExecutionAndNoProcess kills one of two hosts of a state directory.
func TestAHostThatIsKilledLeavesAnInterruptedExecutionAndNoProcess(t *testing.T) {
	state, tells := t.TempDir(), newWitness(t)
	lives, dies := again(t, state, strayPolicy...), again(t, state, strayPolicy...)
	mine := lives.begin(t, "WitnessTool", tells.arguments(0))
	living := tells.meet()
	other := dies.begin(t, "WitnessTool", tells.arguments(0))
	dying := tells.meet()
	dying.say("the last that was heard")
	c := call{kind: programKinds[len(programKinds)-1], mark: nextMark(), answered: make(chan string, 1)}
	t.Cleanup(func() { familyOf(t, marked(t, c.mark)...).kill() })
	scan := dies.begin(t, "StrayTool", fmt.Sprintf(c.arguments, c.mark))
	c.settle(t)
	lives.sees(t, other.ID, "the last that was heard\n")

	begun := send(t, dies.cmd.Process.Pid, syscall.SIGKILL)
	wantNobody(t, "SIGKILL of the host", c.strays.alive(t, begun.Add(promised)))
	dying.ended()
	next := again(t, state)
	for _, h := range []*host{next, lives} {
		for _, id := range []string{other.ID, scan.ID} {
			h.comesTo(t, id, "interrupted")
		}
		got := h.execution(t, other.ID)
		if got.Result == nil || got.Result.Stdout != "the last that was heard\n" || got.Finished.IsZero() {
			t.Errorf("the interrupted execution = %+v, want what it had printed, and an end", got)
		}
		if got := h.execution(t, mine.ID); got.State != "running" {
			t.Errorf("the execution of the host that lives = %+v, want it to run", got)
		}
	}
	living.say("still here")
	living.hangUp()
	s, _ := lives.followed(t, mine.ID, "")
	s.await(t, "end", "")
	if got := lives.execution(t, mine.ID); got.State != "completed" || got.Result.Stdout != "still here\n" {
		t.Errorf("it came to %+v", got)
	}
	next.comesTo(t, mine.ID, "completed")
}

// sees waits until a host has some output of an execution that another host runs.
func (h *host) sees(t *testing.T, id, stdout string) {
	t.Helper()
	h.until(t, func() bool { return h.send(t, "GET", "/executions/"+id+"/stdout", "").body == stdout })
}

// comesTo waits for a state of an execution, which hosts of one directory tell each other by what is in it.
func (h *host) comesTo(t *testing.T, id, state string) {
	t.Helper()
	var got running
	defer func() {
		if got.State != state {
			t.Logf("the execution = %+v, want it %s", got, state)
		}
	}()
	h.until(t, func() bool { got = h.execution(t, id); return got.State == state })
}

func (h *host) until(t *testing.T, done func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it does not come to be:\n%s", h.log)
		}
	}
}

// TestAHostThatEndsInOrderInterruptsWhatRuns asks the host to end.
func TestAHostThatEndsInOrderInterruptsWhatRuns(t *testing.T) {
	state, tells := t.TempDir(), newWitness(t)
	h := again(t, state)
	x := h.begin(t, "WitnessTool", tells.arguments(0))
	r := tells.meet()
	r.say("so far")
	s, _ := h.followed(t, x.ID, "")
	s.await(t, "output", "so far")
	h.stop()
	r.ended()
	got := again(t, state).execution(t, x.ID)
	if got.State != "interrupted" || got.Result.Stdout != "so far\n" {
		t.Errorf("the execution = %+v, want it interrupted, with what it had printed", got)
	}
}

func TestWithoutADatabaseExecutionsLiveInMemoryAndHealthSaysSo(t *testing.T) {
	state := t.TempDir()
	inTheWay := filepath.Join(state, "executions.db")
	if err := os.Mkdir(inTheWay, 0o700); err != nil { // root may write anywhere, but not over this
		t.Fatal(err)
	}
	h, tells := again(t, state), newWitness(t)
	x := h.begin(t, "WitnessTool", tells.arguments(0))
	r := tells.meet()
	r.say("kept")
	s, _ := h.followed(t, x.ID, "")
	s.await(t, "output", "kept")
	r.hangUp()
	s.await(t, "end", "")
	if got := h.execution(t, x.ID); got.State != "completed" || got.Result.Stdout != "kept\n" {
		t.Errorf("the execution = %+v", got)
	}
	report := h.health(t, "executions", "degraded")
	if c := report.Checks["executions"]; !strings.Contains(c.Message, "in memory only") || c.Fix == "" {
		t.Errorf("check = %+v, want what that means, and what to do", c)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	h.health(t, "executions", "healthy")
	h.stop()
	if got := again(t, state).execution(t, x.ID); got.State != "completed" || got.Result.Stdout != "kept\n" {
		t.Errorf("after a restart the execution = %+v, want it written down in the end", got)
	}
}
