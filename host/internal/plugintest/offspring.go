package plugintest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	lookEvery = 5 * time.Millisecond // nobody tells of another's processes, they are looked for
	sweepTime = 3 * time.Second      // what was killed is gone by then
)

// family finds what the plugins under test have started. As the tester adopts orphans, all of it stays
// below the tester, in whatever session.
type family struct {
	before map[process]bool // was there already; none of ours
}

func newFamily() (*family, error) {
	f := &family{before: make(map[process]bool)}
	if !sees {
		return f, nil
	}
	if err := adopts(true); err != nil {
		return nil, fmt.Errorf("adopt the orphans of plugins: %w", err)
	}
	for _, s := range f.living(0) {
		f.before[s.process] = true
	}
	return f, nil
}

// close kills what is left, and adopts nobody any more.
func (f *family) close() error {
	err := f.sweep()
	if sees {
		_ = adopts(false) // worked before
	}
	return err
}

// living are the processes below the tester, other than the plugin's own and those that were there before.
func (f *family) living(plugin int) []status { return f.below(plugin, false) }

// below are the descendants of the tester, with the dead ones or without.
func (f *family) below(plugin int, dead bool) (found []status) {
	table, err := processes()
	if err != nil {
		return nil
	}
	children := make(map[int][]int) // parent -> children
	for pid, s := range table {
		children[s.parent] = append(children[s.parent], pid)
	}
	for queue := children[os.Getpid()]; len(queue) > 0; {
		s := table[queue[0]]
		queue = append(queue[1:], children[s.pid]...)
		if (dead || !s.dead()) && s.pid != plugin && !f.before[s.process] {
			found = append(found, s)
		}
		if len(found) > len(table) { // a table that was read piece by piece may have a circle in it
			break
		}
	}
	return found
}

// sweep kills everything that plugins have left, and collects it. No plugin may be waited for by others
// meanwhile.
func (f *family) sweep() error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for end := time.Now().Add(sweepTime); ; <-tick.C {
		left := f.below(0, true)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes that the plugin left cannot be ended: %s", names(left))
		}
		for _, s := range left {
			if s.dead() {
				collect(s.pid)
			} else {
				_ = syscall.Kill(s.pid, syscall.SIGKILL) // it may have ended
			}
		}
	}
}

// names are processes as people know them.
func names(list []status) string {
	var texts []string
	for _, s := range list[:min(len(list), 8)] {
		_, line := executable(s.pid)
		if line == "" {
			line = s.comm
		}
		texts = append(texts, fmt.Sprintf("%d (%s)", s.pid, clip(line, 80)))
	}
	if len(list) > 8 {
		texts = append(texts, fmt.Sprintf("and %d more", len(list)-8))
	}
	return strings.Join(texts, ", ")
}

// await looks until holds does, and tells how long that took. It fails when limit is over, or ctx.
func await(ctx context.Context, limit time.Duration, holds func() bool) (time.Duration, bool) {
	start := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if holds() {
			return time.Since(start), true
		}
		if time.Since(start) > limit {
			return time.Since(start), false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return time.Since(start), false
		}
	}
}

// programs are what a plugin runs: its descendants, without those that are the plugin itself, executed
// again to watch over the others.
func (s *subject) programs(plugin int, but []status) []status {
	isOwn := s.isOwn(plugin)
	return slices.DeleteFunc(s.family.living(plugin), func(p status) bool {
		return isOwn(p) || slices.ContainsFunc(but, func(b status) bool { return b.process == p.process })
	})
}

// own are the descendants that are the plugin itself, executed again or forked. It may keep some of them for
// the next call, and not one more with each call.
func (s *subject) own(plugin int) []status {
	isOwn := s.isOwn(plugin)
	return slices.DeleteFunc(s.family.living(plugin), func(p status) bool { return !isOwn(p) })
}

// isOwn tells the plugin's own processes from its programs.
func (s *subject) isOwn(plugin int) func(status) bool {
	file, line := executable(plugin)
	return func(p status) bool {
		itsFile, itsLine := executable(p.pid)
		if itsFile == "" { // not for this user to see, or about to end
			return s.idle[itsLine]
		}
		return itsFile == file && (!s.script || itsLine == line)
	}
}

// spare is how many more processes of its own a plugin may have at one time than at another: a watcher that is kept
// for the next call may be there already, or not yet.
const spare = 1

// grows waits until the plugin has no more processes of its own than it had, but for a spare one; those that it
// has, otherwise.
func (s *subject) grows(ctx context.Context, plugin, had int) (now []status) {
	await(ctx, endLimit, func() bool {
		now = s.own(plugin)
		return len(now) <= had+spare
	})
	if len(now) <= had+spare {
		return nil
	}
	return now
}

// warm has a tool called once, and takes what is there afterwards, and not for us to see, for the plugin's
// own: a plugin may keep watchers of its programs for the next call.
func (s *subject) warm(ctx context.Context, c caller, plugin int, x exercise) {
	args, limit := x.quick, quickLimit
	if args == nil {
		args, limit = x.slow, settleLimit
	}
	r, err := x.request(args)
	if err != nil { // held to the scope before
		return
	}
	_, _ = call(ctx, c, r, limit, nil) // what comes of it is another check's affair
	await(ctx, settleTime, func() bool { return false })
	for _, p := range s.family.living(plugin) {
		if file, line := executable(p.pid); file == "" {
			s.idle[line] = true
		}
	}
}
