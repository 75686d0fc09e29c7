package wire

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// repairer makes valid UTF-8 of a stream that comes in chunks: a character that a chunk border splits is
// kept whole, each run of invalid bytes becomes one U+FFFD. The zero repairer is ready.
type repairer struct {
	tail []byte // the beginning of a character, at most 3 bytes
}

var replacement = []byte("\uFFFD")

// repair takes the next chunk and returns what is complete.
func (r *repairer) repair(chunk []byte) []byte {
	if len(r.tail) > 0 {
		chunk = append(r.tail, chunk...)
		r.tail = nil
	}
	end := len(chunk)
	for i := 1; i <= min(utf8.UTFMax-1, len(chunk)); i++ {
		if b := chunk[len(chunk)-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(chunk[len(chunk)-i:]) {
				end = len(chunk) - i
			}
			break
		}
	}
	r.tail = bytes.Clone(chunk[end:])
	if utf8.Valid(chunk[:end]) {
		return chunk[:end]
	}
	return bytes.ToValidUTF8(chunk[:end], replacement)
}

// flush returns what is left at the end of the stream.
func (r *repairer) flush() []byte {
	if len(r.tail) == 0 {
		return nil
	}
	r.tail = nil
	return bytes.Clone(replacement)
}

// text makes a string fit for a protobuf string field.
func text(s string) string { return strings.ToValidUTF8(s, string(replacement)) }

func texts(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = text(s)
	}
	return out
}
