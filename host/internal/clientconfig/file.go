package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// maxFile is how many bytes a file may have. That of Claude Code, with years of history in it, has a few
// million.
const maxFile = 64 << 20

// maxBackups is how many of our backups of one file stay.
const maxBackups = 5

const backupMark = ".gatehouse-backup-"

// backupTime sorts as text.
const backupTime = "20060102T150405.000Z"

var backupRE = regexp.MustCompile(`\A\d{8}T\d{6}\.\d{3}Z\z`)

// file is one as it was read.
type file struct {
	path    string // absolute, without symbolic links as far as it exists
	exists  bool
	raw     []byte
	was     fs.FileMode // as it was read
	mode    fs.FileMode // after a change
	dirMode fs.FileMode // of folders that have to be made for it
	gid     int         // of the group; -1: whichever a new file gets
	euid    int         // whom this program runs as
}

var errChanged = errors.New("it has changed since it was read, perhaps by its client; type the same again")

// open reads a file, and refuses one that could not be replaced without loss. One that is not there is fine.
func open(path string) (file, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return file{path: path}, err
	}
	f := file{path: abs, was: 0o600, mode: 0o600, dirMode: 0o700, gid: -1, euid: os.Geteuid()}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(abs); err == nil {
			return f, refused(f, errors.New("it is a symbolic link that leads nowhere"),
				"make what it leads to, or remove it")
		}
		return f, f.checkDir()
	}
	if err != nil {
		return f, fmt.Errorf("look at %s: %w", abs, err)
	}
	f.path = real
	info, err := os.Stat(real)
	if err != nil {
		return f, err
	}
	if err := f.checkFile(info); err != nil {
		return f, err
	}
	f.exists, f.was, f.mode = true, info.Mode().Perm(), info.Mode().Perm()
	f.raw, err = f.read()
	return f, err
}

func refused(f file, why error, do string) error { return &Refused{Path: f.path, Why: why, Do: do} }

func (f *file) checkFile(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return refused(*f, errors.New("it is not a regular file"), "name another with --path")
	}
	if info.Size() > maxFile {
		return refused(*f, fmt.Errorf("it has %d bytes; allowed are %d", info.Size(), maxFile), "add the entry by hand")
	}
	if info.Mode().Perm()&0o200 == 0 {
		return refused(*f, errors.New("it is write-protected"),
			"make it writable with chmod u+w, or add the entry by hand")
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	f.gid = int(st.Gid)
	if int(st.Uid) != f.euid {
		return refused(*f, fmt.Errorf("it belongs to the user %d, and this program runs as %d", st.Uid, f.euid),
			"type this as its owner, without sudo")
	}
	if st.Nlink > 1 {
		return refused(*f, errors.New("it has another name elsewhere (a hard link), which would not see the change"),
			"add the entry by hand")
	}
	return nil
}

// checkDir refuses to make a file of root's in the folder of another user, who could not change it then.
func (f *file) checkDir() error {
	if f.euid != 0 {
		return nil
	}
	for dir := filepath.Dir(f.path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return refused(*f, fmt.Errorf("%s belongs to the user %d, and this program runs as root", dir, st.Uid),
				"type this as that user, without sudo")
		}
		return nil
	}
}

func (f *file) read() ([]byte, error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer in.Close() // only read
	raw, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	if len(raw) > maxFile {
		return nil, refused(*f, fmt.Errorf("it has more than %d bytes", maxFile), "add the entry by hand")
	}
	return raw, nil
}

// become is the change of the file to other bytes. It is its user's alone when something secret comes into
// it, and when it is new and no project's.
func (f file) become(after []byte, secret, project bool) Change {
	if !f.exists && project {
		f.dirMode = 0o755
		if !secret {
			f.was, f.mode = 0o644, 0o644
		}
	}
	if secret && f.mode&0o077 != 0 {
		f.mode = 0o600
	}
	return Change{Path: f.path, Exists: f.exists, Before: f.raw, After: after, file: f}
}

// replace puts other bytes in the place of the file, and returns the path of the backup.
func (f file) replace(after []byte, now time.Time) (backup string, err error) {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, f.dirMode); err != nil {
		return "", err
	}
	tmp, err := f.stage(dir, after)
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp) // it is gone when all went well
	if f.exists {
		if backup, err = f.backUp(now); err != nil {
			return "", fmt.Errorf("keep a backup: %w", err)
		}
	}
	if err := f.unchanged(); err != nil {
		if backup != "" {
			err = errors.Join(err, os.Remove(backup))
		}
		return "", err
	}
	if err := os.Rename(tmp, f.path); err != nil {
		return "", err
	}
	f.forget()
	return backup, sync(dir)
}

// stage writes the bytes into a file beside the one that they will replace.
func (f file) stage(dir string, after []byte) (string, error) {
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(f.path)+".gatehouse-*")
	if err != nil {
		return "", err
	}
	if f.gid >= 0 {
		_ = tmp.Chown(-1, f.gid) // the group is kept where the system lets us
	}
	_, err = tmp.Write(after)
	if err = errors.Join(err, tmp.Chmod(f.mode), tmp.Sync(), tmp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(tmp.Name()))
	}
	return tmp.Name(), nil
}

// unchanged reports an error when the file is no longer as it was read.
func (f file) unchanged() error {
	if !f.exists {
		if _, err := os.Lstat(f.path); !errors.Is(err, fs.ErrNotExist) {
			return errChanged
		}
		return nil
	}
	raw, err := f.read()
	if err == nil && !bytes.Equal(raw, f.raw) {
		err = errChanged
	}
	return err
}

// backUp writes what was read into a file beside it, which is its owner's alone: it may hold what has just
// been taken out of the file. Its name sorts behind those of all backups that there are, also when the clock
// was set back.
func (f file) backUp(now time.Time) (string, error) {
	if all := f.backups(); len(all) > 0 {
		last, err := time.Parse(backupTime, all[len(all)-1][len(filepath.Base(f.path)+backupMark):])
		if err == nil && !now.After(last) {
			now = last.Add(time.Millisecond)
		}
	}
	for {
		path := f.path + backupMark + now.UTC().Format(backupTime)
		out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			now = now.Add(time.Millisecond)
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = out.Write(f.raw)
		if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
			return "", errors.Join(err, os.Remove(path))
		}
		return path, nil
	}
}

// forget removes all backups of ours but the newest, and closes those to others: earlier versions left them
// as open as the file was. What cannot be done is left.
func (f file) forget() {
	all := f.backups()
	keep := max(0, len(all)-maxBackups)
	for i, name := range all {
		path := filepath.Join(filepath.Dir(f.path), name)
		if i < keep {
			_ = os.Remove(path)
			continue
		}
		_ = os.Chmod(path, 0o600)
	}
}

// backups are the names of our backups of the file, oldest first.
func (f file) backups() []string {
	entries, err := os.ReadDir(filepath.Dir(f.path)) // sorted
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		at, ours := strings.CutPrefix(e.Name(), filepath.Base(f.path)+backupMark)
		if ours && backupRE.MatchString(at) && e.Type().IsRegular() { // not a link to what is another's
			names = append(names, e.Name())
		}
	}
	return names
}

// sync makes a rename last.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
