package mcpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// gate runs only what a person has allowed, as the router does.
type gate struct {
	question func(tool.Request) consent.Question                      // what a call would run
	then     func(context.Context, tool.Request) (tool.Result, error) // the tool behind it

	mu  sync.Mutex
	ran []tool.Request // what was allowed
}

// newGate lets a person decide about a scan of a target.
func newGate(target string) *gate {
	return &gate{
		question: func(r tool.Request) consent.Question { return scanOf(r, target) },
		then: func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{Stdout: "done"}, nil
		},
	}
}

func scanOf(r tool.Request, target string) consent.Question {
	return consent.Question{
		Client: r.Client, Tool: r.Tool, Rule: "--loud is intrusive", Arguments: r.Arguments,
		Targets: []tool.Target{{Argument: "target", Label: "printer", Prefix: netip.MustParsePrefix(target +
			"/32")}},
		Grant: tool.Grant{Program: "/usr/bin/scan", Argv: []string{"scan", "--loud", target}},
	}
}

func (g *gate) call(ctx context.Context, r tool.Request) (tool.Result, error) {
	q := g.question(r)
	asker, ok := consent.From(ctx)
	if !ok {
		return tool.Result{}, tool.Errorf(tool.KindIntrusiveDenied, "nobody can be asked")
	}
	switch answer, err := asker(ctx, q); {
	case err != nil:
		return tool.Result{}, tool.Errorf(tool.KindIntrusiveDenied, "a person has to allow it: %w", err)
	case answer != consent.Granted:
		return tool.Result{}, tool.Errorf(tool.KindIntrusiveDenied, "the person did not allow it")
	}
	g.mu.Lock()
	r.Grant = &q.Grant
	g.ran = append(g.ran, r)
	g.mu.Unlock()
	return g.then(ctx, r)
}

func (g *gate) runs() []tool.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.ran)
}

func gatedBed(t testing.TB, g *gate) *bed {
	b := newBed(t, entry("ATool"), entry("BTool"))
	b.caller.call = g.call
	return b
}

// zone is a tool's own question, which it asks until it has an answer.
func zone(_ context.Context, r tool.Request) (tool.Result, error) {
	if a, ok := r.Answers["zone"]; ok {
		return tool.Result{Stdout: fmt.Sprintf("%s %s, state %s, %d answers", a.Action, a.Content, r.State,
			len(r.Answers))}, nil
	}
	return tool.Result{State: []byte("s1"), Questions: []tool.Question{{ID: "zone", Message: "Which \x1bzone?",
		Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}}}`)}}}, nil
}

// person answers the questions of the official client, and remembers them.
type person struct {
	answer func(message string) (*sdk.ElicitResult, error)

	mu    sync.Mutex
	heard []string
}

func (p *person) options() *sdk.ClientOptions {
	return &sdk.ClientOptions{ElicitationHandler: func(_ context.Context,
		r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		p.mu.Lock()
		p.heard = append(p.heard, r.Params.Message)
		p.mu.Unlock()
		return p.answer(r.Params.Message)
	}}
}

func (p *person) questions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard)
}

// says answers what it is asked about a command with the first, and what a tool asks with the second.
func says(command, zone *sdk.ElicitResult) func(string) (*sdk.ElicitResult, error) {
	return func(message string) (*sdk.ElicitResult, error) {
		if strings.Contains(message, "Command:") {
			return command, nil
		}
		return zone, nil
	}
}

// officialClients runs a test with the official client in both eras on both transports.
func officialClients(t *testing.T, test func(t *testing.T, join func(*bed,
	*sdk.ClientOptions) *sdk.ClientSession)) {
	for era, of := range map[string][]*sdk.ClientSessionOptions{"with a session": {legacy}, "stateless": nil} {
		t.Run("stdio "+era, func(t *testing.T) {
			test(t, func(b *bed, o *sdk.ClientOptions) *sdk.ClientSession { return b.stdio(t, o, of...) })
		})
		t.Run("http "+era, func(t *testing.T) {
			test(t, func(b *bed, o *sdk.ClientOptions) *sdk.ClientSession { return b.overHTTP(t, o, of...) })
		})
	}
}

func textOf(t testing.TB, res *sdk.CallToolResult) string {
	t.Helper()
	text, ok := res.Content[0].(*sdk.TextContent)
	if !ok {
		t.Fatalf("the first content is %T, want text", res.Content[0])
	}
	return text.Text
}

func TestOnlyAPersonsPlainYesRunsACommand(t *testing.T) {
	allow := func(v any) map[string]any { return map[string]any{"allow": v} }
	for _, row := range []struct {
		says   string
		answer *sdk.ElicitResult
		runs   bool
	}{
		{"yes", &sdk.ElicitResult{Action: "accept", Content: allow(true)}, true},
		{"a form that says no", &sdk.ElicitResult{Action: "accept", Content: allow(false)}, false},
		{"no form", &sdk.ElicitResult{Action: "accept"}, false},
		{"no", &sdk.ElicitResult{Action: "decline"}, false},
		{"no, with a form", &sdk.ElicitResult{Action: "decline", Content: allow(true)}, false},
		{"a window that was closed", &sdk.ElicitResult{Action: "cancel", Content: allow(true)}, false},
	} {
		officialClients(t, func(t *testing.T, join func(*bed, *sdk.ClientOptions) *sdk.ClientSession) {
			g := newGate("10.0.0.7")
			p := &person{answer: says(row.answer, nil)}
			s := join(gatedBed(t, g), p.options())
			res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
			if row.answer.Content == nil && row.answer.Action == "accept" && err != nil {
				return // the client itself holds its person to the form
			}
			if err != nil {
				t.Fatalf("%s: CallTool = %v", row.says, err)
			}
			denied := strings.Contains(textOf(t, res), string(tool.KindIntrusiveDenied))
			if n := len(g.runs()); res.IsError == row.runs || denied == row.runs ||
				n != map[bool]int{true: 1}[row.runs] {
				t.Errorf("%s: %d ran, %s; want it to run: %t", row.says, n, textOf(t, res), row.runs)
			}
			q := p.questions()
			if len(q) != 1 || !strings.Contains(q[0], "Command: /usr/bin/scan --loud 10.0.0.7\n") ||
				!strings.Contains(q[0], "Target: 10.0.0.7 (printer)\n") {
				t.Errorf("%s: the person was asked %q, want once, with the command and the target", row.says, q)
			}
			if got := g.runs(); row.runs && (got[0].Grant == nil || !slices.Equal(got[0].Grant.Argv, scanOf(got[0],
				"10.0.0.7").Grant.Argv)) {
				t.Errorf("%s: what ran = %+v, want with its grant", row.says, got)
			}
		})
	}
}

func TestAToolsOwnQuestionIsAnswered(t *testing.T) {
	officialClients(t, func(t *testing.T, join func(*bed, *sdk.ClientOptions) *sdk.ClientSession) {
		for want, answer := range map[string]*sdk.ElicitResult{
			`accept {"name":"lab"}, state s1, 1 answers`: {Action: "accept", Content: map[string]any{"name": "lab"}},
			`accept {}, state s1, 1 answers`:             {Action: "accept"},
			`decline , state s1, 1 answers`:              {Action: "decline"},
			`cancel , state s1, 1 answers`:               {Action: "cancel"},
		} {
			b := newBed(t, entry("ATool"))
			b.caller.call = zone
			p := &person{answer: says(nil, answer)}
			res, err := join(b, p.options()).CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
			if err != nil || res.IsError || report(t, res).Stdout != want {
				t.Errorf("CallTool = %+v, %v, want %q", res, err, want)
			}
			if q := p.questions(); !slices.Equal(q, []string{`ATool asks: Which \x1Bzone?`}) {
				t.Errorf("the person was asked %q", q)
			}
		}
	})
}

// Both questions of one call are asked, each once, and in whichever order they come.
func TestAPersonIsAskedEachThingOnce(t *testing.T) {
	yes := &sdk.ElicitResult{Action: "accept", Content: map[string]any{"allow": true}}
	lab := &sdk.ElicitResult{Action: "accept", Content: map[string]any{"name": "lab"}}
	const want = `accept {"name":"lab"}, state s1, 1 answers`
	officialClients(t, func(t *testing.T, join func(*bed, *sdk.ClientOptions) *sdk.ClientSession) {
		g := newGate("10.0.0.7")
		g.then = zone
		p := &person{answer: says(yes, lab)}
		res, err := join(gatedBed(t, g), p.options()).CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
		if q := p.questions(); err != nil || report(t, res).Stdout != want || len(q) != 2 || !strings.Contains(q[0],
			"Command:") {
			t.Errorf("the command first: %+v, %v, asked %q; want %s", res, err, q, want)
		}
	})
	officialClients(t, func(t *testing.T, join func(*bed, *sdk.ClientOptions) *sdk.ClientSession) {
		g := newGate("10.0.0.7")
		g.then = zone
		b := newBed(t, entry("ATool"))
		b.caller.call = func(ctx context.Context, r tool.Request) (tool.Result, error) {
			if len(r.Answers) == 0 { // what it is told makes it intrusive
				return zone(ctx, r)
			}
			return g.call(ctx, r)
		}
		p := &person{answer: says(yes, lab)}
		res, err := join(b, p.options()).CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
		if q := p.questions(); err != nil || report(t, res).Stdout != want || len(q) != 2 || !strings.Contains(q[1],
			"Command:") {
			t.Errorf("the command last: %+v, %v, asked %q; want %s", res, err, q, want)
		}
	})
}

// What was allowed is one command: another one, of the same call, is another question.
func TestAnotherCommandIsAskedAboutAgain(t *testing.T) {
	officialClients(t, func(t *testing.T, join func(*bed, *sdk.ClientOptions) *sdk.ClientSession) {
		g, n := newGate(""), 0
		g.question = func(r tool.Request) consent.Question { // a name that has another address each time
			n++
			return scanOf(r, fmt.Sprintf("10.0.0.%d", min(n, 3)))
		}
		p := &person{answer: says(&sdk.ElicitResult{Action: "accept", Content: map[string]any{"allow": true}}, nil)}
		res, err := join(gatedBed(t, g), p.options()).CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
		if err != nil || res.IsError {
			t.Fatalf("CallTool = %+v, %v, want a result", res, err)
		}
		for i, q := range p.questions() {
			if !strings.Contains(q, fmt.Sprintf("--loud 10.0.0.%d\n", i+1)) {
				t.Errorf("question %d = %q", i, q)
			}
		}
		if got := g.runs(); len(p.questions()) != 3 || len(got) != 1 || got[0].Grant.Argv[2] != "10.0.0.3" {
			t.Errorf("asked %d times, ran %+v; want 3 questions and the last command", len(p.questions()), got)
		}
	})
}

func TestAClientThatCannotAskIsDenied(t *testing.T) {
	for capabilities := range map[string]bool{`{}`: true, `{"elicitation":{"url":{}}}`: true} {
		g := newGate("10.0.0.7")
		b := gatedBed(t, g)
		for _, c := range talkers(t, b, capabilities) {
			b.caller.call = g.call
			res := calledOf(t, c.send("tools/call", `{"name":"ATool"}`))
			if !res.IsError || *res.report.ErrorType != tool.KindIntrusiveDenied || len(g.runs()) > 0 ||
				res.RequestState != "" {
				t.Errorf("%s: %+v, %d ran; want it denied", c.says, res, len(g.runs()))
			}
			b.caller.call = zone
			m := c.send("tools/call", `{"name":"ATool"}`)
			if c.modern {
				if m.String() != "1: error -32021" || !strings.Contains(string(m.Error.Data), `"elicitation"`) {
					t.Errorf("%s: %v %+v, want -32021", c.says, m, m.Error)
				}
				continue
			}
			res = calledOf(t, m)
			if !res.IsError || *res.report.ErrorType != tool.KindValidation || !strings.Contains(res.report.Suggestion,
				"elicitation") ||
				fmt.Sprint(res.report.Metadata["questions"]) != "[zone]" {
				t.Errorf("%s: %+v, want an error that says what to do", c.says, res)
			}
		}
	}
}

// A client that says that it can ask, and then cannot, allows nothing.
func TestAClientThatFailsToAskIsDenied(t *testing.T) {
	fails := &person{answer: func(string) (*sdk.ElicitResult, error) { return nil, errors.New("no window") }}
	for _, join := range []func(*bed) *sdk.ClientSession{
		func(b *bed) *sdk.ClientSession { return b.stdio(t, fails.options(), legacy) },
		func(b *bed) *sdk.ClientSession { return b.overHTTP(t, fails.options(), legacy) },
	} {
		g := newGate("10.0.0.7")
		b := gatedBed(t, g)
		s := join(b)
		res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
		if err != nil || !res.IsError || *report(t, res).ErrorType != tool.KindIntrusiveDenied ||
			len(g.runs()) > 0 {
			t.Errorf("CallTool = %+v, %v, %d ran; want it denied", res, err, len(g.runs()))
		}
		b.caller.call = zone
		res, err = s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
		if err != nil || !res.IsError || *report(t, res).ErrorType != tool.KindValidation ||
			!strings.Contains(textOf(t, res), "no window") {
			t.Errorf("CallTool = %+v, %v, want an error with the client's reason", res, err)
		}
	}
}

func TestAToolThatAsksWithoutEndIsAnError(t *testing.T) {
	endless := func(_ context.Context, r tool.Request) (tool.Result, error) {
		n := len(r.State)
		if n == maxRounds && r.Arguments != nil && strings.Contains(string(r.Arguments), "ten") {
			return tool.Result{Stdout: "done"}, nil
		}
		return tool.Result{State: append(slices.Clone(r.State), 'x'), Questions: []tool.Question{
			{ID: "q", Message: "More?", Schema: json.RawMessage(`{"type":"object"}`)}}}, nil
	}
	b := newBed(t, entry("ATool"))
	b.caller.call = endless
	p := &person{answer: says(nil, &sdk.ElicitResult{Action: "accept"})}
	s := b.stdio(t, p.options(), legacy)
	res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool"})
	if err != nil || !res.IsError || !strings.Contains(textOf(t, res), "asked more than 10 times") ||
		len(p.questions()) != maxRounds {
		t.Errorf("CallTool = %+v, %v after %d questions, want an error after %d", res, err, len(p.questions()),
			maxRounds)
	}
	res, err = s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool",
		Arguments: map[string]any{"target": "ten"}})
	if err != nil || res.IsError || report(t, res).Stdout != "done" {
		t.Errorf("CallTool with %d questions = %+v, %v, want its result", maxRounds, res, err)
	}
	c := talkers(t, b, `{"elicitation":{}}`)[1]
	params, rounds := `{"name":"ATool"`, 0
	for last := calledOf(t, c.send("tools/call", params+"}")); ; rounds++ {
		if last.ResultType != "input_required" {
			if !last.IsError || rounds != maxRounds || len(b.talks.all) > 0 {
				t.Errorf("after %d rounds: %+v, %d wait; want an error after %d", rounds, last, len(b.talks.all),
					maxRounds)
			}
			break
		}
		last = calledOf(t, c.send("tools/call", params+","+said(last.RequestState, "q", "accept", `{}`)+"}"))
	}
}

// Who stops the call has not allowed it.
func TestACallThatIsCancelledWhileAPersonIsAskedRunsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("10.0.0.7")
		b := gatedBed(t, g)
		w := b.wire(t)
		w.open(`{"elicitation":{}}`)
		w.send(callBody("1", ""))
		q := w.next()
		w.send(cancelBody("1"))
		if m := w.next(); m.Method != "notifications/cancelled" {
			t.Errorf("after the cancel = %v, want the end of the question", m)
		}
		w.send(answerBody(string(q.ID), "accept"), pingBody("2"))
		if m := w.next(); m.String() != "2: result" || len(g.runs()) > 0 {
			t.Errorf("then %v, %d ran; want nothing", m, len(g.runs()))
		}
		w.send(callBody("3", "")) // and who does not answer has not allowed it either
		w.next()
		<-time.After(talkTime + time.Second)
		w.next() // the question ends
		if res := calledOf(t, w.next()); *res.report.ErrorType != tool.KindIntrusiveDenied || len(g.runs()) > 0 {
			t.Errorf("without an answer: %+v, %d ran; want it denied", res, len(g.runs()))
		}
		w.send(callBody("4", "")) // nor has who goes away
		w.next()
		rest, err := w.close()
		if err != nil || len(rest) == 0 {
			t.Fatalf("at the end %v, %v; want the answer", rest, err)
		}
		if res := calledOf(t, rest[len(rest)-1]); *res.report.ErrorType != tool.KindCancelled || len(g.runs()) > 0 {
			t.Errorf("at the end: %+v, %d ran; want it cancelled", res, len(g.runs()))
		}
	})
}
