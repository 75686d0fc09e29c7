package command

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

const (
	// maxDigested bounds the work for one file. Programs and their data are far below.
	maxDigested = 256 << 20
	// settled is the age from which on a file cannot have been changed twice within one tick of its clock.
	settled = time.Second
)

// digests knows the hashes of files that have not changed since they were taken.
type digests struct {
	mu    sync.Mutex // guards known
	known map[string]digest
}

type digest struct {
	stamp stamp
	sum   string
}

// stamp tells whether a file is what it was: a file with the same stamp has the same content, unless root
// takes pains.
type stamp struct {
	size        int64
	modified    time.Time
	changed     time.Time // its inode; nobody can set that back
	device, ino uint64
}

// files are the hashes of those of the paths that can be read now.
func (d *digests) files(paths ...string) []sdk.File {
	files := make([]sdk.File, 0, len(paths))
	for _, path := range paths {
		if sum := d.of(path); sum != "" {
			files = append(files, sdk.File{Path: path, SHA256: sum})
		}
	}
	return files
}

// of is the hash of a file, or "" if there is none.
func (d *digests) of(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxDigested {
		return ""
	}
	now := stampOf(info)
	d.mu.Lock()
	was, ok := d.known[path]
	d.mu.Unlock()
	if ok && was.stamp == now {
		return was.sum
	}
	sum, before, err := digestOf(path)
	if err != nil {
		return ""
	}
	if time.Since(before.changed) > settled {
		d.mu.Lock()
		if d.known == nil {
			d.known = make(map[string]digest)
		}
		d.known[path] = digest{before, sum}
		d.mu.Unlock()
	}
	return sum
}

// digestOf reads a file, and returns the stamp that it had before.
func digestOf(path string) (sum string, before stamp, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", stamp{}, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return "", stamp{}, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxDigested)); err != nil {
		return "", stamp{}, err
	}
	return hex.EncodeToString(h.Sum(nil)), stampOf(info), nil
}
