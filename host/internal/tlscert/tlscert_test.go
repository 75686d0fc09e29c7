package tlscert

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

func TestFilesAreNotReadForNothing(t *testing.T) {
	s := newScene(t, nil)
	before := s.keeper.looked.Load()
	if !before.settled {
		t.Fatal("files of an hour ago are not settled")
	}
	for range 10 {
		s.wantServer(t, "first", "unchanged")
	}
	if s.keeper.looked.Load() != before {
		t.Error("the files were read again, want not, while they are the same")
	}
}

func TestConfigsAndFilesThatAreNotGood(t *testing.T) {
	clients := func(how tls.ClientAuthType, key bool) func(*Config) {
		return func(c *Config) {
			c.ClientAuth, c.ClientCAFile = how, c.CertFile
			if key {
				c.ClientCAFile = c.KeyFile
			}
		}
	}
	for _, row := range []struct {
		says   string
		change func(*Config)
		want   string
	}{
		{"no certificate", func(c *Config) { c.CertFile = "" }, "name both"},
		{"no key", func(c *Config) { c.KeyFile = "" }, "name both"},
		{"a certificate that is not there", func(c *Config) { c.CertFile = "/nowhere/a" }, "/nowhere/a"},
		{"a key that is not there", func(c *Config) { c.KeyFile = "/nowhere/b" }, "/nowhere/b"},
		{"a key that others can read", func(c *Config) { chmod(t, c.KeyFile, 0o644) }, "chmod 640"},
		{"a key that others can write", func(c *Config) { chmod(t, c.KeyFile, 0o602) }, "chmod 640"},
		{"a key that is a directory", func(c *Config) { c.KeyFile = t.TempDir() }, "not a regular file"},
		{"twice the certificate", func(c *Config) { c.KeyFile = c.CertFile }, "not a certificate and its key"},
		{"a CA without a use", func(c *Config) { c.ClientCAFile = c.CertFile }, "NoClientCert"},
		{"a use without a CA", func(c *Config) { c.ClientAuth = tls.RequireAndVerifyClientCert }, "CA file"},
		{"certificates that nobody signed", clients(tls.RequireAnyClientCert, false), "RequireAnyClientCert"},
		{"a CA that is a key", clients(tls.VerifyClientCertIfGiven, true), `tls.key: it has a block "PRIVATE KEY"`},
	} {
		s := newScene(t, nil)
		row.change(&s.cfg)
		_, err := New(s.cfg)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: New = %v, want %q", row.says, err, row.want)
		}
	}
}

func TestTheEndIsNear(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		says     string
		lifetime time.Duration // that is left of it
		warnings int
	}{
		{"a year", year, 0}, {"15 days", 15*day + time.Hour, 0}, {"13 days", 13 * day, 1}, {"none", -time.Hour, 1},
	} {
		s := newScene(t, nil)
		s.put(t, s.ca.issue(t, "x", row.lifetime))
		var log lockedBuffer
		s.cfg.Logger = newLogger(&log)
		k, err := New(s.cfg)
		if err != nil || log.warnings() != row.warnings {
			t.Errorf("%s left: New = %v with %d warnings, want %d", row.says, err, log.warnings(), row.warnings)
			continue
		}
		if left := time.Until(k.NotAfter()); left > row.lifetime || left < row.lifetime-time.Hour {
			t.Errorf("%s left: NotAfter is %v away", row.says, left)
		}
	}
}

func TestTheEndOfAChain(t *testing.T) {
	s := newScene(t, nil)
	short := s.ca.issue(t, "intermediate, as it were", time.Hour)
	long := s.ca.issue(t, "leaf", year)
	s.put(t, pair{append(long.cert, short.cert...), long.key})
	if left := time.Until(s.keeper.NotAfter()); left > time.Hour {
		t.Errorf("NotAfter is %v away, want the hour of the second in the chain", left)
	}
	s.wantServer(t, "leaf", "a chain")
}

func BenchmarkUnchanged(b *testing.B) {
	s := newScene(b, nil)
	for b.Loop() {
		if s.keeper.look() == nil {
			b.Fatal("nothing is in force")
		}
	}
}
