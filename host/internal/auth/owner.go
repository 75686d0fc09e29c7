package auth

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

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

// checkOwner refuses a file of the state directory that is somebody else's.
func checkOwner(path string, st *unix.Stat_t) error {
	var dir unix.Stat_t
	if err := unix.Stat(filepath.Dir(path), &dir); err != nil {
		return fmt.Errorf("look at %s: %w", filepath.Dir(path), err)
	}
	user := os.Geteuid()
	if mayOwn(user, int(st.Uid), int(dir.Uid)) {
		return nil
	}
	// No word of chown: another name of a file of root's would be given away with it.
	advice := fmt.Sprintf("do this as the user %d", st.Uid)
	if int(st.Uid) == user {
		advice = fmt.Sprintf("have the user %d write it anew", dir.Uid)
	}
	return fmt.Errorf("%s belongs to the user %d, the state directory to the user %d; %s, or remove it: rm %s", path,
		st.Uid, dir.Uid, advice, path)
}

// mayOwn says whose file a user believes in. root can read all files, and takes only what the owner of the
// directory could have written: what root makes there is given to that owner. Others take their own files too: a
// volume of Kubernetes belongs to root, and everybody may write to it.
func mayOwn(user, file, dir int) bool { return file == dir || user != 0 && file == user }

// checkOwners keeps root from writing files that it would have to itself in a directory where a host of another user has
// its own: that host could not read them.
func checkOwners(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{tokenFile, storeFile} {
		var st unix.Stat_t
		path := filepath.Join(dir, name)
		if err := unix.Lstat(path, &st); err != nil {
			continue // it is not there
		}
		if err := checkOwner(path, &st); err != nil {
			return err
		}
	}
	return nil
}
