package tool

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// Bounds of what a tool may ask.
const (
	MaxQuestions    = 4
	MaxQuestionText = 2 << 10  // bytes of a message
	MaxState        = 16 << 10 // bytes of Result.State
	maxAnswerSchema = 16 << 10 // bytes of a question's schema
)

// Question is what a tool needs to know from the person behind the client before it can go on. A tool asks by
// returning a result with questions; the host calls it again, with the same arguments, when it has the answers.
// Nothing has been done until then.
type Question struct {
	ID      string          `json:"id"`      // [A-Za-z0-9_.:-], 1 to 64 characters, unique in the result
	Message string          `json:"message"` // what is asked, for a person
	Schema  json.RawMessage `json:"schema"`  // JSON Schema of the answer: an object of primitive members
}

// AnswerAction is what a person did with a question.
type AnswerAction string

// The actions, by the names of MCP.
const (
	AnswerAccept  AnswerAction = "accept"
	AnswerDecline AnswerAction = "decline"
	AnswerCancel  AnswerAction = "cancel"
)

// Answer is a person's answer to a question.
type Answer struct {
	Action  AnswerAction    `json:"action"`
	Content json.RawMessage `json:"content,omitempty"` // an object, only with AnswerAccept
}

var questionRE = regexp.MustCompile(`\A[A-Za-z0-9_.:-]{1,64}\z`)

// Validate says what is wrong with a question.
func (q Question) Validate() error {
	switch {
	case !questionRE.MatchString(q.ID):
		return fmt.Errorf("the question's id %q must be 1 to 64 characters of [A-Za-z0-9_.:-]", q.ID)
	case q.Message == "" || len(q.Message) > MaxQuestionText:
		return fmt.Errorf("the question %s has %d bytes of text; allowed are 1 to %d", q.ID, len(q.Message),
			MaxQuestionText)
	}
	if err := answerSchema(q.Schema); err != nil {
		return fmt.Errorf("the question %s: schema: %w", q.ID, err)
	}
	return nil
}

// answerSchema holds a schema to what a client can make a form of: an object whose members are texts, numbers,
// booleans, or lists of texts.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#requested-schema
func answerSchema(raw json.RawMessage) error {
	if len(raw) > maxAnswerSchema {
		return fmt.Errorf("%d bytes; allowed are %d", len(raw), maxAnswerSchema)
	}
	if err := objectSchema(raw); err != nil {
		return err
	}
	var s struct {
		Properties map[string]struct {
			Type  any         `json:"type"`
			Items answerItems `json:"items"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	for name, m := range s.Properties {
		switch m.Type {
		case "string", "integer", "number", "boolean":
		case "array":
			if m.Items.texts() {
				continue
			}
			return fmt.Errorf("member %s: the items of a list must be of type string", name)
		default:
			return fmt.Errorf("member %s is of type %v; allowed are string, integer, number, boolean, and array of strings",
				name, m.Type)
		}
	}
	return nil
}

// Grant is what a person has allowed for one call that policy would otherwise refuse as intrusive: this program
// with these arguments, and nothing else. For a tool that runs no program both are empty.
type Grant struct {
	Program string   `json:"program,omitempty"` // absolute path
	Argv    []string `json:"argv,omitempty"`    // exactly, argv[0] included
}

// answerItems is what the items of a list may be.
type answerItems struct {
	Type  any `json:"type"`
	AnyOf []struct {
		Const *string `json:"const"`
	} `json:"anyOf"` // a choice with titles
}

// texts reports whether the items are texts: by their type, or because each choice is one.
func (i answerItems) texts() bool {
	for _, choice := range i.AnyOf {
		if choice.Const == nil {
			return false
		}
	}
	return i.Type == "string" || i.Type == nil && len(i.AnyOf) > 0
}
