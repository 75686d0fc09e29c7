package command

import "bytes"

// maxHidden is the most bytes of a line that are held back to look at it; of a longer one they decide.
const maxHidden = 4 << 10

// rest is what becomes of the rest of a line that was too long to hold back.
type rest int

const (
	undecided rest = iota // the line is held back
	shown
	dropped
)

// hider passes a stream on without the lines that drop names. Bytes of a line that is not complete yet are
// held back.
type hider struct {
	drop func(line string) bool
	next func([]byte)

	line []byte // the beginning of a line, with its end when it is complete
	rest rest
}

func (h *hider) write(chunk []byte) {
	for len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n') + 1
		part := chunk
		if end > 0 {
			part = chunk[:end]
		}
		h.part(part, end > 0)
		chunk = chunk[len(part):]
	}
}

// part takes a piece of one line; last is whether it ends there.
func (h *hider) part(piece []byte, last bool) {
	switch h.rest {
	case shown:
		h.next(piece)
	case undecided:
		h.line = append(h.line, piece...)
		if last || len(h.line) > maxHidden {
			h.flush()
		}
	}
	if last {
		h.rest = undecided
	}
}

// flush passes on what is held back, unless it is to be dropped.
func (h *hider) flush() {
	if len(h.line) == 0 {
		return
	}
	h.rest = dropped
	if !h.drop(string(bytes.TrimRight(h.line, "\r\n"))) {
		h.rest = shown
		h.next(h.line)
	}
	h.line = h.line[:0]
}
