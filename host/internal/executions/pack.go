package executions

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

const (
	blockSize = 64 << 10 // bytes of a chunk, at most: reading a page does not inflate the whole
	packFrom  = 256      // what is shorter is not worth it
)

// packer deflates blocks. It is used by one goroutine at a time.
type packer struct {
	w   *flate.Writer
	buf bytes.Buffer
}

// pack is a block as it is stored, and whether it is deflated. The bytes are valid until the next call.
func (p *packer) pack(block []byte) (data []byte, packed bool, err error) {
	if len(block) < packFrom {
		return block, false, nil
	}
	p.buf.Reset()
	if p.w == nil {
		if p.w, err = flate.NewWriter(&p.buf, flate.BestSpeed); err != nil {
			return nil, false, err
		}
	}
	p.w.Reset(&p.buf)
	if _, err = p.w.Write(block); err == nil {
		err = p.w.Close()
	}
	if err != nil || p.buf.Len() >= len(block) {
		return block, false, err
	}
	return p.buf.Bytes(), true, nil
}

// unpack appends a block as it was to dst.
func unpack(dst, data []byte, packed bool, size int) ([]byte, error) {
	if size < 0 || size > blockSize {
		return dst, fmt.Errorf("a chunk says that it has %d bytes; at most %d are possible", size, blockSize)
	}
	if !packed {
		if len(data) != size {
			return dst, fmt.Errorf("a chunk of %d bytes has %d", size, len(data))
		}
		return append(dst, data...), nil
	}
	r := flate.NewReader(bytes.NewReader(data))
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	if _, err := io.ReadFull(r, dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("inflate a chunk: %w", err)
	}
	return dst, nil
}
