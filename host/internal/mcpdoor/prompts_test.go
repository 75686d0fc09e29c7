package mcpdoor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func userText(text string) tool.PromptMessage {
	return tool.PromptMessage{Content: tool.Content{Type: tool.TextContent, Text: text}}
}

// check is a prompt with every kind of argument and message.
func check() tool.Prompt {
	return tool.Prompt{
		Name: "check", Title: "Check a host", Description: "looks at one host",
		Arguments: []tool.PromptArgument{
			{Name: "host", Title: "Host", Description: "which one", Required: true},
			{Name: "depth", Required: true, Default: "quick"}, {Name: "note"},
		},
		Messages: []tool.PromptMessage{
			userText("Look at {{host}} ({{depth}}). {{note}}{{other}}"),
			{Role: "assistant", Content: tool.Content{Type: tool.TextContent, Text: "I look."}},
			{Role: "user", Content: tool.Content{Type: tool.LinkContent, Name: "wiki",
				URI: "https://wiki.lab.internal/{{host}}"}},
			{Role: "user", Content: tool.Content{Type: tool.ImageContent, Data: []byte{1, 2}, MIMEType: "image/png"}},
			{Role: "user", Content: tool.Content{Type: tool.ResourceText, URI: "note:1", Text: "of {{host}}",
				MIMEType: "text/plain"}},
		},
	}
}

// prompting offers prompts beside a tool.
func prompting(plugin string, prompts ...tool.Prompt) func(*catalog.Entry) {
	return func(e *catalog.Entry) { e.Plugin, e.Prompts = plugin, prompts }
}

func named(p tool.Prompt, name string) tool.Prompt {
	p.Name = name
	return p
}

func get(c talker, name, arguments string) sent {
	return c.send("prompts/get", `{"name":"`+name+`","arguments":`+arguments+`}`)
}

func TestPromptsAreListedWhereTheirToolsAre(t *testing.T) {
	b := bedWith(t, func(cfg *Config) {
		cfg.Visible = func(_ context.Context, name string) bool { return name != "SecretTool" }
	}, entry("ATool", prompting("one", check())), entry("OffTool", prompting("two", named(check(), "off")),
		disabled),
		entry("SecretTool", prompting("three", named(check(), "secret"))),
		entry("OtherTool", prompting("four", named(check(), "both"))), entry("OtherOff", prompting("four",
			named(check(), "both")), disabled))
	for _, c := range talkers(t, b, "{}") {
		var res struct{ Prompts []json.RawMessage }
		if m := c.send("prompts/list", "{}"); json.Unmarshal(m.Result, &res) != nil || len(res.Prompts) != 2 {
			t.Fatalf("%s: prompts/list = %v %s, want those of the tools that can be called", c.says, m, m.Result)
		}
		const want = `{"name":"check","title":"Check a host","description":"looks at one host","arguments":[` +
			`{"name":"host","title":"Host","description":"which one","required":true},` +
			`{"name":"depth","required":true},{"name":"note"}]}`
		if !same(t, res.Prompts[1], []byte(want)) || !strings.Contains(string(res.Prompts[0]), `"both"`) {
			t.Errorf("%s: prompts/list = %s, want %s", c.says, res.Prompts, want)
		}
		for _, name := range []string{"off", "secret", "none", "Check", "", strings.Repeat("x", 200)} {
			if name == "" && c.modern && c.client != "stdio" {
				continue // its header cannot be empty
			}
			if m := get(c, name, `{"host":"a"}`); m.String() != "1: error -32602" || len(m.Error.Message) > 300 {
				t.Errorf("%s: prompts/get of %.20q = %v %+v, want -32602", c.says, name, m, m.Error)
			}
		}
	}
}

func TestAPromptIsFilledIn(t *testing.T) {
	b := newBed(t, entry("ATool", prompting("one", check())))
	for _, c := range talkers(t, b, "{}") {
		var res struct {
			Description string
			Messages    []struct {
				Role    string
				Content json.RawMessage
			}
		}
		m := get(c, "check", `{"host":"dns"}`)
		if err := json.Unmarshal(m.Result, &res); err != nil || res.Description != "looks at one host" {
			t.Fatalf("%s: prompts/get = %v %+v", c.says, m, m.Error)
		}
		want := []string{
			`user {"type":"text","text":"Look at dns (quick). {{other}}"}`,
			`assistant {"type":"text","text":"I look."}`,
			`user {"type":"resource_link","uri":"https://wiki.lab.internal/dns","name":"wiki",` +
				`"description":"","mimeType":""}`,
			`user {"type":"image","data":"AQI=","mimeType":"image/png"}`,
			`user {"type":"resource","resource":{"uri":"note:1","text":"of dns","mimeType":"text/plain"}}`,
		}
		for i, w := range want {
			role, content, _ := strings.Cut(w, " ")
			if i >= len(res.Messages) || res.Messages[i].Role != role || !same(t, res.Messages[i].Content,
				[]byte(content)) {
				t.Fatalf("%s: message %d = %s, want %s", c.says, i, m.Result, w)
			}
		}
	}
}

// A value is a value, whatever stands in it.
func TestAValueOfAPromptStaysAValue(t *testing.T) {
	p := check()
	p.Messages = p.Messages[:1]
	c := talkers(t, newBed(t, entry("ATool", prompting("one", p))), "{}")[0]
	for _, row := range []struct{ arguments, want string }{
		{`{"host":"a","depth":"deep","note":"n"}`, "Look at a (deep). n{{other}}"},
		{`{"host":"a","depth":""}`, "Look at a (quick). {{other}}"},
		{`{"host":"{{note}}","note":"{{host}}{{depth}}"}`, "Look at {{note}} (quick). {{host}}{{depth}}{{other}}"},
		{`{"host":"{{","note":"host}}"}`, "Look at {{ (quick). host}}{{other}}"},
		{`{"host":"a\u001b[2J\u202eb\u0000"}`, `Look at a\x1B[2J\u{202E}b\x00 (quick). {{other}}`},
		{`{"host":"` + strings.Repeat("x", maxArgument) + `"}`, "Look at " + strings.Repeat("x", maxArgument) +
			" (quick). {{other}}"},
	} {
		m := get(c, "check", row.arguments)
		var res struct {
			Messages []struct{ Content struct{ Text string } }
		}
		if err := json.Unmarshal(m.Result, &res); err != nil || res.Messages[0].Content.Text != row.want {
			t.Errorf("with %.100s: %v %+v, want %q", row.arguments, res, m.Error, row.want)
		}
	}
}

func TestArgumentsThatAPromptDoesNotTake(t *testing.T) {
	free := tool.Prompt{Name: "free", Description: "d", Arguments: []tool.PromptArgument{{Name: "uri"},
		{Name: "n"}},
		Messages: []tool.PromptMessage{
			{Content: tool.Content{Type: tool.LinkContent, Name: "wiki", URI: "{{uri}}"}},
			userText(strings.Repeat("{{n}}", 1000)),
		}}
	b := newBed(t, entry("ATool", prompting("one", check(), free)))
	for _, c := range talkers(t, b, "{}") {
		for _, row := range []struct{ says, name, arguments, want string }{
			{"none", "check", `{}`, "host is missing: which one"},
			{"an empty one", "check", `{"host":""}`, "host is missing"},
			{"no object", "check", `null`, "host is missing"},
			{"one that is not declared", "check", `{"host":"a","hots":"b"}`, `no argument "hots"`},
			{"a long one that is not declared", "check", `{"host":"a","` + strings.Repeat("h", 10_000) + `":"b"}`,
				"no argument"},
			{"one too long", "check", `{"host":"` + strings.Repeat("x", maxArgument+1) + `"}`,
				"has 4097 bytes; allowed are 4096"},
			{"a blank in a URI", "check", `{"host":"a b"}`, "percent-encoded"},
			{"a file", "free", `{"uri":"file:///etc/passwd"}`, "may not name"},
			{"a file, in other letters", "free", `{"uri":"FiLe:///etc/passwd"}`, "may not name"},
			{"a script", "free", `{"uri":"javascript:alert(1)"}`, "may not name"},
			{"a page of the host's", "free", `{"uri":"execution://` + execID(1) + `/stdout"}`, "may not name"},
			{"no URI", "free", `{}`, "not absolute"},
			{"a value in a thousand places", "free", `{"uri":"https://a","n":"` + strings.Repeat("x", 1000) + `"}`,
				"262144 bytes"},
		} {
			m := get(c, row.name, row.arguments)
			if m.String() != "1: error -32602" || !strings.Contains(m.Error.Message, row.want) ||
				len(m.Error.Message) > 1000 {
				t.Errorf("%s: %s: %v %.300v, want -32602 with %q", c.says, row.says, m, m.Error, row.want)
			}
		}
		if m := get(c, "free", `{"uri":"https://a","n":"`+strings.Repeat("x", 200)+`"}`); m.Result == nil {
			t.Errorf("%s: a URI and a value that fit = %v %+v, want a result", c.says, m, m.Error)
		}
		for _, arguments := range []string{`[]`, `{"host":7}`, `{"host":["a"]}`, `"x"`} {
			if m := get(c, "check", arguments); m.Error == nil || m.Error.Code > -32600 || m.Error.Code < -32602 {
				t.Errorf("%s: arguments %s = %v, want an error of the protocol", c.says, arguments, m)
			}
		}
	}
}

func TestClientsAreToldOfPromptsThatCameAndWent(t *testing.T) {
	other := check()
	other.Description = "looks at another host"
	deeper := check()
	deeper.Messages = deeper.Messages[:1]
	before := []*catalog.Entry{entry("ATool", prompting("one", check())), entry("BTool", prompting("one",
		check()))}
	for _, row := range []struct {
		says  string
		after []*catalog.Entry
		told  string
	}{
		{"the same", before, ""},
		{"a prompt more", []*catalog.Entry{entry("ATool", prompting("one", check(), named(check(), "x"))),
			before[1]}, "prompts"},
		{"no prompts", []*catalog.Entry{entry("ATool"), entry("BTool")}, "prompts"},
		{"another description", []*catalog.Entry{entry("ATool", prompting("one", other)), before[1]}, "prompts"},
		{"other messages, which no list has", []*catalog.Entry{entry("ATool", prompting("one", deeper)), before[1]},
			""},
		{"one of its tools switched off", []*catalog.Entry{entry("ATool", prompting("one", check()), disabled),
			before[1]}, "tools resources"},
		{"all of its tools switched off", []*catalog.Entry{entry("ATool", prompting("one", check()), disabled),
			entry("BTool", prompting("one", check()), disabled)}, "tools prompts resources"},
		{"the plugin gone", nil, "tools prompts resources"},
	} {
		if got := toldOf(t, before, row.after); got != row.told {
			t.Errorf("%s: told of %q, want %q", row.says, got, row.told)
		}
	}
}

func values(t testing.TB, c talker, ref, argument, value string) (list []string, total int, more bool) {
	t.Helper()
	raw, _ := json.Marshal(value) // of a text
	m := c.send("completion/complete", fmt.Sprintf(`{"ref":%s,"argument":{"name":"%s","value":%s}}`, ref,
		argument, raw))
	var res struct {
		Completion struct {
			Values  []string `json:"values"`
			Total   int      `json:"total"`
			HasMore bool     `json:"hasMore"`
		} `json:"completion"`
	}
	if err := json.Unmarshal(m.Result, &res); err != nil || res.Completion.Values == nil {
		t.Fatalf("%s: complete %s of %s with %q = %v %s %+v", c.says, argument, ref, value, m, m.Result, m.Error)
	}
	return res.Completion.Values, res.Completion.Total, res.Completion.HasMore
}

func promptRef(name string) string { return `{"type":"ref/prompt","name":"` + name + `"}` }

func uriRef(uri string) string { return `{"type":"ref/resource","uri":"` + uri + `"}` }

// completing is a prompt whose arguments are completed in every way.
func completing() tool.Prompt {
	return tool.Prompt{Name: "p", Description: "d", Messages: []tool.PromptMessage{userText("x")},
		Arguments: []tool.PromptArgument{
			{Name: "target", Complete: tool.CompleteTargets}, {Name: "execution", Complete: tool.CompleteExecutions},
			{Name: "tool", Complete: tool.CompleteTools}, {Name: "template", Complete: tool.CompleteTemplates},
			{Name: "value", Values: []string{"Deep", "deeper", "quick"}}, {Name: "none"}, {Name: "newer",
				Complete: "moon"},
			{Name: "both", Complete: tool.CompleteTools, Values: []string{"all", "ATool"}},
		}}
}

func templated(names ...string) func(*catalog.Entry) {
	return func(e *catalog.Entry) {
		e.Spec.Facts.Templates = map[string]string{}
		for _, n := range names {
			e.Spec.Facts.Templates[n] = "-x"
		}
	}
}

func sameValues(got []string, want string) bool { return slices.Equal(got, strings.Fields(want)) }
