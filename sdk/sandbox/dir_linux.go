//go:build amd64 || arm64

package sandbox

import (
	"os"
	"syscall"
)

// emptyDir is the working directory of the programs of one supervisor. It lies where others may write, for
// long: something that cleans up there may remove it, and anybody can then put a link in its place. What is
// done to it is done by descriptor.
type emptyDir struct {
	name string
	file *os.File // while it is open, no other directory has the number of this one
}

// makeEmptyDir makes a directory that nobody can write to; root's is open to the users of its programs.
func makeEmptyDir(tmp string) (*emptyDir, error) {
	name, err := os.MkdirTemp(tmp, "gatehouse-empty-")
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		_ = os.Remove(name)
		return nil, err
	}
	d := &emptyDir{name, file}
	mode := os.FileMode(0o500)
	if own().root {
		mode = 0o555
	}
	if err := file.Chmod(mode); err != nil {
		d.remove()
		return nil, err
	}
	return d, nil
}

// remove removes it with all that a program may have left there. What has its name and is something else
// stays.
func (d *emptyDir) remove() {
	defer d.file.Close()
	_ = d.file.Chmod(0o700)
	ours, err := d.file.Stat()
	if err != nil {
		return
	}
	if named, err := os.Lstat(d.name); err == nil && os.SameFile(ours, named) {
		_ = os.RemoveAll(d.name)
	}
}
