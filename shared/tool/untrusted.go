package tool

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Untrusted is text that a stranger chose: a banner, the title of a page, what a script read. It is carried as
// data and never as instructions. In JSON its control characters, and those that cannot be seen or turn the
// direction of writing, are written out, so that what a person reads is what a model gets; its JSON Schema says
// "x-untrusted": true.
//
// Written out is all that is not a letter, mark, number, punctuation, symbol or space of Unicode, and what of
// these has no glyph of its own:
//
//	control characters, but for line feed and tab    \x1B  \x0D  \x7F  \x9B
//	bytes that are not UTF-8                         \xFF
//	marks that turn the direction of writing         \u{202E}  \u{2066}
//	zero-width and other format characters           \u{200B}  \u{FEFF}  \xAD
//	variation selectors, tags, fillers               \u{FE0F}  \u{E0041}  \u{3164}
//	line and paragraph separators                    \u{2028}
//	private and unassigned characters                \u{E000}
//
// A backslash that the stranger wrote stands for itself: the mapping is for readers, and cannot be undone. A
// key of a map is not mapped by encoding/json; use [Untrusted.Clean] for one.
type Untrusted string

var _ json.Marshaler = Untrusted("")

// UntrustedData is a JSON value whose texts and keys a stranger chose, and whose maker has made each as
// [Untrusted.Clean] does. It may be of any type; its JSON Schema says "x-untrusted": true and nothing else.
type UntrustedData json.RawMessage

// MarshalJSON writes the value as it is.
func (d UntrustedData) MarshalJSON() ([]byte, error) { return json.RawMessage(d).MarshalJSON() }

// UnmarshalJSON keeps the value as it is.
func (d *UntrustedData) UnmarshalJSON(raw []byte) error {
	return (*json.RawMessage)(d).UnmarshalJSON(raw)
}

// MarshalJSON writes the text as Clean makes it.
func (u Untrusted) MarshalJSON() ([]byte, error) { return json.Marshal(u.Clean()) }

// Clean is the text with all that cannot be seen written out; text that is clean already costs nothing.
func (u Untrusted) Clean() string {
	s := string(u)
	first := strings.IndexFunc(s, func(r rune) bool { return !visible(r) || r == utf8.RuneError })
	if first < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:first])
	for i, n := first, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02X`, s[i])
		case visible(r):
			b.WriteString(s[i : i+n])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02X`, r)
		default:
			fmt.Fprintf(&b, `\u{%X}`, r)
		}
	}
	return b.String()
}

// visible reports whether a character is shown as itself: what Unicode calls graphic, without what it lets a
// display ignore.
func visible(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~' || r == '\n' || r == '\t'
	}
	return unicode.IsGraphic(r) &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
