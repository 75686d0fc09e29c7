package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// A plugin that runs under a debugger is started by a person, and hosts come to it: over gRPC on a unix
// socket, without go-plugin's handshake and without TLS. What keeps others out is that the socket lies in a
// directory which is its user's alone.

// DebugSocket is where a plugin of a name listens for hosts when it runs under a debugger: always at the same
// place, so that a host finds it again after it has been started anew. The directory is XDG_RUNTIME_DIR's,
// else one of the user's own among the temporary files.
func DebugSocket(name string) string { return filepath.Join(debugDir(), name+".sock") }

func debugDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, "gatehouse-debug")
		}
	}
	return filepath.Join(os.TempDir(), "gatehouse-debug-"+strconv.Itoa(os.Geteuid()))
}

// ListenDebug opens the socket of a plugin's name. Closing the listener removes it.
func ListenDebug(name string) (net.Listener, error) {
	if !tool.ValidName(name) {
		return nil, fmt.Errorf("the name %q of the plugin is none: allowed are [A-Za-z0-9_-]", name)
	}
	path := DebugSocket(name)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make a directory for the socket: %w", err)
	}
	if err := private(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for a host: %w; where the path is too long, set TMPDIR to a shorter one", err)
	}
	return l, nil
}

// removeStale takes away the socket of a process that was killed.
func removeStale(path string) error {
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // nothing was said
		return fmt.Errorf("another process of this plugin listens at %s already; end it first", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return nil // there is none
}

// WaitingDebug are the sockets at which plugins wait for hosts. Those that processes left behind which were killed
// are not among them.
func WaitingDebug() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(debugDir(), "*.sock"))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, stale), nil
}

// stale reports whether nobody listens at a socket.
func stale(path string) bool {
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // nothing was said
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// CheckDebugSocket says why a socket may be another user's, or could be exchanged by one: it and its
// directory must be this user's, and the directory closed to everybody else.
func CheckDebugSocket(path string) error {
	if err := private(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not a socket", path)
	case !own(info):
		return fmt.Errorf("%s belongs to another user", path)
	}
	return nil
}

func private(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !own(info):
		return fmt.Errorf("%s belongs to another user; set TMPDIR to a directory of your own", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others may enter %s; type: chmod 700 %[1]s", dir)
	}
	return nil
}

func own(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// ServeDebug serves a handler to whoever connects to a listener, one host after the other, until ctx ends.
// Calls in flight are cancelled then.
func ServeDebug(ctx context.Context, l net.Listener, h tool.Handler) error {
	server := grpc.NewServer(ServerOptions()...)
	Register(server, h)
	checks := health.NewServer()
	checks.SetServingStatus(PluginName, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, checks)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	err := server.Serve(l) // closes l
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve under a debugger: %w", err)
}
