package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// document is a JSON object that can be edited without touching the rest of it.
type document struct {
	text
	top object
}

// span is a piece of a document, from its first byte to the one after its last.
type span struct{ start, end int }

// object is one of a document's, with its braces.
type object struct {
	span
	members []member
}

type member struct {
	name       string
	key, value span
}

func (o object) find(name string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

// parse reads a document. Nothing but space, and comments, becomes an empty object at the end of it. Without
// comments it is JSON as RFC 8259 has it. Names that stand twice are refused in either case: clients differ
// in which they take.
func parse(raw []byte, comments bool) (document, error) {
	d := document{text: blank(raw)}
	if !comments && (len(d.comments) > 0 || len(d.commas) > 0) {
		return d, d.unwanted()
	}
	if len(bytes.TrimSpace(d.plain)) == 0 {
		if len(raw) > 0 && raw[len(raw)-1] != '\n' {
			raw = append(bytes.Clone(raw), '\n')
		}
		d = document{text: blank(append(bytes.Clone(raw), "{}\n"...))}
	}
	dec := jsontext.NewDecoder(bytes.NewReader(d.plain))
	whole, err := dec.ReadValue()
	if err != nil {
		return d, d.explain(err)
	}
	end := int(dec.InputOffset())
	start := end - len(whole)
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return d, fmt.Errorf("line %d: something stands after the end of the JSON value", d.line(int(dec.InputOffset())))
	}
	if d.plain[start] != '{' {
		return d, errors.New("it holds no JSON object")
	}
	d.top, err = d.object(span{start, end})
	return d, err
}

// unwanted says what a client that reads no comments would stumble over.
func (d document) unwanted() error {
	if len(d.comments) > 0 {
		return fmt.Errorf("line %d: a comment, which this client does not read", d.line(d.comments[0].start))
	}
	at := d.line(d.commas[0])
	return fmt.Errorf("line %d: a comma before the closing bracket, which this client does not read", at)
}

func (d document) explain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is not JSON: it ends too early")
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		err = fmt.Errorf("line %d: it is not JSON: %w", d.line(int(syntax.ByteOffset)), syntax.Err)
		if errors.Is(syntax, jsontext.ErrDuplicateName) {
			err = fmt.Errorf("line %d: the name %q stands twice in one object", d.line(int(syntax.ByteOffset)),
				syntax.JSONPointer.LastToken())
		}
	}
	return err
}

// line is the number of the line of an offset, from 1.
func (d document) line(at int) int {
	return 1 + bytes.Count(d.raw[:min(max(at, 0), len(d.raw))], []byte("\n"))
}

// object reads the members of the object at a place of the document.
func (d document) object(at span) (object, error) {
	o := object{span: at}
	if d.plain[at.start] != '{' {
		return o, errors.New("it is not an object")
	}
	dec := jsontext.NewDecoder(bytes.NewReader(d.plain[at.start:at.end]))
	read := func() (span, jsontext.Value, error) {
		v, err := dec.ReadValue()
		end := at.start + int(dec.InputOffset())
		return span{end - len(v), end}, v, err
	}
	if _, err := dec.ReadToken(); err != nil {
		return o, d.explain(err)
	}
	for dec.PeekKind() != '}' {
		key, raw, err := read()
		if err != nil {
			return o, d.explain(err)
		}
		name, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return o, d.explain(err)
		}
		value, _, err := read()
		if err != nil {
			return o, d.explain(err)
		}
		o.members = append(o.members, member{string(name), key, value})
	}
	return o, nil
}

// at walks down the names of a path as far as there are members. It returns the last object, and how many of
// the names led to it. The error names what is no object.
func (d document) at(path ...string) (object, int, error) {
	o := d.top
	for i, name := range path {
		n := o.find(name)
		if n < 0 {
			return o, i, nil
		}
		var err error
		if o, err = d.object(o.members[n].value); err != nil {
			return o, i, fmt.Errorf("line %d: %q: %w", d.line(o.start), name, err)
		}
	}
	return o, len(path), nil
}

// value is what stands at a path, without comments; nil when nothing does.
func (d document) value(path ...string) (jsontext.Value, error) {
	last := len(path) - 1
	o, depth, err := d.at(path[:last]...)
	if err != nil || depth < last {
		return nil, err
	}
	n := o.find(path[last])
	if n < 0 {
		return nil, nil
	}
	at := o.members[n].value
	return d.plain[at.start:at.end], nil
}

// same reports whether two values mean the same.
func same(a, b jsontext.Value) bool {
	a, b = a.Clone(), b.Clone()
	return a.Canonicalize() == nil && b.Canonicalize() == nil && bytes.Equal(a, b)
}
