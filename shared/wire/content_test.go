package wire

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var everyBlock = []tool.Content{
	{Type: tool.TextContent, Text: "3 hosts"},
	{Type: tool.ImageContent, MIMEType: "image/png", Data: []byte{0x89, 0xff}},
	{Type: tool.AudioContent, MIMEType: "audio/wav", Data: []byte{0}},
	{Type: tool.LinkContent, URI: "https://wiki/", Name: "wiki", Title: "Wiki", About: "all about it"},
	{Type: tool.ResourceText, URI: "report:1", MIMEType: "text/plain", Text: "well"},
}

func TestPromptsSurviveTheWire(t *testing.T) {
	want := []tool.Prompt{{
		Name: "check", Title: "Check", Description: "checks",
		Arguments: []tool.PromptArgument{{
			Name: "host", Title: "Host", Description: "which", Required: true, Default: "10.0.0.1",
			Complete: tool.CompleteTargets, Values: []string{"a", "b"},
		}, {Name: "run", Complete: tool.CompleteExecutions}},
	}}
	for _, c := range everyBlock {
		want[0].Messages = append(want[0].Messages, tool.PromptMessage{Role: "assistant", Content: c})
	}
	got, err := serve(t, &fake{manifest: tool.Manifest{Prompts: want}}).Describe(t.Context())
	if err != nil || !reflect.DeepEqual(got.Prompts, want) {
		t.Errorf("Describe = %+v, %v\nwant %+v", got.Prompts, err, want)
	}
}

func TestASourceOfCompletionsThatIsNotKnownCompletesNothing(t *testing.T) {
	p := promptFromPB(&toolpb.Prompt{Arguments: []*toolpb.PromptArgument{{Complete: "weather"}, {Complete: "tool"}}})
	if p.Arguments[0].Complete != tool.CompleteNothing || p.Arguments[1].Complete != tool.CompleteTools {
		t.Errorf("arguments = %+v, want nothing and tools", p.Arguments)
	}
}

func TestWhatAPersonSaidSurvivesTheWire(t *testing.T) {
	for says, sent := range map[string]tool.Request{
		"nothing":           {},
		"an empty grant":    {Grant: &tool.Grant{}},
		"a grant":           {Grant: &tool.Grant{Program: "/usr/bin/nmap", Argv: []string{"/usr/bin/nmap", "", "-A"}}},
		"answers and state": {Answers: map[string]tool.Answer{"a": {Action: "accept", Content: json.RawMessage(`{"x":1}`)}, "b": {Action: "decline"}}, State: []byte{0, 1}},
	} {
		var called, planned tool.Request
		c := serve(t, &fake{
			call: func(_ context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
				called = r
				return tool.Result{}, nil
			},
			plan: func(r tool.Request) (tool.Plan, error) { planned = r; return tool.Plan{}, nil },
		})
		if _, err := c.Call(t.Context(), sent, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Plan(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		for way, got := range map[string]tool.Request{"Call": called, "Plan": planned} {
			if !reflect.DeepEqual(got.Grant, sent.Grant) || !reflect.DeepEqual(got.Answers, sent.Answers) ||
				string(got.State) != string(sent.State) {
				t.Errorf("%s: %s brought %+v\nwant %+v", says, way, got, sent)
			}
		}
	}
}

func TestContentQuestionsAndLogsSurviveTheWire(t *testing.T) {
	want := tool.Result{Content: everyBlock, State: []byte("s"), Questions: []tool.Question{
		{ID: "a", Message: "Which?", Schema: json.RawMessage(`{"type":"object"}`)},
	}}
	c := serve(t, &fake{call: func(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
		emit(tool.Event{Log: &tool.Log{Level: tool.LogWarning, Message: "slow \xff"}})
		emit(tool.Event{Log: &tool.Log{Level: "loud", Message: strings.Repeat("é", tool.MaxLogText)}})
		return want, nil
	}})
	var logs []tool.Log
	got, err := c.Call(t.Context(), tool.Request{}, func(ev tool.Event) { logs = append(logs, *ev.Log) })
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Call = %+v, %v\nwant %+v", got, err, want)
	}
	if len(logs) != 2 || logs[0] != (tool.Log{Level: tool.LogWarning, Message: "slow \ufffd"}) ||
		logs[1] != (tool.Log{Level: tool.LogInfo, Message: strings.Repeat("é", tool.MaxLogText/2)}) {
		t.Errorf("logs = %.200v, want a warning that is repaired, and an info that is cut", logs)
	}
}

func TestInvalidUTF8OfContentIsRepaired(t *testing.T) {
	c := serve(t, &fake{call: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		return tool.Result{Content: []tool.Content{{Type: tool.TextContent, Text: "a\xff"}}}, nil
	}})
	got, err := c.Call(t.Context(), tool.Request{}, nil)
	if err != nil || got.Content[0].Text != "a\ufffd" {
		t.Errorf("Call = %+v, %v; want the text repaired", got, err)
	}
}

func TestAResultThatBreaksTheContractIsAnErrorThatKeepsTheRest(t *testing.T) {
	question := tool.Question{ID: "a", Message: "m", Schema: json.RawMessage(`{"type":"object"}`)}
	for says, sent := range map[string]tool.Result{
		"block 0 of the content":    {Content: []tool.Content{{Type: "video"}}},
		"33 blocks":                 {Content: make([]tool.Content, 33)},
		"2097153 bytes of content":  {Content: []tool.Content{{Type: tool.TextContent, Text: strings.Repeat("x", tool.MaxContentBytes+1)}}},
		"a scheme that a tool may":  {Content: []tool.Content{{Type: tool.LinkContent, Name: "n", URI: "file:///etc/passwd"}}},
		"5 questions":               {Questions: make([]tool.Question, 5)},
		"is asked twice":            {Questions: []tool.Question{question, question}},
		"a state of 16385 bytes":    {Questions: []tool.Question{question}, State: make([]byte, tool.MaxState+1)},
		"the question's id \"a b\"": {Questions: []tool.Question{{ID: "a b"}}},
	} {
		sent.ReturnCode, sent.Data = 3, json.RawMessage(`{"kept":true}`)
		c := serve(t, &fake{call: func(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
			emit(tool.Event{Output: &tool.Output{Data: []byte("out")}})
			return sent, nil
		}})
		out := ""
		got, err := c.Call(t.Context(), tool.Request{}, func(ev tool.Event) { out += string(ev.Output.Data) })
		e := tool.AsError(err)
		if e == nil || e.Kind != tool.KindUnknown || !strings.Contains(e.Message, says) || e.Suggestion == "" ||
			!strings.Contains(e.Message, "broke its contract") {
			t.Errorf("Call = %v, want an error of kind unknown with %q", err, says)
		}
		if got.ReturnCode != 3 || len(got.Data) == 0 || out != "out" || len(got.Content)+len(got.Questions) > 0 {
			t.Errorf("%s: Call = %.200v, output %q; want the rest of the result kept", says, got, out)
		}
	}
}

func TestACallThatFailedShowsAndDoesNotAsk(t *testing.T) {
	c := serve(t, &fake{call: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		return tool.Result{Content: everyBlock[:1], State: []byte("s"), Questions: []tool.Question{
			{ID: "a", Message: "m", Schema: json.RawMessage(`{"type":"object"}`)},
		}}, tool.Errorf(tool.KindExecution, "it broke")
	}})
	got, err := c.Call(t.Context(), tool.Request{}, nil)
	if tool.KindOf(err) != tool.KindExecution || len(got.Content) != 1 || got.Questions != nil || got.State != nil {
		t.Errorf("Call = %+v, %v; want its content, its error, and no questions", got, err)
	}
}

func TestProgressThatIsNoNumberIsUnknown(t *testing.T) {
	for _, percent := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		p := progressFromPB(&toolpb.Progress{Percent: percent, Message: strings.Repeat("x", 9999), Task: strings.Repeat("x", 9999)})
		if p.Percent >= 0 || len(p.Message) != maxProgressText || len(p.Task) != maxProgressText {
			t.Errorf("a progress of %v is %v, with texts of %d and %d bytes", percent, p.Percent, len(p.Message), len(p.Task))
		}
	}
}

// An old peer skips what it does not know. The bytes of a new message, read by a descriptor without the fields, are
// tried by the fields' numbers alone: unknown ones stay where they are and hurt nobody.
func TestWhatIsNotKnownIsSkipped(t *testing.T) {
	raw, err := proto.Marshal(requestToPB(tool.Request{Tool: "T", Grant: &tool.Grant{Program: "/p"}, State: []byte("s")}))
	if err != nil {
		t.Fatal(err)
	}
	var old toolpb.Target // knows the fields 1 to 3 as texts; of these only the tool's name is there
	if err := proto.Unmarshal(raw, &old); err != nil || old.GetLabel() != "T" || len(old.ProtoReflect().GetUnknown()) == 0 {
		t.Errorf("an old peer reads %v, %v; want the tool, and the rest unknown", &old, err)
	}
}

// FuzzResult holds that whatever a plugin sends as a result, what comes of it keeps to the contract.
func FuzzResult(f *testing.F) {
	for _, r := range []tool.Result{
		{Content: everyBlock},
		{Questions: []tool.Question{{ID: "a", Message: "m", Schema: json.RawMessage(`{"type":"object"}`)}}, State: []byte{1}},
		{Content: []tool.Content{{Type: tool.LinkContent, URI: "javascript:x", Name: "n"}}, Data: json.RawMessage(`{}`)},
	} {
		raw, err := proto.Marshal(resultToPB(r, nil).GetResult())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var pb toolpb.Result
		if proto.Unmarshal(raw, &pb) != nil {
			return
		}
		res, err := resultFromPB(&pb)
		if broken := res.Validate(); broken != nil {
			t.Errorf("%+v came through, %v: %v", res, err, broken)
		}
		if err != nil && len(res.Questions) > 0 {
			t.Errorf("a failure asks: %+v, %v", res, err)
		}
		for _, c := range res.Content {
			if out, err := json.Marshal(c); err != nil || !utf8.Valid(out) {
				t.Errorf("Marshal(%+v) = %s, %v", c, out, err)
			}
		}
	})
}
