package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// repo is a git repository with a working tree.
type repo struct {
	dir string // its root, absolute
	env []string
}

// openRepo finds the repository that a directory is the root of.
func openRepo(ctx context.Context, dir string) (repo, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return repo{}, err
	}
	// Who runs this inside a hook has variables that point to another repository.
	r := repo{dir: dir, env: without(os.Environ(),
		"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")}
	if _, err := r.git(ctx, "rev-parse", "--verify", "HEAD"); err != nil {
		return repo{}, fmt.Errorf("%s is no git repository with a commit: %w", dir, err)
	}
	return r, nil
}

// without leaves out variables of an environment.
func without(env []string, names ...string) []string {
	var kept []string
	for _, setting := range env {
		name, _, _ := strings.Cut(setting, "=")
		if !slices.Contains(names, name) {
			kept = append(kept, setting)
		}
	}
	return kept
}

// git runs git in the repository, and returns what it prints.
func (r repo) git(ctx context.Context, args ...string) (string, error) {
	return output(ctx, r.dir, r.env, "git", args...)
}

// output runs a program and returns its standard output without the last line's end. What it prints on stderr
// is in the error.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s",
			filepath.Base(name), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}

// ready reports why no release can be made of what is checked out.
func (r repo) ready(ctx context.Context, tags []string) error {
	changed, err := r.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("the working tree is not clean; commit, or take away:\n%s", changed)
	}
	for _, tag := range tags {
		if _, err := r.git(ctx, "rev-parse", "--quiet", "--verify", "refs/tags/"+tag); err == nil {
			return fmt.Errorf("the tag %s is there already: a version is released once, so take the next one", tag)
		}
	}
	return nil
}

// clone makes a repository in a new directory, at a commit of this one and on no branch. It borrows the
// objects of this one, so it must not outlive it.
func (r repo) clone(ctx context.Context, dir, commit string) (repo, error) {
	if _, err := r.git(ctx, "clone", "--quiet", "--shared", "--no-checkout", r.dir, dir); err != nil {
		return repo{}, err
	}
	c := repo{dir: dir, env: r.env}
	_, err := c.git(ctx, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit)
	return c, err
}

// commit is one commit.
type commit struct {
	id          string
	name, email string // of its committer
	date        string // of its committer, strict ISO 8601
	seconds     int64  // the same, since 1970
}

func (r repo) commit(ctx context.Context, rev string) (commit, error) {
	text, err := r.git(ctx, "log", "-1", "--format=%H%n%cn%n%ce%n%cI%n%ct", rev, "--")
	if err != nil {
		return commit{}, err
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return commit{}, fmt.Errorf("git says of commit %s: %q", rev, text)
	}
	c := commit{id: lines[0], name: lines[1], email: lines[2], date: lines[3]}
	_, err = fmt.Sscan(lines[4], &c.seconds)
	return c, err
}

// as is the same repository, where who commits is the committer of c, at the same time.
func (r repo) as(c commit) repo {
	r.env = append(without(r.env), // a copy
		"GIT_AUTHOR_NAME="+c.name, "GIT_AUTHOR_EMAIL="+c.email, "GIT_AUTHOR_DATE="+c.date,
		"GIT_COMMITTER_NAME="+c.name, "GIT_COMMITTER_EMAIL="+c.email, "GIT_COMMITTER_DATE="+c.date)
	return r
}

// tag makes annotated tags, by who runs this.
func (r repo) tag(ctx context.Context, commit, message string, tags []string) error {
	if _, err := r.git(ctx, "var", "GIT_COMMITTER_IDENT"); err != nil {
		return errors.New("git does not know who you are, and a tag says who made it: " +
			"set user.name and user.email with git config")
	}
	for _, tag := range tags {
		if _, err := r.git(ctx, "tag", "--annotate", "--no-sign", "--message", message, tag, commit); err != nil {
			return err
		}
	}
	return nil
}

// take brings tags of another repository, with what they point to; all of them or none.
func (r repo) take(ctx context.Context, from repo, tags []string) error {
	args := []string{"fetch", "--quiet", "--no-tags", "--atomic", from.dir}
	for _, tag := range tags {
		args = append(args, "refs/tags/"+tag+":refs/tags/"+tag)
	}
	_, err := r.git(ctx, args...)
	return err
}
