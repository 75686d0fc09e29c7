package audit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	headName = "audit.head"
	headSize = 20 + 1 + hexLen + 1 + 10 + 1
)

// lockPatience is how long an append waits for another process of the same directory. It is far beyond what
// one append takes; who holds the lock longer was stopped, or its disk hangs.
const lockPatience = 3 * time.Second

// head is the content of the head file: the last line, and the number of the file that it is in. The number
// runs ahead of the line while a file is begun, so that no other process goes on in the old one.
type head struct {
	Point
	file int
}

func (h head) append(b []byte) []byte {
	b = appendPadded(b, h.Seq, 20)
	b = append(b, ' ')
	b = hex.AppendEncode(b, h.Hash[:])
	b = append(b, ' ')
	b = appendPadded(b, uint64(h.file), 10)
	return append(b, '\n')
}

func appendPadded(b []byte, n uint64, width int) []byte {
	for limit := uint64(10); width > 1; width-- {
		if n < limit {
			b = append(b, '0')
		}
		if limit < 1e19 {
			limit *= 10
		}
	}
	return strconv.AppendUint(b, n, 10)
}

func parseHead(b []byte) (h head, ok bool) {
	if len(b) != headSize {
		return head{}, false
	}
	var err error
	if h.Seq, err = strconv.ParseUint(string(b[:20]), 10, 64); err != nil {
		return head{}, false
	}
	if h.file, err = strconv.Atoi(string(b[headSize-11 : headSize-1])); err != nil || h.file < 0 {
		return head{}, false
	}
	if h.Hash.UnmarshalText(b[21:21+hexLen]) != nil {
		return head{}, false
	}
	return h, bytes.Equal(h.append(make([]byte, 0, headSize)), b) // one form only
}

// headFile holds the head and is the lock of the directory.
type headFile struct {
	path     string
	file     *os.File
	disk     disk
	patience time.Duration
	buf      [headSize]byte
}

func openHead(dir string, d disk) (*headFile, error) {
	h := &headFile{path: filepath.Join(dir, headName), disk: d, patience: lockPatience}
	var err error
	if h.file, err = os.OpenFile(h.path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return nil, fmt.Errorf("audit: open the head: %w", err)
	}
	return h, nil
}

// renew goes over to the file that is at the path now, and locks that. The old one stays in use when this
// fails: the next attempt needs something to lock, and the old one may come back.
func (h *headFile) renew() error {
	dir := filepath.Dir(h.path)
	if err := checkDir(dir); err != nil {
		return err
	}
	next, err := openHead(dir, h.disk)
	if err != nil {
		return err
	}
	next.patience = h.patience
	if err := next.lock(); err != nil {
		h.patience = next.patience
		return errors.Join(err, next.file.Close())
	}
	_ = h.file.Close() // nothing is buffered in it, and its lock goes with it
	*h = *next
	return nil
}

// lock keeps all other processes out. After it waited in vain once, it does not wait again until it got the
// lock: calls must not pile up behind a process that was stopped.
func (h *headFile) lock() error {
	switch err := flock(h.file, unix.LOCK_EX, h.patience); {
	case errors.Is(err, unix.EWOULDBLOCK):
		h.patience = 0
		return fmt.Errorf("audit: lock %s, which another process holds: %w", h.path, err)
	case err != nil:
		return fmt.Errorf("audit: lock %s: %w", h.path, err)
	}
	h.patience = lockPatience
	return nil
}

func (h *headFile) unlock() { _ = flock(h.file, unix.LOCK_UN, 0) } // fails for no file that could be locked

func flock(f *os.File, how int, patience time.Duration) error {
	deadline, pause := time.Time{}, 50*time.Microsecond
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(patience)
		}
		if !now.Before(deadline) {
			return err
		}
		<-time.After(pause)
		pause = min(2*pause, 2*time.Millisecond)
	}
}

// replaced says whether the file at the path is another one than the one that is open.
func (h *headFile) replaced() bool {
	mine, err := h.file.Stat()
	there, err2 := os.Lstat(h.path)
	return err != nil || err2 != nil || !os.SameFile(mine, there)
}

// read returns the head; ok is false when there is none that can be read.
func (h *headFile) read() (_ head, ok bool) {
	n, _ := h.file.ReadAt(h.buf[:], 0)
	return parseHead(h.buf[:n])
}

// holds says whether the file holds exactly this head; it is what every append asks.
func (h *headFile) holds(want []byte) bool {
	n, _ := h.file.ReadAt(h.buf[:], 0)
	return bytes.Equal(h.buf[:n], want)
}

func (h *headFile) write(b []byte) error {
	if n, err := h.disk.writeAt(h.file, b, 0); err != nil || n != len(b) {
		return fmt.Errorf("audit: write the head: %w", short(n, len(b), err))
	}
	return nil
}
