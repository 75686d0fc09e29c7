package logs

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
)

// file is a log file that begins anew when it is full. It is used by one goroutine. Full files are numbered
// as Python's RotatingFileHandler does. The usual library rotates by the megabyte, and starts a goroutine
// that nothing ends.
type file struct {
	path    string
	max     int64
	backups int

	f    *os.File // nil: could not be opened
	size int64
}

var _ io.WriteCloser = (*file)(nil)

// open opens the file, or makes it. What is no plain file is refused; a FIFO without a reader must not hold
// up the start.
func (f *file) open() error {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	info, err := opened.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no plain file", f.path)
	}
	if err != nil {
		opened.Close()
		return fmt.Errorf("open the log file: %w", err)
	}
	f.f, f.size = opened, info.Size()
	return nil
}

// Write appends one line.
func (f *file) Write(line []byte) (int, error) {
	if f.f != nil && f.size > 0 && f.size+int64(len(line)) > f.max {
		f.rotate()
	}
	if f.f == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.f.Write(line)
	f.size += int64(n)
	return n, err
}

// rotate moves the full file out of the way. Where that is not possible, it is written on.
func (f *file) rotate() {
	f.Close()
	var err error
	if f.backups == 0 {
		err = os.Remove(f.path)
	}
	for i := f.backups - 1; i >= 0; i-- {
		if e := os.Rename(f.backup(i), f.backup(i+1)); i == 0 {
			err = e // that there is no older file is usual
		}
	}
	if f.open() == nil && err != nil {
		f.size = 0 // it is tried again after as many bytes
	}
}

// backup is the path of the i-th full file; the 0th is the one that is written.
func (f *file) backup(i int) string {
	if i == 0 {
		return f.path
	}
	return f.path + "." + strconv.Itoa(i)
}

// Close implements [io.Closer]. It may be called twice.
func (f *file) Close() error {
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}
