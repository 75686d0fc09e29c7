package develop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Describe starts a program as a plugin, asks what it offers, and ends it.
type Describe func(ctx context.Context, path string) (tool.Manifest, error)

// Installed is a program that lies in a plugin directory.
type Installed struct {
	Manifest tool.Manifest
	Path     string // as a host calls it: absolute, without symbolic links
	SHA256   string // of its bytes, in hex
	Replaced bool   // there was something of that name before
	Same     bool   // a regular file with the same bytes

	// Before is what was there before; nil: nothing. File is what is there now.
	Before, File fs.FileInfo

	// Unpinned says that the directory has a lock file which does not name these bytes: no host starts them.
	Unpinned bool
}

// Directory finds the first of the plugin directories that a host takes plugins from and this user can write
// to.
func Directory(dirs []string) (string, error) {
	var why []string
	for _, dir := range dirs {
		found := discover.Scan([]string{dir})
		if len(found.Dirs) == 0 {
			for _, r := range slices.Concat(found.Refusals, found.Missing) {
				why = append(why, fmt.Sprintf("%s: %s (%s)", r.Path, r.Reason, r.Fix))
			}
			continue
		}
		itself := func(r discover.Refusal) bool { return r.Path == found.Dirs[0] }
		if i := slices.IndexFunc(found.Refusals, itself); i >= 0 {
			why = append(why, fmt.Sprintf("%s: %s (%s)", dir, found.Refusals[i].Reason, found.Refusals[i].Fix))
			continue
		}
		if err := writable(found.Dirs[0]); err != nil {
			why = append(why, err.Error())
			continue
		}
		return found.Dirs[0], nil
	}
	return "", fmt.Errorf("no plugin directory can be used: %s; or name another with --to", strings.Join(why, "; "))
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".gatehouse-")
	if err != nil {
		return fmt.Errorf("%s cannot be written to: %w", dir, errors.Unwrap(err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Install puts a program into a plugin directory under the name of its plugin, at once: what runs, or has
// begun to start, is never half of it. What is described is the copy that is installed. A program that is no
// plugin, or does not start, changes nothing. The file is another after each Install, even of the same bytes,
// so that everybody sees whose it is.
func Install(ctx context.Context, program, dir string, describe Describe) (in Installed, err error) {
	return Exchange(ctx, program, dir, nil, describe)
}

// Exchange is Install for who has installed a file already: with the same bytes, that file stays.
func Exchange(
	ctx context.Context, program, dir string, mine fs.FileInfo, describe Describe,
) (in Installed, err error) {
	dir, err = Directory([]string{dir})
	if err != nil {
		return in, err
	}
	copied, info, sum, err := copyBeside(program, dir)
	if err != nil {
		return in, fmt.Errorf("copy the program: %w", err)
	}
	defer os.Remove(copied) // when it has not become the plugin
	if in.Manifest, err = describe(ctx, copied); err != nil {
		return in, err
	}
	if err := in.Manifest.Validate(); err != nil {
		return in, fmt.Errorf("what the plugin says of itself is not valid: %w", err)
	}
	in.SHA256, in.Path = sum, filepath.Join(dir, in.Manifest.Name)
	if err := in.look(); err != nil {
		return in, fmt.Errorf("install the plugin: %w", err)
	}
	if in.Same && SameFile(in.Before, mine) {
		in.File = in.Before
		return in, in.seen(dir)
	}
	if err := put(copied, in.Path); err != nil {
		return in, fmt.Errorf("install the plugin: %w", err)
	}
	in.File = info
	return in, in.seen(dir)
}

// look sees what lies in the plugin's place.
func (in *Installed) look() error {
	before, err := os.Lstat(in.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	in.Before, in.Replaced = before, true
	if before.Mode().IsRegular() { // a symbolic link to these bytes is taken by no host
		sum, err := discover.Sum(in.Path)
		in.Same = err == nil && sum == in.SHA256
	}
	return nil
}

// SameFile reports whether two of what was seen are one file. The number of a file that is gone is given to
// another, so its time must be the same as well.
func SameFile(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime())
}

// seen looks at the file as a host does.
func (in *Installed) seen(dir string) error {
	found := discover.Scan([]string{dir})
	for _, c := range found.Candidates {
		if c.Path == in.Path {
			in.Unpinned = c.Locked && (c.Pin == nil || c.Pin.SHA256 != in.SHA256)
			return nil
		}
	}
	for _, r := range found.Refusals {
		if r.Path == in.Path {
			return fmt.Errorf("%s was installed, and no host takes it: %s; %s", r.Path, r.Reason, r.Fix)
		}
	}
	return fmt.Errorf("%s was installed, and hosts pass over a file of that name; give the plugin another name",
		in.Path)
}

// copyBeside copies a program into a directory, under a name that hosts pass over.
func copyBeside(program, dir string) (path string, info fs.FileInfo, sum string, err error) {
	from, err := Open(program)
	if err != nil {
		return "", nil, "", err
	}
	defer from.Close() // only read
	to, err := os.CreateTemp(dir, ".gatehouse-*.new")
	if err != nil {
		return "", nil, "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, h), from)
	err = errors.Join(err, to.Chmod(0o755), to.Sync())
	info, looked := to.Stat()
	if err = errors.Join(err, looked, to.Close()); err != nil {
		return "", nil, "", errors.Join(err, os.Remove(to.Name()))
	}
	return to.Name(), info, hex.EncodeToString(h.Sum(nil)), nil
}

// Open opens a regular file to be read, and nothing else. Without O_NONBLOCK, it would wait for somebody to
// write to a FIFO.
func Open(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// put gives a file its name, for good.
func put(file, path string) error {
	if err := os.Rename(file, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
