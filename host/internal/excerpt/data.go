package excerpt

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// appendClean writes a JSON value compactly, with every text and key in it as [Clean] makes it and every
// number as it was written. Bytes that are not UTF-8 become U+FFFD. A value that is not valid, or has an
// object with two members of one name, perhaps only when they are clean, is an error, as is one of more than
// limit bytes.
func appendClean(b, raw []byte, limit int) ([]byte, error) {
	start := len(b)
	b, err := jsontext.AppendFormat(b, raw, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return b[:start], err
	}
	switch {
	case len(b)-start > limit:
		return b[:start], errTooLarge
	case looksClean(b[start:]):
		return b, nil
	}
	cleaned, err := rewrite(b[start:])
	return append(b[:start], cleaned...), err
}

var errTooLarge = errors.New("the value is too large")

// looksClean reports whether no text of valid, compact JSON has anything to be written out. It says no where
// it would take long to find out.
func looksClean(b []byte) bool {
	ascii := true
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\':
			i++
			if c := b[i]; c != 'n' && c != 't' && c != '"' && c != '\\' {
				return false
			}
		case c == 0x7f:
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if ascii {
		return true
	}
	s := string(b)
	return tool.Untrusted(s).Clean() == s
}

// rewrite cleans the texts and keys of a JSON value.
func rewrite(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(raw) + len(raw)/8)
	dec, enc := jsontext.NewDecoder(bytes.NewReader(raw)), jsontext.NewEncoder(&out)
	for {
		token, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return bytes.TrimRight(out.Bytes(), "\n"), nil
		}
		if err != nil {
			return nil, err
		}
		if token.Kind() == jsontext.KindString {
			token = jsontext.String(Clean(token.String()))
		}
		if err := enc.WriteToken(token); err != nil {
			return nil, err
		}
	}
}
