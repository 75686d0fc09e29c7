package hosttools

import (
	"bytes"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
)

// line is a line of a text, or a piece of a long one.
type line struct {
	text   []byte // without its end; nobody writes to it any more
	number int    // from 1
	offset int64  // of its first byte
	end    int64  // of it and its line end: the offset of the next
}

// lines reads a text line by line.
type lines struct {
	read func(at int64) (executions.Chunk, error)

	buf      []byte // what was read, from at on
	at       int64
	number   int  // of lines that have ended
	all      bool // there is no more to read
	total    int64
	complete bool // nor will there be
}

// next is the next line. The last one of a complete text need not have an end; of a text that grows, it is
// waited for by who comes again.
func (in *lines) next() (line, bool, error) {
	end := in.lineEnd()
	for end == 0 && !in.all {
		if err := in.more(); err != nil {
			return line{}, false, err
		}
		end = in.lineEnd()
	}
	if end == 0 && in.complete {
		end = len(in.buf)
	}
	if end == 0 {
		return line{}, false, nil
	}
	text := in.buf[:end]
	l := line{text: text, number: in.number + 1, offset: in.at, end: in.at + int64(end)}
	if text[end-1] == '\n' {
		in.number++
		l.text = bytes.TrimSuffix(text[:end-1], []byte("\r"))
	}
	in.buf, in.at = in.buf[end:], l.end
	return l, true, nil
}

// lineEnd is where the first line, or piece of a long one, in the buffer ends; 0: it may go on.
func (in *lines) lineEnd() int {
	window := in.buf[:min(len(in.buf), maxLine)]
	if i := bytes.IndexByte(window, '\n'); i >= 0 {
		return i + 1
	}
	if len(in.buf) <= maxLine {
		return 0
	}
	end := maxLine
	for end > maxLine-utf8.UTFMax && !utf8.RuneStart(in.buf[end]) {
		end--
	}
	return end
}

func (in *lines) more() error {
	at := in.at + int64(len(in.buf))
	chunk, err := in.read(at)
	if err != nil {
		return err
	}
	again := min(max(at-chunk.Offset, 0), int64(len(chunk.Data))) // of a character that is there already
	in.buf = append(bytes.Clone(in.buf), chunk.Data[again:]...)   // lines that were given out keep theirs
	in.total, in.complete = chunk.Total, chunk.Complete
	in.all = int64(len(chunk.Data)) == again || chunk.Next() >= chunk.Total
	return nil
}
