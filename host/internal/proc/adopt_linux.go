package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// searchEvery is how often the host looks for orphans that have ended. After the end of a plugin it looks
	// at once, and a few times more with searchSoon between: what the plugin ran is ending by itself then.
	searchEvery = 5 * time.Second
	searchSoon  = 400 * time.Millisecond
	searchTimes = 5

	// searchRounds bounds how often it looks again because it has killed something, should that fork faster
	// than it is killed.
	searchRounds = 100

	// dying is how long a killed orphan is waited for, so that its own children can be found at once.
	dying = time.Second
)

// Adopt makes this process the adopter of what its plugins leave behind, until ctx ends, and then looks a
// last time. An orphan whose plugin runs is left alone and collected when it has ended; one whose plugin is
// gone is killed. Processes that the host has started otherwise are not touched: an orphan is known
//
//   - by the mark in its environment, which it has from the plugin;
//   - by its session or its cgroup, which are the plugin's;
//   - by having been seen below the plugin, when one was last looked for.
//
// What shows none of these is left alone. If it has ended in a session of its own, and nobody has collected
// it between two searches, it is an orphan as well: only package proc starts processes in sessions of their
// own.
func Adopt(ctx context.Context, log *slog.Logger) error {
	ended, err := kin.search()
	if err != nil {
		return err
	}
	defer kin.endSearch()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt the orphans of plugins: %w", err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }() // worked before
	newAdopter(kin, log).run(ctx, ended)
	return nil
}

// run looks until ctx ends, and a last time after that.
func (a *adopter) run(ctx context.Context, ended <-chan struct{}) {
	children := make(chan os.Signal, 1) // closed by nobody
	signal.Notify(children, unix.SIGCHLD)
	defer signal.Stop(children)
	next := time.NewTimer(searchEvery)
	defer next.Stop()
	for soon := 0; ctx.Err() == nil; {
		select {
		case <-ended:
			soon = searchTimes
		case <-children: // one that was started by the host, or an orphan: who looks often finds nothing else
			if soon == 0 {
				next.Reset(searchSoon)
			}
			soon = max(soon, 2)
			continue
		case <-next.C:
			soon = max(soon-1, 0)
		case <-ctx.Done():
			a.finish()
			return
		}
		a.sweep()
		if soon > 0 {
			next.Reset(searchSoon)
		} else {
			next.Reset(searchEvery)
		}
	}
	a.finish()
}

// finish looks a last time: no plugin lives any more. What ends by itself is given its time.
func (a *adopter) finish() {
	tick := time.NewTicker(20 * time.Millisecond) // nobody tells of the end of what is no child yet
	defer tick.Stop()
	for end := time.Now().Add(a.patience); ; <-tick.C {
		a.sweep()
		if !a.spared || time.Now().After(end) {
			break
		}
	}
	a.patience = 0
	a.sweep()
}

var errSearched = errors.New("somebody in this process adopts the orphans of plugins already")

// search begins to remember the dead.
func (f *family) search() (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		return nil, errSearched
	}
	f.ended = make(chan struct{}, 1)
	return f.ended, nil
}

func (f *family) endSearch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = nil
	clear(f.dead)
}

// adopter looks for the orphans of a family.
type adopter struct {
	kin  *family
	log  *slog.Logger
	self int
	own  int // session of the host

	patience time.Duration        // with the orphans of a plugin: a supervisor knows best what belongs to it
	gone     map[string]time.Time // mark of a plugin that left orphans -> when that was seen
	spared   bool                 // whether the last look has left an orphan in patience

	known   map[id]string // descendant of a plugin -> its mark
	strange map[id]bool   // ended, in a session of their own, and known for nothing; when last looked
}

func newAdopter(f *family, log *slog.Logger) *adopter {
	self := os.Getpid()
	own, err := unix.Getsid(0)
	if err != nil { // only of a process that is gone
		own = self
	}
	return &adopter{
		kin: f, log: log, self: self, own: own, patience: byThemselves, known: make(map[id]string),
		gone: make(map[string]time.Time),
	}
}

// sweep looks until there is nothing more to kill.
func (a *adopter) sweep() {
	for range searchRounds {
		dead := a.kin.graves()
		killed, err := a.look()
		if err != nil {
			a.log.Warn("cannot look for orphans of plugins", "err", err)
			return
		}
		if killed == 0 {
			a.kin.forget(dead)
			return
		}
	}
	a.log.Error("orphans of a plugin fork faster than they are killed; they are looked for again later")
}

// graves are those that have ended and may have left something.
func (f *family) graves() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	pids := make([]int, 0, len(f.dead))
	for pid := range f.dead {
		pids = append(pids, pid)
	}
	return pids
}

// forget frees the ids of those that have left nothing: another process may get them as its session.
func (f *family) forget(pids []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pid := range pids {
		delete(f.dead, pid)
	}
}

// look goes once through the processes of the machine.
func (a *adopter) look() (killed int, err error) {
	ended, left, err := a.orphans()
	for _, e := range ended {
		collect(e.pid)
	}
	for _, e := range left {
		a.log.Warn("killing what a plugin left behind", "pid", e.pid, "command", e.comm)
		a.end(e)
	}
	return len(left), err
}

// orphans finds those that have ended, and those whose plugin is gone. While it looks, no plugin is started;
// what it finds keeps its number after that, as nobody else collects it.
func (a *adopter) orphans() (ended, left []entry, err error) {
	a.kin.births.Lock()
	defer a.kin.births.Unlock()
	table, err := processTable()
	if err != nil {
		return nil, nil, err
	}
	r := a.kin.relations(table)
	a.note(r)
	a.spared = false
	strange, gone := make(map[id]bool), make(map[string]time.Time)
	for _, e := range table {
		if _, plugin := r.living[e.pid]; plugin || e.parent != a.self {
			continue
		}
		switch mark := a.markOf(e, r); {
		case mark == "":
			strange[e.id] = e.zombie() && e.session != a.own
			if strange[e.id] && a.strange[e.id] {
				ended = append(ended, e)
			}
		case e.zombie():
			ended = append(ended, e)
		case !r.runs[mark]:
			gone[mark] = cmp.Or(a.gone[mark], time.Now())
			if time.Since(gone[mark]) < a.patience {
				a.spared = true
				continue
			}
			left = append(left, e)
		}
	}
	a.strange, a.gone = strange, gone
	a.note(r) // below those that were recognized just now; nothing has been killed yet
	return ended, left, nil
}

// relations are who the plugins are at one moment.
type relations struct {
	table    map[int]entry
	living   map[int]string  // process id -> mark
	sessions map[int]string  // of plugins that live, or have ended since the last search -> mark
	runs     map[string]bool // marks of plugins that live
}

func (f *family) relations(table map[int]entry) relations {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := relations{
		table: table, living: make(map[int]string), sessions: make(map[int]string), runs: make(map[string]bool),
	}
	for pid, mark := range f.dead {
		r.sessions[pid] = mark
	}
	for pid, mark := range f.living {
		r.sessions[pid], r.living[pid] = mark, mark
		r.runs[mark] = mark != f.mark(guardName) // which is nobody's to claim
	}
	return r
}

// note remembers who is below a plugin, and forgets who is gone.
func (a *adopter) note(r relations) {
	known := make(map[id]string)
	for _, e := range r.table {
		if mark := a.above(e, r); mark != "" {
			known[e.id] = mark
		} else if mark := a.known[e.id]; mark != "" {
			known[e.id] = mark
		}
	}
	a.known = known
}

// above is the mark of the plugin that a process descends from: one that lives, or whose other descendants are
// known; "": from none.
func (a *adopter) above(e entry, r relations) string {
	for range len(r.table) { // a table that was read piece by piece may have a circle in it
		if mark := r.living[e.parent]; mark != "" {
			return mark
		}
		parent, ok := r.table[e.parent]
		if !ok {
			return ""
		}
		if mark := a.known[parent.id]; mark != "" {
			return mark
		}
		e = parent
	}
	return ""
}

// markOf is the mark of the plugin that a child of the host comes from; "": from none.
func (a *adopter) markOf(e entry, r relations) string {
	mark := a.known[e.id]
	if mark == "" {
		mark = r.sessions[e.session]
	}
	if mark == "" {
		if name := cgroupName(e.pid); name != "" {
			mark = a.kin.mark(name)
		}
	}
	if mark == "" {
		if m := markOf(e.pid); a.kin.ours(m) {
			mark = m
		}
	}
	if mark != "" {
		a.known[e.id] = mark // it shows less when it has ended
	}
	return mark
}

// end kills a child by a descriptor of it, so that no other is hit, waits a moment, and collects it.
func (a *adopter) end(e entry) {
	fd, err := unix.PidfdOpen(e.pid, 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd) // only named by it
	if now, err := readEntry(e.pid); err != nil || now.id != e.id {
		return
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		a.log.Error("cannot kill what a plugin left behind", "pid", e.pid, "command", e.comm, "err", err)
		return
	}
	for end := time.Now().Add(dying); time.Now().Before(end); {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}},
			int(dying.Milliseconds())); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	collect(e.pid)
}

// collect takes the status of a child that has ended, and of no other.
func collect(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func readAtMost(r io.Reader, n int64) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, n))
	return string(text), err
}
