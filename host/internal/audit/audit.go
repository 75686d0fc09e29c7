// Package audit keeps the trail of decisions: append-only lines of JSON, each bound to the one before it by a
// hash, in files that are rotated, shared by all host processes of one directory, and checked by [Verify].
//
// A [Trail] takes an [Entry] for each decision and step. [Trail.Append] returns when the line has been handed
// to the system by write(2): the end of the host, by SIGKILL too, loses nothing that was acknowledged.
//
//	trail, err := audit.New(audit.Config{Dir: dir, MaxFileSize: 64 << 20, MaxFiles: 16})
//	defer trail.Close()
//	err = trail.Append(audit.Entry{Event: audit.Accept, ExecutionID: id, Tool: "PingTool"})
//	if err != nil { ... } // refuse the call: it would leave no trace
//	result, findings, err := audit.Verify(ctx, dir, audit.Options{})
//
// # Format
//
// A line is one JSON object. Its first members are seq (from 1, one more each line) and prev (the member hash
// of the line before; 64 zeros for the first), then time and event; its last is hash:
//
//	{"seq":7,"prev":"9f…","time":"2026-01-02T03:04:05.000000006Z","event":"accept",…,"hash":"c4…"}
//
// The hash is the SHA-256, in lower-case hexadecimal, of the bytes of the line from its first, '{', up to and
// without the text
//
//	,"hash":"
//
// with which the last 75 bytes of every line begin (the line end not counted). Nothing is normalized: bytes
// are hashed as they stand in the file.
//
// The files audit-000001.jsonl, audit-000002.jsonl and so on form one chain. Beside them audit.head holds
// seq, hash and file number of the last line, so that lines cut off the end are missed; it is the lock as
// well.
//
// Refusals and plans that come in floods are summed up: a line of theirs with the member repeats stands for as
// many. Lines with it, lines without it and gap records together are all that there were.
//
// The hashes have no key. Who can write the files can also write all of them anew, and only a head that was
// noted elsewhere (Options.Expect) shows that.
package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Sync says when the trail is forced to disk. It matters for a power loss only; a process that ends loses
// nothing in any case.
type Sync string

// The ways to sync.
const (
	SyncInterval Sync = "interval" // at most a second after a line
	SyncAlways   Sync = "always"   // before Append returns
	SyncNever    Sync = "never"    // when the system likes
)

// Config is what a trail is made of.
type Config struct {
	Dir         string // absolute; made with mode 0700 when it is not there
	MaxFileSize int64  // bytes of a file before the next is begun; at least 4096; 0: 64 MiB
	MaxFiles    int    // files that are kept; 0: all
	Sync        Sync   // empty: SyncInterval

	// Continue says that calls run even when their Accept cannot be written: such a line waits in memory like
	// others (ErrKept), and those that are lost after all are counted.
	Continue bool

	// Changed is told when writing stops to work, with why, and with nil when it works again. It is called by
	// whoever appends, outside of locks; it must not append. nil: nobody is told.
	Changed func(error)

	disk disk // tests break it
}

func (c *Config) validate() error {
	if c.MaxFileSize == 0 {
		c.MaxFileSize = 64 << 20
	}
	if c.Sync == "" {
		c.Sync = SyncInterval
	}
	if c.Changed == nil {
		c.Changed = func(error) {}
	}
	c.disk.complete()
	switch {
	case !filepath.IsAbs(c.Dir):
		return fmt.Errorf("audit: the directory %q is no absolute path", c.Dir)
	case c.MaxFileSize < 4096:
		return fmt.Errorf("audit: files of %d bytes are too small, 4096 is the least", c.MaxFileSize)
	case c.MaxFiles < 0:
		return fmt.Errorf("audit: %d files cannot be kept; 0 keeps all", c.MaxFiles)
	case c.Sync != SyncAlways && c.Sync != SyncInterval && c.Sync != SyncNever:
		return fmt.Errorf("audit: sync %q is not known; it is always, interval or never", c.Sync)
	}
	return nil
}

// Trail writes the audit trail. All methods may be called concurrently.
type Trail struct {
	cfg    Config
	floods *floods
	queue  queue

	// writing is held while the chain is extended. Lines come one after another by nature, so this is the one
	// lock of the host that is held during a write to disk.
	writing sync.Mutex
	chain   *chain
	pending pending
	closed  bool

	mu     sync.Mutex // guards status; never held during a write
	status Status

	stop  chan struct{} // closed by Close
	ended chan struct{} // closed by tend
	once  sync.Once
	last  error // of Close
}

// Status is what a trail says about itself.
type Status struct {
	Path  string // file that is written
	Seq   uint64 // of the last line
	Bytes int64  // of that file
	Lines uint64 // written since New
	Kept  int    // lines in memory that wait until writing works again
	Lost  uint64 // lines that were never written since New; the trail has gap records of them
	Fails uint64 // attempts to write or sync since New that failed

	// Summed is how many refusals and plans since New have no line of their own, but are counted in the repeats
	// of a line, or in a gap.
	Summed uint64

	Err error // why the trail cannot be written; nil: it can
}

// New opens the trail in a directory, or begins one. A torn line, left by a process that was ended while it
// wrote, is closed off and recorded. A full disk is no error here, but one of Append.
func New(cfg Config) (*Trail, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := prepareDir(cfg.Dir); err != nil {
		return nil, err
	}
	c, err := openChain(cfg)
	if err != nil {
		return nil, err
	}
	t := &Trail{
		cfg: cfg, floods: newFloods(), chain: c, stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := c.locked(c.catchUp); err != nil {
		if !isFull(err) {
			return nil, errors.Join(err, c.close())
		}
		t.status.Err = err
	}
	t.publish(t.status.Err)
	go t.tend()
	return t, nil
}

// prepareDir makes the directory, and refuses one into which others can write.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("audit: make the directory: %w", err)
	}
	return checkDir(dir)
}

// checkDir refuses a directory into which others can write, and one that is not there. One that held a trail is
// not made anew here: a file system may be unmounted, or the directory may come back.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("audit: the directory is gone; bring it back, or type: mkdir -m 700 %s (%w)", dir, err)
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("audit: others may write into %s (mode %04o); type: chmod go-w %s", dir, mode, dir)
	}
	return nil
}

// tend syncs, sums up, and writes what had to wait, once a second.
func (t *Trail) tend() {
	defer close(t.ended)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			t.sumUp(false)
			t.retry()
			t.sync()
		}
	}
}

// retry writes what had to wait, and has the next append look whether the files are still at their paths.
func (t *Trail) retry() {
	t.writing.Lock()
	t.chain.look = true
	var err error
	waiting := !t.pending.empty()
	if waiting {
		err = t.settle()
	}
	changed := waiting && t.publish(err)
	t.writing.Unlock()
	if changed {
		t.cfg.Changed(err)
	}
}

// sync forces the lines of the last second to disk. The lock is not held while the disk works: a file that is
// closed by a rotation meanwhile was synced there.
func (t *Trail) sync() {
	t.writing.Lock()
	file, due := t.chain.file, t.chain.dirty && t.cfg.Sync == SyncInterval
	t.chain.dirty = t.chain.dirty && !due
	t.writing.Unlock()
	if !due {
		return
	}
	err := t.cfg.disk.sync(file)
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("audit: sync: %w", err)
	}
	t.writing.Lock()
	changed := false
	if err != nil || t.chain.unsynced {
		t.chain.unsynced, t.chain.dirty = err != nil, t.chain.dirty || err != nil
		changed = t.publish(err)
	}
	t.writing.Unlock()
	if changed {
		t.cfg.Changed(err)
	}
}

// Err says why the trail cannot be written, or nil when it can, as far as the last attempt tells.
func (t *Trail) Err() error { return t.Status().Err }

// Status says how the trail is doing. It never waits for the disk.
func (t *Trail) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// publish makes the state after an attempt visible, and reports whether writing began or ceased to work.
func (t *Trail) publish(err error) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed = (err == nil) != (t.status.Err == nil)
	t.status = Status{
		Path: t.chain.path, Seq: t.chain.last.Seq, Bytes: t.chain.size,
		Lines: t.chain.added, Kept: len(t.pending.kept), Lost: t.pending.lost, Fails: t.status.Fails,
		Summed: t.status.Summed, Err: err,
	}
	if err != nil {
		t.status.Fails++
	}
	return changed
}

// Close writes what waits, syncs and ends. The error says what was lost.
func (t *Trail) Close() error {
	t.once.Do(func() {
		close(t.stop)
		<-t.ended
		t.sumUp(true)
		t.writing.Lock()
		defer t.writing.Unlock()
		for !t.queue.empty() { // those who came before the end
			_, _ = t.writeBatch() // each line knows what became of it
		}
		t.closed = true
		if !t.pending.empty() {
			if err := t.settle(); err != nil {
				t.last = fmt.Errorf("audit: %d lines are lost: %w", t.pending.count(), err)
			}
		}
		if t.cfg.Sync != SyncNever && t.chain.file != nil {
			t.last = errors.Join(t.last, t.cfg.disk.sync(t.chain.file))
		}
		t.last = errors.Join(t.last, t.chain.close())
	})
	return t.last
}
