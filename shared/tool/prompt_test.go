package tool

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func say(text string) PromptMessage {
	return PromptMessage{Content: Content{Type: TextContent, Text: text}}
}

func ask(text string) Prompt {
	return Prompt{Name: "check", Description: "d", Messages: []PromptMessage{say(text)}, Arguments: []PromptArgument{
		{Name: "host", Description: "which", Required: true}, {Name: "depth", Default: "quick"}, {Name: "note"},
	}}
}

func TestAPromptIsFilledIn(t *testing.T) {
	for _, row := range []struct {
		text   string
		values map[string]string
		want   string
	}{
		{"look at {{host}}", map[string]string{"host": "10.0.0.1"}, "look at 10.0.0.1"},
		{"{{host}}{{host}}", map[string]string{"host": "a"}, "aa"},
		{"{{host}}: {{depth}}{{note}}.", map[string]string{"host": "a"}, "a: quick."},
		{"{{depth}}", map[string]string{"host": "a", "depth": ""}, "quick"},
		{"{{depth}}", map[string]string{"host": "a", "depth": "deep"}, "deep"},
		{"{{host}}", map[string]string{"host": "{{note}}", "note": "n"}, "{{note}}"},
		{"{{host}}", map[string]string{"host": "a\x1b[2J\u202eb"}, `a\x1B[2J\u{202E}b`},
		{"{host} {{ host }} {{}}", map[string]string{"host": "a"}, "{host} {{ host }} {{}}"},
	} {
		p := ask(row.text)
		got, err := p.Render(row.values)
		if err != nil || got[0].Content.Text != row.want {
			t.Errorf("Render(%q, %v) = %+v, %v; want %q", row.text, row.values, got, err, row.want)
		}
		if p.Messages[0].Content.Text != row.text {
			t.Errorf("Render(%q) has changed the prompt itself", row.text)
		}
	}
}

func TestAPromptIsNotFilledInWithWhatDoesNotFit(t *testing.T) {
	link := ask("x")
	link.Messages[0].Content = Content{Type: LinkContent, Name: "wiki", URI: "https://wiki/{{host}}"}
	for _, row := range []struct {
		says   string
		prompt Prompt
		values map[string]string
	}{
		{"argument host is missing", ask("{{host}}"), nil},
		{"argument host is missing", ask("{{host}}"), map[string]string{"host": "", "note": "n"}},
		{`no argument "hots"`, ask("{{host}}"), map[string]string{"host": "a", "hots": "b"}},
		{"4097 bytes", ask("{{host}}"), map[string]string{"host": strings.Repeat("x", MaxPromptValue+1)}},
		{"percent-encoded", link, map[string]string{"host": "a b"}},
	} {
		_, err := row.prompt.Render(row.values)
		if KindOf(err) != KindValidation || !strings.Contains(err.Error(), row.says) {
			t.Errorf("Render(%.60v) = %v, want a validation_error with %q", row.values, err, row.says)
		}
	}
	if got, err := link.Render(map[string]string{"host": "dns"}); err != nil || got[0].Content.URI != "https://wiki/dns" {
		t.Errorf("Render = %+v, %v; want the link filled in", got, err)
	}
}

func TestPromptsOfAManifestAreValidated(t *testing.T) {
	good := func() Manifest {
		return Manifest{Name: "p", Tools: []Spec{{
			Name: "T", Description: "d", InputSchema: json.RawMessage(`{"type":"object"}`),
		}}, Prompts: []Prompt{ask("{{host}} {{depth}}")}}
	}
	if err := good().Validate(); err != nil {
		t.Fatalf("a good manifest is refused: %v", err)
	}
	many := func(n int) (list []Prompt) {
		for i := range n {
			p := ask("x")
			p.Name = fmt.Sprint("p", i)
			list = append(list, p)
		}
		return list
	}
	for why, spoil := range map[string]func(*Manifest, *Prompt){
		"a name with a blank":           func(_ *Manifest, p *Prompt) { p.Name = "a b" },
		"no description":                func(_ *Manifest, p *Prompt) { p.Description = "" },
		"no messages":                   func(_ *Manifest, p *Prompt) { p.Messages = nil },
		"17 messages":                   func(_ *Manifest, p *Prompt) { p.Messages = make([]PromptMessage, 17) },
		"17 arguments":                  func(_ *Manifest, p *Prompt) { p.Arguments = make([]PromptArgument, 17) },
		"an argument without a name":    func(_ *Manifest, p *Prompt) { p.Arguments[2].Name = "" },
		"an argument twice":             func(_ *Manifest, p *Prompt) { p.Arguments[2].Name = "host" },
		"a role that is none":           func(_ *Manifest, p *Prompt) { p.Messages[0].Role = "system" },
		"a place that is no argument":   func(_ *Manifest, p *Prompt) { p.Messages[0] = say("{{port}}") },
		"a message that is no content":  func(_ *Manifest, p *Prompt) { p.Messages[0].Content.Type = "" },
		"messages that are too large":   func(_ *Manifest, p *Prompt) { p.Messages[0] = say(strings.Repeat("x", MaxPromptText+1)) },
		"two prompts of one name":       func(m *Manifest, p *Prompt) { m.Prompts = append(m.Prompts, *p) },
		"65 prompts":                    func(m *Manifest, _ *Prompt) { m.Prompts = many(65) },
		"a place in a URI that is none": func(_ *Manifest, p *Prompt) { p.Messages[0].Content = Content{Type: ResourceText, URI: "r:{{port}}"} },
	} {
		m := good()
		spoil(&m, &m.Prompts[0])
		if err := m.Validate(); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
	m := good()
	if m.Prompts = many(MaxPrompts); m.Validate() != nil {
		t.Errorf("Validate of %d prompts = %v", MaxPrompts, m.Validate())
	}
}

// FuzzRender holds that a value stays a value: what is foreign in it is written out, and no place of it is filled
// in.
func FuzzRender(f *testing.F) {
	f.Add("10.0.0.1", "")
	f.Add("{{note}}", "n")
	f.Add("\x1b]0;x\x07\u202e\xff", "{{host}}")
	f.Fuzz(func(t *testing.T, host, note string) {
		got, err := ask("<{{host}}|{{note}}>").Render(map[string]string{"host": host, "note": note})
		if err != nil {
			if host != "" && len(host) <= MaxPromptValue && len(note) <= MaxPromptValue {
				t.Errorf("Render(%q, %q) = %v", host, note, err)
			}
			return
		}
		want := "<" + Untrusted(host).Clean() + "|" + Untrusted(note).Clean() + ">"
		if text := got[0].Content.Text; text != want || !utf8.ValidString(text) {
			t.Errorf("Render(%q, %q) = %q, want %q", host, note, text, want)
		}
	})
}
