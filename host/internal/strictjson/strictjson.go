// Package strictjson reads JSON documents of strangers so that nobody behind it can read them otherwise: what
// one parser takes for an error, another for the first of two members and a third for the last, is refused.
// Its errors name the place by JSON Pointer, are short and printable whatever stands in the document, and are
// of one type, Error.
//
//	body, err := strictjson.Decode[struct {
//		Target  string   `json:"target"`
//		Timeout *float64 `json:"timeout_sec"`
//	}](raw)
//	var bad *strictjson.Error
//	errors.As(err, &bad) // "/TARGET: no such member; did you mean target? (at byte 1)"
package strictjson

import "bytes"

// blanks are what may stand around the tokens of JSON.
const blanks = " \t\r\n"

var byteOrderMark = []byte("\xEF\xBB\xBF")

// Limits are the most that a document may have. What it becomes in memory goes by its values and not by its text: in a
// map[string]any each name or value is up to 150 bytes, and {"a":{}} fifty times as large as it is written.
type Limits struct {
	Depth  int // of arrays and objects in one another; 0: none. Parsers give up at 10,000 by themselves
	Values int // of the whole document, each name counted too; 0: any number
}

// Check holds a document to RFC 8259 and to what RFC 7493 (I-JSON) asks on top: one value with nothing but
// blanks around it, in valid UTF-8 without lone surrogates, no member name twice in an object, and every
// number finite as a float64. Beyond that no two names of an object may be equal but for case, by Unicode's
// simple folding, and the document keeps to the limits. An error is an *Error.
func Check(raw []byte, l Limits) error { return check(raw, rules{Limits: l}) }

// rules are what a scanner holds a document to.
type rules struct {
	Limits
	items bool // each item of an array is a value other than null
}

func check(raw []byte, r rules) error {
	rest := bytes.TrimLeft(raw, blanks)
	switch {
	case len(rest) == 0:
		return refuse("", int64(len(raw)), "it is empty; wanted is one JSON value")
	case bytes.HasPrefix(rest, byteOrderMark):
		return refuse("", int64(len(raw)-len(rest)), "it begins with a byte order mark; send UTF-8 without one")
	}
	s := borrow(raw, r)
	defer s.giveBack()
	if err := s.value(); err != nil {
		return err
	}
	end := int(s.dec.InputOffset())
	if rest := bytes.TrimLeft(raw[end:], blanks); len(rest) > 0 {
		return refuse("", int64(len(raw)-len(rest)), "something follows the value; send one value alone")
	}
	return nil
}

// Object is Check for a document that must be an object.
func Object(raw []byte, l Limits) error { return object(raw, rules{Limits: l}) }

func object(raw []byte, r rules) error {
	if err := check(raw, r); err != nil {
		return err
	}
	rest := bytes.TrimLeft(raw, blanks) // check has found a value in it
	if rest[0] == '{' {
		return nil
	}
	return refuse("", int64(len(raw)-len(rest)), "it is %s; wanted is an object", kindOf(rest[0]))
}

// kindOf names the kind of value that begins with a byte.
func kindOf(first byte) string {
	switch first {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return "a number"
	}
	return "another value"
}
