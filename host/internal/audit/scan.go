package audit

import (
	"bufio"
	"errors"
	"io"
)

// piece is what a scanner found: a line, or a part of something that is too long to be one.
type piece struct {
	data   []byte // without the line end; valid until the next piece
	offset int64
	begins bool // at the beginning of a line
	ends   bool // with a line end
}

// record reads the piece as a line.
func (p piece) record() (record, error) {
	if !p.begins || !p.ends {
		return record{}, errNoLine
	}
	return parseLine(p.data)
}

// scanner cuts a file into lines, in bounded memory whatever the file holds.
type scanner struct {
	r      *bufio.Reader
	offset int64
	inside bool // of a line that was too long
}

func newScanner(r io.Reader) *scanner { return &scanner{r: bufio.NewReaderSize(r, maxLine)} }

// next returns the next piece, or io.EOF.
func (s *scanner) next() (piece, error) {
	data, err := s.r.ReadSlice('\n')
	if len(data) == 0 && err != nil {
		return piece{}, err
	}
	p := piece{data: data, offset: s.offset, begins: !s.inside, ends: err == nil}
	s.offset += int64(len(data))
	s.inside = errors.Is(err, bufio.ErrBufferFull)
	if p.ends {
		p.data = data[:len(data)-1]
	}
	if err != nil && !s.inside && !errors.Is(err, io.EOF) {
		return piece{}, err
	}
	return p, nil
}
