package call

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// maxArgumentDepth is how many objects and lists may lie in each other, the arguments themselves counted.
const maxArgumentDepth = 32

// scanner reads the arguments once, token by token.
type scanner struct {
	raw     []byte
	dec     *jsontext.Decoder
	members []member            // of the outermost object
	bad     []catalog.Violation // what is JSON, and is not taken all the same

	objects int             // that have begun
	within  []int           // which of them, or 0 for a list, are open, outermost first
	names   map[folded]bool // of all objects
}

// folded is a name of one object, as a reader sees it who does not mind the case of letters.
type folded struct {
	object int
	name   string
}

func newScanner(raw []byte) *scanner {
	return &scanner{raw: raw, dec: jsontext.NewDecoder(bytes.NewBuffer(raw)), names: make(map[folded]bool)}
}

// scan reads the whole text, which must be one object. An error is one of syntax, or ends the reading.
func (s *scanner) scan() error {
	if s.dec.PeekKind() != jsontext.KindBeginObject {
		return cmp.Or(s.dec.SkipValue(), errNoObject)
	}
	if _, err := s.next(); err != nil {
		return err
	}
	for s.dec.PeekKind() != jsontext.KindEndObject {
		if err := s.member(); err != nil {
			return err
		}
	}
	if _, err := s.next(); err != nil {
		return err
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return cmp.Or(err, errNoObject)
	}
	return nil
}

// member reads the next member of the outermost object; it also meets whatever syntax error stands in its
// place.
func (s *scanner) member() error {
	between := int(s.dec.InputOffset())
	token, err := s.next()
	if err != nil {
		return err
	}
	name := token.String() // the token is void after the next read
	colon := int(s.dec.InputOffset())
	for again := true; again; again = s.dec.StackDepth() > 1 {
		if _, err := s.next(); err != nil {
			return err
		}
	}
	end := int(s.dec.InputOffset())
	blank := len(s.raw[between:end]) - len(bytes.TrimLeft(s.raw[between:end], " \t\r\n,"))
	value := bytes.TrimLeft(s.raw[colon:end], " \t\r\n:")
	s.members = append(s.members, member{name: name, value: value, start: between + blank, end: end})
	return nil
}

// next reads a token, and judges it.
func (s *scanner) next() (jsontext.Token, error) {
	token, err := s.dec.ReadToken()
	if err != nil {
		return token, err
	}
	switch token.Kind() {
	case jsontext.KindBeginObject:
		s.objects++
		s.within = append(s.within, s.objects)
	case jsontext.KindBeginArray:
		s.within = append(s.within, 0)
	case jsontext.KindEndObject, jsontext.KindEndArray:
		s.within = s.within[:len(s.within)-1]
	case jsontext.KindNumber:
		s.number(token.String())
	case jsontext.KindString:
		s.name(token)
	}
	if len(s.within) > maxArgumentDepth {
		return token, tooDeep{s.dec.StackPointer()}
	}
	return token, nil
}

// number refuses what no float64 holds, be it too large, or too small to be told from zero. To take such a
// number apart, as a schema may ask for, costs thousands of times what it costs to write it.
func (s *scanner) number(text string) {
	f, err := strconv.ParseFloat(text, 64)
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	if err != nil || f == 0 && strings.ContainsAny(mantissa, "123456789") {
		s.refuse("%s is a number that is too large or too small; allowed is what a float64 holds",
			clip(text, maxNumber))
	}
}

// maxNumber is the most bytes of a number that a refusal repeats.
const maxNumber = 32

// name looks at a text that is the name of a member: no object has two that are one to a reader who does not
// mind the case of letters.
func (s *scanner) name(token jsontext.Token) {
	kind, read := s.dec.StackIndex(s.dec.StackDepth())
	if kind != jsontext.KindBeginObject || read%2 == 0 { // a value
		return
	}
	key := folded{s.within[len(s.within)-1], fold(token.String())}
	if s.names[key] {
		s.refuse("is another member of the same object in other letters; keep one of them")
	}
	s.names[key] = true
}

// refuse notes what is wrong with the token that was read last.
func (s *scanner) refuse(format string, args ...any) {
	at, message := string(s.dec.StackPointer()), fmt.Sprintf(format, args...)
	s.bad = append(s.bad, catalog.Violation{Pointer: at, Message: message})
}

// tooDeep is the error of a value that lies too deep, and where it is.
type tooDeep struct{ at jsontext.Pointer }

func (e tooDeep) Error() string {
	return fmt.Sprintf("is nested too deeply; allowed are %d levels", maxArgumentDepth)
}
