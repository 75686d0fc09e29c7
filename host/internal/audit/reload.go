package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// follow takes over the lines that another process added to the same file, when the last of them is the one
// that the head tells of. It reports false when there is more to it.
func (c *chain) follow(size int64) bool {
	h, ok := c.head.read()
	if !ok || h.file != c.number {
		return false
	}
	end, err := lastLine(c.file, c.size, size)
	if err != nil || end.offset != size || end.Point != h.Point {
		return false
	}
	c.size, c.last, c.known = size, h.Point, h.append(c.known[:0])
	return true
}

// reload looks at the directory anew: after the start, and when it is not as this process left it.
func (c *chain) reload() error {
	c.stale = true
	if c.head.replaced() {
		if err := c.head.renew(); err != nil {
			return err
		}
	}
	h, readable := c.head.read()
	numbers, err := fileNumbers(c.cfg.Dir)
	if err != nil {
		return err
	}
	fresh := len(numbers) == 0 && (!readable || h.Seq == 0)
	newest := max(h.file, 1)
	if len(numbers) > 0 {
		newest = numbers[len(numbers)-1]
	}
	if fresh { // the head first: without it the first line would look like one that the head was taken from
		h, readable = head{Point: c.last, file: newest}, true
		if err := c.head.write(h.append(nil)); err != nil {
			return err
		}
	}
	if err := c.open(newest); err != nil {
		return err
	}
	end, err := c.findEnd(numbers)
	if err != nil {
		return err
	}
	c.known = c.known[:0]
	if readable {
		c.known = h.append(c.known)
	}
	if err := c.goOn(end, h, readable); err != nil {
		return err
	}
	c.stale, c.look = false, false
	return nil
}

// goOn extends the chain from its last good line on. When the directory has no line, and this process knew of
// some, the chain goes on after those: who has a copy of them can show that the two belong together.
func (c *chain) goOn(end ending, h head, readable bool) error {
	had := c.last
	if end.Seq > 0 {
		c.last = end.Point
	}
	from := c.last
	err := c.mend(end, h, readable, had)
	if err != nil && c.last == from {
		c.last = had // nobody has been told yet what is missing
	}
	return err
}

// open opens a file as the one that is written.
func (c *chain) open(number int) error {
	path := filePath(c.cfg.Dir, number)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("audit: open: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return errors.Join(fmt.Errorf("audit: %s: %w", path, err), f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.Join(fmt.Errorf("audit: %s is no regular file; move it away", path), f.Close())
	}
	if c.file != nil {
		_ = c.file.Close() // every write has been answered for already
	}
	c.file, c.path, c.number, c.inode, c.size = f, path, number, st.Ino, st.Size
	return nil
}

// ending is the last good line of the trail.
type ending struct {
	Point
	prev   Hash
	offset int64 // in the file that is written, where that line ends
}

// findEnd looks for the last good line, in older files too when the newest has none.
func (c *chain) findEnd(numbers []int) (ending, error) {
	end, err := lastLine(c.file, 0, c.size)
	if err != nil {
		return ending{}, fmt.Errorf("audit: read %s: %w", c.path, err)
	}
	for i := len(numbers) - 2; i >= 0 && end.Seq == 0; i-- {
		older, err := lastLineOf(filePath(c.cfg.Dir, numbers[i]))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ending{}, err
		}
		end.Point, end.prev = older.Point, older.prev
	}
	return end, nil
}

func lastLineOf(path string) (ending, error) {
	f, err := os.Open(path)
	if err != nil {
		return ending{}, fmt.Errorf("audit: %w", err)
	}
	defer func() { _ = f.Close() }() // it was read only
	info, err := f.Stat()
	if err != nil {
		return ending{}, fmt.Errorf("audit: %w", err)
	}
	return lastLine(f, 0, info.Size())
}

// lastLine finds the last good line between two offsets. It looks at the end, and only when there is none
// reads everything. The zero ending, with the first offset: there is no good line.
func lastLine(f io.ReaderAt, from, to int64) (ending, error) {
	start := max(from, to-2*maxLine)
	tail := make([]byte, to-start)
	if n, err := f.ReadAt(tail, start); err != nil && n < len(tail) {
		return ending{}, err
	}
	for tail = tail[:bytes.LastIndexByte(tail, '\n')+1]; len(tail) > 0; {
		begin := bytes.LastIndexByte(tail[:len(tail)-1], '\n') + 1
		if begin == 0 && start > from {
			break // it begins before what was read
		}
		if r, err := parseLine(tail[begin : len(tail)-1]); err == nil {
			return ending{Point: r.Point, prev: r.prev, offset: start + int64(len(tail))}, nil
		}
		tail = tail[:begin]
	}
	if start == from {
		return ending{offset: from}, nil
	}
	return scanForLast(f, from, to)
}

func scanForLast(f io.ReaderAt, from, to int64) (ending, error) {
	end := ending{offset: from}
	s := newScanner(io.NewSectionReader(f, from, to-from))
	for {
		p, err := s.next()
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return ending{}, err
		}
		if r, err := p.record(); err == nil {
			end = ending{Point: r.Point, prev: r.prev, offset: from + s.offset}
		}
	}
}

// What a recover record says of the head.
const (
	headCut     = "lines that the head tells of are gone"
	headDiffers = "the head is not of this chain"
	headGone    = "the head cannot be read"
	linesGone   = "lines that this process wrote or saw are gone"
)

// headProblem compares the head, and the last line that this process knew, with the last good line. A head
// that is behind is no problem: the process was ended between line and head, or power was lost before the
// head was on disk.
func headProblem(end ending, h head, readable bool, had Point) string {
	switch {
	case had.Seq > end.Seq, had.Seq == end.Seq && had.Hash != end.Hash:
		return linesGone
	case !readable:
		return headGone
	case h.Seq > end.Seq:
		return headCut
	case h.Seq == end.Seq && h.Hash != end.Hash, h.Seq+1 == end.Seq && h.Hash != end.prev:
		return headDiffers
	}
	return ""
}

// torn begins the hash of torn bytes, and says whether they are a line that lacks its end alone.
func (c *chain) torn(offset, length int64) (whole bool, sum hash.Hash, err error) {
	sum = sha256.New()
	var line bytes.Buffer
	from := io.TeeReader(io.NewSectionReader(c.file, offset, length), sum)
	if _, err := io.Copy(&line, io.LimitReader(from, maxLine)); err != nil {
		return false, nil, err
	}
	if _, err := io.Copy(io.Discard, from); err != nil {
		return false, nil, err
	}
	_, err = parseLine(line.Bytes())
	return err == nil && length < maxLine, sum, nil
}

// mend writes a recover record when the end of the trail is not what it should be. Torn bytes stay where they
// are, as the line before that record.
func (c *chain) mend(end ending, h head, readable bool, had Point) error {
	problem := headProblem(end, h, readable, had)
	torn := c.size - end.offset
	if torn == 0 && problem == "" {
		return nil
	}
	var e encoder
	e.begin(recoverEvent, time.Now())
	var before []byte
	if torn > 0 {
		whole, sum, err := c.torn(end.offset, torn)
		if err != nil {
			return fmt.Errorf("audit: read %s: %w", c.path, err)
		}
		before = []byte("\n")
		if whole { // but for its end, which would make a line of it that nobody acknowledged
			before = []byte(" \n")
			sum.Write([]byte(" ")) // never fails
			torn++
		}
		e.number("torn_offset", end.offset)
		e.number("torn_length", torn)
		e.hash("torn_sha256", Hash(sum.Sum(nil)))
	}
	e.text("problem", problem, maxName)
	if readable {
		e.number("head_seq", int64(h.Seq))
		e.hash("head_hash", h.Hash)
	}
	if problem == linesGone {
		e.number("had_seq", int64(had.Seq))
		e.hash("had_hash", had.Hash)
	}
	_, err := c.write(before, e.b)
	return err
}
