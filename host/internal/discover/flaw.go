package discover

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"syscall"
)

// flaw is what makes a file or directory unfit, and the way to mend it.
type flaw struct{ reason, fix string }

// flawed is a flaw on its way up.
type flawed struct{ flaw }

func (f *flawed) Error() string { return f.reason }

const writableByOthers fs.FileMode = 0o022

// unsafeDir judges a directory that a plugin lies in. The set-group-id bit of a directory is harmless: it
// only says which group new files get.
func unsafeDir(path string, info fs.FileInfo, euid int) (flaw, bool) {
	if f, bad := unsafeOwner(path, info, euid); bad {
		return f, true
	}
	if info.Mode()&writableByOthers != 0 {
		return flaw{"its group or others may put files into it", "chmod go-w " + quote(path)}, true
	}
	return flaw{}, false
}

// unsafeStep judges what stands on the way to a plugin directory: a directory or a symbolic link. In a sticky
// directory others may make new things, and replace what is theirs alone; so the owner of a link counts.
func unsafeStep(path string, info fs.FileInfo, euid int) (flaw, bool) {
	const elsewhere = ", or keep the plugins in another directory"
	if f, bad := unsafeOwner(path, info, euid); bad {
		if info.Mode()&fs.ModeSymlink != 0 {
			f.fix = strings.Replace(f.fix, "chown ", "chown -h ", 1)
		}
		return flaw{path + " is on the way to it: " + f.reason, f.fix + elsewhere}, true
	}
	mode := info.Mode()
	if mode.IsDir() && mode&fs.ModeSticky == 0 && openToOthers(info, euid) {
		return flaw{
			path + " is on the way to it, and its group or others may put another directory there",
			"chmod go-w " + quote(path) + elsewhere,
		}, true
	}
	return flaw{}, false
}

func unsafeFile(path string, info fs.FileInfo, euid int) (flaw, bool) {
	if f, bad := unsafeOwner(path, info, euid); bad {
		return f, true
	}
	switch mode := info.Mode(); {
	case mode&writableByOthers != 0:
		return flaw{"its group or others may write to it", "chmod go-w " + quote(path)}, true
	case mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return flaw{"it is setuid or setgid, and would run with rights that the host has not",
			"chmod u-s,g-s " + quote(path)}, true
	}
	return flaw{}, false
}

func unsafeOwner(path string, info fs.FileInfo, euid int) (flaw, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return flaw{"its owner cannot be told", "move it to a file system with owners"}, true
	}
	if owner := int(st.Uid); owner != 0 && owner != euid {
		return flaw{
			fmt.Sprintf("it belongs to user %d, who is neither root nor the host's own user (%d)", owner, euid),
			fmt.Sprintf("chown %d %s", euid, quote(path)),
		}, true
	}
	return flaw{}, false
}

func leaves(path, target string) flaw {
	return flaw{
		"it is a symbolic link that leaves the plugin directory, to " + target,
		fmt.Sprintf("cp --remove-destination %s %s", quote(target), quote(path)),
	}
}

func unreadable(path string, err error) flaw {
	return flaw{"it cannot be read: " + cause(err), "chmod u+r " + quote(path) + ", or take it away"}
}

// temporary reports whether an error says nothing about the file or directory that it came with, so that what
// was there before may well be there still.
func temporary(err error) bool {
	for _, lasting := range []error{
		fs.ErrNotExist, fs.ErrPermission, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG,
	} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

// cause is an error without the path, which stands beside it anyway.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

var plain = regexp.MustCompile(`\A[A-Za-z0-9_@%+=:,./-]+\z`)

// quote makes a path a single word for a shell.
func quote(path string) string {
	if plain.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
