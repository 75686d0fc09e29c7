package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// chain is the end of the trail, where lines are added. It is not safe for concurrent use within the process;
// other processes are kept out by the lock of the head.
type chain struct {
	cfg  Config
	head *headFile

	// The file that is written, as this process knows it; another process may have gone on meanwhile.
	file   *os.File // nil: not open
	path   string
	number int
	inode  uint64
	size   int64
	last   Point  // the last good line
	added  uint64 // lines since openChain
	ends   []int  // where the lines of a write end, in its buffer
	known  []byte // content of the head file

	stale    bool // something went wrong: look at everything anew
	look     bool // it is time to see whether the files are still at their paths
	dirty    bool // there are lines that were not synced
	unsynced bool // the last sync failed

	buf []byte // what is written at once
}

// What is written at once is bounded: who waits for the first line waits for the last.
const (
	maxBatch      = 64
	maxBatchBytes = 512 << 10
)

func openChain(cfg Config) (*chain, error) {
	h, err := openHead(cfg.Dir, cfg.disk)
	if err != nil {
		return nil, err
	}
	return &chain{cfg: cfg, head: h, stale: true}, nil
}

func (c *chain) close() error {
	err := c.head.file.Close()
	if c.file != nil {
		err = errors.Join(err, c.file.Close())
	}
	return err
}

// locked runs f while no other process writes.
func (c *chain) locked(f func() error) error {
	err := c.head.lock()
	if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		c.stale, err = true, c.head.renew() // a file that cannot be locked is of no use
	}
	if err != nil {
		return err
	}
	defer func() { c.head.unlock() }() // of the head at the end: catchUp may open another
	return f()
}

// add extends the chain by lines, in order and with as few writes as the size of the files allows. written
// says how many are in the files in spite of the error: those must not be written again.
func (c *chain) add(lines [][]byte) (written int, err error) {
	err = c.locked(func() error {
		if err := c.catchUp(); err != nil {
			return err
		}
		for written < len(lines) {
			rest := lines[written:]
			if err := c.rotateFor(len(rest[0])); err != nil {
				return err
			}
			n, err := c.write(nil, rest[:c.fitting(rest)]...)
			written += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return written, err
}

// fitting is how many of the lines go into the file at once, at least one.
func (c *chain) fitting(lines [][]byte) int {
	size := lineSize(len(lines[0]))
	for n := 1; n < min(len(lines), maxBatch); n++ {
		size += lineSize(len(lines[n]))
		if size > maxBatchBytes || c.size+size > c.cfg.MaxFileSize {
			return n
		}
	}
	return min(len(lines), maxBatch)
}

// catchUp makes sure that what this process knows of the end is true: two system calls when it is. That the
// file was removed is seen at once; that it was moved to another place, within a second.
func (c *chain) catchUp() error {
	if c.stale || c.look && c.moved() {
		return c.reload()
	}
	c.look = false
	var st unix.Stat_t
	if unix.Fstat(int(c.file.Fd()), &st) != nil || st.Nlink == 0 {
		return c.reload()
	}
	if st.Size == c.size && c.head.holds(c.known) || st.Size > c.size && c.follow(st.Size) {
		return nil
	}
	return c.reload()
}

// moved says whether other files are at the paths than those that are open.
func (c *chain) moved() bool {
	var st unix.Stat_t
	return unix.Stat(c.path, &st) != nil || st.Ino != c.inode || c.head.replaced()
}

// errNotSynced: the line was written, and it is not certain that it outlives a power loss.
var errNotSynced = errors.New("the line was written, but not forced to disk")

// write adds lines to the file, all at once, and after them brings the head up to date. Before the lines it
// writes what closes off a torn one. What fails half-way is taken back, so that no line is torn while there
// is anybody to mend it.
//
// written says how many of them are in the file for good, in spite of an error perhaps: those must not be
// written again.
func (c *chain) write(before []byte, lines ...[]byte) (written int, err error) {
	buf, next := append(c.buf[:0], before...), c.last
	c.ends = c.ends[:0]
	for _, members := range lines {
		buf, next = appendLine(buf, next, members)
		c.ends = append(c.ends, len(buf))
	}
	c.buf = buf
	if n, err := c.cfg.disk.write(c.file, buf); err != nil || n != len(buf) {
		return c.takeBack(n), fmt.Errorf("audit: %w", short(n, len(buf), err))
	}
	var notSynced error
	if c.dirty = true; c.cfg.Sync == SyncAlways || c.unsynced {
		notSynced = c.force()
	}
	known := head{Point: next, file: c.number}.append(c.known[:0])
	c.known = known
	if err := c.head.write(known); err != nil {
		c.stale = true
		return c.takeBack(len(buf)), err
	}
	c.size += int64(len(buf))
	c.last = next
	c.added += uint64(len(lines))
	return len(lines), notSynced
}

// force syncs the file.
func (c *chain) force() error {
	if err := c.cfg.disk.sync(c.file); err != nil {
		c.unsynced = true
		return fmt.Errorf("audit: %w: %w", errNotSynced, err)
	}
	c.dirty, c.unsynced = false, false
	return nil
}

// takeBack cuts off what was written, and returns how many whole lines are left when that fails too. Those count
// as written: nobody can take them out any more. The torn one after them stays until reload closes it off.
func (c *chain) takeBack(written int) (left int) {
	if written == 0 || c.cfg.disk.truncate(c.file, c.size) == nil {
		return 0
	}
	c.stale = true
	for left < len(c.ends) && c.ends[left] <= written {
		left++
	}
	c.added += uint64(left)
	return left
}
