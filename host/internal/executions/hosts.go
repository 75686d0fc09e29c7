package executions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

const (
	lockName     = "executions.lock"
	hostsDir     = "executions.hosts"
	lockPatience = 5 * time.Second // what is done under it takes milliseconds
	asidePrefix  = fileName + ".corrupt-"
	maxAside     = 3 // corrupt databases that are kept
)

func newBoot() string { return uuid.NewString() }

// bootLock is the file that a host has locked as long as it lives.
func bootLock(dir, boot string) string { return filepath.Join(dir, hostsDir, boot+".lock") }

// lockDir keeps other hosts from opening, moving and sweeping the database at the same time.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := openLock(filepath.Join(dir, lockName))
	if err == nil {
		err = lockWithin(ctx, f, lockPatience)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the executions: %w", err)
	}
	return func() { _ = f.Close() }, nil // which gives the lock back
}

func openLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
}

// tryLock reports whether nobody else has the lock; now we have.
func tryLock(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

func lockWithin(ctx context.Context, f *os.File, patience time.Duration) error {
	for end := time.Now().Add(patience); ; <-time.After(2 * time.Millisecond) {
		ok, err := tryLock(f)
		if ok {
			return nil
		}
		if err == nil && time.Now().After(end) {
			err = fmt.Errorf("another process has held %s for %v; end it", f.Name(), patience)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
}

// holdBoot says that the host of a boot id lives. The directory is locked.
func holdBoot(dir, boot string) (*os.File, error) {
	if err := os.Mkdir(filepath.Join(dir, hostsDir), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the directory of hosts: %w", err)
	}
	f, err := openLock(bootLock(dir, boot))
	if err != nil {
		return nil, fmt.Errorf("lock the host: %w", err)
	}
	ok, err := tryLock(f)
	if err == nil && !ok {
		err = fmt.Errorf("another process has locked %s", f.Name())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holds reports whether the file by which this host is seen to live is still in its place.
func (s *store) holds() bool {
	ours, err := s.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(bootLock(filepath.Dir(s.path), s.boot))
	return err == nil && os.SameFile(there, ours)
}

// announce says to other hosts that this one lives, where that has not been said. Something that tidies up
// may have taken the file of the lock away, after which others find this host dead: again reports that.
func (s *store) announce(ctx context.Context) (again bool, err error) {
	again = !s.holds()
	if s.announced && !again {
		return false, nil
	}
	dir := filepath.Dir(s.path)
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return false, err
	}
	defer unlock()
	if again {
		lock, err := holdBoot(dir, s.boot)
		if err != nil {
			return false, err
		}
		_ = s.lock.Close() // nobody finds it any more
		s.lock, s.announced = lock, false
	}
	_, err = s.writer.ExecContext(ctx, `insert or replace into hosts (boot, pid, started) values (?, ?, ?)`,
		s.boot, os.Getpid(), time.Now().UnixNano())
	s.announced = err == nil
	return again, err
}

// dead reports whether no process holds the lock of a boot id; then its file is taken away. The directory is
// locked.
func dead(dir, boot string) (bool, error) {
	if !validID(boot) {
		return true, nil // no host of ours has such a name
	}
	f, err := os.OpenFile(bootLock(dir, boot), os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // which gives the lock back
	ok, err := tryLock(f)
	if ok {
		err = os.Remove(f.Name())
	}
	return ok, err
}

// setAside moves a database that is no good out of the way, unless another host has done so.
func setAside(ctx context.Context, dir string, file os.FileInfo, now time.Time) (to string, err error) {
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	there, err := os.Stat(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(there, file) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return rename(dir, now)
}

// rename gives a database and what SQLite puts beside it another name, under which it can still be opened.
// The directory is locked. Of such databases the latest few are kept.
func rename(dir string, now time.Time) (to string, err error) {
	from := filepath.Join(dir, fileName)
	to = filepath.Join(dir, asidePrefix+now.UTC().Format("20060102T150405.000000000Z"))
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(from+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("move the corrupt database aside: %w", err)
		}
	}
	return to, dropAside(dir)
}

func dropAside(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var names []string // of whole databases, the latest first
	for _, e := range entries {
		name := e.Name()
		beside := strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm")
		if strings.HasPrefix(name, asidePrefix) && !beside {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) })
	for _, name := range names[min(len(names), maxAside):] {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			err := os.Remove(filepath.Join(dir, name+suffix))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
