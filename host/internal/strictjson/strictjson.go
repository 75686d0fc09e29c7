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

// Check holds a document to RFC 8259 and to what RFC 7493 (I-JSON) asks on top: one value with nothing but
// blanks around it, in valid UTF-8 without lone surrogates, no member name twice in an object, and every
// number finite as a float64. Beyond that no two names of an object may be equal but for case, by Unicode's
// simple folding, and no more than depth arrays and objects may stand in one another; parsers give up at
// 10,000 by themselves. An error is an *Error.
func Check(raw []byte, depth int) error {
	rest := bytes.TrimLeft(raw, blanks)
	switch {
	case len(rest) == 0:
		return refuse("", int64(len(raw)), "it is empty; wanted is one JSON value")
	case bytes.HasPrefix(rest, byteOrderMark):
		return refuse("", int64(len(raw)-len(rest)), "it begins with a byte order mark; send UTF-8 without one")
	}
	s := borrow(raw)
	defer s.giveBack()
	if err := s.value(depth); err != nil {
		return err
	}
	end := int(s.dec.InputOffset())
	if rest := bytes.TrimLeft(raw[end:], blanks); len(rest) > 0 {
		return refuse("", int64(len(raw)-len(rest)), "something follows the value; send one value alone")
	}
	return nil
}

// Object is Check for a document that must be an object.
func Object(raw []byte, depth int) error {
	if err := Check(raw, depth); err != nil {
		return err
	}
	rest := bytes.TrimLeft(raw, blanks) // Check has found a value in it
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
