package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Options says what to verify beyond the chain itself.
type Options struct {
	// Expect is a line that was noted earlier and must still be there; zero: none. It alone finds a trail that
	// was written anew as a whole.
	Expect Point
}

// Finding is something that Verify found.
type Finding struct {
	File    string `json:"file,omitempty"` // name in the directory; empty: the trail as a whole
	Line    int    `json:"line,omitempty"` // from 1
	Seq     uint64 `json:"seq,omitempty"`  // that the line has, or claims
	Problem string `json:"problem"`
	Note    bool   `json:"note"` // worth knowing, and no sign of a change
}

// String says it in one line.
func (f Finding) String() string {
	place := f.File
	if f.Line > 0 {
		place += fmt.Sprintf(":%d", f.Line)
	}
	if f.Seq > 0 {
		place += fmt.Sprintf(" (seq %d)", f.Seq)
	}
	if place != "" {
		place += ": "
	}
	return place + f.Problem
}

// Result is what Verify saw.
type Result struct {
	Files int       `json:"files"`
	Lines uint64    `json:"lines"` // good ones
	First uint64    `json:"first_seq"`
	From  time.Time `json:"from"` // of the first line
	Last  Point     `json:"last"` // the head of the chain, to be noted elsewhere
	To    time.Time `json:"to"`   // of the last line
	Torn  int       `json:"torn"` // torn lines that were closed off
	Lost  uint64    `json:"lost"` // lines that gap records count

	Removed uint64 `json:"removed"` // lines before the first, which went with the oldest files (Config.MaxFiles)
	Summed  uint64 `json:"summed"`  // refusals and plans that have no line of their own, but are in a sum

	Broken int `json:"broken"` // findings that are no notes
	Notes  int `json:"notes"`
}

// maxFindings is how many findings are told one by one; all are counted.
const maxFindings = 1000

// verifier goes through the files in order.
type verifier struct {
	result   Result
	findings []Finding
	expect   Point
	head     Point

	file      string
	line      int
	firstGood bool // the next good line is the first of its file
	region    region

	prev   Point // the good line before; Seq 0: none yet
	first  Point // the first good line's number, and the hash before it
	begins Point // where the chain begins by the last rotate record; Seq 0: none said so
	began  bool  // one of them said that it begins where it does
	anew   bool  // a host had to begin the chain anew: what was before it went in no rotation
	met    bool  // the expected line was found

	headMet bool // the line that the head tells of was found
}

// Verify reads the whole trail of a directory, in bounded memory, and finds whatever is not as it was
// written: changed, missing, moved or added bytes. It keeps writers out only for the moment in which it
// looks how far to read. The trail is unbroken when Result.Broken is 0. The error is of reading, not of the
// trail.
func Verify(ctx context.Context, dir string, opts Options) (Result, []Finding, error) {
	s, err := snapshotOf(dir)
	if err != nil {
		return Result{}, nil, err
	}
	v := &verifier{expect: opts.Expect, head: s.head.Point, headMet: s.head.Point == Point{}}
	for i, n := range s.numbers {
		size := int64(-1)
		if i == len(s.numbers)-1 {
			size = s.size
		} else if s.numbers[i+1] != n+1 {
			v.find("", 0, 0, "%s is missing", fileName(n+1))
		}
		if err := v.readFile(ctx, filePath(dir, n), size); err != nil {
			return v.result, v.findings, err
		}
		v.endFile(i == len(s.numbers)-1)
	}
	v.finish(s)
	return v.result, v.findings, nil
}

// snapshot is how far the trail reaches at one moment.
type snapshot struct {
	numbers []int
	size    int64 // of the newest file
	head    head
	problem string // with the head; empty: none
}

func snapshotOf(dir string) (s snapshot, err error) {
	f, noHead := os.Open(filepath.Join(dir, headName))
	switch {
	case errors.Is(noHead, fs.ErrNotExist):
		s.problem = headName + " is missing: lines cut off the end would not be seen"
	case noHead != nil:
		return s, fmt.Errorf("audit: %w", noHead)
	default:
		defer func() { _ = f.Close() }() // it was read only
		if err := flock(f, unix.LOCK_SH, lockPatience); err != nil {
			return s, fmt.Errorf("audit: lock %s: %w", f.Name(), err)
		}
		h := headFile{file: f}
		var ok bool
		if s.head, ok = h.read(); !ok {
			s.problem = headName + " was changed: lines cut off the end would not be seen"
		}
	}
	if s.numbers, err = fileNumbers(dir); err != nil {
		return s, err
	}
	if len(s.numbers) == 0 {
		if errors.Is(noHead, fs.ErrNotExist) {
			return s, fmt.Errorf("audit: there is no trail in %s", dir)
		}
		return s, nil
	}
	info, err := os.Stat(filePath(dir, s.numbers[len(s.numbers)-1]))
	if err != nil {
		return s, fmt.Errorf("audit: %w", err)
	}
	s.size = info.Size()
	return s, nil
}

func (v *verifier) readFile(ctx context.Context, path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("audit: %w; when the trail was rotated meanwhile, run verify again", err)
	}
	defer func() { _ = f.Close() }() // it was read only
	var r io.Reader = f
	if size >= 0 {
		r = io.LimitReader(f, size)
	}
	v.file, v.line, v.firstGood, v.region = filepath.Base(path), 0, true, newRegion(0)
	v.result.Files++
	for s := newScanner(r); ; {
		p, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("audit: read %s: %w", path, err)
		}
		v.piece(p, s.offset)
	}
}

// find tells a finding.
func (v *verifier) find(file string, line int, seq uint64, format string, args ...any) {
	v.result.Broken++
	v.add(Finding{File: file, Line: line, Seq: seq, Problem: fmt.Sprintf(format, args...)})
}

func (v *verifier) note(line int, seq uint64, format string, args ...any) {
	v.result.Notes++
	v.add(Finding{File: v.file, Line: line, Seq: seq, Problem: fmt.Sprintf(format, args...), Note: true})
}

func (v *verifier) add(f Finding) {
	if len(v.findings) < maxFindings {
		v.findings = append(v.findings, f)
	}
}

// finish looks at the trail as a whole: where it begins, where it ends, and what was expected of it.
func (v *verifier) finish(s snapshot) {
	v.result.Last = v.prev
	switch {
	case s.problem != "":
		v.find("", 0, 0, "%s", s.problem)
	case s.head.Seq > v.prev.Seq:
		v.find("", 0, 0, "the trail ends with seq %d, but %s tells of seq %d: lines are missing at the end",
			v.prev.Seq, headName, s.head.Seq)
	case !v.headMet:
		v.find("", 0, 0, "%s tells of another line with seq %d", headName, s.head.Seq)
	case s.head.Seq < v.prev.Seq:
		v.note(0, 0, "%s is %d lines behind: a host or the machine was ended while it wrote", headName,
			v.prev.Seq-s.head.Seq)
	}
	if v.prev.Seq > 0 {
		v.checkBegin()
	}
	if v.expect.Seq > 0 && !v.met {
		v.find("", 0, 0, "the line %s, which was expected, is not in the trail (seq %d to %d)", v.expect,
			v.first.Seq, v.prev.Seq)
	}
}

// removed tells what an unbroken trail does not hold any more.
func (v *verifier) removed() {
	if v.anew {
		return // told already, and not as a note
	}
	v.result.Removed = v.first.Seq - 1
	v.result.Notes++
	v.add(Finding{Note: true, Problem: fmt.Sprintf("lines 1 to %d were removed by rotation (max_files); what "+
		"is left begins with seq %d", v.result.Removed, v.first.Seq)})
}

// checkBegin says whether the chain begins where the last rotation let it begin. It may begin earlier, at a
// place that held before, when the host was ended before it removed the oldest file.
func (v *verifier) checkBegin() {
	if v.first == (Point{Seq: 1}) {
		return
	}
	if v.began && v.first.Seq <= v.begins.Seq {
		v.removed()
		return
	}
	from := uint64(1)
	if v.begins.Seq > 0 {
		from = v.begins.Seq
	}
	v.find("", 0, 0, "the trail begins with seq %d, and should begin with seq %d: older lines are missing or "+
		"were changed", v.first.Seq, from)
}
