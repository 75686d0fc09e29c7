package tlscert

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// soon is how long before its end a certificate is warned of; short-lived ones are in their last third.
	soon = 14 * 24 * time.Hour
	// ticketsFor is how long a key of session tickets is used. As long again it is still good for old ones.
	ticketsFor = 24 * time.Hour
)

// generation is what handshakes go by as long as the files are the same. What belongs to it, belongs to no
// other: a session that began under another client CA is not resumed, because its ticket cannot be read.
type generation struct {
	config   *tls.Config
	sum      digest
	notAfter time.Time
	lifetime time.Duration

	mu    sync.Mutex // guards keys
	keys  [][32]byte // of session tickets, the newest first
	keyed time.Time
}

func newGeneration(cfg Config, files contents) (*generation, error) {
	cert, err := parsePair(cfg, files)
	if err != nil {
		return nil, err
	}
	g := &generation{sum: files.sum, config: &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{cert},
		ClientAuth: cfg.ClientAuth,
	}}
	if g.notAfter, err = chainEnd(cert.Certificate); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.CertFile, err)
	}
	g.lifetime = g.notAfter.Sub(cert.Leaf.NotBefore)
	if cfg.ClientCAFile != "" {
		if g.config.ClientCAs, err = parsePool(files.clientCA); err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.ClientCAFile, err)
		}
	}
	return g, nil
}

func parsePair(cfg Config, files contents) (tls.Certificate, error) {
	if err := whole(files.cert); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", cfg.CertFile, err)
	}
	if err := whole(files.key); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", cfg.KeyFile, err)
	}
	cert, err := tls.X509KeyPair(files.cert, files.key)
	if err != nil {
		return cert, fmt.Errorf("%s and %s are not a certificate and its key: %w", cfg.CertFile, cfg.KeyFile, err)
	}
	return cert, nil
}

// chainEnd is when the first of a chain's certificates expires.
func chainEnd(chain [][]byte) (end time.Time, err error) {
	for _, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return end, err
		}
		if end.IsZero() || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end, nil
}

// whole refuses a file that ends within a block, and one without any. The standard library passes over the
// former, and a half-written list of CAs would be a shorter one.
func whole(raw []byte) error {
	_, err := blocks(raw)
	return err
}

func blocks(raw []byte) (all []*pem.Block, err error) {
	begins := bytes.Count(raw, []byte("-----BEGIN"))
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, block)
	}
	switch {
	case begins == 0:
		return nil, errors.New("there is nothing in PEM in it")
	case begins != len(all):
		return nil, fmt.Errorf("of the %d blocks of PEM that begin in it, only %d are whole", begins, len(all))
	}
	return all, nil
}

func parsePool(raw []byte) (*x509.CertPool, error) {
	all, err := blocks(raw)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, block := range all {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it has a block %q; it must have certificates only", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		pool.AddCert(cert)
	}
	return pool, nil
}

// better refuses a certificate that nobody would accept in the place of one that everybody does.
func (g *generation) better(old *generation, cfg Config) error {
	if now := cfg.now(); now.After(g.notAfter) && !now.After(old.notAfter) {
		return fmt.Errorf("%s: it expired on %v", cfg.CertFile, g.notAfter)
	}
	return nil
}

// warn tells of an end that is near, once for each certificate; a health check is to tell it again.
func (g *generation) warn(cfg Config) {
	left := g.notAfter.Sub(cfg.now())
	if left < min(soon, g.lifetime/3) {
		cfg.Logger.Warn("the TLS certificate expires soon, or has expired; put a new one into its place",
			"file", cfg.CertFile, "expires", g.notAfter)
	}
}

// forHandshake returns the configuration, with keys of session tickets that are not too old. Without keys of
// its own crypto/tls would take those of the listener, which outlive all generations.
func (g *generation) forHandshake(now time.Time) *tls.Config {
	g.mu.Lock()
	defer g.mu.Unlock()
	age := now.Sub(g.keyed)
	if len(g.keys) > 0 && age < ticketsFor {
		return g.config
	}
	var key [32]byte
	rand.Read(key[:]) // never fails
	if len(g.keys) > 0 && age < 2*ticketsFor {
		g.keys = [][32]byte{key, g.keys[0]}
	} else {
		g.keys = [][32]byte{key}
	}
	g.keyed = now
	g.config.SetSessionTicketKeys(g.keys)
	return g.config
}
