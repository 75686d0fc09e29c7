package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

type zone struct {
	Name string `json:"name" jsonschema:"of the zone"`
	Deep bool   `json:"deep,omitempty"`
}

var whichZone = sdk.Question{ID: "zone", Message: "Which zone?", Schema: sdk.SchemaOf[zone]()}

// askZone is a function that needs to know a zone.
func askZone(_ context.Context, c *sdk.Call, _ input) (output, error) {
	a, ok := c.Answer("zone")
	if !ok {
		return output{}, fmt.Errorf("ask: %w", sdk.Ask(whichZone).Remember([]byte("first")))
	}
	var z zone
	if err := a.Into(&z); err != nil {
		return output{}, err
	}
	return output{Names: []string{z.Name, string(c.State())}}, nil
}

func TestAFunctionAsksAndGoesOn(t *testing.T) {
	b := sdktest.New(t, one(askZone), sdktest.Options{Answer: func(q sdk.Question) sdk.Answer {
		if q.ID != "zone" || q.Message != "Which zone?" {
			t.Errorf("asked %+v", q)
		}
		return sdk.Answer{Action: sdk.AnswerAccept, Content: json.RawMessage(`{"name":"lab"}`)}
	}})
	res, err := b.Call(t.Context(), "One", `{"count": 1}`)
	if want := `{"names":["lab","first"],"next":[]}`; err != nil || string(res.Data) != want {
		t.Errorf("Call() = %s, %v; want %s", res.Data, err, want)
	}
}

func TestQuestionsAreAResultThatIsNoneYet(t *testing.T) {
	b := sdktest.New(t, one(func(ctx context.Context, c *sdk.Call, in input) (output, error) {
		c.Show(sdk.Content{Type: sdk.TextContent, Text: "too early"})
		return askZone(ctx, c, in)
	}), sdktest.Options{})
	res, err := b.Call(t.Context(), "One", `{"count": 1}`)
	if err != nil || len(res.Questions) != 1 || res.Questions[0].ID != "zone" || string(res.State) != "first" {
		t.Errorf("Call() = %+v, %v; want the question and the state", res, err)
	}
	if res.Data != nil || res.Content != nil {
		t.Errorf("Call() = data %s, content %+v; want neither before the answer", res.Data, res.Content)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, row := range []struct {
		answer sdk.Answer
		says   string
	}{
		{sdk.Answer{Action: sdk.AnswerDecline}, `"decline"`},
		{sdk.Answer{Action: sdk.AnswerCancel}, `"cancel"`},
		{sdk.Answer{}, "was not answered"},
		{sdk.Answer{Action: "accepted", Content: json.RawMessage(`{"name":"x"}`)}, "was not answered"},
		{sdk.Answer{Action: sdk.AnswerAccept}, "not valid JSON"},
		{sdk.Answer{Action: sdk.AnswerAccept, Content: json.RawMessage(`{}`)}, "name is missing"},
		{sdk.Answer{Action: sdk.AnswerAccept, Content: json.RawMessage(`{"name":7}`)}, "name"},
		{sdk.Answer{Action: sdk.AnswerAccept, Content: json.RawMessage(`{"name":"x","nmae":"y"}`)}, "nmae"},
	} {
		row.answer.ID = "zone"
		var z zone
		err := row.answer.Into(&z)
		if sdk.KindOf(err) != sdk.KindValidation || !strings.Contains(err.Error(), row.says) ||
			!strings.Contains(err.Error(), "zone") || z != (zone{}) {
			t.Errorf("Into(%s %s) = %v, %+v; want a %s with %q", row.answer.Action, row.answer.Content, err, z,
				sdk.KindValidation, row.says)
		}
	}
	good := sdk.Answer{Action: sdk.AnswerAccept, Content: json.RawMessage(`{"name":"x"}`)}
	for _, v := range []any{nil, zone{}, new(int)} {
		if err := good.Into(v); err == nil {
			t.Errorf("Into(%T) = nil", v)
		}
	}
}

func TestSchemaOfRefusesWhatNoFormCanBeMadeOf(t *testing.T) {
	panics := func(f func() json.RawMessage) (msg string) {
		defer func() { msg = fmt.Sprint(recover()) }()
		f()
		return ""
	}
	for says, f := range map[string]func() json.RawMessage{
		"it is no struct": sdk.SchemaOf[int],
		"member deep": sdk.SchemaOf[struct {
			Deep zone `json:"deep"`
		}],
		"member p is of type": sdk.SchemaOf[struct {
			P *int `json:"p"`
		}],
	} {
		if got := panics(f); !strings.Contains(got, says) {
			t.Errorf("SchemaOf panics with %q, want %q", got, says)
		}
	}
}

func TestAToolThatBreaksTheContract(t *testing.T) {
	text := sdk.Content{Type: sdk.TextContent, Text: "x"}
	for says, fn := range map[string]func(c *sdk.Call) error{
		"no question":           func(*sdk.Call) error { return sdk.Ask() },
		"5 questions":           func(*sdk.Call) error { return sdk.Ask(slices.Repeat([]sdk.Question{whichZone}, 5)...) },
		"a state of":            func(*sdk.Call) error { return sdk.Ask(whichZone).Remember(make([]byte, 1<<20)) },
		"33 blocks":             func(c *sdk.Call) error { c.Show(slices.Repeat([]sdk.Content{text}, 33)...); return nil },
		"content with the type": func(c *sdk.Call) error { c.Show(sdk.Content{}); return nil },
	} {
		b := sdktest.New(t, one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
			return output{Names: []string{"kept"}}, fn(c)
		}), sdktest.Options{})
		res, err := b.Call(t.Context(), "One", `{"count": 1}`)
		says = strings.Replace(says, "content with the type", "content has the type", 1)
		if sdk.KindOf(err) != sdk.KindUnknown || !strings.Contains(err.Error(), says) || sdk.AsError(err).Tool != "One" {
			t.Errorf("Call() = %v, want an error of kind unknown with %q", err, says)
		}
		if len(res.Content)+len(res.Questions)+len(res.State) > 0 {
			t.Errorf("%s: Call() = %+v, want what is wrong left out", says, res)
		}
	}
}

func TestWhatAFunctionShowsIsKeptWithItsError(t *testing.T) {
	b := sdktest.New(t, one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
		c.Show(sdk.Content{Type: sdk.TextContent, Text: "a"})
		c.Show(sdk.Content{Type: sdk.LinkContent, URI: "https://wiki/", Name: "wiki"})
		return output{}, errors.New("it broke")
	}), sdktest.Options{})
	res, err := b.Call(t.Context(), "One", `{"count": 1}`)
	if sdk.KindOf(err) != sdk.KindExecution || len(res.Content) != 2 || res.Content[1].Name != "wiki" {
		t.Errorf("Call() = %+v, %v; want both blocks and the error", res.Content, err)
	}
}

func TestLogsReachTheCallerAndAreBounded(t *testing.T) {
	b := sdktest.New(t, one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
		c.Logf(sdk.LogWarning, "slow: %d ms\xff", 7)
		c.Logf("loud", "%s", strings.Repeat("é", 5000))
		for i := range 2000 {
			c.Logf(sdk.LogDebug, "step %d", i)
		}
		return output{}, nil
	}), sdktest.Options{})
	if _, err := b.Call(t.Context(), "One", `{"count": 1}`); err != nil {
		t.Fatal(err)
	}
	got := b.Logged()
	if len(got) != 1000 {
		t.Fatalf("%d messages came, want 1000", len(got))
	}
	for i, want := range map[int]sdk.Log{
		0: {Level: sdk.LogWarning, Message: "slow: 7 ms\ufffd"},
		1: {Level: sdk.LogInfo, Message: strings.Repeat("é", 2048)}, 998: {Level: sdk.LogDebug, Message: "step 996"},
		999: {Level: sdk.LogWarning, Message: "this call has logged 999 messages; those that follow are left out"},
	} {
		if got[i] != want {
			t.Errorf("message %d = %.80v, want %.80v", i, got[i], want)
		}
	}
}

// strong is an input that can be intrusive.
type strong struct {
	Strong bool `json:"strong,omitempty"`
}

func (s *strong) Intrusive() string {
	if s.Strong {
		return "it is strong"
	}
	return ""
}

func gated(fn func(c *sdk.Call)) sdk.Plugin {
	return sdk.Plugin{Name: "gated", Version: "1", Tools: []sdk.Tool{sdk.Func(sdk.Definition{
		Name: "Gated", Description: "A tool of the tests.", Intrusive: true,
	}, func(_ context.Context, c *sdk.Call, _ strong) (struct{}, error) {
		fn(c)
		return struct{}{}, nil
	})}}
}

func TestAnIntrusiveInputNeedsThePolicyOrAPerson(t *testing.T) {
	asked := 0
	consent := func(yes bool) func(sdk.Plan) bool {
		return func(p sdk.Plan) bool {
			if asked++; p.Program != "" || len(p.Argv) > 0 {
				t.Errorf("asked about the command %q, want none", p.Argv)
			}
			return yes
		}
	}
	for _, row := range []struct {
		says    string
		args    string
		options sdktest.Options
		plan    sdk.Verdict
		asks    int
		runs    bool
	}{
		{"a mild call", `{}`, sdktest.Options{}, sdk.Accept, 0, true},
		{"a mild call asks nobody", `{}`, sdktest.Options{Consent: consent(false)}, sdk.Accept, 0, true},
		{"a strong call", `{"strong": true}`, sdktest.Options{}, sdk.Gated, 0, false},
		{"where it is on", `{"strong": true}`, sdktest.Options{AllowIntrusive: true}, sdk.Accept, 0, true},
		{"allowed by a person", `{"strong": true}`, sdktest.Options{Consent: consent(true)}, sdk.Gated, 1, true},
		{"refused by a person", `{"strong": true}`, sdktest.Options{Consent: consent(false)}, sdk.Gated, 1, false},
	} {
		asked = 0
		ran := false
		b := sdktest.New(t, gated(func(c *sdk.Call) {
			ran = true
			if want := row.plan == sdk.Gated || row.options.AllowIntrusive; c.Policy().AllowIntrusive != want {
				t.Errorf("%s: AllowIntrusive = %t, want %t", row.says, !want, want)
			}
		}), row.options)
		if p := b.Plan("Gated", row.args); p.Verdict != row.plan {
			t.Errorf("%s: Plan() = %s (%s), want %s", row.says, p.Verdict, p.Rule, row.plan)
		}
		_, err := b.Call(t.Context(), "Gated", row.args)
		if ran != row.runs || asked != row.asks || (err == nil) != row.runs {
			t.Errorf("%s: ran %t, asked %d times, %v; want %t, %d", row.says, ran, asked, err, row.runs, row.asks)
		}
		if err != nil && sdk.KindOf(err) != sdk.KindIntrusiveDenied {
			t.Errorf("%s: Call() = %v, want a %s", row.says, err, sdk.KindIntrusiveDenied)
		}
	}
}

func TestAGrantHoldsForItsCallAlone(t *testing.T) {
	h := sdktest.New(t, gated(func(*sdk.Call) {}), sdktest.Options{}).Handler()
	r := sdk.Request{Tool: "Gated", Arguments: json.RawMessage(`{"strong": true}`), Grant: &sdk.Grant{}}
	if _, err := h.Call(t.Context(), r, nil); err != nil {
		t.Errorf("Call with a grant = %v", err)
	}
	r.Grant = nil
	if _, err := h.Call(t.Context(), r, nil); sdk.KindOf(err) != sdk.KindIntrusiveDenied {
		t.Errorf("the next Call, without = %v, want a %s", err, sdk.KindIntrusiveDenied)
	}
	for _, g := range []sdk.Grant{{Program: "/bin/sh"}, {Argv: []string{"sh"}}} {
		r.Grant = &g
		if _, err := h.Call(t.Context(), r, nil); sdk.KindOf(err) != sdk.KindIntrusiveDenied {
			t.Errorf("Call with the grant of a command = %v, want a %s", err, sdk.KindIntrusiveDenied)
		}
	}
}

func TestPromptsAreDescribedAndFilledIn(t *testing.T) {
	p := one(func(context.Context, *sdk.Call, input) (output, error) { return output{}, nil })
	p.Prompts = []sdk.Prompt{{
		Name: "look", Description: "Looks.",
		Arguments: []sdk.PromptArgument{{Name: "host", Description: "which", Required: true, Complete: sdk.CompleteTargets}},
		Messages:  []sdk.PromptMessage{{Content: sdk.Content{Type: sdk.TextContent, Text: "Look at {{host}}."}}},
	}}
	b := sdktest.New(t, p, sdktest.Options{})
	got, err := b.Prompt("look", map[string]string{"host": "10.0.0.1"})
	if err != nil || got[0].Content.Text != "Look at 10.0.0.1." {
		t.Errorf("Prompt() = %+v, %v", got, err)
	}
	if _, err := b.Prompt("look", nil); sdk.KindOf(err) != sdk.KindValidation {
		t.Errorf("Prompt without its argument = %v, want a %s", err, sdk.KindValidation)
	}
	p.Prompts[0].Messages[0].Content.Text = "{{hots}}"
	if _, err := sdk.NewHandler(p); err == nil || !strings.Contains(err.Error(), "{{hots}}") {
		t.Errorf("NewHandler = %v, want an error about {{hots}}", err)
	}
}

// byHand is a tool that no constructor made.
type byHand struct{ res sdk.Result }

func (byHand) Spec() sdk.Spec {
	return sdk.Spec{Name: "One", Description: "A tool of the tests.", InputSchema: json.RawMessage(`{"type":"object"}`)}
}

func (byHand) Plan(context.Context, sdk.Env, sdk.Request) (sdk.Plan, error) { return sdk.Plan{}, nil }

func (h byHand) Call(context.Context, sdk.Env, sdk.Request, func(sdk.Event)) (sdk.Result, error) {
	return h.res, errors.New("it broke")
}

func TestAToolThatFailedAsksNothing(t *testing.T) {
	p := sdk.Plugin{Name: "hand", Version: "1", Tools: []sdk.Tool{byHand{sdk.Result{
		ReturnCode: 7, Questions: []sdk.Question{whichZone}, State: []byte("s"),
	}}}}
	res, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "One", `{}`)
	if err == nil || res.ReturnCode != 7 || res.Questions != nil || res.State != nil {
		t.Errorf("Call() = %+v, %v; want the error and the rest, and no questions", res, err)
	}
}
