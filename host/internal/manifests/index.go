package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
)

const indexName = "index.json"

// entry is what the index knows of a path.
type entry struct {
	Stamp discover.Stamp `json:"stamp"`
	Sum   string         `json:"sha256"` // of the file when it had this stamp
	Kept  int64          `json:"kept"`   // nanoseconds since 1970
}

// lookup finds the hash of a file that another host may have hashed meanwhile.
func (c *Cache) lookup(path string, s discover.Stamp) (string, bool) {
	if sum, ok := c.known(path, s); ok {
		return sum, true
	}
	c.refresh()
	return c.known(path, s)
}

func (c *Cache) known(path string, s discover.Stamp) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.index[path]
	return e.Sum, ok && e.Stamp == s
}

// refresh reads the index if it is another one than last time.
func (c *Cache) refresh() {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.refreshLocked()
}

// refreshLocked needs the turn.
func (c *Cache) refreshLocked() {
	path := filepath.Join(c.dir, indexName)
	seen, err := discover.StampOf(path) // before it is read: a later one is read once more
	if err != nil || seen == c.seen {
		return // what is in memory is true, even if the file is gone
	}
	raw, err := c.readFile(path)
	if err != nil {
		return
	}
	index, err := parseIndex(raw)
	if err != nil {
		_ = os.Remove(path) // the next one to remember something writes another
		return
	}
	c.setLocked(index, seen)
}

// setLocked needs the turn.
func (c *Cache) setLocked(index map[string]entry, seen discover.Stamp) {
	c.seen = seen
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index = index
}

func parseIndex(raw []byte) (map[string]entry, error) {
	var index map[string]entry
	if err := json.Unmarshal(raw, &index, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	for path, e := range index {
		if !sumRE.MatchString(e.Sum) {
			return nil, fmt.Errorf("%q: %q is no hash", path, e.Sum)
		}
	}
	return index, nil
}

// remember puts a hash into the index. It does not when the stamp may come to stand for other bytes, nor when
// the file has another stamp by now.
func (c *Cache) remember(path string, s discover.Stamp, sum string) error {
	now := c.now()
	if !settled(s, now) || !has(path, s) || !utf8.ValidString(path) {
		return nil
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	if known, ok := c.known(path, s); ok && known == sum {
		return nil
	}
	c.refreshLocked() // not to undo what others remember
	index := c.clone()
	index[path] = entry{Stamp: s, Sum: sum, Kept: now.UnixNano()}
	trim(index)
	if err := c.writeIndexLocked(index); err != nil {
		return fmt.Errorf("remember the hash of %s: %w", path, err)
	}
	return nil
}

func (c *Cache) clone() map[string]entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	index := make(map[string]entry, len(c.index)+1)
	maps.Copy(index, c.index)
	return index
}

// settled reports whether a file that is written to from now on will have another stamp. It will not at once:
// a clock of file times stands still for a while, up to 10 ms in Linux, and 2 s on FAT. Where a time has a
// fraction of a second the clock is a fine one. Programs can set the time of the last modification; that of
// the last change, which counts here, they cannot. A file of which only the former is known must be old.
func settled(s discover.Stamp, now time.Time) bool {
	tick, changed := 2*time.Second, s.Changed
	if s.Changed%int64(time.Second) != 0 {
		tick = 100 * time.Millisecond
	}
	if s.Changed == 0 {
		changed = s.Modified
	}
	return now.UnixNano()-changed > int64(tick)
}

// trim drops the entries that were kept least recently.
func trim(index map[string]entry) {
	if len(index) <= MaxManifests {
		return
	}
	paths := slices.SortedFunc(maps.Keys(index), func(a, b string) int {
		return cmp.Compare(index[a].Kept, index[b].Kept)
	})
	for _, path := range paths[:len(paths)-MaxManifests] {
		delete(index, path)
	}
}

// writeIndexLocked needs the turn.
func (c *Cache) writeIndexLocked(index map[string]entry) error {
	raw, err := json.Marshal(index, json.Deterministic(true))
	if err != nil {
		return err
	}
	if len(raw) > MaxFile {
		return errors.New("the index is full of very long paths; shorten the path of the plugin directory")
	}
	path := filepath.Join(c.dir, indexName)
	if err := c.write(path, raw); err != nil {
		return err
	}
	c.setLocked(index, discover.Stamp{}) // another host may have replaced it: read it once more when needed
	return nil
}
