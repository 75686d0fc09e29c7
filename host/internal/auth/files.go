package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// stamp tells one state of a file from another; the zero stamp is that of a file that is not there.
//
// It suffices. Whoever writes by this package puts a new file into the place of the old one, so that the
// inode differs. The number of an inode may be used again, though, by the file after next, and a clock of the
// kernel moves only every few milliseconds: therefore a writer also gives each file a later time than that of
// the file that it replaces, see [replaceFile], and no two that ever stood under one name have the same inode
// and time. An editor that writes into the file changes the times as well, and chmod and chown change ctime.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // ns since 1970
	errno        unix.Errno
	unread       bool // could not be read for a reason that may pass; is equal to no stamp of a look
}

// lookAt takes the stamp of what is under a name now, of a symbolic link itself. It allocates the name as the
// kernel wants it, no more.
func lookAt(path string) stamp {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	for err == unix.EINTR {
		err = unix.Lstat(path, &st)
	}
	var errno unix.Errno
	switch {
	case err == nil:
		return stampOf(&st)
	case err == unix.ENOENT:
		return stamp{}
	case errors.As(err, &errno):
		return stamp{errno: errno}
	}
	return stamp{unread: true}
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
	}
}

func (s stamp) modified() time.Time { return time.Unix(0, s.mtime) }

// readFile reads a file of the state directory that its owner alone may read and write. The stamp is of before
// the first byte was read: who writes meanwhile changes it.
//
// Who can write to the directory must not choose which file of somebody else, such as root, is read in its
// place: neither by a symbolic link, which is not followed, nor by another name (a hard link) of a file that is
// not theirs.
func readFile(path string, most int64) (raw []byte, s stamp, err error) {
	s = stamp{unread: true}
	f, err := openThere(path, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return nil, stamp{}, err
	}
	if err != nil {
		return nil, s, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, s, fmt.Errorf("look at %s: %w", path, err)
	}
	if err := checkFile(path, &st, most); err != nil {
		return nil, stampOf(&st), err
	}
	if err := checkOwner(path, &st); err != nil {
		return nil, s, err // which ends when the directory gets another owner, and no stamp tells that
	}
	raw, err = io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, s, err
	}
	if int64(len(raw)) > most { // it has grown since
		return nil, s, tooLarge(path, int64(len(raw)), most)
	}
	return raw, stampOf(&st), nil
}

// openThere opens the file that is there, and nothing to which it points. A pipe in its place does not hold us
// up.
func openThere(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link; put the file itself in its place", path)
	}
	return f, err
}

func checkFile(path string, st *unix.Stat_t, most int64) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a file; move it away", path)
	case st.Mode&0o077 != 0:
		return fmt.Errorf("%s can be read or written by others; make it safe with: chmod 600 %s", path, path)
	case st.Size > most:
		return tooLarge(path, st.Size, most)
	}
	return nil
}

func tooLarge(path string, has, most int64) error {
	return fmt.Errorf("%s has %d bytes, allowed are %d", path, has, most)
}

// replaceFile puts a whole file (0600) into the place of another, for good. Its time is later than that of
// the one before, however fast they follow each other.
func replaceFile(dir, name string, raw []byte) error {
	path := filepath.Join(dir, name)
	temporary, err := writeTemporary(dir, "."+name+"-*", raw)
	if err != nil {
		return err
	}
	before := lookAt(path).modified()
	at := time.Now()
	if !at.After(before) {
		at = before.Add(time.Microsecond)
	}
	err = setTime(temporary, at)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(dir)
}

// setTime sets the time of a file, not of one to which it points by now.
func setTime(path string, at time.Time) error {
	ts := unix.NsecToTimespec(at.UnixNano())
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("set the time of %s: %w", path, err)
	}
	return nil
}

// writeTemporary writes a file (0600) that waits for its name.
func writeTemporary(dir, pattern string, raw []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, pattern) // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, own(f, dir), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncDir makes a new name survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
