package audit

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText appends s as a JSON string of at most limit bytes between the quotes, and reports whether all
// of it fitted. Whatever does not print is escaped, also where JSON would not ask for it: controls, DEL, C1,
// line separators, marks that turn the direction of writing around. So no line can be forged, and no
// terminal obeys a line that is shown as it is.
func appendText(b []byte, s string, limit int) (out []byte, whole bool) {
	b = append(b, '"')
	start := len(b)
	for i := 0; i < len(s); {
		if n := plain(s[i:]); n > 0 {
			fits := min(n, limit-(len(b)-start))
			if b = append(b, s[i:i+fits]...); fits < n {
				return append(b, '"'), false
			}
			i += n
			continue
		}
		from, size := len(b), 1
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else if c < utf8.RuneSelf {
			b = appendRune(b, rune(c))
		} else {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			b = appendRune(b, r)
		}
		if len(b)-start > limit {
			return append(b[:from], '"'), false
		}
		i += size
	}
	return append(b, '"'), true
}

// plain is how many bytes s begins with that stand for themselves in a JSON string.
func plain[T string | []byte](s T) (n int) {
	for n < len(s) && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\' {
		n++
	}
	return n
}

// appendRune appends a character of a JSON string that needs no backslash of its own.
func appendRune(b []byte, r rune) []byte {
	switch {
	case r >= ' ' && r < 0x7f:
		return append(b, byte(r))
	case r >= 0xa0 && unicode.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendEscape(appendEscape(b, high), low)
	}
	return appendEscape(b, r)
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendJSON appends a valid JSON value as it is, but without blanks between its parts and with everything
// escaped that appendText escapes. When that takes more than limit bytes, it appends nothing.
func appendJSON(b, raw []byte, limit int) (out []byte, whole bool) {
	start, quoted := len(b), false
	for i := 0; i < len(raw); {
		if n := plain(raw[i:]); quoted && n > 0 {
			if b = append(b, raw[i:i+n]...); len(b)-start > limit {
				return b[:start], false
			}
			i += n
			continue
		}
		c, size := raw[i], 1
		switch {
		case quoted && c == '\\': // the next byte belongs to it, because the value is valid
			b, size = append(b, c, raw[i+1]), 2
		case c == '"':
			b, quoted = append(b, c), !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
		case c < utf8.RuneSelf:
			b = appendRune(b, rune(c))
		default:
			var r rune
			r, size = utf8.DecodeRune(raw[i:])
			b = appendRune(b, r)
		}
		if len(b)-start > limit {
			return b[:start], false
		}
		i += size
	}
	return b, true
}
