package mcpdoor

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// maxLine is the most bytes of one message on stdio, the same as of a body of /mcp.
const maxLine = rpcmessage.MaxSize

// errLineTooLong is told once for each line that is longer.
var errLineTooLong = errors.New("the line is too long")

// lineReader reads lines of at most so many bytes. No line makes it hold more: of a longer one the rest is dropped.
type lineReader struct {
	from *bufio.Reader
	most int
	skip bool // what comes is the rest of a line that is too long
}

func newLineReader(from io.Reader, most int) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, 32<<10), most: most}
}

// next returns a line without its end; it is the caller's. At the end of the stream the last line may have none.
func (l *lineReader) next() ([]byte, error) {
	var line []byte
	for {
		piece, err := l.from.ReadSlice('\n')
		ended := err == nil
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && (l.skip || len(line)+len(piece) == 0):
			return nil, err // of a last line without an end it comes again with the next read
		case err != nil:
			ended = true
		}
		if l.skip {
			l.skip = !ended
			continue
		}
		piece = bytes.TrimSuffix(piece, []byte{'\n'})
		if len(line)+len(piece) > l.most {
			l.skip = !ended
			return nil, errLineTooLong
		}
		if line = append(line, piece...); ended {
			return line, nil
		}
	}
}
