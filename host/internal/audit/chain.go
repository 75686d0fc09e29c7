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
	known  []byte // content of the head file

	stale    bool // something went wrong: look at everything anew
	dirty    bool // there are lines that were not synced
	unsynced bool // the last sync failed

	line []byte // buffer
}

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
	if err := c.head.lock(); err != nil {
		return err
	}
	defer func() { c.head.unlock() }() // of the head at the end: catchUp may open another
	return f()
}

// add extends the chain by a line. written says whether the line is in the file in spite of the error: then
// it must not be written again.
func (c *chain) add(members []byte) (written bool, err error) {
	err = c.locked(func() error {
		if err := c.catchUp(); err != nil {
			return err
		}
		if err := c.rotateFor(len(members)); err != nil {
			return err
		}
		err := c.write(nil, members)
		written = err == nil || errors.Is(err, errNotSynced)
		return err
	})
	return written, err
}

// catchUp makes sure that what this process knows of the end is true: two system calls when it is.
func (c *chain) catchUp() error {
	var st unix.Stat_t
	if c.stale || unix.Stat(c.path, &st) != nil || st.Ino != c.inode {
		return c.reload()
	}
	if st.Size == c.size && c.head.holds(c.known) || st.Size > c.size && c.follow(st.Size) {
		return nil
	}
	return c.reload()
}

// errNotSynced: the line was written, and it is not certain that it outlives a power loss.
var errNotSynced = errors.New("the line was written, but not forced to disk")

// write adds a line to the file, and after it brings the head up to date. Before the line it writes what
// closes off a torn one. What fails half-way is taken back, so that no line is torn while there is anybody to
// mend it.
func (c *chain) write(before, members []byte) error {
	line, next := appendLine(append(c.line[:0], before...), c.last, members)
	c.line = line
	if n, err := c.cfg.disk.write(c.file, line); err != nil || n != len(line) {
		c.takeBack(n)
		return fmt.Errorf("audit: %w", short(n, len(line), err))
	}
	var notSynced error
	if c.dirty = true; c.cfg.Sync == SyncAlways || c.unsynced {
		notSynced = c.force()
	}
	known := head{Point: next, file: c.number}.append(c.known[:0])
	c.known = known
	if err := c.head.write(known); err != nil {
		c.takeBack(len(line))
		c.stale = true
		return err
	}
	c.size += int64(len(line))
	c.last = next
	c.added++
	return notSynced
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

// takeBack cuts off what was written of a line. If that fails too, the line stays torn until reload closes it
// off.
func (c *chain) takeBack(written int) {
	if written == 0 {
		return
	}
	if err := c.cfg.disk.truncate(c.file, c.size); err != nil {
		c.stale = true
	}
}
