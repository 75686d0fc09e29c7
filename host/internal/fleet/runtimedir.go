package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	runtimePrefix = "gatehouse-run-"
	lockName      = "lock" // held for as long as the host of the directory lives
)

// makeRuntimeDir sees to the directory for sockets; remove takes away one of our own making.
func (f *Fleet) makeRuntimeDir() (remove func(), err error) {
	if f.cfg.RuntimeDir == "" {
		f.runtime, remove, err = ownRuntimeDir(os.TempDir())
		return remove, err
	}
	f.runtime = f.cfg.RuntimeDir
	if err := os.MkdirAll(f.runtime, 0o700); err != nil {
		return nil, fmt.Errorf("make runtime directory: %w", err)
	}
	info, err := os.Stat(f.runtime)
	if err != nil {
		return nil, fmt.Errorf("look at runtime directory: %w", err)
	}
	if info.Mode()&0o022 != 0 {
		return nil, fmt.Errorf("runtime directory %s: others may write to it; type: chmod go-w %[1]s", f.runtime)
	}
	return func() {}, nil
}

// ownRuntimeDir makes a directory of our own in a temporary one, after it took away those that dead hosts
// left: nobody could, of a host that was killed.
func ownRuntimeDir(tmp string) (dir string, remove func(), err error) {
	sweep(tmp)
	if dir, err = os.MkdirTemp(tmp, runtimePrefix); err != nil {
		return "", nil, fmt.Errorf("make runtime directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("lock runtime directory: %w", err), os.RemoveAll(dir))
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // at worst it is swept later
		_ = lock.Close()
	}, nil
}

// sweep removes the directories whose hosts are dead: their locks are free. What is not ours, or has no lock
// yet, is left alone.
func sweep(tmp string) {
	dirs, _ := filepath.Glob(filepath.Join(tmp, runtimePrefix+"*")) // the pattern is good
	for _, dir := range dirs {
		if !ours(dir) {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_WRONLY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// ours reports whether it is a directory, not a link to one, and belongs to this user.
func ours(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
