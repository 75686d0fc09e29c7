// Package tlscert keeps the certificate of the host, and of those who sign its clients', as their files are
// now. No goroutine watches the files: each handshake looks whether they are the same as before, which takes
// a few microseconds. What is wrong with new ones is logged, and the ones before stay in force, as often as
// it takes. A [Keeper] is all.
//
//	keeper, err := tlscert.New(tlscert.Config{CertFile: "/etc/tls/host.crt", KeyFile: "/etc/tls/host.key"})
//	l = tls.NewListener(l, keeper.TLS())
//	days := time.Until(keeper.NotAfter()).Hours() / 24
package tlscert

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where the files are, all of them PEM. They may be symbolic links, as certbot and Kubernetes
// make them, and may change in any order: halves that do not fit are not used.
type Config struct {
	CertFile string // the host's certificate, then those that lead to a root
	KeyFile  string // its private key; nobody but the owner may be able to read or write it

	// ClientCAFile has the certificates of those who sign the clients'. Empty: clients have none.
	ClientCAFile string
	// ClientAuth is tls.NoClientCert without a ClientCAFile, and with one tls.VerifyClientCertIfGiven or
	// tls.RequireAndVerifyClientCert. Others would let in certificates that nobody signed.
	ClientAuth tls.ClientAuthType

	Logger *slog.Logger // nil: none

	now func() time.Time // nil: time.Now
}

func (c Config) checked() (Config, error) {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.now == nil {
		c.now = time.Now
	}
	switch {
	case c.CertFile == "" || c.KeyFile == "":
		return c, errors.New("a certificate and its key are two files; name both")
	case c.ClientCAFile == "" && c.ClientAuth == tls.NoClientCert:
		return c, nil
	case c.ClientCAFile != "" &&
		(c.ClientAuth == tls.VerifyClientCertIfGiven || c.ClientAuth == tls.RequireAndVerifyClientCert):
		return c, nil
	}
	return c, fmt.Errorf("certificates of clients go by %v and the CA file %q; "+
		"with a CA file allowed are %v and %v, without one only %v", c.ClientAuth, c.ClientCAFile,
		tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert, tls.NoClientCert)
}

// Keeper knows the files. Its methods may be called concurrently.
type Keeper struct {
	cfg     Config
	current atomic.Pointer[generation]
	looked  atomic.Pointer[look]

	reading sync.Mutex // held by the one that reads files; nobody waits for it
}

// look is what the files were when they were last read.
type look struct {
	stamps  stamps
	settled bool   // they can be told by their stamps
	sum     digest // of what stood in them
}

// New reads the files. It fails when they are not good, or when the key can be read by others.
func New(cfg Config) (*Keeper, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, fmt.Errorf("tlscert: %w", err)
	}
	k := &Keeper{cfg: cfg}
	l, files, err := k.read()
	if err != nil {
		return nil, fmt.Errorf("tlscert: %w", err)
	}
	g, err := newGeneration(cfg, files)
	if err != nil {
		return nil, fmt.Errorf("tlscert: %w", err)
	}
	k.looked.Store(l)
	k.current.Store(g)
	g.warn(cfg)
	return k, nil
}

// TLS is for a listener of HTTP/1.1.
func (k *Keeper) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return k.look().forHandshake(k.cfg.now()), nil
		},
	}
}

// NotAfter is when the certificate, or one of those that come with it, expires.
func (k *Keeper) NotAfter() time.Time { return k.look().notAfter }

// look returns what is in force, after a look at the files. While somebody else reads them, what was in force
// is good enough.
func (k *Keeper) look() *generation {
	if k.changed() && k.reading.TryLock() {
		defer k.reading.Unlock()
		if k.changed() { // still: another may have been faster
			k.reread()
		}
	}
	return k.current.Load()
}

func (k *Keeper) changed() bool {
	l := k.looked.Load()
	return !l.settled || !l.stamps.same(k.stat())
}

// reread puts what the files hold now in force, when it is something else and good.
func (k *Keeper) reread() {
	before, old := k.looked.Load(), k.current.Load()
	l, files, err := k.read()
	if errors.Is(err, errMoving) { // the next handshake finds them whole
		return
	}
	k.looked.Store(l)
	if l.sum == before.sum {
		return
	}
	if err == nil && l.sum == old.sum {
		k.cfg.Logger.Info("the TLS certificate in force is in its files again", "file", k.cfg.CertFile)
		return
	}
	var g *generation
	if err == nil {
		g, err = newGeneration(k.cfg, files)
	}
	if err == nil {
		err = g.better(old, k.cfg)
	}
	if err != nil {
		k.cfg.Logger.Warn("the new TLS certificate is not good; the one before stays in force",
			"error", err, "expires", old.notAfter)
		return
	}
	k.current.Store(g)
	k.cfg.Logger.Info("the TLS certificate was read anew", "file", k.cfg.CertFile, "expires", g.notAfter)
	g.warn(k.cfg)
}
