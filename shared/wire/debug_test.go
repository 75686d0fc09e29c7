package wire

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ownTemp gives the test a short temporary directory for sockets.
func ownTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	t.Setenv("XDG_RUNTIME_DIR", "")
	return dir
}

func TestHostsComeAndGoAtAPluginUnderADebugger(t *testing.T) {
	ownTemp(t)
	l, err := ListenDebug("fake")
	if err != nil {
		t.Fatalf("ListenDebug() = %v", err)
	}
	path := DebugSocket("fake")
	if err := CheckDebugSocket(path); err != nil {
		t.Errorf("CheckDebugSocket() = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ServeDebug(ctx, l, &fake{manifest: tool.Manifest{Name: "fake"}}) }()
	for range 2 {
		conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		c := NewClient(conn)
		if err := c.Ping(t.Context()); err != nil {
			t.Errorf("Ping() = %v", err)
		}
		if m, err := c.Describe(t.Context()); err != nil || m.Name != "fake" {
			t.Errorf("Describe() = %+v, %v, want the handler's", m, err)
		}
		_ = conn.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("ServeDebug() = %v when asked to end", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
}

func TestASocketThatIsUsedIsLeftAlone(t *testing.T) {
	ownTemp(t)
	first, err := ListenDebug("fake")
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ListenDebug("fake"); err == nil {
		_ = l.Close()
		t.Fatal("two processes listen at one socket")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false) // as of a process that is killed
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := ListenDebug("fake")
	if err != nil {
		t.Fatalf("ListenDebug() where a killed process has left a socket = %v", err)
	}
	_ = again.Close()
}

func TestOnlyAPrivateDirectoryIsGoodForASocket(t *testing.T) {
	ownTemp(t)
	dir := filepath.Dir(DebugSocket("fake"))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenDebug("fake"); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("ListenDebug() in a directory that others may enter = %v, want what to type", err)
	}
	if err := CheckDebugSocket(DebugSocket("fake")); err == nil {
		t.Error("CheckDebugSocket() in a directory that others may enter = nil")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(DebugSocket("fake"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckDebugSocket(DebugSocket("fake")); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("CheckDebugSocket() of a file = %v, want that it is no socket", err)
	}
	link := filepath.Join(filepath.Dir(dir), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := CheckDebugSocket(filepath.Join(link, "fake.sock")); err == nil {
		t.Error("CheckDebugSocket() through a symbolic link = nil")
	}
	if _, err := ListenDebug("../fake"); err == nil {
		t.Error("ListenDebug() of a name with a path in it succeeded")
	}
}

func TestTheSocketLiesInTheRuntimeDirectoryWhereThereIsOne(t *testing.T) {
	dir := ownTemp(t)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if got, want := DebugSocket("fake"), filepath.Join(dir, "gatehouse-debug", "fake.sock"); got != want {
		t.Errorf("DebugSocket() = %s, want %s", got, want)
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "missing"))
	if got := DebugSocket("fake"); !strings.HasPrefix(got, filepath.Join(dir, "gatehouse-debug-")) {
		t.Errorf("DebugSocket() without the runtime directory = %s", got)
	}
}

func TestASocketThatAKilledPluginLeftIsNotOneThatWaits(t *testing.T) {
	ownTemp(t)
	for _, name := range []string{"killed", "waiting"} {
		l, err := ListenDebug(name)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // may have been closed
		if name == "killed" {
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			_ = l.Close()
		}
	}
	if _, err := os.Lstat(DebugSocket("killed")); err != nil {
		t.Fatal(err)
	}
	if got, err := WaitingDebug(); err != nil || len(got) != 1 || got[0] != DebugSocket("waiting") {
		t.Errorf("WaitingDebug() = %q, %v, want the one that waits", got, err)
	}
}
