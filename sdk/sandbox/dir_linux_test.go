//go:build amd64 || arm64

package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAnEmptyDirectoryIsRemovedIfItIsStillOurs(t *testing.T) {
	for name, row := range map[string]struct {
		meanwhile func(dir, other string) error // other is a directory of somebody else
		stays     bool                          // what has the name in the end
	}{
		"untouched":   {func(string, string) error { return nil }, false},
		"with litter": {litter, false},
		"gone":        {func(dir, _ string) error { return os.Remove(dir) }, false},
		"replaced by a link": {func(dir, other string) error {
			_ = os.Remove(dir)
			return os.Symlink(other, dir)
		}, true},
		"replaced by another directory": {func(dir, _ string) error {
			_ = os.Remove(dir)
			return os.Mkdir(dir, 0o750)
		}, true},
	} {
		other := filepath.Join(t.TempDir(), "other")
		if err := os.MkdirAll(filepath.Join(other, "kept"), 0o750); err != nil {
			t.Fatal(err)
		}
		d, err := makeEmptyDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := row.meanwhile(d.name, other); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d.remove()
		if _, err := os.Lstat(d.name); (err == nil) != row.stays {
			t.Errorf("%s: Lstat(what has its name) = %v, want it there: %v", name, err, row.stays)
		}
		info, err := os.Stat(other)
		if err != nil || info.Mode().Perm() != 0o750 {
			t.Errorf("%s: the other directory is %v, %v, want its mode as it was", name, info, err)
		}
		if _, err := os.Stat(filepath.Join(other, "kept")); err != nil {
			t.Errorf("%s: what the other directory holds: %v", name, err)
		}
	}
}

// litter leaves files below the directory, as a program above permissions can.
func litter(dir, _ string) error {
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o500)
}
