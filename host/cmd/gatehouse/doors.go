package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/peer"
	"github.com/gatehouse-mcp/gatehouse/host/internal/tlscert"
)

// openTLS reads the certificate, when the configuration names one.
func (h *host) openTLS(cfg config.TLS) error {
	if !cfg.On() {
		return nil
	}
	keeper, err := newKeeper(cfg, h.log)
	if err != nil {
		return err
	}
	h.keeper, h.tls = keeper, keeper.TLS()
	return nil
}

func newKeeper(cfg config.TLS, log *slog.Logger) (*tlscert.Keeper, error) {
	kinds := map[string]tls.ClientAuthType{
		config.ClientAuthOptional: tls.VerifyClientCertIfGiven, config.ClientAuthRequire: tls.RequireAndVerifyClientCert,
	}
	return tlscert.New(tlscert.Config{
		CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, ClientCAFile: cfg.ClientCAFile, ClientAuth: kinds[cfg.ClientAuth],
		Logger: log,
	})
}

// scheme is how clients begin the address of a door.
func (h *host) scheme() string {
	if h.tls != nil {
		return "https://"
	}
	return "http://"
}

// listenAdmin opens the address that the administrative routes have of their own, when they have one.
func (h *host) listenAdmin(ctx context.Context) (net.Listener, error) {
	network, address, ok := h.config().Admin.Network()
	if !ok {
		return nil, nil
	}
	if network == "unix" {
		return listenUnix(ctx, address)
	}
	return listenTCP(ctx, address, "admin.listen")
}

// listenUnix makes a socket for the user of this process alone. One that a host left behind which was killed is
// taken away; one where somebody answers is not. A lock beside it, which the kernel gives back when its holder ends,
// keeps two that start at once from taking each other's away.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	lock, err := lockBeside(path)
	if err != nil {
		return nil, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w; choose another place with admin.listen", err), lock.Close())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), l.Close(), lock.Close())
	}
	return &lockedListener{Listener: l, lock: lock}, nil
}

// lockedListener gives its lock back when it is closed.
type lockedListener struct {
	net.Listener
	lock *os.File
}

func (l *lockedListener) Close() error { return errors.Join(l.Listener.Close(), l.lock.Close()) }

func lockBeside(path string) (*os.File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("listen: %w; choose another place with admin.listen", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: another process serves on %s; end it, or choose another place with "+
			"admin.listen", path), lock.Close())
	}
	return lock, nil
}

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen: %s is there and no socket; choose another place with admin.listen", path)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("listen: another process serves on %s; end it, or choose another place with "+
			"admin.listen", path), c.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen: %w", err)
	}
	return os.Remove(path)
}

// doors are the door of everybody and, when it listens for itself, that of administrators.
type doors struct {
	*host
	public, admin *httpdoor.Door // admin is nil where public has its routes
	adminSocket   net.Listener
}

// newDoors splits a door, if administrators have an address of their own.
func (h *host) newDoors(cfg httpdoor.Config, adminSocket net.Listener) (*doors, error) {
	whole, err := httpdoor.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	all := &doors{host: h, public: whole}
	if adminSocket != nil {
		all.public, all.admin, all.adminSocket = whole.WithoutAdmin(), whole.AdminOnly(h.adminSide()), adminSocket
	}
	h.open.Store(all)
	return all, nil
}

// adminSide is how administrators come in. At a socket the kernel says who they are: root and the user of this
// process need no token, as they can read and write all that a token could give them.
func (h *host) adminSide() httpdoor.Side {
	network, address, _ := h.config().Admin.Network()
	if network == "unix" {
		return httpdoor.Side{Hosts: httpdoor.Hosts{Names: []string{adminHost}}, Peer: ownPeer}
	}
	bind, _, _ := net.SplitHostPort(address) // the configuration was checked
	return httpdoor.Side{Hosts: httpdoor.HostsOf(bind, h.config().Server.AllowedHosts...), TLS: h.tls}
}

// adminHost is the name that stands in the header Host of requests over a Unix socket.
const adminHost = "gatehouse"

func ownPeer(c net.Conn) (auth.Identity, bool) {
	uid, ok := peer.UID(c)
	if !ok || uid != 0 && uid != os.Geteuid() {
		return auth.Identity{}, false
	}
	return auth.Identity{Client: "uid:" + strconv.Itoa(uid), Kind: auth.ByPeer, Role: auth.Admin}, true
}

// serve serves all doors until ctx ends, or one of them fails.
func (d *doors) serve(ctx context.Context, l net.Listener) error {
	grace := d.config().Server.ShutdownGracePeriod.Duration()
	if d.admin == nil {
		return d.public.Serve(ctx, l, grace)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		defer cancel()
		failed = d.admin.Serve(ctx, d.adminSocket, grace)
	})
	err := d.public.Serve(ctx, l, grace)
	cancel()
	wg.Wait()
	return errors.Join(err, failed)
}
