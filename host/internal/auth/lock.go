package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName     = ".tokens.lock"
	lockPatience = 5 * time.Second // a change takes milliseconds
)

// lockDir keeps other processes, and other stores of this one, from writing at the same time.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	f, err := openLock(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the tokens: %w", err)
	}
	if err := flock(f, lockPatience); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the tokens: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // which gives the lock back
}

// openLock opens the file that is locked, and makes it. Only one that this process has just made is given to
// the owner of the directory: any other may be a second name (a hard link) of a file that is not theirs. To lock
// that does nothing to it.
func openLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		if err := own(f, dir); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(path))
		}
		return f, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return openThere(path, os.O_RDWR)
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
