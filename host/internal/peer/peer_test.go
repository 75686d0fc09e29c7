package peer

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// pair is both ends of a connection over a listener.
func pair(t *testing.T, l net.Listener) (client, server net.Conn) {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	client, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func TestThePeerOfAUnixSocketIsItsUser(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	_, server := pair(t, l)
	if uid, ok := UID(server); !ok || uid != os.Geteuid() {
		t.Errorf("UID = %d, %t, want %d", uid, ok, os.Geteuid())
	}
	if uid, ok := UID(tls.Server(server, &tls.Config{})); !ok || uid != os.Geteuid() {
		t.Errorf("UID behind TLS = %d, %t, want %d", uid, ok, os.Geteuid())
	}
}

func TestNobodyKnowsThePeerOfANetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, server := pair(t, l)
	if uid, ok := UID(server); ok {
		t.Errorf("UID over TCP = %d, want nobody", uid)
	}
	ours, _ := net.Pipe()
	if uid, ok := UID(ours); ok {
		t.Errorf("UID of a pipe = %d, want nobody", uid)
	}
}
