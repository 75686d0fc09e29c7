package proc_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// pastALink names a socket of its own directory by a way that leads through a link of its own: where that leads is
// the plugin's choice, also when the host removes the socket.
func pastALink() {
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	_ = os.Mkdir(dir+"/inner", 0o700)
	_ = os.Symlink("inner", dir+"/link")
	if _, err := net.Listen("unix", dir+"/socket"); err != nil {
		os.Exit(3)
	}
	fmt.Printf("1|1|unix|%s/link/../socket|grpc|\n", dir)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// noSocketThere names a link in its own directory, which may lead to somebody else's socket.
func noSocketThere() {
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	_ = os.Symlink("/run/docker.sock", dir+"/socket")
	fmt.Printf("1|1|unix|%s/socket|grpc|\n", dir)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestAFileThatIsJudgedUnfitIsNotExecuted(t *testing.T) {
	dir := hosttest.Dir(t)
	path := hosttest.Install(t, dir, "echo")
	var seen fs.FileInfo
	_, err := proc.Start(t.Context(), proc.Config{
		Path: path, RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
		Judge: func(info fs.FileInfo) error {
			seen = info
			return errors.New("it is another file")
		},
	})
	if !errors.Is(err, proc.ErrUnfinished) || !strings.Contains(err.Error(), "it is another file") {
		t.Errorf("Start() = %v, want the judgement, and another try later", err)
	}
	if info, bad := os.Stat(path); bad != nil || !os.SameFile(info, seen) {
		t.Errorf("judged was %v, want the file itself", seen)
	}
}
