package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// mirror is a directory that the go command takes modules from, as GOPROXY=file://DIR: for each version of a
// module MODULE/@v/VERSION.{info,mod,zip}, and MODULE/@v/list. See https://go.dev/ref/mod#goproxy-protocol.
type mirror struct{ dir string }

func (m mirror) url() string { return "file://" + filepath.ToSlash(m.dir) }

// add puts a module in, as it is in a revision of the repository in root, and returns its sums. The zip file
// is made of what git has, as a proxy makes it.
func (m mirror) add(root, revision string, what mod, version string, at commit) (sums, error) {
	escaped, err := module.EscapePath(what.path)
	if err != nil {
		return sums{}, err
	}
	dir := filepath.Join(m.dir, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return sums{}, err
	}
	name := filepath.Join(dir, version)
	if err := zipModule(name+".zip", root, revision, what, version); err != nil {
		return sums{}, err
	}
	goMod, err := fileOf(root, revision, what.dir+"/go.mod")
	if err != nil {
		return sums{}, err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, time.Unix(at.seconds, 0).UTC()})
	if err != nil {
		return sums{}, err
	}
	if err := errors.Join(
		os.WriteFile(name+".mod", goMod, 0o644),
		os.WriteFile(name+".info", append(info, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "list"), []byte(version+"\n"), 0o644),
	); err != nil {
		return sums{}, err
	}
	return sumsOf(name)
}

func zipModule(name, root, revision string, what mod, version string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = zip.CreateFromVCS(f, what.at(version), root, revision, what.dir)
	return errors.Join(err, f.Close())
}

// fileOf is a file as it is in a revision.
func fileOf(root, revision, name string) ([]byte, error) {
	cmd := exec.Command("git", "cat-file", "blob", revision+":"+name)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w\n%s", name, revision, err, &stderr)
	}
	return out, nil
}

// sumsOf computes the sums of a version in the mirror; name is its path without the ending.
func sumsOf(name string) (sums, error) {
	sum, err := dirhash.HashZip(name+".zip", dirhash.Hash1)
	if err != nil {
		return sums{}, err
	}
	goMod, err := os.ReadFile(name + ".mod")
	if err != nil {
		return sums{}, err
	}
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(goMod)), nil
	})
	return sums{zip: sum, mod: modSum}, err
}
