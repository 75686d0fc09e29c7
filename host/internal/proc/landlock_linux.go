package proc

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What rules allow.
const (
	canList = uint64(unix.LANDLOCK_ACCESS_FS_READ_DIR)
	canRead = uint64(unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR)
	canUse = uint64(unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)

	// canOwn is all that can be done with files; device nodes are none.
	canOwn = canRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REFER

	// ofFiles are the rights that a file can have; the others are a directory's.
	ofFiles = uint64(unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)
)

// rule allows rights to paths and to what lies beneath them.
type rule struct {
	rights uint64
	paths  []string
}

// ruleset is a Landlock ruleset under construction. What it handles is denied where no rule allows it.
type ruleset struct {
	fd      int
	handled uint64
}

// landlockABI is the version of Landlock that the kernel has.
func landlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(abi), nil
	case unix.ENOSYS:
		return 0, errors.New("the kernel does not have it, or a seccomp filter denies it")
	case unix.EOPNOTSUPP:
		return 0, errors.New("the kernel has it switched off")
	}
	return 0, errno
}

// fileRights are those that an ABI can deny. Network ports (ABI 4) and scopes (6) are left alone: a plugin's
// trade is the network, and its sandbox signals its own programs.
func fileRights(abi int) uint64 {
	switch {
	case abi <= 0:
		return 0
	case abi == 1:
		return unix.LANDLOCK_ACCESS_FS_REFER - 1
	case abi == 2:
		return unix.LANDLOCK_ACCESS_FS_TRUNCATE - 1
	case abi <= 4:
		return unix.LANDLOCK_ACCESS_FS_IOCTL_DEV - 1
	}
	return unix.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1
}

// landlockMeans is what the profile comes to with an ABI.
func landlockMeans(abi int) string {
	means := fmt.Sprintf("ABI %d: it reads the paths of the system, its own file's directory and its own, "+
		"and writes beneath its own alone", abi)
	switch {
	case abi < 3:
		means += "; this ABI cannot keep it from truncating files"
	case abi < 5:
		means += "; this ABI knows nothing of ioctl on devices"
	}
	return means + "; the network, signals, and the mode and owner of files are not covered"
}

func newRuleset(abi int) (*ruleset, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: fileRights(abi)}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)),
		unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return nil, fmt.Errorf("make a ruleset: %w", errno)
	}
	return &ruleset{fd: int(fd), handled: attr.Handled_access_fs}, nil
}

func (r *ruleset) close() { _ = unix.Close(r.fd) } // who has entered it needs it no more

func (r *ruleset) allowAll(rules []rule) error {
	for _, rule := range rules {
		for _, path := range rule.paths {
			if err := r.allow(path, rule.rights); err != nil {
				return fmt.Errorf("allow %s: %w", path, err)
			}
		}
	}
	return nil
}

// allow adds a rule. A path that is not there, or not for us to see, is passed over: that denies more.
func (r *ruleset) allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EACCES),
		errors.Is(err, unix.ELOOP):
		return nil
	case err != nil:
		return err
	}
	defer unix.Close(fd) // only named by it
	return r.allowFd(fd, rights)
}

// allowFile adds a rule for an open file. One in memory lies on no file system that Landlock looks at.
func (r *ruleset) allowFile(f *os.File, rights uint64) error {
	if err := r.allowFd(int(f.Fd()), rights); !errors.Is(err, unix.EBADFD) {
		return err
	}
	return nil
}

func (r *ruleset) allowFd(fd int, rights uint64) error {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.handled, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// enter puts the calling thread under the rules, for good.
func (r *ruleset) enter() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
