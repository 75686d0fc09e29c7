package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

const (
	chunkSize = 32 << 10

	// A pipe is at its end when nobody can write to it any more, and after a run nobody should. A
	// program may have passed it to a process that is none of its own, though: then what the pipe
	// may still hold is read, and waited for this long.
	restWait = time.Second
	restSize = 1 << 20 // fs.pipe-max-size
)

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// stream reads one pipe of a program to its end, in constant memory.
type stream struct {
	file    *os.File
	limit   int64
	deliver func([]byte) // nil: drop

	seen     int64
	rest     int // how much may be read after the end of the run; 0 before it
	panicked any // what deliver panicked with, and where
}

func (s *stream) truncated() bool { return s.seen > max(s.limit, 0) }

// Read reads the pipe until it ends, or until restWait after end was called.
func (s *stream) Read(p []byte) (int, error) {
	for {
		n, err := s.file.Read(p)
		switch {
		case n > 0 && s.rest > n:
			s.rest -= n
			return n, nil
		case n > 0 && s.rest == 0:
			return n, nil
		case n > 0 || s.rest > 0 || !errors.Is(err, os.ErrDeadlineExceeded):
			return n, io.EOF
		}
		s.rest = restSize
		if s.file.SetReadDeadline(time.Now().Add(restWait)) != nil {
			return 0, io.EOF
		}
	}
}

// end says that the run is over: what is not yet in the pipe will not come.
func (s *stream) end() { _ = s.file.SetReadDeadline(time.Now().Add(restWait)) }

// pump hands on up to limit bytes, then drains.
func (s *stream) pump() {
	defer s.file.Close()
	buf := chunks.Get().(*[chunkSize]byte)
	defer chunks.Put(buf)
	for {
		n, err := s.Read(buf[:])
		if room := s.limit - s.seen; room > 0 && n > 0 && s.deliver != nil {
			s.call(buf[:min(int64(n), room)])
		}
		s.seen += int64(n)
		if err != nil {
			return
		}
	}
}

// call keeps a panic for Run: here nobody could recover it.
func (s *stream) call(chunk []byte) {
	defer func() {
		if v := recover(); v != nil {
			s.deliver, s.panicked = nil, fmt.Sprintf("sandbox: in an output callback: %v\n%s", v, debug.Stack())
		}
	}()
	s.deliver(chunk)
}

// report lets read have the pipe, and drains what it leaves.
func (s *stream) report(read func(io.Reader) error) (err error) {
	defer s.file.Close()
	defer func() { _, _ = io.Copy(io.Discard, s) }()
	defer func() {
		if v := recover(); v != nil {
			s.panicked = fmt.Sprintf("sandbox: in Report: %v\n%s", v, debug.Stack())
		}
	}()
	return read(s)
}

// streams are the pipes of one run, and the goroutines that read them.
type streams struct {
	out, err, report *stream // report may be nil
	readers          sync.WaitGroup
	reportErr        error
}

// start reads the pipes; files are their ends: stdout, stderr, and report when c has one.
func (s *streams) start(c *Command, files []*os.File) {
	s.out = &stream{file: files[0], limit: c.StdoutLimit, deliver: c.Stdout}
	s.err = &stream{file: files[1], limit: c.StderrLimit, deliver: c.Stderr}
	s.readers.Go(s.out.pump)
	s.readers.Go(s.err.pump)
	if len(files) == 3 {
		s.report = &stream{file: files[2]}
		s.readers.Go(func() { s.reportErr = s.report.report(c.Report) })
	}
}

// finish waits for the readers, when the program is dead, and fills o. A panic of a callback goes on
// here, in the goroutine of the caller.
func (s *streams) finish(o *Outcome) {
	all := []*stream{s.out, s.err}
	if s.report != nil {
		all = append(all, s.report)
	}
	for _, one := range all {
		one.end()
	}
	s.readers.Wait()
	for _, one := range all {
		if one.panicked != nil {
			panic(one.panicked)
		}
	}
	o.StdoutBytes, o.TruncatedStdout = s.out.seen, s.out.truncated()
	o.StderrBytes, o.TruncatedStderr = s.err.seen, s.err.truncated()
	o.ReportErr = s.reportErr
}
