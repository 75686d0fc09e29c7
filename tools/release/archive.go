package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// besides is what every archive has besides programs, as it is in the root of the repository.
var besides = []string{"LICENSE", "README.md", "CHANGELOG.md"}

// entry is one file of an archive.
type entry struct {
	name string // in the archive, with slashes
	from string // the file whose bytes it has
	mode int64
}

// stem is what the names of a platform's files begin with.
func (p proving) stem(platform string) string {
	version := strings.TrimPrefix(p.version, "v")
	return "gatehouse-" + version + "-" + strings.ReplaceAll(platform, "/", "-")
}

// pack makes the files of a release, and returns their directory.
func (p proving) pack(platforms []string) (dir string, err error) {
	dir = filepath.Join(p.dir, "made")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	for _, platform := range platforms {
		base := p.stem(platform)
		packed := filepath.Join(dir, base+".tar.gz")
		if err := archive(packed, base, p.entries(platform), time.Unix(p.cut.base.seconds, 0)); err != nil {
			return "", fmt.Errorf("pack for %s: %w", platform, err)
		}
		if err := p.writeBill(filepath.Join(dir, base+".cdx.json"), packed, platform); err != nil {
			return "", fmt.Errorf("bill of materials for %s: %w", platform, err)
		}
	}
	return dir, writeSums(dir)
}

// entries are what an archive has.
func (p proving) entries(platform string) []entry {
	var list []entry
	for _, name := range besides {
		list = append(list, entry{name, filepath.Join(p.repo.dir, name), 0o644})
	}
	for _, prog := range p.programs() {
		list = append(list, entry{prog.at, filepath.Join(p.built(platform), filepath.FromSlash(prog.at)), 0o755})
	}
	return list
}

// archive writes a .tar.gz file: sorted, everything of one time and of root, in one folder.
func archive(to, folder string, entries []entry, at time.Time) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t := tar.NewWriter(z)
	err = writeEntries(t, folder, entries, at)
	return errors.Join(err, t.Close(), z.Close(), f.Close())
}

func writeEntries(t *tar.Writer, folder string, entries []entry, at time.Time) error {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	made := make(map[string]bool) // folder -> it is in the archive
	for _, e := range entries {
		inside := folder + "/" + e.name
		for i, c := range inside {
			if c != '/' || made[inside[:i]] {
				continue
			}
			made[inside[:i]] = true
			if err := t.WriteHeader(&tar.Header{
				Typeflag: tar.TypeDir, Name: inside[:i+1], Mode: 0o755, ModTime: at, Format: tar.FormatUSTAR,
			}); err != nil {
				return err
			}
		}
		if err := writeEntry(t, inside, e, at); err != nil {
			return err
		}
	}
	return nil
}

func writeEntry(t *tar.Writer, inside string, e entry, at time.Time) error {
	f, err := os.Open(e.from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := tar.Header{
		Typeflag: tar.TypeReg, Name: inside, Size: info.Size(), Mode: e.mode, ModTime: at,
		Format: tar.FormatUSTAR,
	}
	if err := t.WriteHeader(&h); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// unpack unpacks an archive of ours into a directory.
func unpack(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = unpackEntry(t, h, to)
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(from), err)
		}
	}
}

func unpackEntry(t *tar.Reader, h *tar.Header, to string) error {
	if !filepath.IsLocal(filepath.FromSlash(h.Name)) {
		return fmt.Errorf("the name %q leads out of it", h.Name)
	}
	name := filepath.Join(to, filepath.FromSlash(h.Name))
	if h.Typeflag == tar.TypeDir {
		return os.MkdirAll(name, h.FileInfo().Mode())
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, h.FileInfo().Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, t)
	return errors.Join(err, f.Close())
}

// sumsFile is what sha256sum --check reads.
const sumsFile = "SHA256SUMS"

// writeSums writes the checksums of all files in a directory.
func writeSums(dir string) error {
	files, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, f := range files {
		sum, err := sha256Of(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, f.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(text.String()), 0o644)
}

func sha256Of(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
