package executions

import "unicode/utf8"

// wholeRunes cuts an incomplete character off the end.
func wholeRunes(p []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(p)); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return p[:len(p)-i]
			}
			break
		}
	}
	return p
}

// runeStart is the place where the character that has byte i begins. A byte of no character is its own.
func runeStart(p []byte, i int) int {
	for back := 1; back < utf8.UTFMax && back <= i; back++ {
		if !utf8.RuneStart(p[i-back]) {
			continue
		}
		if _, n := utf8.DecodeRune(p[i-back:]); n > back {
			return i - back
		}
		break
	}
	return i
}

// span is the part of p that begins at offset and has at most limit bytes. It begins and ends between
// characters: it may begin earlier by 3 bytes, and it has at least one character when p has one there.
func span(p []byte, offset, limit int) (from, to int) {
	from = runeStart(p, offset)
	to = len(p)
	if limit < to-offset {
		to = runeStart(p, offset+limit)
	}
	if to <= from && from < len(p) {
		_, n := utf8.DecodeRune(p[from:])
		to = from + n
	}
	return from, to
}
