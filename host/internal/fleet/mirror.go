package fleet

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
)

// removalGrace is how long a file must be gone before its plugin is: some put a new file in the place of an
// old one by removing that first.
const removalGrace = 200 * time.Millisecond

// Rescan has the plugin directories looked through soon.
func (f *Fleet) Rescan() {
	select {
	case f.look <- struct{}{}:
	default: // a scan is owed already
	}
}

// watchDirs asks for a scan whenever something below the plugin directories has changed.
func (f *Fleet) watchDirs(ctx context.Context, news func(why string)) error {
	return discover.Watch(ctx, f.cfg.Dirs, discover.WatchConfig{
		News: news, Rescan: f.cfg.Rescan, Logger: f.cfg.Logger,
	})
}

// follow scans when a scan is owed, until ctx ends.
func (f *Fleet) follow(ctx context.Context, members *sync.WaitGroup) {
	var watcher sync.WaitGroup
	defer watcher.Wait()
	if f.watch != nil {
		watcher.Go(func() {
			err := f.watch(ctx, func(why string) {
				f.cfg.Logger.Debug("looking through the plugin directories", "why", why)
				f.Rescan()
			})
			if err != nil && ctx.Err() == nil {
				f.cfg.Logger.Error("the plugin directories are not watched any more", "error", err)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.look:
			f.mirror(ctx, members)
		}
	}
}

// mirror makes the members what the directories hold. It is not called concurrently.
func (f *Fleet) mirror(ctx context.Context, wg *sync.WaitGroup) {
	found := f.scan()
	first := f.all() == nil
	byPath := make(map[string]*member)
	for _, m := range f.all() {
		byPath[m.path] = m
	}
	var members, born []*member
	for _, c := range found.Candidates {
		m := byPath[c.Path]
		delete(byPath, c.Path)
		if m == nil {
			m = newMember(f, c)
			if first {
				m.tried = sync.OnceFunc(f.memberTried)
			}
			born = append(born, m)
		} else {
			m.see(c)
		}
		members = append(members, m)
	}
	gone := f.missed(byPath, found, &members)
	f.take(members, found)
	for _, m := range born {
		wg.Go(func() { m.run(ctx) })
	}
	for _, m := range gone {
		m.dismiss()
	}
	if len(gone) > 0 {
		f.publish()
	}
}

// missed tells which members have no file any more. One that was there a moment ago, or lies in a directory
// that could not be looked at, stays among the members.
func (f *Fleet) missed(without map[string]*member, found discover.Result, members *[]*member) (gone []*member) {
	waiting := false
	for _, m := range without {
		switch {
		case unseen(found, m):
			*members = append(*members, m)
		case m.missing(time.Now()) < removalGrace && !refused(found, m.path):
			waiting = true
			*members = append(*members, m)
		default:
			gone = append(gone, m)
		}
	}
	slices.SortFunc(*members, func(a, b *member) int { return cmp.Compare(a.path, b.path) })
	if waiting {
		time.AfterFunc(removalGrace, f.Rescan)
	}
	return gone
}

// unseen reports whether a file could not be looked at, so that nobody knows whether it is there. A directory is
// missed by the name that was asked for, which need not be the one that its files have.
func unseen(found discover.Result, m *member) bool {
	unread := !slices.Contains(found.Dirs, m.dir())
	return slices.ContainsFunc(found.Missing, func(r discover.Refusal) bool {
		return r.Temporary && (unread || within(r.Path, m.path))
	}) || slices.ContainsFunc(found.Refusals, func(r discover.Refusal) bool {
		return r.Temporary && within(r.Path, m.path)
	})
}

// refused reports whether a file, or a directory on its way, is there and must not be used: no grace for that.
func refused(found discover.Result, path string) bool {
	return slices.ContainsFunc(found.Refusals, func(r discover.Refusal) bool { return within(r.Path, path) })
}

// within reports whether path is dir or lies below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// take puts a scan into force.
func (f *Fleet) take(members []*member, found discover.Result) {
	f.mu.Lock()
	first := f.members == nil
	f.members = append([]*member{}, members...) // not nil any more
	f.found = found
	f.mu.Unlock()
	if first {
		f.untried.Store(int32(len(members)))
		if len(members) == 0 {
			close(f.ready)
		}
	}
	f.tellProblems()
}

// tellProblems logs each problem once, as long as it lasts.
func (f *Fleet) tellProblems() {
	problems := f.Problems()
	now := make(map[Problem]bool, len(problems))
	f.mu.Lock()
	before := f.told
	for _, p := range problems {
		now[p] = true
	}
	f.told = now
	f.mu.Unlock()
	for _, p := range problems {
		if before[p] {
			continue
		}
		if p.Tool != "" {
			f.cfg.Logger.Error("two plugins offer one tool", "path", p.Path, "tool", p.Tool, "reason", p.Reason,
				"fix", p.Fix)
			continue
		}
		f.cfg.Logger.Warn("not used as a plugin", "path", p.Path, "reason", p.Reason, "fix", p.Fix)
	}
}
