package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// release makes a release. Until the last two steps nothing is changed but directories of its own:
//
//	ready      the working tree is clean, no tag of the version is there
//	cut        the commit of the release, its modules in a mirror of files, its tags; in a clone
//	tidy       each module, with the others from the mirror, is what "go mod tidy" makes of it
//	build      every program for every platform, twice, in two directories; the bytes are the same
//	pack       archives, bills of materials, checksums
//	stranger   in an empty directory: go install of the host, go get of the sdk, a plugin is built and called
//	keep       DIR/VERSION
//	tags       into the repository, all at once
func (j job) release(ctx context.Context) error {
	origin, err := openRepo(ctx, j.root)
	if err != nil {
		return err
	}
	kept := filepath.Join(j.out, j.version)
	if _, err := os.Lstat(kept); err == nil {
		return fmt.Errorf("%s is there already; take it away, or release another version", kept)
	}
	dir, err := temporary()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := j.cut(ctx, origin, dir)
	if err != nil {
		return err
	}
	p, err := newProving(ctx, c, dir)
	if err != nil {
		return err
	}
	made, err := j.prove(ctx, p)
	if err != nil {
		return err
	}
	return j.keep(ctx, origin, c, made, kept)
}

// temporary makes a directory. What tests run as another user must be able to reach what is in there.
func temporary() (string, error) {
	dir, err := os.MkdirTemp("", "gatehouse-release-")
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // git names directories without links
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// cut makes the commit and the tags of the release, in a clone.
func (j job) cut(ctx context.Context, origin repo, dir string) (cut, error) {
	clone, err := origin.clone(ctx, filepath.Join(dir, "gatehouse"), "HEAD")
	if err != nil {
		return cut{}, err
	}
	mods, err := readModules(clone.dir)
	if err != nil {
		return cut{}, err
	}
	mods = published(mods)
	if err := origin.ready(ctx, cut{version: j.version, mods: mods}.tags()); err != nil {
		return cut{}, err
	}
	c, err := makeCut(ctx, clone, j.version, func([]mod) ([]mod, error) { return mods, nil },
		mirror{dir: filepath.Join(dir, "mirror")})
	if err != nil {
		return cut{}, err
	}
	j.say("the commit of %s is %s, on top of %s", c.version, c.id, c.base.id)
	return c, clone.tag(ctx, c.id, "Gatehouse "+j.version, c.tags())
}

// prove is what stands between the commit and the release. It returns the directory of what was made.
func (j job) prove(ctx context.Context, p proving) (made string, err error) {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"modules are tidy", func() error { return p.tidy(ctx) }},
		{"two builds are the same, and static", func() error { return p.buildTwice(ctx, j.platforms, j.warm) }},
		{"archives, bills of materials and checksums", func() error {
			made, err = p.pack(j.platforms)
			return err
		}},
		{"a stranger's plugin is called", func() error { return p.stranger(ctx, j.platforms) }},
	} {
		begun := time.Now()
		if err := step.do(); err != nil {
			return "", fmt.Errorf("%s: %w", step.name, err)
		}
		j.say("%s (%v)", step.name, time.Since(begun).Round(time.Second))
	}
	return made, nil
}

// keep lets what was made and the tags out of the temporary directory.
func (j job) keep(ctx context.Context, origin repo, c cut, made, to string) error {
	if err := os.MkdirAll(j.out, 0o755); err != nil {
		return err
	}
	if err := move(made, to); err != nil {
		return err
	}
	if err := origin.take(ctx, c.repo, c.tags()); err != nil {
		return errors.Join(err, os.RemoveAll(to))
	}
	j.say("%s is made, and %d tags; publish them with", to, len(c.tags()))
	j.say("  git push --atomic REMOTE%s", list(" ", c.tags()))
	return nil
}

func list(before string, items []string) (text string) {
	for _, item := range items {
		text += before + item
	}
	return text
}

// move copies a directory of files to where it stays: beside it first, then by its name, so that it is whole.
func move(from, to string) error {
	half, err := os.MkdirTemp(filepath.Dir(to), ".half-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(half)
	if err := os.CopyFS(filepath.Join(half, "x"), os.DirFS(from)); err != nil {
		return err
	}
	return os.Rename(filepath.Join(half, "x"), to)
}

// mirror makes a mirror of modules as they are in an old commit, as if that had been released.
func (j job) mirror(ctx context.Context) error {
	origin, err := openRepo(ctx, j.root)
	if err != nil {
		return err
	}
	dir, err := temporary()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clone, err := origin.clone(ctx, filepath.Join(dir, "gatehouse"), j.mirrorOf)
	if err != nil {
		return err
	}
	choose := func(all []mod) ([]mod, error) { return needed(all, j.modules) }
	c, err := makeCut(ctx, clone, j.version, choose, mirror{dir: filepath.Join(dir, "mirror")})
	if err != nil {
		return err
	}
	if err := move(c.mirror.dir, j.out); err != nil {
		return err
	}
	j.say("%s has %s of the commit %s as %s", j.out, list(" ", names(c.mods)), c.base.id, j.version)
	return nil
}
