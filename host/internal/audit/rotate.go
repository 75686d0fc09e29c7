package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// rotateFor begins the next file when a line of so many bytes of members does not fit into this one.
func (c *chain) rotateFor(members int) error {
	if c.size > 0 && c.size+lineSize(members) > c.cfg.MaxFileSize {
		if err := c.beginFile(); err != nil {
			return err
		}
	}
	if c.size > 0 || c.last.Seq == 0 {
		return nil
	}
	return c.writeRotate() // also when another process was ended between the new file and its first line
}

// beginFile makes the next file. The head tells its number first: who finds the number higher than that of
// its own file goes looking.
func (c *chain) beginFile() error {
	if c.cfg.Sync != SyncNever {
		if err := c.force(); err != nil {
			return err
		}
	}
	c.stale = true
	if err := c.head.write(head{Point: c.last, file: c.number + 1}.append(nil)); err != nil {
		return err
	}
	if err := c.open(c.number + 1); err != nil {
		return err
	}
	if c.size > 0 {
		return fmt.Errorf("audit: %s is there already; move it away", c.path)
	}
	c.stale = false
	c.known = head{Point: c.last, file: c.number}.append(c.known[:0])
	if c.cfg.Sync == SyncNever {
		return nil
	}
	return c.syncDir()
}

// syncDir makes the new file's name outlive a power loss.
func (c *chain) syncDir() error {
	dir, err := os.Open(c.cfg.Dir)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	err = errors.Join(c.cfg.disk.sync(dir), dir.Close())
	if err != nil {
		return fmt.Errorf("audit: sync the directory: %w", err)
	}
	return nil
}

// writeRotate writes the first line of a file, which says where the chain begins from now on, and after it
// removes what lies before that.
func (c *chain) writeRotate() error {
	numbers, err := fileNumbers(c.cfg.Dir)
	if err != nil {
		return err
	}
	gone := 0
	if c.cfg.MaxFiles > 0 {
		gone = max(0, len(numbers)-c.cfg.MaxFiles)
	}
	var e encoder
	e.begin(rotateEvent, time.Now())
	e.text("file", filepath.Base(c.path), maxName)
	begins, err := c.firstOf(numbers[gone])
	if err != nil { // a file without a good line: verify tells of it, and it stays
		gone = 0
	} else {
		e.number("begins_seq", int64(begins.Seq))
		e.hash("begins_prev", begins.Hash)
	}
	if _, err := c.write(nil, e.b); err != nil {
		return err
	}
	for _, n := range numbers[:gone] {
		if err := os.Remove(filePath(c.cfg.Dir, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil // the next rotation tries again, and a file too many harms nobody
		}
	}
	return nil
}

// firstOf returns the number of the first good line of a file, and the hash before it.
func (c *chain) firstOf(number int) (Point, error) {
	if number == c.number {
		return Point{Seq: c.last.Seq + 1, Hash: c.last.Hash}, nil
	}
	f, err := os.Open(filePath(c.cfg.Dir, number))
	if err != nil {
		return Point{}, fmt.Errorf("audit: %w", err)
	}
	defer func() { _ = f.Close() }() // it was read only
	for s := newScanner(io.Reader(f)); ; {
		p, err := s.next()
		if err != nil {
			return Point{}, fmt.Errorf("audit: read %s: %w", f.Name(), err)
		}
		if r, err := p.record(); err == nil {
			return Point{Seq: r.Seq, Hash: r.prev}, nil
		}
	}
}
