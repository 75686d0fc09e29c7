package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxPending = 4 << 20 // bytes that wait to be written
	farewell   = 2 * time.Second
)

// queue holds lines until its goroutine has written them. Whoever logs never waits for the output.
type queue struct {
	out  io.WriteCloser // used by run alone
	lost func(n int) []byte
	torn bool // the last line was written in part; used by run alone

	mu      sync.Mutex
	pending []byte // whole lines
	missing int    // lines that were lost and not yet told of
	closed  bool

	wake chan struct{} // holds one; never closed
	done chan struct{} // closed by run
}

// newQueue starts the goroutine, which close ends. Lost makes the line that tells of lost ones.
func newQueue(out io.WriteCloser, lost func(n int) []byte) *queue {
	q := &queue{out: out, lost: lost, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

func (q *queue) add(line []byte) {
	q.mu.Lock()
	first := len(q.pending) == 0 // else it is awake, or about to be
	if q.closed || len(q.pending)+len(line) > maxPending {
		q.missing++
	} else {
		q.pending = append(q.pending, line...)
	}
	q.mu.Unlock()
	if first {
		q.stir()
	}
}

func (q *queue) stir() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run writes until the queue is closed and empty.
func (q *queue) run() {
	defer close(q.done)
	defer q.out.Close()
	var spare []byte
	for {
		q.mu.Lock()
		lines, missing, closed := q.pending, q.missing, q.closed
		q.pending, q.missing = spare[:0], 0
		q.mu.Unlock()
		failed := q.write(lines, missing)
		q.mu.Lock()
		q.missing += failed
		q.mu.Unlock()
		if spare = lines; cap(spare) > 1<<20 {
			spare = nil // a rush is over
		}
		switch {
		case len(lines) > 0: // there may be more
		case closed:
			return
		default:
			<-q.wake
		}
	}
}

// write writes lines one by one, and counts those that were lost.
func (q *queue) write(lines []byte, missing int) (failed int) {
	if missing > 0 && !q.put(q.lost(missing)) {
		failed = missing
	}
	for line := range bytes.Lines(lines) {
		if !q.put(line) {
			failed++
		}
	}
	return failed
}

// put writes a line, on a line of its own even if the one before it was cut off by a full disk.
func (q *queue) put(line []byte) bool {
	if q.torn {
		if _, err := q.out.Write([]byte("\n")); err != nil {
			return false
		}
		q.torn = false
	}
	n, err := q.out.Write(line)
	q.torn = err != nil && n > 0
	return err == nil
}

func (q *queue) close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stir()
	enough := time.NewTimer(farewell)
	defer enough.Stop()
	select {
	case <-q.done:
		return nil
	case <-enough.C:
		return errors.New("the log's output takes no more lines; the last ones are lost")
	}
}

// borrowed is an output that somebody else closes.
type borrowed struct{ io.Writer }

func (borrowed) Close() error { return nil }

// own makes an output ours. The runtime ends a process that writes to a broken pipe as its standard output or
// error; it is only told of the error when the same pipe has another number.
func own(w io.Writer) io.WriteCloser {
	f, ok := w.(*os.File)
	if !ok {
		return borrowed{w}
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return borrowed{w}
	}
	double := -1
	err = conn.Control(func(fd uintptr) {
		if fd == 1 || fd == 2 {
			double, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3) // -1 when it fails
		}
	})
	if err != nil || double < 0 {
		return borrowed{w}
	}
	return os.NewFile(uintptr(double), f.Name())
}
