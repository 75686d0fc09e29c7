package nmap

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf8"
)

// bounded is what encoding/xml reads from. That keeps a whole token in memory, however long, and from an
// [io.ByteReader] it reads no further. So here
//
//   - what no document may have is written out;
//   - of a long value, which a scanned machine can make a script print, the end is left out: one host must not
//     be able to spoil the report about the others;
//   - a token that is too large all the same, or a document, is an error.
type bounded struct {
	from         legal
	total, token int // bytes that may still come

	in       place
	quote    byte   // around the value
	ends     string // what ends the section
	tail     [3]byte
	length   int  // bytes of the value or text so far
	entity   bool // in &...;
	dropping bool
}

// place is where in a document a byte stands.
type place int

const (
	inText    place = iota
	opened          // behind <
	banged          // behind <!
	inTag           // between the attributes
	inValue         // in the quotes of one
	inSection       // a comment, CDATA, a declaration: what ends it is known
)

func newBounded(in io.Reader) *bounded {
	return &bounded{from: legal{Reader: bufio.NewReader(in)}, total: maxXML, token: maxToken}
}

// Read is there for its type alone: encoding/xml reads byte by byte.
func (b *bounded) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// ReadByte is what encoding/xml calls.
func (b *bounded) ReadByte() (byte, error) {
	for {
		switch {
		case b.total <= 0:
			return 0, errors.New("the document is longer than any report")
		case b.token <= 0:
			return 0, errors.New("an element is longer than any of a report")
		}
		c, n, err := b.from.next(b.in == inText || b.in == inValue)
		if err != nil {
			return 0, err
		}
		b.total -= n
		if b.keep(c) {
			b.token--
			return c, nil
		}
	}
}

// keep moves on by one byte, and reports whether it is part of what is read.
func (b *bounded) keep(c byte) bool {
	b.tail = [3]byte{b.tail[1], b.tail[2], c}
	switch b.in {
	case inText:
		if c == '<' {
			b.enter(opened)
			return true
		}
		return b.short(c)
	case inValue:
		if c == b.quote {
			b.enter(inTag)
			return true
		}
		return b.short(c)
	case opened, inTag:
		b.tag(c)
	case banged:
		b.enter(inSection)
		switch b.ends = ">"; c {
		case '-':
			b.ends = "-->"
		case '[':
			b.ends = "]]>"
		case '>':
			b.enter(inText)
		}
	case inSection:
		if string(b.tail[3-len(b.ends):]) == b.ends {
			b.enter(inText)
		}
	}
	return true
}

// tag moves on within < and >.
func (b *bounded) tag(c byte) {
	switch {
	case b.in == opened && c == '!':
		b.enter(banged)
	case b.in == opened && c == '?':
		b.enter(inSection)
		b.ends = "?>"
	case c == '>':
		b.enter(inText)
	case c == '"' || c == '\'':
		b.enter(inValue)
		b.quote = c
	default:
		b.enter(inTag)
	}
}

func (b *bounded) enter(p place) {
	b.in, b.length, b.entity, b.dropping = p, 0, false, false
}

// short reports whether a byte of a value is within its bounds. A value is never cut in an entity or in a
// character.
func (b *bounded) short(c byte) bool {
	if b.length++; b.length > maxValue && !b.entity && utf8.RuneStart(c) {
		b.dropping = true
	}
	switch {
	case b.dropping:
		return false
	case c == '&':
		b.entity = true
	case c == ';':
		b.entity = false
	}
	return true
}
