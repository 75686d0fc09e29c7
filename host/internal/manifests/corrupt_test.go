package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestABadFileIsAMissAndTakenAway(t *testing.T) {
	bin := t.TempDir()
	p := newProgram(t, filepath.Join(bin, "a"), "a")
	other := newProgram(t, filepath.Join(bin, "b"), "b")
	good, err := encode(p.sum, manifest("one"))
	must(t, err)
	foreign, err := encode(other.sum, manifest("two"))
	must(t, err)
	document := func(text string) []byte { return []byte(head(p.sum, []byte(text)) + text) }
	huge := append(bytes.Clone(good), make([]byte, MaxFile)...)
	for name, raw := range map[string][]byte{
		"nothing": {}, "zeros": make([]byte, len(good)),
		"half of it": good[:len(good)/2], "more": append(bytes.Clone(good), ' '),
		"the line alone": good[:bytes.IndexByte(good, '\n')], "another program's": foreign, "far too much": huge,
		"JSON alone": good[bytes.IndexByte(good, '\n')+1:],
		"a manifest of another version of Gatehouse": bytes.Replace(good, []byte(shape()), []byte(other.sum), 1),
		"a document that is not JSON":                document("{"),
		"a document that is no manifest":             document(`{"x":1}`),
		"a manifest that Validate refuses":           document(`{"Name":"a b"}`),
	} {
		dir := t.TempDir()
		c := open(t, dir)
		keep(t, c, p, manifest("one"))
		keep(t, c, other, manifest("two"))
		must(t, os.WriteFile(c.file(p.sum), raw, 0o600))
		wantMiss(t, c, p)
		if _, err := os.Lstat(c.file(p.sum)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: Lstat() after Find() = %v, want it gone", name, err)
		}
		wantFound(t, c, other, manifest("two"))
		keep(t, c, p, manifest("one"))
		wantFound(t, c, p, manifest("one"))
	}
}

func TestWhatIsNoFileIsAMiss(t *testing.T) {
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	whole := filepath.Join(t.TempDir(), "whole")
	raw, err := encode(p.sum, manifest("one"))
	must(t, err)
	must(t, os.WriteFile(whole, raw, 0o600))
	for name, put := range map[string]func(path string) error{
		"a FIFO":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link":      func(path string) error { return os.Symlink(whole, path) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		c := open(t, t.TempDir())
		must(t, put(c.file(p.sum)))
		must(t, put(filepath.Join(c.dir, indexName)))
		wantMiss(t, c, p)
		if _, err := os.Lstat(c.file(p.sum)); err == nil {
			t.Errorf("%s is still there after Find()", name)
		}
		keep(t, c, p, manifest("one"))
		wantFound(t, c, p, manifest("one"))
	}
}

func TestABadIndexIsTakenAway(t *testing.T) {
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	entryOf := func(sum string) string {
		raw, err := json.Marshal(map[string]entry{p.path: {Stamp: p.stamp, Sum: sum}})
		must(t, err)
		return string(raw)
	}
	for name, text := range map[string]string{
		"nothing": "", "half of it": entryOf(p.sum)[:50], "a list": "[]", "an unknown member": `{"a":{"x":1}}`,
		"a path for a hash": entryOf("../../../etc/passwd"), "no hash": entryOf(""),
		"a negative device": strings.Replace(entryOf(p.sum), `"Device":`, `"Device":-`, 1),
		"far too much":      entryOf(p.sum) + strings.Repeat(" ", MaxFile),
	} {
		dir := t.TempDir()
		keep(t, open(t, dir), p, manifest("one"))
		index := filepath.Join(dir, indexName)
		must(t, os.WriteFile(index, []byte(text), 0o600))
		c := open(t, dir)
		if _, err := os.Lstat(index); err == nil {
			t.Errorf("an index with %s is still there after Open()", name)
		}
		wantFound(t, c, p, manifest("one"))
		if !unread(t, open(t, dir), p) {
			t.Errorf("Find() after an index with %s did not write another", name)
		}
	}
}

func TestAnIndexThatLeadsNowhereIsAMiss(t *testing.T) {
	c := open(t, t.TempDir())
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	keep(t, c, p, manifest("one"))
	must(t, os.Remove(c.file(p.sum)))
	wantMiss(t, c, p)
	keep(t, c, p, manifest("two"))
	wantFound(t, c, p, manifest("two"))
}
