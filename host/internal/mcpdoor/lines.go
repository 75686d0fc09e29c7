package mcpdoor

import (
	"bufio"
	"errors"
	"io"
)

// maxLine is the most bytes of one message on stdio, the same as of a body of /mcp.
const maxLine = 1 << 20

// lineLimiter bounds the lines of a stream. Of a longer one the beginning is passed on as a line of its own,
// which is no JSON then and is answered as such, and the rest is dropped: no line makes its reader hold
// more.
type lineLimiter struct {
	from *bufio.Reader
	most int
	rest []byte // read and not passed on yet
	line int    // bytes of the present line that were passed on
	skip bool   // the present line is too long
}

func newLineLimiter(from io.Reader, most int) *lineLimiter {
	return &lineLimiter{from: bufio.NewReaderSize(from, 32<<10), most: most}
}

// Read passes on what fits.
func (l *lineLimiter) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// next reads a piece of a line.
func (l *lineLimiter) next() error {
	piece, err := l.from.ReadSlice('\n')
	ended := err == nil
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	switch {
	case l.skip:
		piece = nil
	case l.line+len(piece) > l.most:
		piece = append(piece[:l.most-l.line:l.most-l.line], '\n')
		l.skip = true
	}
	l.line += len(piece)
	if ended {
		l.line, l.skip = 0, false
	}
	if l.rest = piece; len(piece) > 0 {
		return nil // an error comes again with the next read
	}
	return err
}
