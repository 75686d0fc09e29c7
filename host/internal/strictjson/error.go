package strictjson

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what an error says, in bytes.
const (
	maxPointer = 128
	maxReason  = 256
	maxName    = 48 // of a name within a reason
)

// Error is why a document is refused, and where. It may be shown: it is bounded, and has nothing unprintable.
type Error struct {
	Pointer string // RFC 6901: "" is the whole document; a long one ends in an ellipsis
	Reason  string
	Offset  int64 // in bytes, of what is wrong, at or shortly behind its start
}

func (e *Error) Error() string {
	where := e.Pointer
	if where == "" {
		where = "the document"
	}
	return fmt.Sprintf("%s: %s (at byte %d)", where, e.Reason, e.Offset)
}

func refuse(at jsontext.Pointer, offset int64, format string, args ...any) *Error {
	return &Error{
		Pointer: printable(string(at), maxPointer),
		Reason:  printable(fmt.Sprintf(format, args...), maxReason),
		Offset:  offset,
	}
}

// printable cuts a text, and replaces what a terminal or a log would not show as it is.
func printable(s string, limit int) string {
	const ellipsis = "…"
	cut := len(s) > limit
	if cut {
		s = s[:limit-len(ellipsis)]
	}
	s = strings.ToValidUTF8(s, "") // half a rune at the cut; the rest has been checked
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?' // no wider than what it stands for
	}, s)
	if cut {
		s += ellipsis
	}
	return s
}

// syntax says in our form what the parser has met.
func syntax(err error, size int) *Error {
	var bad *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && errors.As(err, &bad):
		return refuse(bad.JSONPointer, int64(size), "it ends too early")
	case errors.As(err, &bad):
		return refuse(bad.JSONPointer, bad.ByteOffset, "not valid JSON: %v", bad.Err)
	}
	return refuse("", 0, "not valid JSON: %v", err)
}
