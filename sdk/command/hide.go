package command

import "bytes"

// maxHidden is the most bytes of a line that may be held back to look at it; a longer one is shown.
const maxHidden = 4 << 10

// hider passes a stream on without the lines that drop names. Bytes of a line that is not complete yet are
// held back.
type hider struct {
	drop func(line string) bool
	next func([]byte)

	line  []byte // the beginning of a line, with its end when it is complete
	shown bool   // the line was too long to hold back: what is left of it is shown
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
	if h.shown {
		h.next(piece)
		h.shown = !last
		return
	}
	h.line = append(h.line, piece...)
	if last || len(h.line) > maxHidden {
		h.shown = !last
		h.flush()
	}
}

// flush passes on what is held back, unless it is to be dropped.
func (h *hider) flush() {
	if len(h.line) > 0 && !h.drop(string(bytes.TrimRight(h.line, "\r\n"))) {
		h.next(h.line)
	}
	h.line = h.line[:0]
}
