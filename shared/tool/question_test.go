package tool

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestQuestionsThatAreAsked(t *testing.T) {
	for _, schema := range []string{
		`{"type":"object"}`,
		`{"type":"object","properties":{}}`,
		`{"type":"object","properties":{"a":{"type":"string","enum":["x"]},"b":{"type":"integer"},"c":{"type":"number"},
			"d":{"type":"boolean"},"e":{"type":"array","items":{"type":"string"}}},"required":["a"]}`,
	} {
		q := Question{ID: "zone.1:a_b-C", Message: strings.Repeat("m", MaxQuestionText), Schema: json.RawMessage(schema)}
		if err := q.Validate(); err != nil {
			t.Errorf("Validate with the schema %s = %v", schema, err)
		}
	}
}

func TestQuestionsThatAreRefused(t *testing.T) {
	for why, spoil := range map[string]func(*Question){
		"no id":               func(q *Question) { q.ID = "" },
		"an id with a blank":  func(q *Question) { q.ID = "a b" },
		"an id with a line":   func(q *Question) { q.ID = "a\n" },
		"an id of 65":         func(q *Question) { q.ID = strings.Repeat("a", 65) },
		"no message":          func(q *Question) { q.Message = "" },
		"a long message":      func(q *Question) { q.Message = strings.Repeat("m", MaxQuestionText+1) },
		"no schema":           func(q *Question) { q.Schema = nil },
		"a schema of a text":  func(q *Question) { q.Schema = json.RawMessage(`{"type":"string"}`) },
		"a schema that is no": func(q *Question) { q.Schema = json.RawMessage(`{"type":"object"`) },
		"properties of a list": func(q *Question) {
			q.Schema = json.RawMessage(`{"type":"object","properties":[]}`)
		},
		"a member that is an object": func(q *Question) {
			q.Schema = json.RawMessage(`{"type":"object","properties":{"a":{"type":"object"}}}`)
		},
		"a member of any type": func(q *Question) {
			q.Schema = json.RawMessage(`{"type":"object","properties":{"a":{}}}`)
		},
		"a member of two types": func(q *Question) {
			q.Schema = json.RawMessage(`{"type":"object","properties":{"a":{"type":["string","null"]}}}`)
		},
		"a list of numbers": func(q *Question) {
			q.Schema = json.RawMessage(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"number"}}}}`)
		},
		"a large schema": func(q *Question) {
			q.Schema = json.RawMessage(`{"type":"object","title":"` + strings.Repeat("x", maxAnswerSchema) + `"}`)
		},
	} {
		q := Question{ID: "a", Message: "m", Schema: json.RawMessage(`{"type":"object"}`)}
		spoil(&q)
		if err := q.Validate(); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
}

func TestLogLevelsHaveAnOrder(t *testing.T) {
	for i, l := range []LogLevel{
		LogDebug, LogInfo, LogNotice, LogWarning, LogError, LogCritical, LogAlert, LogEmergency,
	} {
		if l.Rank() != i || l.Valid() != l {
			t.Errorf("%s has rank %d and is taken for %s, want %d and itself", l, l.Rank(), l.Valid(), i)
		}
	}
	for _, l := range []LogLevel{"", "INFO", "trace"} {
		if l.Valid() != LogInfo || l.Rank() != LogInfo.Rank() {
			t.Errorf("%q counts as %s, want info", l, l.Valid())
		}
	}
}
