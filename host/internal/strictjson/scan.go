package strictjson

import (
	"bytes"
	"math"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner goes once over a document, token by token.
type scanner struct {
	raw   []byte
	rules rules
	input bytes.Buffer
	dec   jsontext.Decoder
	end   int // of the last token
	count int // of names and values so far
	names names
}

// Names are watched here, by a rule that is stricter than the parser's.
var leaveNames = jsontext.AllowDuplicateNames(true)

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func borrow(raw []byte, r rules) *scanner {
	s := scanners.Get().(*scanner)
	s.raw, s.rules, s.end, s.count = raw, r, 0, 0
	s.input = *bytes.NewBuffer(raw) // read in place
	s.dec.Reset(&s.input, leaveNames)
	return s
}

// giveBack keeps a scanner for the next document, but nothing of this one, nor the room that only a hostile
// one needs.
func (s *scanner) giveBack() {
	s.raw, s.input = nil, bytes.Buffer{}
	s.dec.Reset(&s.input)
	if s.names.reset() {
		scanners.Put(s)
	}
}

// value reads one value with all that is in it.
func (s *scanner) value() error {
	for {
		token, err := s.dec.ReadToken()
		if err != nil {
			return syntax(err, len(s.raw))
		}
		if err := s.token(token.Kind()); err != nil {
			return err
		}
		s.end = int(s.dec.InputOffset())
		if s.dec.StackDepth() == 0 {
			return nil
		}
	}
}

// token judges what the parser lets pass.
func (s *scanner) token(kind jsontext.Kind) error {
	if kind == '}' || kind == ']' {
		s.names.close()
		return nil
	}
	if s.count++; s.rules.Values > 0 && s.count > s.rules.Values {
		return s.refuse("too many names and values; allowed are %d in the whole document", s.rules.Values)
	}
	switch kind {
	case '{', '[':
		if s.dec.StackDepth() > s.rules.Depth {
			return s.refuse("nested too deeply; allowed are %d levels", s.rules.Depth)
		}
		s.names.open()
	case '"':
		return s.text()
	case '0':
		return s.number()
	case 'n':
		return s.null()
	}
	return nil
}

// null judges a null, if it is an item of an array.
func (s *scanner) null() error {
	if !s.rules.items {
		return nil
	}
	if in, _ := s.dec.StackIndex(s.dec.StackDepth()); in == '[' {
		return s.refuse("it is null; an array takes values alone, leave it out")
	}
	return nil
}

// text judges a string, if it is a name.
func (s *scanner) text() error {
	in, count := s.dec.StackIndex(s.dec.StackDepth())
	if in != '{' || count%2 == 0 {
		return nil
	}
	other, again := s.names.add(s.raw, s.start(), int(s.dec.InputOffset()))
	switch {
	case !again:
		return nil
	case other == s.dec.StackPointer().LastToken():
		return s.refuse("this member stands twice; send each once")
	}
	return s.refuse("this name and %s are equal but for case; send one of them", printable(other, maxName))
}

// number judges whether a number is finite. One without an exponent is, unless it is longer than the largest
// float64 has digits.
func (s *scanner) number() error {
	text := s.raw[s.start():s.dec.InputOffset()]
	if len(text) < 300 && bytes.IndexByte(text, 'e') < 0 && bytes.IndexByte(text, 'E') < 0 {
		return nil
	}
	if _, err := strconv.ParseFloat(string(text), 64); err != nil {
		return s.refuse("the number is too large; allowed is at most %v", math.MaxFloat64)
	}
	return nil
}

// start is where the last token begins.
func (s *scanner) start() int {
	at := s.end
	for at < len(s.raw) && bytes.IndexByte([]byte(blanks+",:"), s.raw[at]) >= 0 {
		at++
	}
	return at
}

// refuse refuses the last token.
func (s *scanner) refuse(format string, args ...any) *Error {
	return refuse(s.dec.StackPointer(), int64(s.start()), format, args...)
}
