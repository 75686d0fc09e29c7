package audit

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// disk is what can fail of a file; fields that are nil are the real thing.
type disk struct {
	write    func(f *os.File, b []byte) (int, error)
	writeAt  func(f *os.File, b []byte, at int64) (int, error)
	sync     func(f *os.File) error
	truncate func(f *os.File, size int64) error
}

func (d *disk) complete() {
	if d.write == nil {
		d.write = (*os.File).Write
	}
	if d.writeAt == nil {
		d.writeAt = (*os.File).WriteAt
	}
	if d.sync == nil {
		d.sync = (*os.File).Sync
	}
	if d.truncate == nil {
		d.truncate = (*os.File).Truncate
	}
}

// short is the error of a write that wrote n of want bytes.
func short(n, want int, err error) error {
	if err == nil && n < want {
		return io.ErrShortWrite
	}
	return err
}

// isFull says whether there is no room: of the disk, of a quota, of a limit.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
