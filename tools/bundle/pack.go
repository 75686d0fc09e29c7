package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// epoch is the time of every file in a bundle: the first that a zip archive can hold.
var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// pack writes the files below dir into an archive: sorted, with times and modes that depend on nothing but
// the name. The official program would take both from the files, and make other bytes each time.
func pack(dir, to string) error {
	names, err := files(dir)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	for _, name := range names {
		if err := add(z, dir, name); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", name, err), out.Close())
		}
	}
	return errors.Join(z.Close(), out.Close())
}

func add(z *zip.Writer, dir, name string) error {
	in, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer in.Close() // only read
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
	h.SetMode(mode(name))
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

// mode is that of a file in a bundle: programs are below server.
func mode(name string) fs.FileMode {
	if strings.HasPrefix(name, "server/") {
		return 0o755
	}
	return 0o644
}

// files are the names of all regular files below dir, with slashes, sorted.
func files(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		rel, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	slices.Sort(names)
	return names, err
}

// sameTree reports how an unpacked bundle differs from what was packed.
func sameTree(stage, unpacked string) error {
	want, err := files(stage)
	if err != nil {
		return err
	}
	got, err := files(unpacked)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("unpacked are %v, packed were %v", got, want)
	}
	for _, name := range want {
		a, err := os.ReadFile(filepath.Join(stage, name))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(unpacked, name))
		if err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(unpacked, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) || info.Mode().Perm() != mode(name) {
			return fmt.Errorf("%s is unpacked as another, of mode %v", name, info.Mode().Perm())
		}
	}
	return nil
}
