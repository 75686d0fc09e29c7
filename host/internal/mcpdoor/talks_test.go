package mcpdoor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// said are the members by which a client of the stateless revision answers one question.
func said(state, id, action, content string) string {
	if content != "" {
		content = `,"content":` + content
	}
	if state != "" {
		state = `"requestState":"` + state + `",`
	}
	return state + `"inputResponses":{"` + id + `":{"action":"` + action + `"` + content + `}}`
}

// answered is aCall again, with answers.
func answered(state, answers string) string {
	return aCall + `,"requestState":"` + state + `","inputResponses":{` + answers + `}}`
}

const (
	canAsk = `{"elicitation":{}}`
	allow  = `{"allow":true}`
	aCall  = `{"name":"ATool","arguments":{"target":"a"}`
)

func modernTalkers(t testing.TB, b *bed) []talker {
	return slices.DeleteFunc(talkers(t, b, canAsk), func(c talker) bool { return !c.modern })
}

// asked makes a call that is to wait for an answer.
func asked(t testing.TB, c talker, params string) called {
	t.Helper()
	res := calledOf(t, c.send("tools/call", params))
	if res.ResultType != "input_required" || res.RequestState == "" || res.IsError ||
		len(res.InputRequests) == 0 {
		t.Fatalf("%s: %s = %+v, want questions", c.says, params, res)
	}
	return res
}

func TestACallThatWaitsForAnAnswerComesAgainWithIt(t *testing.T) {
	g := newGate("10.0.0.7")
	b := gatedBed(t, g)
	for _, c := range modernTalkers(t, b) {
		g.ran = nil
		first := asked(t, c, aCall+"}")
		var q struct {
			Method string
			Params struct {
				Message         string
				RequestedSchema json.RawMessage
			}
		}
		if err := json.Unmarshal(first.InputRequests[consentID], &q); err != nil || len(first.InputRequests) != 1 ||
			q.Method != "elicitation/create" || !strings.Contains(q.Params.Message,
			"Command: /usr/bin/scan --loud 10.0.0.7\n") ||
			!same(t, q.Params.RequestedSchema, consentSchema) {
			t.Errorf("%s: the questions = %s (%v)", c.says, first.InputRequests, err)
		}
		if len(g.runs()) > 0 {
			t.Fatalf("%s: it ran before it was allowed", c.says)
		}
		res := calledOf(t, c.send("tools/call", aCall+","+said(first.RequestState, consentID, "accept", allow)+"}"))
		if res.ResultType != "complete" || res.IsError || res.report.Stdout != "done" || len(g.runs()) != 1 {
			t.Errorf("%s: with the answer %+v, %d ran; want the result", c.says, res, len(g.runs()))
		}
		asked(t, c, aCall+"}") // the next call is another one
		if len(g.runs()) != 1 {
			t.Errorf("%s: the next call ran with what was allowed to the one before", c.says)
		}
	}
}

func TestWhatIsNoYesIsNo(t *testing.T) {
	g := newGate("10.0.0.7")
	b := gatedBed(t, g)
	for _, c := range modernTalkers(t, b) {
		for _, answer := range []string{
			`{"action":"accept","content":{"allow":false}}`, `{"action":"accept","content":{"allow":"true"}}`,
			`{"action":"accept","content":{"allow":1}}`, `{"action":"accept","content":{"Allow":true}}`,
			`{"action":"accept","content":{"allow":[true]}}`, `{"action":"accept","content":{}}`,
			`{"action":"accept"}`,
			`{"action":"accept","content":null}`, `{"action":"decline"}`,
			`{"action":"decline","content":{"allow":true}}`,
			`{"action":"cancel","content":{"allow":true}}`,
		} {
			first := asked(t, c, aCall+"}")
			res := calledOf(t, c.send("tools/call", answered(first.RequestState, `"`+consentID+`":`+answer)))
			if !res.IsError || *res.report.ErrorType != tool.KindIntrusiveDenied || res.RequestState != "" {
				t.Errorf("%s: %s = %+v, want it denied", c.says, answer, res)
			}
		}
		for _, answer := range []string{
			`{"action":"maybe","content":{"allow":true}}`, `{"content":{"allow":true}}`,
			`{"action":"Accept","content":{"allow":true}}`,
			`{"action":"accept","content":[]}`, `{"action":"accept","content":"allow"}`, `{"action":7}`, `[]`, `null`,
			`true`,
		} {
			first := asked(t, c, aCall+"}")
			m := c.send("tools/call", answered(first.RequestState, `"`+consentID+`":`+answer))
			if m.String() != "1: error -32602" || !strings.Contains(m.Error.Message, consentID) {
				t.Errorf("%s: %s = %v %+v, want -32602", c.says, answer, m, m.Error)
			}
		}
		if n := len(g.runs()); n > 0 {
			t.Errorf("%s: %d ran, want none", c.says, n)
		}
	}
}

// The answer counts only where the question was asked: else a model would answer it by itself.
func TestNobodyAllowsACommandThatWasNotAskedAbout(t *testing.T) {
	g := newGate("10.0.0.7")
	b := gatedBed(t, g)
	for _, c := range talkers(t, b, canAsk) {
		if c.modern {
			first := asked(t, c, aCall+","+said("", consentID, "accept", allow)+"}")
			again := asked(t, c, aCall+`,"requestState":"`+first.RequestState+`"}`) // nor does silence
			if _, there := again.InputRequests[consentID]; !there {
				t.Errorf("%s: without an answer it asks %s", c.says, again.InputRequests)
			}
		} else if c.client == "stdio" {
			w := b.wire(t)
			w.open(canAsk)
			w.send(body("tools/call", aCall+","+said("", consentID, "accept", allow)+"}", ""))
			if m := w.next(); m.Method != "elicitation/create" {
				t.Errorf("%s: %v, want the question", c.says, m)
			}
		}
		if len(g.runs()) > 0 {
			t.Errorf("%s: it ran, and nobody was asked", c.says)
		}
	}
	g.then = zone // which asks once the command is allowed
	b.caller.call = func(ctx context.Context, r tool.Request) (tool.Result, error) {
		if len(r.Answers) == 0 {
			return zone(ctx, r)
		}
		return g.call(ctx, r)
	}
	c := modernTalkers(t, b)[0]
	first := asked(t, c, aCall+"}")
	next := asked(t, c, answered(first.RequestState, `"zone":{"action":"accept"},"`+consentID+
		`":{"action":"accept","content":{"allow":true}}`))
	if _, there := next.InputRequests[consentID]; !there || len(g.runs()) > 0 {
		t.Errorf("an answer beside another = %s, %d ran; want the question", next.InputRequests, len(g.runs()))
	}
}

func TestAStateIsOfOneCallOfOneClient(t *testing.T) {
	g := newGate("10.0.0.7")
	b := gatedBed(t, g)
	h := b.HTTP()
	alice := talker{says: "alice", send: modernTalk(t, h, "alice", canAsk)}
	bob := talker{says: "bob", send: modernTalk(t, h, "bob", canAsk)}
	state := asked(t, alice, aCall+"}").RequestState
	answer := func(state string) string { return "," + said(state, consentID, "accept", allow) + "}" }
	for _, row := range []struct {
		says   string
		who    talker
		params string
	}{
		{"another client", bob, aCall + answer(state)},
		{"another tool", alice, strings.Replace(aCall, "ATool", "BTool", 1) + answer(state)},
		{"other arguments", alice, strings.Replace(aCall, `"a"`, `"b"`, 1) + answer(state)},
		{"no arguments", alice, `{"name":"ATool"` + answer(state)},
		{"a state that was changed", alice, aCall + answer(state[1:]+"A")},
		{"a part of it", alice, aCall + answer(state[:len(state)-1])},
		{"one that nobody gave", alice, aCall + answer("x")},
		{"a long one", alice, aCall + answer(strings.Repeat("x", 100_000))},
	} {
		m := row.who.send("tools/call", row.params)
		if m.String() != "1: error -32602" || !strings.Contains(m.Error.Message, "requestState") ||
			len(m.Error.Message) > 500 {
			t.Errorf("%s = %v %+v, want -32602", row.says, m, m.Error)
		}
		if len(g.runs()) > 0 {
			t.Fatalf("%s: it ran", row.says)
		}
	}
	if res := calledOf(t, alice.send("tools/call", aCall+answer(state))); res.IsError || len(g.runs()) != 1 {
		t.Errorf("the call itself, after all that = %+v, want its result", res)
	}
	if m := alice.send("tools/call", aCall+answer(state)); m.String() != "1: error -32602" ||
		len(g.runs()) != 1 {
		t.Errorf("the state again = %v, %d ran; want -32602", m, len(g.runs()))
	}
}

func TestAStateHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("10.0.0.7")
		c := talker{send: modernTalk(t, gatedBed(t, g).HTTP(), "alice", canAsk)}
		early, late := asked(t, c, aCall+"}").RequestState, asked(t, c, aCall+"}").RequestState
		<-time.After(talkTime - 1)
		m := c.send("tools/call", aCall+","+said(early, consentID, "accept", allow)+"}")
		if res := calledOf(t, m); res.IsError || len(g.runs()) != 1 {
			t.Errorf("at the last moment = %+v, want the result", res)
		}
		<-time.After(1)
		m = c.send("tools/call", aCall+","+said(late, consentID, "accept", allow)+"}")
		if m.String() != "1: error -32602" || len(g.runs()) != 1 {
			t.Errorf("too late = %v, %d ran; want -32602", m, len(g.runs()))
		}
	})
}

// An answer that comes when something else was asked since is no answer.
func TestWhoDoesNotAnswerIsAskedAgain(t *testing.T) {
	digest := sha256.Sum256([]byte("a command"))
	k := &talk{consent: &digest}
	k.hear(map[string]tool.Answer{}, &tool.Request{})
	k.hear(map[string]tool.Answer{consentID: {Action: tool.AnswerAccept, Content: json.RawMessage(allow)}}, &tool.Request{})
	if len(k.granted) > 0 {
		t.Error("a late answer counts")
	}
}

func TestAToolGetsTheAnswersToWhatItAsked(t *testing.T) {
	b := newBed(t, entry("ATool"))
	b.caller.call = zone
	for _, c := range modernTalkers(t, b) {
		first := asked(t, c, aCall+"}")
		if q := string(first.InputRequests["zone"]); len(first.InputRequests) != 1 || !strings.Contains(q,
			`ATool asks: Which \\x1Bzone?`) {
			t.Errorf("%s: the questions = %s", c.says, first.InputRequests)
		}
		b.caller.asked = nil // nobody adds to it now
		res := calledOf(t, c.send("tools/call", answered(first.RequestState,
			`"zone":{"action":"accept","content":{"name":"lab"}},"other":{"action":"accept","content":{}},`+
				`"no id":{"action":"x"},"":null,"`+consentID+`":{"action":"accept","content":{"allow":true}}`)))
		if want := `accept {"name":"lab"}, state s1, 1 answers`; res.IsError || res.report.Stdout != want {
			t.Errorf("%s: with answers %+v, want %s", c.says, res, want)
		}
		if got := b.caller.requests(); len(got) != 1 || len(got[0].Answers) != 1 {
			t.Errorf("%s: the tool got %+v, want the one answer", c.says, got)
		}
		// One that remembers nothing may say at once what it knows it will be asked.
		b.caller.asked = nil
		res = calledOf(t, c.send("tools/call", aCall+`,"inputResponses":{`+
			`"zone":{"action":"decline"},"x":{"action":"accept"},"no id":7,"`+consentID+`":{"action":"accept","content":{"allow":true}}}}`))
		if got := b.caller.requests(); res.report.Stdout != "decline , state , 2 answers" ||
			string(got[0].Answers["x"].Content) != "{}" {
			t.Errorf("%s: answers without a state = %+v, the tool got %+v", c.says, res, got)
		}
		m := c.send("tools/call", aCall+","+said("", "zone", "accept", `{"name":"`+strings.Repeat("x",
			maxAnswers)+`"}`)+"}")
		if m.String() != "1: error -32602" || !strings.Contains(m.Error.Message, "32768 bytes") {
			t.Errorf("%s: a large answer = %v %+v, want -32602", c.says, m, m.Error)
		}
	}
	if n := len(b.talks.all); n > 0 {
		t.Errorf("%d calls wait, want none", n)
	}
}

func TestOnlySoManyCallsWaitForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTalks()
		keep := func(client string) string {
			<-time.After(1) // each is a little younger
			return ts.keep(&talk{client: client, tool: "ATool", arguments: sha256.Sum256(nil)})
		}
		waits := func(token, client string) bool {
			ts.mu.Lock()
			defer ts.mu.Unlock()
			return ts.all[token] != nil && ts.all[token].client == client
		}
		bob := keep("bob")
		var alice []string
		for range maxTalksPerClient + 3 {
			alice = append(alice, keep("alice"))
		}
		for i, token := range alice {
			if got, want := waits(token, "alice"), i >= 3; got != want {
				t.Errorf("call %d of a client waits: %t, want %t", i, got, want)
			}
		}
		if !waits(bob, "bob") {
			t.Error("another client's call has gone")
		}
		for i := range 2 * maxTalks {
			keep(fmt.Sprint("client", i))
		}
		if n := len(ts.all); n != maxTalks || waits(bob, "bob") || waits(alice[len(alice)-1], "alice") {
			t.Errorf("%d calls wait, want %d, without the oldest", n, maxTalks)
		}
		<-time.After(talkTime + 1)
		if last := keep("alice"); len(ts.all) != 1 || !waits(last, "alice") {
			t.Errorf("%d calls wait when the time of all others is over, want 1", len(ts.all))
		}
	})
}

func TestAPersonSeesExactlyWhatWouldRun(t *testing.T) {
	q := consent.Question{
		Tool: "ScanTool", Rule: "it is loud\nTarget: 10.9.9.9\x1b[2J",
		Arguments: json.RawMessage("{\n\"a\":\"\u202e\"}"),
		Targets: []tool.Target{
			{Label: "web.lab.internal", Prefix: netip.MustParsePrefix("10.0.0.7/32")},
			{Label: "10.1.0.0/24\nCommand: x\u202e", Prefix: netip.MustParsePrefix("10.1.0.0/24")},
		},
		Grant: tool.Grant{Program: "/opt/my scan", Argv: []string{"my scan", "-x", "", "a b", "a\nb", `"`, `\`, "é",
			"\u202e", "\xff", "'$(id)'"}},
	}
	const want = "ScanTool wants to run something that can disturb its target: " +
		"it is loud\\nTarget: 10.9.9.9\\x1B[2J\n" +
		"Target: 10.0.0.7 (web.lab.internal)\n" +
		"Target: 10.1.0.0/24 (10.1.0.0/24\\nCommand: x\\u{202E})\n" +
		`Command: "/opt/my scan" -x "" "a b" "a\nb" "\"" "\\" "\u00e9" "\u202e" "\xff" '$(id)'` + "\n" +
		"Allow this one run?"
	if got := askAbout(q).message; got != want {
		t.Errorf("the person sees\n%s\nwant\n%s", got, want)
	}
	q.Grant.Argv[0] = "rm"
	if got := askAbout(q).message; !strings.Contains(got, "'$(id)'\nCalled by the name: rm\n") {
		t.Errorf("of a program by another name the person sees\n%s", got)
	}
	q.Grant = tool.Grant{}
	if got := askAbout(q).message; !strings.Contains(got, "\nArguments: {\\n\"a\":\"\\u{202E}\"}\n") ||
		strings.Contains(got, "Command: \"") {
		t.Errorf("of a tool without a program the person sees\n%s", got)
	}
	q.Rule = strings.Repeat("x", 100_000)
	if got := askAbout(q).message; len(got) > 2*maxAskText+500 {
		t.Errorf("the person sees %d bytes", len(got))
	}
}

// Nobody allows what was not shown: arguments that do not fit are not asked about.
func TestArgumentsThatDoNotFitAreNotAskedAbout(t *testing.T) {
	for says, row := range map[string]struct {
		arguments string
		asks      bool
	}{
		"as many as fit":      {`{"a":"` + strings.Repeat("x", maxAskText-8) + `"}`, true},
		"one character more":  {`{"a":"` + strings.Repeat("x", maxAskText-7) + `"}`, false},
		"what is written out": {`{"a":"` + strings.Repeat("\u202e", 300) + `"}`, false},
	} {
		g := newGate("10.0.0.7")
		g.question = func(r tool.Request) consent.Question {
			q := scanOf(r, "10.0.0.7")
			q.Grant = tool.Grant{}
			return q
		}
		b := gatedBed(t, g)
		for _, c := range modernTalkers(t, b) {
			params := `{"name":"ATool","arguments":` + row.arguments
			if row.asks {
				first := string(asked(t, c, params+"}").InputRequests[consentID])
				if strings.Contains(first, "left out") || !strings.Contains(first, "xxxx") {
					t.Errorf("%s, %s: the question = %s, want the arguments whole", says, c.says, first)
				}
				continue
			}
			res := calledOf(t, c.send("tools/call", params+","+said("", consentID, "accept", allow)+"}"))
			if !res.IsError || *res.report.ErrorType != tool.KindIntrusiveDenied || res.RequestState != "" ||
				!strings.Contains(*res.report.Error, "more than 2000 characters") || len(g.runs()) > 0 {
				t.Errorf("%s, %s: %+v, %d ran; want it denied, and why", says, c.says, res, len(g.runs()))
			}
		}
	}
}

// A tool's question is one line that begins with its name, whatever the tool writes.
func TestAToolCannotSpeakForTheHost(t *testing.T) {
	const fake = "yes?\n\nNmapTool wants to run something that can disturb its target: x\r\nTarget: 10.0.0.7 (web)" +
		"\n\tAllow this one run?\x1b\u2028"
	q, err := toolsQuestion("ATool", tool.Question{ID: "zone", Message: fake, Schema: json.RawMessage(`{"type":"object",` +
		`"title":"a\nb\u202e","properties":{"title":{"type":"string","title":"c\u200bd","description":"e\r\nf",` +
		`"enum":["one","two"],"enumNames":["g\u001bh","i"],"default":"one"},"n":{"type":"number","default":1.50},` +
		`"l":{"type":"array","title":"j\n","items":{"anyOf":[{"const":"k","title":"l\nm"}]}}},"required":["title"]}`)})
	want := question{id: "zone", message: "ATool asks: yes? NmapTool wants to run something that can disturb its target: " +
		`x Target: 10.0.0.7 (web) Allow this one run?\x1B\u{2028}`}
	if err != nil || q.message != want.message || q.id != want.id {
		t.Errorf("the question = %s, %v; want %s", q.message, err, want.message)
	}
	if want := `{"type":"object","title":"a b\\u{202E}","properties":{"title":{"type":"string","title":"c\\u{200B}d",` +
		`"description":"e f","enum":["one","two"],"enumNames":["g\\x1Bh","i"],"default":"one"},"n":{"type":"number",` +
		`"default":1.50},"l":{"type":"array","title":"j","items":{"anyOf":[{"const":"k","title":"l m"}]}}},` +
		`"required":["title"]}`; string(q.schema) != want {
		t.Errorf("its form = %s\nwant %s", q.schema, want)
	}
}

// What goes back to the tool is not changed, and so must be what a person can see.
func TestAFormWithHiddenCharactersInItsValuesBreaksTheContract(t *testing.T) {
	for says, member := range map[string]string{
		"a choice":         `"a":{"type":"string","enum":["x\u202e"]}`,
		"a default":        `"a":{"type":"string","default":"\u200b"}`,
		"a constant":       `"a":{"type":"array","items":{"anyOf":[{"const":"\u001b","title":"x"}]}}`,
		"a name":           `"a\u202e":{"type":"string"}`,
		"a deeper title":   `"a":{"type":"string","default":{"title":"\u202e"}}`,
		"a name twice":     `"a":{"type":"string"},"a":{"type":"string"}`,
		"a pattern":        `"a":{"type":"string","pattern":"\u202e"}`,
		"a member's title": `"title":{"type":"string","x":"\u202e"}`,
	} {
		b := newBed(t, entry("ATool"))
		b.caller.call = func(context.Context, tool.Request) (tool.Result, error) {
			return tool.Result{Questions: []tool.Question{{ID: "zone", Message: "Which?",
				Schema: json.RawMessage(`{"type":"object","properties":{` + member + `}}`)}}}, nil
		}
		for _, c := range talkers(t, b, canAsk) {
			res := calledOf(t, c.send("tools/call", aCall+"}"))
			if !res.IsError || *res.report.ErrorType != tool.KindUnknown || len(res.InputRequests) > 0 ||
				!strings.Contains(*res.report.Error, "broke its contract") || res.report.Suggestion == "" {
				t.Errorf("%s, %s: %+v, want that it broke its contract", says, c.says, res)
			}
		}
	}
}

// FuzzCommandLine holds that a command that is shown can be read in one way alone.
func FuzzCommandLine(f *testing.F) {
	f.Add("/usr/bin/scan", "-x", "a b")
	f.Add("/opt/\"x", "\n", `a" "b`)
	f.Add("", "\xff\u202e", `\x00`)
	f.Fuzz(func(t *testing.T, program, one, other string) {
		argv := []string{"scan", one, other}
		shown, name, renamed := strings.Cut(commandLine(tool.Grant{Program: program, Argv: argv}),
			"\nCalled by the name: ")
		if renamed && name != "scan" {
			t.Errorf("%q is called by the name %q", program, name)
		}
		var got []string
		for rest := shown; ; {
			word, tail, more := strings.Cut(rest, " ")
			if strings.HasPrefix(rest, `"`) {
				quoted, err := strconv.QuotedPrefix(rest)
				if err != nil {
					t.Fatalf("%q cannot be read: %v", shown, err)
				}
				tail, more = strings.CutPrefix(rest[len(quoted):], " ")
				if word, err = strconv.Unquote(quoted); err != nil {
					t.Fatalf("%q cannot be read: %v", quoted, err)
				}
			}
			if got = append(got, word); !more {
				break
			}
			rest = tail
		}
		if !slices.Equal(got, []string{program, one, other}) {
			t.Errorf("%q %q is shown as %s, which says %q", program, argv, shown, got)
		}
		if strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q has more than plain characters", shown)
		}
	})
}
