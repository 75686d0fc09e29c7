package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

// The generated token goes to the host of this machine, by whatever of its addresses, and to nobody else.
func TestWhoIsShownTheGeneratedToken(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++ }))
	defer s.Close()
	port := s.Listener.Addr().(*net.TCPAddr).Port
	_, digits, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, row := range []struct {
		says string
		o    remote
		host string
	}{
		{"the address of the configuration", remote{}, "127.0.0.1"},
		{"a host on all addresses", remote{}, "0.0.0.0"},
		{"by its name", remote{}, "localhost"},
		{"--url", remote{url: "http://127.0.0.1:" + digits}, ""},
	} {
		var cfg config.Config
		cfg.Server.Host, cfg.Server.Port = row.host, port
		p, err := row.o.place(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p.guard(t.TempDir())
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+"/", http.NoBody)
		before := asked
		if _, err := p.answer(req); err != nil || asked != before+1 {
			t.Errorf("%s: answer of %s = %v, asked %d times", row.says, p.base, err, asked-before)
		}
	}
}

// Of a listener of another user nothing but the connection is seen. As an ordinary user the test cannot become another:
// then the state directory, and the process itself, stand for those who are not meant.
func TestAListenerOfAnotherUserIsShownNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		if ownerOf(t.TempDir()) != os.Geteuid() || ownerOf("/nowhere") != -1 {
			t.Error("ownerOf does not tell whose a directory is")
		}
		return
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Fchown(fd, 65534, 65534); err != nil { // the kernel tells the owner of the socket
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer f.Close()
	p, err := remote{url: "http://" + l.Addr().String()}.place(config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.guard(t.TempDir())
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+"/", http.NoBody)
	req.Header.Set("Authorization", "Bearer secret")
	if _, err := p.answer(req); !errors.Is(err, errStranger) || !strings.Contains(err.Error(), "65534") {
		t.Errorf("answer = %v, want it to name the user who listens", err)
	}
}
