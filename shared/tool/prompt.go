package tool

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Bounds of the prompts of a manifest.
const (
	MaxPrompts         = 64
	MaxPromptArguments = 16
	MaxPromptMessages  = 16
	MaxPromptText      = 32 << 10 // bytes of all messages of one
	MaxPromptValue     = 4 << 10  // bytes of an argument's value
)

// Prompt is a way to begin that a person picks from a menu of the client: messages with places for arguments.
type Prompt struct {
	Name        string // [A-Za-z0-9_-], 1 to 64 characters
	Title       string // for people
	Description string // for people
	Arguments   []PromptArgument
	Messages    []PromptMessage
}

// CompleteBy says what the values of an argument can be completed with.
type CompleteBy string

// The sources of completions.
const (
	CompleteNothing    CompleteBy = ""
	CompleteTargets    CompleteBy = "target"    // that the client used lately
	CompleteTools      CompleteBy = "tool"      // names of tools
	CompleteTemplates  CompleteBy = "template"  // of the tools of the plugin
	CompleteExecutions CompleteBy = "execution" // ids of executions of the client
)

// Known reports whether c is one of the sources of this version; a newer peer may name others.
func (c CompleteBy) Known() bool {
	switch c {
	case CompleteNothing, CompleteTargets, CompleteTools, CompleteTemplates, CompleteExecutions:
		return true
	}
	return false
}

// PromptArgument is a place in the messages of a prompt.
type PromptArgument struct {
	Name        string // [A-Za-z0-9_-], 1 to 64 characters
	Title       string
	Description string
	Required    bool
	Default     string // stands for an argument that is not given
	Complete    CompleteBy
	Values      []string // what else it can be completed with
}

// PromptMessage is one message of a prompt. In its text, and in the URI of a resource, {{name}} stands for the
// value of an argument.
type PromptMessage struct {
	Role    string // "user" or "assistant"; empty: user
	Content Content
}

var placeRE = regexp.MustCompile(`\{\{([A-Za-z0-9_-]{1,64})\}\}`)

// Fill puts the values of arguments into a text. What is foreign in a value is cleaned; see [Untrusted].
func (p Prompt) Fill(text string, values map[string]string) string {
	return placeRE.ReplaceAllStringFunc(text, func(place string) string {
		name := strings.Trim(place, "{}")
		for _, a := range p.Arguments {
			if a.Name != name {
				continue
			}
			if v, ok := values[name]; ok && v != "" {
				return Untrusted(v).Clean()
			}
			return a.Default
		}
		return place
	})
}

// Render makes the messages of the prompt with the values of its arguments. Its errors are validation errors: an
// argument that is missing, is too much, or does not fit where it goes.
func (p Prompt) Render(values map[string]string) ([]PromptMessage, error) {
	known := make(map[string]bool, len(p.Arguments))
	for _, a := range p.Arguments {
		known[a.Name] = true
		if a.Required && values[a.Name] == "" && a.Default == "" {
			return nil, Errorf(KindValidation, "prompt %s: the argument %s is missing", p.Name, a.Name).
				Suggest("give it: %s", a.Description)
		}
	}
	for name, v := range values {
		if !known[name] {
			return nil, Errorf(KindValidation, "prompt %s has no argument %q", p.Name, name).
				Suggest("its arguments are: %s", strings.Join(p.argumentNames(), ", "))
		}
		if len(v) > MaxPromptValue {
			return nil, Errorf(KindValidation, "prompt %s: argument %s has %d bytes; allowed are %d", p.Name, name, len(v),
				MaxPromptValue)
		}
	}
	messages := slices.Clone(p.Messages)
	for i := range messages {
		c := &messages[i].Content
		c.Text, c.URI = p.Fill(c.Text, values), p.Fill(c.URI, values)
		if err := c.Validate(); err != nil {
			return nil, Errorf(KindValidation, "prompt %s: with these arguments: %w", p.Name, err)
		}
	}
	return messages, nil
}

func (p Prompt) argumentNames() []string {
	names := make([]string, len(p.Arguments))
	for i, a := range p.Arguments {
		names[i] = a.Name
	}
	return names
}

func (p Prompt) validate() error {
	switch {
	case !ValidName(p.Name):
		return fmt.Errorf("prompt name %q: allowed are 1 to %d characters of [A-Za-z0-9_-]", p.Name, MaxNameLength)
	case p.Description == "":
		return fmt.Errorf("prompt %s: the description is missing", p.Name)
	case len(p.Arguments) > MaxPromptArguments:
		return fmt.Errorf("prompt %s: %d arguments; allowed are %d", p.Name, len(p.Arguments), MaxPromptArguments)
	case len(p.Messages) == 0 || len(p.Messages) > MaxPromptMessages:
		return fmt.Errorf("prompt %s: %d messages; allowed are 1 to %d", p.Name, len(p.Messages), MaxPromptMessages)
	}
	known := make(map[string]bool, len(p.Arguments))
	for _, a := range p.Arguments {
		if !ValidName(a.Name) || known[a.Name] {
			return fmt.Errorf("prompt %s: the argument %q is no name, or declared twice", p.Name, a.Name)
		}
		known[a.Name] = true
	}
	return p.validateMessages(known)
}

func (p Prompt) validateMessages(known map[string]bool) error {
	size := 0
	for _, m := range p.Messages {
		if m.Role != "" && m.Role != "user" && m.Role != "assistant" {
			return fmt.Errorf("prompt %s: the role %q; allowed are user and assistant", p.Name, m.Role)
		}
		if err := m.Content.Validate(); err != nil {
			return fmt.Errorf("prompt %s: %w", p.Name, err)
		}
		for _, place := range placeRE.FindAllStringSubmatch(m.Content.Text+" "+m.Content.URI, -1) {
			if !known[place[1]] {
				return fmt.Errorf("prompt %s: {{%s}} is no argument of it", p.Name, place[1])
			}
		}
		size += len(m.Content.Text) + len(m.Content.Data)
	}
	if size > MaxPromptText {
		return fmt.Errorf("prompt %s: %d bytes of messages; allowed are %d", p.Name, size, MaxPromptText)
	}
	return nil
}
