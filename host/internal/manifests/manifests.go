// Package manifests is a cache of what plugins said of themselves, so that a host can list tools without
// starting processes. A [Cache] is a directory that several hosts may share.
//
//	cache, err := manifests.Open("/var/lib/gatehouse/manifests")
//	sum, m, ok := cache.Find(c.Path, c.Stamp)
//	if !ok {
//		m = describe(c.Path)
//		err = cache.Keep(c.Path, c.Stamp, sum, m)
//	}
//
// In the directory are a file for each manifest, named by the hash of the program's bytes, and index.json,
// which saves hashing: it knows what a path with this stamp had for a hash. Nothing in there is believed: a
// file that is not what its name says is taken away, and as good as not there. A file is put into its place
// as a whole. When two hosts write at the same time, one of them may lose what it said in the index: that
// program is hashed again.
package manifests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of the cache.
const (
	MaxManifests = 1000    // of which the least recently kept go first
	MaxFile      = 4 << 20 // bytes of one file; the wire carries no larger manifest
)

// Cache is a cache of manifests. Its methods may be called concurrently. A nil Cache finds nothing, and keeps
// nothing.
type Cache struct {
	dir string
	now func() time.Time             // the clock of file times; another one in tests
	sum func(string) (string, error) // discover.Sum, likewise

	turn sync.Mutex     // held to read and write the index, so that no goroutine undoes what another did
	seen discover.Stamp // of the file that the index was read from

	mu    sync.RWMutex
	index map[string]entry // path -> what is known of it; replaced, never written to
}

// Open takes a directory for a cache, and makes it when it is not there. What others may write to is refused:
// a manifest says which arguments are held to the scope.
func Open(dir string) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cache of manifests: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, fmt.Errorf("open the cache of manifests %s: %w", dir, err)
	}
	c := &Cache{dir: dir, now: time.Now, sum: discover.Sum, index: make(map[string]entry)}
	c.refresh()
	return c, nil
}

func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner cannot be told; keep the state on a file system with owners")
	}
	if uid := int(st.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d; type chown %d %s", uid, os.Geteuid(), dir)
	}
	if info.Mode()&0o022 != 0 {
		return fmt.Errorf("its group or others may write to it; type chmod go-w %s", dir)
	}
	return nil
}

// Find returns what the program at a path said of itself when it had the same bytes, and the hash of those in
// hex. The stamp is that of a scan. If it is known, the program is not read; otherwise it is hashed.
func (c *Cache) Find(path string, s discover.Stamp) (sha256 string, m tool.Manifest, ok bool) {
	if c == nil {
		return "", tool.Manifest{}, false
	}
	sum, known := c.lookup(path, s)
	if !known {
		if sum, ok = c.hash(path, s); !ok {
			return "", tool.Manifest{}, false
		}
	}
	m, ok = c.read(sum)
	if !ok {
		return "", tool.Manifest{}, false
	}
	if !known {
		_ = c.remember(path, s, sum) // at worst it is hashed again
	}
	return sum, m, true
}

// hash hashes a file that has this stamp before and after. One that is written to meanwhile has no hash.
func (c *Cache) hash(path string, s discover.Stamp) (string, bool) {
	if !has(path, s) {
		return "", false
	}
	sum, err := c.sum(path)
	return sum, err == nil && has(path, s)
}

func has(path string, s discover.Stamp) bool {
	now, err := discover.StampOf(path)
	return err == nil && now == s
}

var sumRE = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// Keep puts a manifest into the cache. sha256 is the hash of the bytes that said it, in lower-case hex. s is
// the stamp of the file at path when it had these bytes; it is not remembered when that may no longer be so.
// What Find would not take is an error.
func (c *Cache) Keep(path string, s discover.Stamp, sha256 string, m tool.Manifest) error {
	if c == nil {
		return nil
	}
	if !sumRE.MatchString(sha256) {
		return fmt.Errorf("keep a manifest: %q is no SHA-256 in lower-case hex", sha256)
	}
	raw, err := encode(sha256, m)
	if err == nil {
		err = c.write(c.file(sha256), raw)
	}
	if err != nil {
		return fmt.Errorf("keep the manifest of %s: %w", path, err)
	}
	c.prune()
	return c.remember(path, s, sha256)
}

const suffix = ".manifest"

func (c *Cache) file(sum string) string { return filepath.Join(c.dir, sum+suffix) }

// read takes a manifest from its file, if that is what it should be.
func (c *Cache) read(sum string) (tool.Manifest, bool) {
	raw, err := c.readFile(c.file(sum))
	if err != nil {
		return tool.Manifest{}, false
	}
	m, err := decode(sum, raw)
	if err != nil {
		_ = os.Remove(c.file(sum)) // the next Keep makes a new one in any case
		return tool.Manifest{}, false
	}
	return m, true
}

var errBad = errors.New("not a file of this cache")

// readFile reads a file of the cache. What none of us can have written is taken away.
func (c *Cache) readFile(path string) ([]byte, error) {
	raw, err := readRegular(path)
	if errors.Is(err, errBad) {
		_ = os.Remove(path) // at worst it stays, and is no better next time
	}
	return raw, err
}

func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, errBad // a symbolic link
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxFile {
		return nil, errBad
	}
	raw := make([]byte, info.Size()) // files are replaced, and never written to
	n, err := f.ReadAt(raw, 0)
	if n < len(raw) {
		return nil, errors.Join(errBad, err)
	}
	return raw, nil
}
