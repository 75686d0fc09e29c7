package mcpdoor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// question is one that a person is asked, with its place.
type question struct {
	id, message string
	schema      json.RawMessage
}

// toolsQuestion is a tool's own question as a person gets it: one line that says who asks, so that it cannot be
// taken for the host's, and a form whose words are one line each.
func toolsQuestion(name string, q tool.Question) (question, error) {
	form, err := cleanForm(q.Schema)
	if err != nil {
		return question{}, tool.Errorf(tool.KindUnknown, "the plugin of %s broke its contract: the schema of its "+
			"question %s: %w", name, q.ID, err).Suggest("report this to the plugin's author").About(name, "")
	}
	return question{id: q.ID, message: name + " asks: " + oneLine(q.Message), schema: form}, nil
}

// oneLine is a foreign text, clean, with a space where there was a line end or any other white space.
func oneLine(s string) string { return strings.Join(strings.Fields(excerpt.Clean(s)), " ") }

// forPeople are the places of a form's schema with words that only people read: titles and descriptions, of the
// form and its members, and the names of choices.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#requested-schema
var forPeople = regexp.MustCompile(`\A(?:(?:/properties/[^/]+(?:/items)?(?:/(?:anyOf|oneOf)/[0-9]+)?)?` +
	`/(?:title|description)|/properties/[^/]+/enumNames/[0-9]+)\z`)

// cleanForm is the schema of a question with its words for people on one line each, clean. All other texts,
// such as names and values, go back to the tool as they are: one that is not clean is an error.
func cleanForm(schema json.RawMessage) (json.RawMessage, error) {
	var out bytes.Buffer
	dec, enc := jsontext.NewDecoder(bytes.NewReader(schema)), jsontext.NewEncoder(&out)
	for {
		token, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return bytes.TrimSpace(out.Bytes()), nil
		}
		if err == nil && token.Kind() == jsontext.KindString {
			token, err = cleanToken(dec, token)
		}
		if err == nil {
			err = enc.WriteToken(token)
		}
		if err != nil {
			return nil, err
		}
	}
}

func cleanToken(dec *jsontext.Decoder, token jsontext.Token) (jsontext.Token, error) {
	text, place := token.String(), dec.StackPointer()
	switch {
	case forPeople.MatchString(string(place)):
		return jsontext.String(oneLine(text)), nil
	case excerpt.Clean(text) != text:
		return token, fmt.Errorf("%s has characters that cannot be seen", excerpt.Clean(string(place)))
	}
	return jsontext.String(text), nil
}
