package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// cut is a release as sources: a commit, the modules in it, and the mirror that they are served from.
type cut struct {
	repo    repo // a clone, with the commit checked out
	base    commit
	id      string // of the commit
	version string
	mods    []mod           // in the order in which they require each other
	known   map[string]sums // path of a module -> its sums
	mirror  mirror
}

// tags are those of the modules, then that of the whole.
func (c cut) tags() []string {
	var tags []string
	for _, m := range c.mods {
		tags = append(tags, m.tag(c.version))
	}
	return append(tags, c.version)
}

// makeCut makes the commit of a release in a clone, on top of the one that is checked out there. A module's
// sum stands in the modules that require it, so they are made one after the other. The committer is that of
// the base, so that the commit is the same whoever makes it.
func makeCut(
	ctx context.Context, clone repo, version string, choose func([]mod) ([]mod, error), to mirror,
) (cut, error) {
	base, err := clone.commit(ctx, "HEAD")
	if err != nil {
		return cut{}, err
	}
	all, err := readModules(clone.dir)
	if err != nil {
		return cut{}, err
	}
	mods, err := choose(all)
	if err != nil {
		return cut{}, err
	}
	c := cut{repo: clone, base: base, version: version, mods: mods, known: make(map[string]sums), mirror: to}
	for _, m := range mods {
		if c.known[m.path], err = c.module(ctx, m); err != nil {
			return cut{}, fmt.Errorf("%s: %w", m.dir, err)
		}
	}
	if err := c.rewriteRest(all); err != nil {
		return cut{}, err
	}
	return c.seal(ctx)
}

// module rewrites one module, commits that, and puts it into the mirror.
func (c cut) module(ctx context.Context, m mod) (sums, error) {
	if err := m.rewrite(c.repo.dir, c.version, c.known); err != nil {
		return sums{}, err
	}
	if err := c.record(ctx, m.dir); err != nil {
		return sums{}, err
	}
	return c.mirror.add(c.repo.dir, "HEAD", m, c.version, c.base)
}

// rewriteRest lets the modules that stay require what is released, where all of that is part of it.
func (c cut) rewriteRest(all []mod) error {
	for _, m := range all {
		if m.stays() && len(c.mods) == len(published(all)) {
			if err := m.rewrite(c.repo.dir, c.version, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// record commits what has changed.
func (c cut) record(ctx context.Context, what string) error {
	// Hooks and signatures of who runs this are theirs, and would make another commit.
	_, err := c.repo.as(c.base).git(ctx, "-c", "core.hooksPath="+os.DevNull, "commit", "--quiet", "--all",
		"--allow-empty", "--no-gpg-sign", "--message", "release: "+what)
	return err
}

// seal makes one commit of all, and holds that its modules are those of the mirror.
func (c cut) seal(ctx context.Context) (cut, error) {
	if _, err := c.repo.git(ctx, "reset", "--quiet", "--soft", c.base.id); err != nil {
		return c, err
	}
	if err := c.record(ctx, c.version); err != nil {
		return c, err
	}
	sealed, err := c.repo.commit(ctx, "HEAD")
	if err != nil {
		return c, err
	}
	c.id = sealed.id
	dir, err := os.MkdirTemp(filepath.Dir(c.repo.dir), "again-")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	again := mirror{dir: dir}
	for _, m := range c.mods {
		got, err := again.add(c.repo.dir, c.id, m, c.version, c.base)
		if err != nil {
			return c, err
		}
		if got != c.known[m.path] {
			return c, fmt.Errorf("%s has the sums %v in the commit %s, and %v stands in go.sum",
				m.dir, got, c.id, c.known[m.path])
		}
	}
	return c, nil
}

// find returns the module in a folder.
func (c cut) find(dir string) (mod, error) {
	found, err := needed(c.mods, []string{dir})
	if err != nil {
		return mod{}, err
	}
	return found[len(found)-1], nil // what it needs comes before it
}
