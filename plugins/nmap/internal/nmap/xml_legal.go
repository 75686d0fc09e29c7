package nmap

import (
	"bufio"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// legal hands on what a document is made of, and writes out the rest as [sdk.Untrusted.Clean] does: a decoder
// ends at a byte that is not UTF-8 and at a character that XML has not, also at one that is named by its number,
// and a scanned machine may well bring nmap to write one.
type legal struct {
	*bufio.Reader
	ahead []byte // what comes before all else
	room  [12]byte
}

// maxReference is how long a character named by its number is, without the &: #x10ffff; and some zeros.
const maxReference = 12

// next is the next byte, and how many of the input it stands for. Where values is true, an & begins the name
// of a character.
func (l *legal) next(values bool) (c byte, n int, err error) {
	if len(l.ahead) > 0 {
		c, l.ahead = l.ahead[0], l.ahead[1:]
		return c, 0, nil
	}
	c, err = l.ReadByte()
	switch {
	case err != nil:
		return 0, 0, err
	case c >= utf8.RuneSelf:
		if err := l.UnreadByte(); err != nil {
			return 0, 0, err
		}
		return l.character()
	case c == '&' && values:
		return l.reference()
	case !isXML(rune(c)):
		return l.instead(spelled(rune(c)), 1)
	}
	return c, 1, nil
}

// character reads one of several bytes, or a byte that begins none.
func (l *legal) character() (byte, int, error) {
	r, n, err := l.ReadRune()
	switch {
	case err != nil:
		return 0, 0, err
	case r == utf8.RuneError && n == 1:
		if err := l.UnreadRune(); err != nil {
			return 0, 0, err
		}
		c, err := l.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		return l.instead(sdk.Untrusted([]byte{c}).Clean(), 1)
	case !isXML(r):
		return l.instead(spelled(r), n)
	}
	return l.instead(string(r), n)
}

// reference reads what is behind an &, when that names a character which XML has not.
func (l *legal) reference() (byte, int, error) {
	for n := 1; n <= maxReference; n++ {
		p, err := l.Peek(n)
		if err != nil || n == 1 && p[0] != '#' {
			break // the end, which comes again; or the name of an entity
		}
		if p[n-1] != ';' {
			continue
		}
		text, ok := forbidden(string(p[1 : n-1]))
		if !ok {
			break
		}
		if _, err := l.Discard(n); err != nil {
			return 0, 0, err
		}
		return l.instead(text, 1+n)
	}
	return '&', 1, nil
}

// forbidden is what to write for the character of a number, if XML has none of it.
func forbidden(number string) (string, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(number, "x"); ok {
		number, base = hex, 16
	}
	code, err := strconv.ParseUint(number, base, 64)
	switch {
	case err != nil:
		return "", false // the decoder says so
	case code > utf8.MaxRune:
		return string(utf8.RuneError), true
	case isXML(rune(code)):
		return "", false
	}
	return spelled(rune(code)), true // a surrogate becomes U+FFFD
}

// instead hands on a text for n bytes of the input.
func (l *legal) instead(text string, n int) (byte, int, error) {
	l.ahead = append(l.room[:0], text[1:]...)
	return text[0], n, nil
}

// spelled is a character written out.
func spelled(r rune) string { return sdk.Untrusted(string(r)).Clean() }

// isXML reports whether XML has a character.
func isXML(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r <= 0xD7FF:
		return true
	}
	return 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= utf8.MaxRune
}
