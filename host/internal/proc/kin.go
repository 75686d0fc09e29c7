package proc

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
)

// envRun is the variable by which what a plugin has started is known for its own, wherever it went. The name
// and the form of the value are not for plugins to rely on.
const envRun = "GATEHOUSE_RUN"

// kin are the plugin processes of this host. There is one for the whole process, as there is one set of
// children: who collects orphans must know all that are none.
var kin = newFamily()

// family knows the processes that were started as plugins, and those that have ended and may have left some.
type family struct {
	id string // begins every mark of this host, and of no other

	// births is held for reading from before a process is forked until it is known, and for writing by who
	// looks for orphans: a child that is not known is none of ours then.
	births sync.RWMutex

	mu     sync.Mutex // guards what follows
	last   int
	living map[int]string // process id -> mark; the id is the session's as well
	dead   map[int]string // the same of those that have ended since the last search
	ended  chan struct{}  // holds a token when one has ended; nil: nobody searches
}

func newFamily() *family {
	return &family{id: rand.Text(), living: make(map[int]string), dead: make(map[int]string)}
}

// name gives a number that no other process of this host has had, for its cgroup.
func (f *family) name() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return fmt.Sprint(f.last)
}

// mark is the value of envRun for the process with a name.
func (f *family) mark(name string) string { return f.id + "-" + name }

// ours reports whether a mark is one that this host has given.
func (f *family) ours(mark string) bool { return strings.HasPrefix(mark, f.id+"-") }

// bear starts a process, and knows it.
func (f *family) bear(mark string, start func() (pid int, err error)) error {
	f.births.RLock()
	defer f.births.RUnlock()
	pid, err := start()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.living[pid] = mark
	return nil
}

// bury has a process count as ended. Its id is free for others, and one may have it already.
func (f *family) bury(pid int, mark string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		f.dead[pid] = mark
	}
	if f.living[pid] == mark {
		delete(f.living, pid)
	}
}

// mourn has somebody look for what one that has ended has left.
func (f *family) mourn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.ended <- struct{}{}:
	default:
	}
}
