package manifests

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const temporary = ".new-"

// write puts a whole file in its place, with the time of now. Nothing is synced: after a crash of the machine
// a file may be empty, which is found out, and the plugin can be asked again.
func (c *Cache) write(path string, raw []byte) error {
	f, err := os.CreateTemp(c.dir, temporary+"*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	now := c.now()
	if err = errors.Join(err, f.Close(), os.Chtimes(f.Name(), now, now)); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// prune takes away the manifests that were kept least recently, and temporary files that were left behind. It
// does what it can: the next Keep tries again.
func (c *Cache) prune() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var kept []string
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasSuffix(name, suffix):
			kept = append(kept, name)
		case strings.HasPrefix(name, temporary) && c.age(name) > time.Hour:
			_ = os.Remove(filepath.Join(c.dir, name))
		}
	}
	if len(kept) > MaxManifests {
		c.dropOldest(kept, len(kept)-MaxManifests)
	}
}

func (c *Cache) dropOldest(names []string, n int) {
	ages := make(map[string]time.Duration, len(names))
	for _, name := range names {
		ages[name] = c.age(name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(ages[b], ages[a]) })
	for _, name := range names[:n] {
		_ = os.Remove(filepath.Join(c.dir, name))
	}
}

// age is zero when the file is gone.
func (c *Cache) age(name string) time.Duration {
	info, err := os.Lstat(filepath.Join(c.dir, name))
	if err != nil {
		return 0
	}
	return c.now().Sub(info.ModTime())
}
