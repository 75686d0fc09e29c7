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

	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
)

// walker looks through one plugin directory. All reading goes through root, so that a name which is swapped
// for a link between a check and its use cannot lead out of the directory.
type walker struct {
	root *os.Root
	base string // absolute path of root, without symbolic links
	euid int
	res  *Result

	locked bool
	lock   *pin.Lock // nil: there is none, or none that can be used
}

func (w *walker) abs(rel string) string { return filepath.Join(w.base, rel) }

func (w *walker) refuse(rel string, f flaw) {
	w.res.Refusals = append(w.res.Refusals, Refusal{Path: w.abs(rel), Reason: f.reason, Fix: f.fix})
}

// start looks through the whole directory; an error means that it could not be read.
func (w *walker) start() error {
	fit, err := w.fit(".")
	if err != nil || !fit {
		return err
	}
	w.readLock()
	return w.entries(".")
}

func (w *walker) dir(rel string) error {
	fit, err := w.fit(rel)
	if err != nil || !fit {
		return err
	}
	return w.entries(rel)
}

// fit judges a directory, and refuses it if nobody may rely on what lies in it.
func (w *walker) fit(rel string) (bool, error) {
	info, err := w.root.Lstat(rel)
	if err != nil {
		return false, err
	}
	if f, bad := unsafeDir(w.abs(rel), info, w.euid); bad {
		w.refuse(rel, f)
		return false, nil
	}
	return true, nil
}

func (w *walker) entries(rel string) error {
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
		w.res.Refusals[len(w.res.Refusals)-1].Temporary = temporary(err)
	}
}

// link follows a symbolic link as far as it stays inside: to the file itself, whose way is judged like any
// other. A link to a directory is passed over, as the directory is walked under its own name.
func (w *walker) link(rel string) error {
	target, info, err := w.target(rel)
	if err != nil {
		return err
	}
	inside, ok := w.inside(target)
	switch {
	case !ok && (info.IsDir() || executable(info)):
		w.refuse(rel, leaves(w.abs(rel), target))
		return nil
	case !ok || !executable(info):
		return nil
	}
	if fit, err := w.fitWay(inside); err != nil || !fit {
		return err
	}
	return w.file(inside, filepath.Base(rel))
}

// target is where a path leads to, through all links.
func (w *walker) target(rel string) (string, fs.FileInfo, error) {
	target, err := filepath.EvalSymlinks(w.abs(rel))
	if err != nil {
		return "", nil, err
	}
	info, err := os.Lstat(target)
	return target, info, err
}

func (w *walker) inside(target string) (rel string, ok bool) {
	rel, err := filepath.Rel(w.base, target)
	return rel, err == nil && filepath.IsLocal(rel)
}

// fitWay judges the directories between the plugin directory and a file that a link led to.
func (w *walker) fitWay(rel string) (bool, error) {
	for dir := filepath.Dir(rel); dir != "."; dir = filepath.Dir(dir) {
		if fit, err := w.fit(dir); err != nil || !fit {
			return false, err
		}
	}
	return true, nil
}

// file takes a file, refuses it, or passes over what is no program. What it judges is the open file.
func (w *walker) file(rel, name string) error {
	if filepath.Base(rel) == pin.FileName {
		return nil
	}
	if info, err := w.root.Lstat(rel); err != nil || !executable(info) {
		return err
	}
	f, err := w.open(rel)
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
	c := Candidate{Name: name, Path: w.abs(rel), Dir: w.base, Stamp: stampOf(info), Locked: w.locked}
	if p, ok := w.lock.Find(filepath.ToSlash(rel)); ok {
		c.Pin = &p
	}
	w.res.Candidates = append(w.res.Candidates, c)
	return nil
}

// open does not hang on what has become a FIFO.
func (w *walker) open(rel string) (*os.File, error) {
	return w.root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
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
