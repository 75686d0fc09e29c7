package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// strayPolicy are the settings with which StrayTool runs.
var strayPolicy = []string{
	"MCP_PLUGINS_LANDLOCK=off", // the program that strays is none of the system's
	"MCP_MAX_MEMORY_MB=4096",   // the address space that a Go program reserves
}

// cancelWay is a way to end a scan that runs.
type cancelWay struct {
	name   string
	direct bool // it is a call, and not started in the background
	bring  func(*assistant, running)
}

var cancelWays = []cancelWay{
	{"execution_cancel", false, func(a *assistant, x running) {
		var got running
		a.call("execution_cancel", x.about(""), &got)
		if got.State != "cancelled" {
			a.t.Errorf("execution_cancel = %+v, want it cancelled", got)
		}
	}},
	{"DELETE /executions/{id}", false, func(a *assistant, x running) {
		a.host.ask(a.t, "DELETE", "/executions/"+x.ID, "", 202, nil)
	}},
	{"the request is cancelled", true, nil},
}

// TestACancelledScanLeavesNothing has a tool run that does all that makes its processes hard to end.
func TestACancelledScanLeavesNothing(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "lab", mcp.ClientOptions{}, strayPolicy...)
			for _, by := range cancelWays {
				if by.name == "DELETE /executions/{id}" && w.stdio {
					continue
				}
				t.Run(by.name, func(t *testing.T) { a.stray(t, by) })
			}
		})
	}
}

// stray runs the tool, ends it, and sees that all of it is gone.
func (a *assistant) stray(t *testing.T, by cancelWay) {
	c := call{kind: programKinds[len(programKinds)-1], mark: nextMark(), answered: make(chan string, 1)}
	t.Cleanup(func() { familyOf(t, marked(t, c.mark)...).kill() })
	arguments := fmt.Sprintf(c.arguments, c.mark)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var x running
	if by.direct {
		go func() {
			_, err := a.try(ctx, "StrayTool", arguments, nil)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled call came back with %v", err)
			}
			c.answered <- fmt.Sprint(err)
		}()
	} else {
		x = a.start("StrayTool", arguments)
	}
	c.settle(t)
	if by.direct {
		x = a.list(`{"tool":"StrayTool","state":"running"}`)[0]
		by.bring = func(*assistant, running) { cancel() }
	}
	var events *stream
	if a.host != nil {
		events = a.host.events(t, "")
	}
	begun := time.Now()
	by.bring(a, x)
	wantNobody(t, by.name, c.strays.alive(t, begun.Add(promised)))
	gone := time.Since(begun)
	wantNobody(t, by.name, familyOf(t, marked(t, c.mark)...))
	a.wantCancelled(t, x, begun, gone)
	if events != nil {
		if e := events.await(t, "call.finished", x.ID); !strings.Contains(e.data, `"error_type":"cancelled"`) {
			t.Errorf("call.finished = %s, want that it was cancelled", e.data)
		}
	}
}

// wantCancelled holds that the host says so too, and that the end is not long after the beginning of it.
func (a *assistant) wantCancelled(t *testing.T, x running, begun time.Time, gone time.Duration) {
	t.Helper()
	got := a.ended(x)
	if got.State != "cancelled" || got.Report.ErrorType == nil || *got.Report.ErrorType != "cancelled" {
		t.Errorf("the execution is %+v, want it cancelled", got)
	}
	line := finish(t, a.state, x.ID)
	if line.ErrorType != "cancelled" {
		t.Errorf("the trail has %+v, want it cancelled", line)
	}
	took := line.Time.Sub(begun)
	t.Logf("no process was left after %v; the host wrote the end down after %v", gone, took)
	if took > promised {
		t.Errorf("the call ended %v after it was cancelled, want at most %v", took, promised)
	}
}

// finish waits for the line of the trail about the end of an execution.
func finish(t *testing.T, state, id string) trailLine {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond) // nobody tells of a file that grows
	defer tick.Stop()
	for {
		for _, l := range trail(t, state) {
			if l.Event == "finish" && l.ExecutionID == id {
				return l
			}
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the trail does not have the end of %s", id)
		}
	}
}

// TestAScanOfNmapIsCancelled has a real program end, and its user's own words kept.
func TestAScanOfNmapIsCancelled(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "plugins", mcp.ClientOptions{})
			x := a.start("NmapTool", slowly(600))
			a.firstOutput(x)
			nmap := familyOf(t, programs(t, a.pid, "nmap")...)
			if len(nmap) == 0 {
				t.Fatal("there is output, and no nmap")
			}
			begun := time.Now()
			a.call("execution_cancel", x.about(""), nil)
			wantNobody(t, "execution_cancel", nmap.alive(t, begun.Add(promised)))
			a.wantCancelled(t, x, begun, time.Since(begun))
			if got := a.ended(x); len(got.Report.Stdout) == 0 {
				t.Errorf("the report = %+v, want what was printed until then", got.Report)
			}
		})
	}
}

// TestWhoGoesAwayWithoutAWordCancelsInTheStatelessRevisionAlone closes the connection of a call. Up to
// 2025-11-25 the protocol has it go on.
func TestWhoGoesAwayWithoutAWordCancelsInTheStatelessRevisionAlone(t *testing.T) {
	h := serve(t, "lab", "STATE_DIRECTORY="+t.TempDir())
	for _, w := range waysOfMCP {
		if w.stdio {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			c, tells := w.rawAt(t, h), newWitness(t)
			a := w.at(t, h, mcp.ClientOptions{})
			_, goAway := c.begin(1, "WitnessTool", tells.arguments(2), object{"progressToken": 1})
			r := tells.meet()
			r.say("before")
			x := a.list(`{"tool":"WitnessTool","state":"running"}`)[0]
			begun := time.Now()
			goAway()
			if w.revision == modern {
				t.Logf("the tool ended %v after its client had gone", r.ended().Sub(begun))
				a.wantCancelled(t, x, begun, 0)
				return
			}
			c.hungUp(<-c.from)
			r.say("after")
			r.hangUp()
			if got := a.ended(x); got.State != "completed" || got.Report.Stdout != "before\nafter\n" {
				t.Errorf("the call came to %+v, want it to go on", got)
			}
			if got := a.list(`{"tool":"WitnessTool"}`); got[0].ID != x.ID || got[0].State != "completed" {
				t.Errorf("executions_list = %+v, want it first", got)
			}
		})
	}
}

func TestACallThatIsCancelledHasNoAnswer(t *testing.T) {
	for _, w := range waysOfMCP {
		if !w.stdio && w.revision == modern {
			continue // where the end of the stream is the cancellation
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			c, tells := w.raw(t, "lab"), newWitness(t)
			stream, _ := c.begin("to be cancelled", "WitnessTool", tells.arguments(0), object{"progressToken": 1})
			r := tells.meet()
			begun := time.Now()
			c.tell("notifications/cancelled", object{"requestId": "to be cancelled", "reason": "a test"})
			t.Logf("the tool ended %v after the notification", r.ended().Sub(begun))
			c.tell("notifications/cancelled", object{"requestId": "to be cancelled"}) // once more, in vain
			if !w.stdio {
				for m := range stream {
					t.Errorf("to who cancelled came %s %s", m.Result, m.Error)
				}
			}
			next, _ := c.begin("next", "NoopTool", `{}`, object{})
			_, before := c.answer(next, `"next"`)
			for _, m := range before {
				t.Errorf("to who cancelled came %s %s %s", m.Method, m.Result, m.Error)
			}
		})
	}
}
