package discover

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a way may have, as in Linux.
const maxLinks = 40

// safeWay resolves a directory, and fails with a flawed when somebody other than root and the host's user
// could make the same name lead elsewhere. The directory itself is the walker's to judge.
//
// The way is judged from / downwards, each step after what holds it, so that nobody can swap what was judged.
func safeWay(dir string, euid int) (string, error) {
	type step struct {
		path string
		info fs.FileInfo
	}
	var steps []step
	base, err := way(dir, func(path string) (fs.FileInfo, error) {
		info, err := os.Lstat(path)
		steps = append(steps, step{path, info})
		return info, err
	})
	if err != nil {
		return "", err
	}
	for _, s := range steps[:len(steps)-1] {
		if f, bad := unsafeStep(s.path, s.info, euid); bad {
			return "", &flawed{f}
		}
	}
	return base, nil
}

// way goes from / to dir, name by name and through the symbolic links among them, and returns where it ends.
// look is given each path on it, the last one too, and says what is there. All that leads to that path is
// resolved, so that only its last name may be a link.
func way(dir string, look func(path string) (fs.FileInfo, error)) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	at, rest := "/", split(abs)
	if _, err := look(at); err != nil {
		return "", err
	}
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		info, err := look(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: dir, Err: syscall.ELOOP}
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(split(target), rest...)
	}
	return at, nil
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}
