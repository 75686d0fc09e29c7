package tlscert

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestChangesThatAreGood(t *testing.T) {
	for says, change := range map[string]func(*scene, pair){
		"both are replaced": func(s *scene, p pair) {
			replace(t, s.cfg.CertFile, p.cert)
			replace(t, s.cfg.KeyFile, p.key)
		},
		"both are written over": func(s *scene, p pair) { s.put(t, p) },
		"the key comes a handshake later": func(s *scene, p pair) {
			replace(t, s.cfg.CertFile, p.cert)
			s.wantServer(t, "first", "between")
			s.wantServer(t, "first", "between")
			replace(t, s.cfg.KeyFile, p.key)
		},
		"the certificate comes a handshake later": func(s *scene, p pair) {
			replace(t, s.cfg.KeyFile, p.key)
			s.wantServer(t, "first", "between")
			replace(t, s.cfg.CertFile, p.cert)
		},
		"the file was away for a while": func(s *scene, p pair) {
			remove(t, s.cfg.CertFile)
			s.wantServer(t, "first", "between")
			s.put(t, p)
		},
		"a chain": func(s *scene, p pair) {
			s.put(t, pair{append(append([]byte("Issued by us\n"), p.cert...), s.ca.pem...), p.key})
		},
	} {
		s := newScene(t, nil)
		s.wantServer(t, "first", says)
		change(s, s.ca.issue(t, "second", year))
		s.wantServer(t, "second", says)
	}
}

func remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func TestChangesThatAreNotGood(t *testing.T) {
	put := func(change func(*scene, pair) pair) func(*scene, pair) {
		return func(s *scene, p pair) { s.put(t, change(s, p)) }
	}
	clients := func(change func(*scene, pair) []byte) func(*scene, pair) {
		return func(s *scene, p pair) { write(t, s.cfg.ClientCAFile, change(s, p)) }
	}
	half := func(raw []byte) []byte { return raw[:len(raw)/2] }
	oneAndAHalf := func(raw []byte) []byte { return append(bytes.Clone(raw), half(raw)...) }
	endless := func(raw []byte) []byte { return append(bytes.Clone(raw), make([]byte, maxFile)...) }
	for says, change := range map[string]func(*scene, pair){
		"the certificate is garbage":    put(func(s *scene, p pair) pair { return pair{garbage, p.key} }),
		"the certificate is empty":      put(func(s *scene, p pair) pair { return pair{nil, p.key} }),
		"the certificate is half there": put(func(s *scene, p pair) pair { return pair{half(p.cert), p.key} }),
		"the chain is half there":       put(func(s *scene, p pair) pair { return pair{oneAndAHalf(p.cert), p.key} }),
		"the key is half there":         put(func(s *scene, p pair) pair { return pair{p.cert, half(p.key)} }),
		"the key is garbage":            put(func(s *scene, p pair) pair { return pair{p.cert, garbage} }),
		"they do not fit":               put(func(s *scene, p pair) pair { return pair{p.cert, pkcs8(t, newKey(t))} }),
		"the certificate has no end":    put(func(s *scene, p pair) pair { return pair{endless(p.cert), p.key} }),
		"the certificate is gone":       func(s *scene, _ pair) { remove(t, s.cfg.CertFile) },
		"the key is gone":               func(s *scene, _ pair) { remove(t, s.cfg.KeyFile) },
		"the CA of clients is gone":     func(s *scene, _ pair) { remove(t, s.cfg.ClientCAFile) },
		"the CA of clients is half":     clients(func(s *scene, _ pair) []byte { return oneAndAHalf(s.ca.pem) }),
		"the CA of clients is a key":    clients(func(s *scene, p pair) []byte { return p.key }),
		"the CA of clients is no cert":  clients(func(*scene, pair) []byte { return noCert }),
		"the key is a directory": func(s *scene, _ pair) {
			remove(t, s.cfg.KeyFile)
			mkdir(t, s.cfg.KeyFile)
		},
		"others can read the new key":    func(s *scene, p pair) { s.put(t, p); chmod(t, s.cfg.KeyFile, 0o644) },
		"the group can write the key":    func(s *scene, _ pair) { chmod(t, s.cfg.KeyFile, 0o660) },
		"others can read the key by now": func(s *scene, _ pair) { chmod(t, s.cfg.KeyFile, 0o604) },
		"it has expired":                 func(s *scene, _ pair) { s.put(t, s.ca.issue(t, "old", -time.Hour)) },
	} {
		s := newScene(t, withClients(t, newAuthority(t, "clients"), tls.VerifyClientCertIfGiven))
		change(s, s.ca.issue(t, "second", year))
		for range 3 {
			s.wantServer(t, "first", says)
		}
		if n := s.log.warnings(); n != 1 || !strings.Contains(s.log.String(), filepath.Dir(s.cfg.CertFile)) {
			t.Errorf("%s: the log has %d warnings, want one that names a file:\n%s", says, n, s.log)
		}
		restore(t, s)
		s.put(t, s.ca.issue(t, "third", year))
		s.wantServer(t, "third", says+", and was put right")
	}
}

// restore makes place for good files.
func restore(t *testing.T, s *scene) {
	t.Helper()
	_ = os.RemoveAll(s.cfg.KeyFile) // whatever it was
	write(t, s.cfg.ClientCAFile, s.ca.pem)
}

var (
	garbage = []byte("garbage")
	noCert  = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: garbage})
)

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestAKeyIsMadeSafe(t *testing.T) {
	s := newScene(t, nil)
	s.put(t, s.ca.issue(t, "second", year))
	chmod(t, s.cfg.KeyFile, 0o644)
	s.wantServer(t, "first", "open to others")
	chmod(t, s.cfg.KeyFile, 0o600)
	s.wantServer(t, "second", "made safe")
}

func TestTheOldFilesComeBack(t *testing.T) {
	s := newScene(t, nil)
	raw, err := os.ReadFile(s.cfg.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	before := s.keeper.current.Load()
	write(t, s.cfg.CertFile, garbage)
	s.wantServer(t, "first", "garbage")
	write(t, s.cfg.CertFile, raw)
	s.wantServer(t, "first", "back")
	if s.keeper.current.Load() != before {
		t.Error("another generation is in force, want the one before, and its sessions")
	}
	if !strings.Contains(s.log.String(), "again") {
		t.Errorf("the log does not say that all is well again:\n%s", s.log)
	}
}
