// Package switches remembers which tools an operator switched on or off while the host ran. What was
// switched holds over the configuration until it is switched again, and over restarts: it is kept in a file
// of the state directory, which every host with that directory reads.
//
//	s, err := switches.Open("/var/lib/gatehouse")
//	err = s.Set("NmapTool", false)
//	on, said := s.Get("NmapTool")
//	changed, err := s.Reload() // another host has switched something
package switches

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	fileName = "tools.json"
	lockName = ".tools.lock"
	maxFile  = 1 << 20 // bytes; far more than all tools need
)

// Switches is a set of switches. Its methods may be called concurrently.
type Switches struct {
	dir string // empty: nothing is kept

	turn sync.Mutex // held by Set and Reload: what was read first must not be taken over last

	mu  sync.RWMutex
	set map[string]bool // tool name -> whether it was switched on
}

// Open reads the switches of a state directory; there need not be any yet. An empty name keeps them in memory
// alone. A file that cannot be read is an error: nobody knows then what was switched off.
func Open(dir string) (*Switches, error) {
	s := &Switches{dir: dir, set: make(map[string]bool)}
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Path is the file in which they are kept; empty when they are not.
func (s *Switches) Path() string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, fileName)
}

// Get tells how a tool was switched; said is false when it never was.
func (s *Switches) Get(tool string) (on, said bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	on, said = s.set[tool]
	return on, said
}

// All returns every switch, tool name -> on. The map is the caller's.
func (s *Switches) All() map[string]bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.set)
}

// Set switches a tool. It is in force only when it could be kept: what comes back as an error after a restart
// must not look as if it had worked.
func (s *Switches) Set(name string, on bool) error {
	if !tool.ValidName(name) {
		return fmt.Errorf("switch %q: a tool's name has 1 to %d characters of [A-Za-z0-9_-]", name, tool.MaxNameLength)
	}
	if s.dir == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.set[name] = on
		return nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	unlock, err := s.lock()
	if err != nil {
		return fmt.Errorf("switch %s: %w", name, err)
	}
	defer unlock()
	set, err := read(s.Path()) // of all hosts with this directory
	if err != nil {
		return err
	}
	set[name] = on
	if err := write(s.dir, set); err != nil {
		return fmt.Errorf("keep the switch of %s: %w", name, err)
	}
	s.replace(set)
	return nil
}

// Reload reads the file again and tells whether it says anything else now.
func (s *Switches) Reload() (changed bool, err error) {
	if s.dir == "" {
		return false, nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	set, err := read(s.Path())
	if err != nil {
		return false, err
	}
	return s.replace(set), nil
}

func (s *Switches) replace(set map[string]bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = !maps.Equal(s.set, set)
	s.set = set
	return changed
}

// lock keeps other hosts from writing at the same time.
func (s *Switches) lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the switches: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the switches: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // which gives the lock back
}

// document is the file.
type document struct {
	Tools map[string]state `json:"tools"`
}

type state struct {
	Enabled bool `json:"enabled"`
}

func read(path string) (map[string]bool, error) {
	set := make(map[string]bool)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return set, nil
	}
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%d bytes are too many for it", info.Size())
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(path)
	}
	var doc document
	if err == nil {
		err = json.Unmarshal(raw, &doc)
	}
	if err != nil {
		return nil, fmt.Errorf("which tools were switched off cannot be read from %s: %w; "+
			"mend the file, or remove it to go by the configuration alone", path, err)
	}
	for name, s := range doc.Tools {
		set[name] = s.Enabled
	}
	return set, nil
}

// write puts the file into its place as a whole.
func write(dir string, set map[string]bool) error {
	doc := document{Tools: make(map[string]state, len(set))}
	for name, on := range set {
		doc.Tools[name] = state{Enabled: on}
	}
	raw, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tools-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, fileName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
