package proc_test

import (
	"context"
	"io/fs"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// sockets are the socket files below a directory.
func sockets(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAPluginThatServesHasNoSocketFile(t *testing.T) {
	run := hosttest.RuntimeDir(t)
	p, err := proc.Start(t.Context(), proc.Config{
		Path: hosttest.Install(t, hosttest.Dir(t), "echo"), RuntimeDir: run, Env: hosttest.Env(),
	})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	if left := sockets(t, run); len(left) > 0 {
		t.Errorf("after the start there is %q", left)
	}
	for range 3 {
		if _, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {}); err != nil {
			t.Errorf("Call() without the socket's file = %v", err)
		}
	}
	if err := p.Close(); err != nil { // asks by the same connection
		t.Errorf("Close() = %v", err)
	}
	if p.Err() == nil || p.Err().Error() != "exit status 0" {
		t.Errorf("Err() = %v, want the end of one that was asked", p.Err())
	}
}

// With gRPC's own setting the connection is given up after half an hour without calls, and there is no socket
// to dial again.
func TestAConnectionWithoutCallsStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 16)
		server := grpc.NewServer()
		wire.Register(server, new(hosttest.Fake))
		go func() { _ = server.Serve(listener) }() // until Stop
		defer server.Stop()
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
		conn, err := grpc.NewClient("passthrough:///plugin", append(wire.DialOptions(),
			grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // its error is of no interest
		if _, err := wire.NewClient(conn).Describe(t.Context()); err != nil {
			t.Fatalf("Describe() = %v", err)
		}
		time.Sleep(24 * time.Hour) // the bubble's clock
		if state := conn.GetState(); state != connectivity.Ready {
			t.Errorf("after a day without calls the connection is %v, want %v", state, connectivity.Ready)
		}
	})
}

func TestABrokenConnectionOfALivingProcessIsUnavailable(t *testing.T) {
	p := start(t, hosttest.Dir(t), "hang-up")
	_, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if tool.KindOf(err) != tool.KindUnavailable {
		t.Errorf("Call() of one that hangs up = %v, want kind %s", err, tool.KindUnavailable)
	}
	for range 2 {
		if err := p.Ping(t.Context()); tool.KindOf(err) != tool.KindUnavailable {
			t.Errorf("Ping() = %v, want kind %s", err, tool.KindUnavailable)
		}
	}
	if p.Err() != nil {
		t.Errorf("Err() = %v, want none: the process lives", p.Err())
	}
}
