package tlscert

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// links makes files as Kubernetes does: links into ..data, which is a link to a directory of one version.
func links(t *testing.T, dir string, p pair, version string) {
	t.Helper()
	for name, raw := range map[string][]byte{"tls.crt": p.cert, "tls.key": p.key} {
		if err := os.MkdirAll(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, name), raw)
	}
	turn := filepath.Join(dir, "..tmp")
	if err := os.Symlink(version, turn); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(turn, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func newLinkedScene(t *testing.T) (*scene, string) {
	dir := t.TempDir()
	s := newScene(t, func(c *Config) {
		c.CertFile, c.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		links(t, dir, newAuthority(t, "other").issue(t, "zeroth", year), "..v0")
		for _, name := range []string{"tls.crt", "tls.key"} {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
	return s, dir
}

func TestLinksAreTurned(t *testing.T) {
	s, dir := newLinkedScene(t)
	for _, name := range []string{"second", "third"} {
		links(t, dir, s.ca.issue(t, name, year), ".."+name)
		s.wantServer(t, name, "turned")
	}
	if n := s.log.warnings(); n != 0 {
		t.Errorf("the log has %d warnings, want none:\n%s", n, s.log)
	}
}

func TestNoHandshakeFailsWhileFilesChange(t *testing.T) {
	turned, dir := newLinkedScene(t)
	links(t, dir, turned.ca.issue(t, "first", year), "..v1")
	turned.wantServer(t, "first", "turned") // the one before was of a CA that clients do not trust
	written := newScene(t, nil)
	replaced := newScene(t, nil)
	for says, row := range map[string]struct {
		s   *scene
		put func(pair, string)
	}{
		"links are turned":  {turned, func(p pair, version string) { links(t, dir, p, "..v"+version) }},
		"files are written": {written, func(p pair, _ string) { written.put(t, p) }},
		"files are replaced": {replaced, func(p pair, _ string) {
			replace(t, replaced.cfg.CertFile, p.cert)
			replace(t, replaced.cfg.KeyFile, p.key)
		}},
	} {
		var done atomic.Bool
		var all sync.WaitGroup
		var visits atomic.Int64
		for range 4 {
			all.Go(func() {
				for !done.Load() {
					visits.Add(1)
					if _, _, _, err := row.s.visit(nil); err != nil {
						t.Errorf("%s: a handshake fails: %v", says, err)
						return
					}
				}
			})
		}
		for n := range 25 {
			name := string(rune('a' + n))
			row.put(row.s.ca.issue(t, name, year), name)
			row.s.wantServerSoon(t, name, says)
		}
		done.Store(true)
		all.Wait()
		if n := row.s.log.warnings(); n != 0 && row.s == turned { // others are wrong between two files
			t.Errorf("%s: the log has %d warnings, want none:\n%s", says, n, row.s.log)
		}
		if visits.Load() < 25 {
			t.Errorf("%s: only %d handshakes were made", says, visits.Load())
		}
	}
}

// wantServerSoon is for when another handshake may be the one that reads the files.
func (s *scene) wantServerSoon(t *testing.T, want, says string) {
	t.Helper()
	for range 1000 {
		if _, got, _, err := s.visit(nil); err != nil || got == want {
			if err != nil {
				t.Errorf("%s: a handshake fails: %v", says, err)
			}
			return
		}
	}
	t.Errorf("%s: %q is not in force after 1000 handshakes", says, want)
}

func TestOtherFilesOfTheSameSizeAndTime(t *testing.T) {
	s := newScene(t, nil)
	at := time.Now().Add(-time.Hour)
	for _, name := range []string{"second", "third", "fourth"} {
		p := s.ca.issue(t, name, year)
		p.cert = append(p.cert, bytes.Repeat([]byte("\n"), 1000-len(p.cert))...)
		for file, raw := range map[string][]byte{s.cfg.CertFile: p.cert, s.cfg.KeyFile: p.key} {
			next := file + "." + name
			err := errors.Join(os.WriteFile(next, raw, 0o600), os.Chtimes(next, at, at), os.Rename(next, file))
			if err != nil {
				t.Fatal(err)
			}
		}
		s.wantServer(t, name, "another file")
	}
}

func TestFilesThatChangeWithinATick(t *testing.T) {
	s := newScene(t, nil)
	now := time.Now()
	for _, name := range []string{"second", "third", "fourth"} {
		p := s.ca.issue(t, name, year)
		p.cert = append(p.cert, bytes.Repeat([]byte("\n"), 1000-len(p.cert))...) // of one length
		for file, raw := range map[string][]byte{s.cfg.CertFile: p.cert, s.cfg.KeyFile: p.key} {
			if err := errors.Join(os.WriteFile(file, raw, 0o600), os.Chtimes(file, now, now)); err != nil {
				t.Fatal(err)
			}
		}
		s.wantServer(t, name, "within a tick")
	}
}

// TestLinksAreTurnedWhileFilesAreRead: halves of two versions must not be taken for a bad one.
func TestLinksAreTurnedWhileFilesAreRead(t *testing.T) {
	s, dir := newLinkedScene(t)
	pairs := []pair{s.ca.issue(t, "even", year), s.ca.issue(t, "odd", year)}
	var done atomic.Bool
	var looking sync.WaitGroup
	looking.Go(func() {
		for !done.Load() {
			s.keeper.look()
		}
	})
	for n := range 301 {
		links(t, dir, pairs[n%2], fmt.Sprintf("..v%d", n+1))
	}
	done.Store(true)
	looking.Wait()
	if n := s.log.warnings(); n != 0 {
		t.Errorf("the log has %d warnings, want none:\n%s", n, s.log)
	}
	s.wantServer(t, "even", "after all")
}
