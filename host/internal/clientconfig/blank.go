package clientconfig

import "bytes"

// text is a document beside its plain form: JSON of the same length, in which comments, trailing commas and
// the mark of byte order have become spaces. So whatever an ordinary decoder says of an offset holds for the
// document too.
type text struct {
	raw, plain []byte
	commas     []int  // offsets of trailing commas, ascending
	comments   []span // in their order
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// blank makes the plain form. It understands no more of JSON than strings, so that what is wrong with the
// document stays wrong. The line ends within a comment become spaces too: a line end of the plain form is
// never in a comment.
func blank(raw []byte) text {
	t := text{raw: raw, plain: bytes.Clone(raw)}
	if bytes.HasPrefix(raw, byteOrderMark) {
		t.wipe(0, len(byteOrderMark))
	}
	before, comma := byte(0), -1 // the last byte that means something; where it is, if a comma after a value
	for i := 0; i < len(raw); {
		c := t.plain[i]
		end := i + 1
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i = end
			continue
		case c == '/':
			if end = commentEnd(raw, i); end > i {
				t.comments = append(t.comments, span{i, end})
				t.wipe(i, end)
				i = end
				continue
			}
			end = i + 1
		case c == '"':
			end = stringEnd(raw, i)
		case (c == '}' || c == ']') && comma >= 0:
			t.wipe(comma, comma+1)
			t.commas = append(t.commas, comma)
		}
		comma = -1
		if c == ',' && before != 0 && !bytes.ContainsRune([]byte("[{,:"), rune(before)) {
			comma = i
		}
		before, i = c, end
	}
	return t
}

func (t *text) wipe(from, to int) {
	for i := from; i < to; i++ {
		t.plain[i] = ' '
	}
}

// commentEnd is the offset after the comment that begins at i; i when there is none, or one without an end.
func commentEnd(raw []byte, i int) int {
	switch rest := raw[i:]; {
	case bytes.HasPrefix(rest, []byte("//")):
		if n := bytes.IndexAny(rest, "\r\n"); n >= 0 {
			return i + n
		}
		return len(raw)
	case bytes.HasPrefix(rest, []byte("/*")):
		if n := bytes.Index(rest[2:], []byte("*/")); n >= 0 {
			return i + 2 + n + 2
		}
	}
	return i
}

// stringEnd is the offset after the string that begins at i.
func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}
