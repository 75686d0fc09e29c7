package call

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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

// parseArguments takes an object apart, strictly: two members of one name, or a text that is not UTF-8,
// would be read in one way here and in another by a plugin. No arguments at all are an empty object.
func parseArguments(raw json.RawMessage) (arguments, []catalog.Violation) {
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	if len(raw) > maxArguments {
		why := fmt.Sprintf("the arguments have %d bytes; allowed are %d", len(raw), maxArguments)
		return arguments{}, []catalog.Violation{{Message: why}}
	}
	members, err := scan(raw)
	if err != nil {
		return arguments{}, []catalog.Violation{syntaxViolation(err)}
	}
	return arguments{raw: raw, members: members}, nil
}

func syntaxViolation(err error) catalog.Violation {
	var bad *jsontext.SyntacticError
	if errors.As(err, &bad) {
		why := fmt.Sprintf("not valid JSON at byte %d: %v", bad.ByteOffset, bad.Err)
		return catalog.Violation{Pointer: string(bad.JSONPointer), Message: why}
	}
	if errors.Is(err, io.EOF) {
		err = errNoObject // nothing but blanks
	}
	return catalog.Violation{Message: err.Error()}
}

func scan(raw []byte) ([]member, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if dec.PeekKind() != jsontext.KindBeginObject {
		return nil, cmp.Or(dec.SkipValue(), errNoObject)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	var members []member
	for dec.PeekKind() != jsontext.KindEndObject {
		m, err := scanMember(dec, raw)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, cmp.Or(err, errNoObject)
	}
	return members, nil
}

// scanMember reads the next member of the object; it also meets whatever syntax error stands in its place.
func scanMember(dec *jsontext.Decoder, raw []byte) (member, error) {
	between := int(dec.InputOffset())
	token, err := dec.ReadToken()
	if err != nil {
		return member{}, err
	}
	name := token.String() // the token is void after the next read
	v, err := dec.ReadValue()
	if err != nil {
		return member{}, err
	}
	end := int(dec.InputOffset())
	blank := len(raw[between:end]) - len(bytes.TrimLeft(raw[between:end], " \t\r\n,"))
	return member{name: name, value: raw[end-len(v) : end], start: between + blank, end: end}, nil
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

// lookalike finds a member that a reader who does not mind the case of names would take for the one of this
// name.
func (a arguments) lookalike(name string) (other string, found bool) {
	for _, m := range a.members {
		if m.name != name && strings.EqualFold(m.name, name) {
			return m.name, true
		}
	}
	return "", false
}
