package logs

import (
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// appendJSON appends a JSON string in which everything can be seen.
func appendJSON(buf []byte, s string) []byte {
	buf = append(buf, '"')
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if size > 1 && unicode.IsPrint(r) {
			i += size
			continue
		}
		buf = append(buf, s[from:i]...)
		if r == '"' || r == '\\' {
			buf = append(buf, '\\', byte(r))
		} else {
			buf = appendRune(buf, r)
		}
		i += size
		from = i
	}
	return append(append(buf, s[from:]...), '"')
}

// appendEscaped appends JSON that somebody else made. What is not ASCII can only be within its strings.
func appendEscaped(buf []byte, text string) []byte {
	for _, r := range text {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			buf = utf8.AppendRune(buf, r)
		} else {
			buf = appendRune(buf, r)
		}
	}
	return buf
}

// appendRune appends an escape, or a pair of them.
func appendRune(buf []byte, r rune) []byte {
	for _, u := range utf16.AppendRune(nil, r) {
		buf = append(buf, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	return buf
}

// appendText appends a word: as it is when nobody can misread it, else quoted.
func appendText(buf []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\' {
			return strconv.AppendQuote(buf, s)
		}
	}
	if s == "" {
		return append(buf, `""`...)
	}
	return append(buf, s...)
}

// appendMessage appends a message: as it is when it is prose, else quoted. With an = in it, it could pass for
// attributes.
func appendMessage(buf []byte, s string) []byte {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == '"' || r == '=' || r == '\\' {
			return strconv.AppendQuote(buf, s)
		}
	}
	return append(buf, s...)
}
