package discover

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// walker looks through one plugin directory. All reading goes through root, so that a name which is swapped
// for a link between a check and its use cannot lead out of the directory.
type walker struct {
	root *os.Root
	base string // absolute path of root, without symbolic links
	euid int
	res  *Result
}

func (w *walker) abs(rel string) string { return filepath.Join(w.base, rel) }

func (w *walker) refuse(rel string, f flaw) {
	w.res.Refusals = append(w.res.Refusals, Refusal{Path: w.abs(rel), Reason: f.reason, Fix: f.fix})
}

// dir looks through a directory; an error means that it could not be read.
func (w *walker) dir(rel string) error {
	info, err := w.root.Lstat(rel)
	if err != nil {
		return err
	}
	if f, bad := unsafeDir(w.abs(rel), info, w.euid); bad {
		w.refuse(rel, f)
		return nil
	}
	entries, err := fs.ReadDir(w.root.FS(), rel)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !skipped(e.Name()) {
			w.entry(filepath.Join(rel, e.Name()), e.Type())
		}
	}
	return nil
}

func (w *walker) entry(rel string, t fs.FileMode) {
	var err error
	switch {
	case t.IsDir():
		err = w.dir(rel)
	case t.IsRegular():
		err = w.file(rel, filepath.Base(rel))
	case t&fs.ModeSymlink != 0:
		err = w.link(rel)
	}
	if err != nil {
		w.refuse(rel, unreadable(w.abs(rel), err))
	}
}

// link follows a symbolic link as far as it stays inside: to the file itself, whose way is judged like any
// other. A link to a directory is passed over, as the directory is walked under its own name.
func (w *walker) link(rel string) error {
	target, err := filepath.EvalSymlinks(w.abs(rel))
	if err != nil {
		return err
	}
	info, err := os.Lstat(target)
	if err != nil {
		return err
	}
	inside, err := filepath.Rel(w.base, target)
	switch {
	case err != nil || !filepath.IsLocal(inside):
		if info.IsDir() || executable(info) {
			w.refuse(rel, leaves(w.abs(rel), target))
		}
		return nil
	case !executable(info):
		return nil
	}
	for dir := filepath.Dir(inside); dir != "."; dir = filepath.Dir(dir) {
		info, err := w.root.Lstat(dir)
		if err != nil {
			return err
		}
		if f, bad := unsafeDir(w.abs(dir), info, w.euid); bad {
			w.refuse(dir, f)
			return nil
		}
	}
	return w.file(inside, filepath.Base(rel))
}

// file takes a file, refuses it, or passes over what is no program. What it judges and hashes is the open
// file.
func (w *walker) file(rel, name string) error {
	if info, err := w.root.Lstat(rel); err != nil || !executable(info) {
		return err
	}
	f, err := w.root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0) // not to hang on what has become a FIFO
	if err != nil {
		return err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil || !executable(info) {
		return err
	}
	head := make([]byte, 4)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if !program(head[:n]) {
		return nil
	}
	if bad, is := unsafeFile(w.abs(rel), info, w.euid); is {
		w.refuse(rel, bad)
		return nil
	}
	w.res.Candidates = append(w.res.Candidates, Candidate{
		Name: name, Path: w.abs(rel), Dir: w.base, Stamp: stampOf(info),
	})
	return nil
}

func executable(info fs.FileInfo) bool { return info.Mode().IsRegular() && info.Mode()&0o111 != 0 }

// magics are the first bytes of what the kernel executes: ELF, Mach-O in its byte orders and as a universal
// file, "#!".
var magics = [][]byte{
	[]byte("\x7fELF"),
	{0xfe, 0xed, 0xfa, 0xce}, {0xfe, 0xed, 0xfa, 0xcf}, {0xce, 0xfa, 0xed, 0xfe}, {0xcf, 0xfa, 0xed, 0xfe},
	{0xca, 0xfe, 0xba, 0xbe},
	[]byte("#!"),
}

func program(head []byte) bool {
	return slices.ContainsFunc(magics, func(m []byte) bool { return bytes.HasPrefix(head, m) })
}

var (
	skippedPrefixes = []string{".", "_", "Test", "Mock", "Abstract", "Example"}
	skippedSuffixes = []string{"Base", "Mixin", "Interface"}
)

func skipped(name string) bool {
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	return slices.ContainsFunc(skippedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) ||
		slices.ContainsFunc(skippedSuffixes, func(s string) bool { return strings.HasSuffix(stem, s) })
}
