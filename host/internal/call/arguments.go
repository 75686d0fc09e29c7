package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// maxArguments is the most bytes that the arguments of a call may have: far more than flags and ports need,
// and little enough to be taken apart for callers that will be refused.
const maxArguments = 64 << 10

// arguments are the JSON object of a call, taken apart no further than the host needs it.
type arguments struct {
	raw     json.RawMessage
	members []member
}

// member is a name and its value; raw[start:end] is both, as written.
type member struct {
	name       string
	value      jsontext.Value
	start, end int
}

var errNoObject = errors.New("the arguments must be one JSON object")

// parseArguments takes an object apart, strictly: two members of one name, a text that is not UTF-8, or a
// number that no program can hold, would be read in one way here and in another by a plugin. No arguments at
// all are an empty object. Next to violations there is nothing to hold to a schema, though members may be
// known.
func parseArguments(raw json.RawMessage) (arguments, []catalog.Violation) {
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	if len(raw) > maxArguments {
		why := fmt.Sprintf("the arguments have %d bytes; allowed are %d", len(raw), maxArguments)
		return arguments{}, []catalog.Violation{{Message: why}}
	}
	s := newScanner(raw)
	err := s.scan()
	switch {
	case err != nil:
		return arguments{}, append(s.bad, syntaxViolation(err))
	case len(s.bad) > 0:
		return arguments{members: s.members}, s.bad
	}
	return arguments{raw: raw, members: s.members}, nil
}

func syntaxViolation(err error) catalog.Violation {
	var bad *jsontext.SyntacticError
	if errors.As(err, &bad) {
		why := fmt.Sprintf("not valid JSON at byte %d: %v", bad.ByteOffset, bad.Err)
		return catalog.Violation{Pointer: string(bad.JSONPointer), Message: why}
	}
	var deep tooDeep
	if errors.As(err, &deep) {
		return catalog.Violation{Pointer: string(deep.at), Message: deep.Error()}
	}
	if errors.Is(err, io.EOF) {
		err = errNoObject // nothing but blanks
	}
	return catalog.Violation{Message: err.Error()}
}

// get finds the value of a member, nil if there is none.
func (a arguments) get(name string) jsontext.Value {
	for _, m := range a.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text is the value of a member that is a string; ok tells it from other values and from none.
func (a arguments) text(name string) (s string, ok bool) {
	v := a.get(name)
	if v.Kind() != jsontext.KindString {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// number is the value of a member that is a number.
func (a arguments) number(name string) (f float64, ok bool) {
	v := a.get(name)
	if v.Kind() != jsontext.KindNumber {
		return 0, false
	}
	err := json.Unmarshal(v, &f)
	return f, err == nil
}

// without leaves members out. The others stay as they were written, byte for byte.
func (a arguments) without(names ...string) json.RawMessage {
	out := func(m member) bool { return slices.Contains(names, m.name) }
	if !slices.ContainsFunc(a.members, out) {
		return a.raw
	}
	rest := make([]byte, 0, len(a.raw))
	rest = append(rest, '{')
	for _, m := range a.members {
		if out(m) {
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(rest, a.raw[m.start:m.end]...)
	}
	return append(rest, '}')
}

// withoutNulls leaves the members out whose value is null; ok is whether there were any.
func (a arguments) withoutNulls() (rest arguments, ok bool) {
	var nulls []string
	for _, m := range a.members {
		if m.value.Kind() == jsontext.KindNull {
			nulls = append(nulls, m.name)
		}
	}
	if len(nulls) == 0 {
		return a, false
	}
	rest, _ = parseArguments(a.without(nulls...)) // what is left of a good object is one
	return rest, true
}
