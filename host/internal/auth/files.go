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

const (
	lockName     = ".tokens.lock"
	lockPatience = 5 * time.Second // a change takes milliseconds
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

// lookAt takes the stamp of what is under a name now. It allocates the name as the kernel wants it, no more.
func lookAt(path string) stamp {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	for err == unix.EINTR {
		err = unix.Stat(path, &st)
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

// readFile reads a file that its owner alone may read and write. The stamp is of before the first byte was
// read: who writes meanwhile changes it.
func readFile(path string, most int64) (raw []byte, s stamp, err error) {
	s = stamp{unread: true}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe in its place must not hold us up
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
	raw, err = io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, s, err
	}
	if int64(len(raw)) > most { // it has grown since
		return nil, s, tooLarge(path, int64(len(raw)), most)
	}
	return raw, stampOf(&st), nil
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
	err = os.Chtimes(temporary, at, at)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(dir)
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

// own gives a file that root makes to the owner of the directory: a host that runs as somebody else must be
// able to read it.
func own(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// syncDir makes a new name survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockDir keeps other processes, and other stores of this one, from writing at the same time.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the tokens: %w", err)
	}
	err = own(f, dir)
	if err == nil {
		err = flock(f, lockPatience)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the tokens: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // which gives the lock back
}

func flock(f *os.File, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("another process has held %s for %v; end it", f.Name(), patience)
		default:
			<-time.After(2 * time.Millisecond)
		}
	}
}
