package e2e

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/e2e/serving"
)

// Whoever reads the log may go away; the service goes on.
func TestALostLogDoesNotEndTheHost(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "serve", "--transport", "http", "--port", "0",
		"--plugins-dir", filepath.Join(bin, "lab"))
	cmd.Env, cmd.Stderr = environment(t), w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	url := ""
	for sc := bufio.NewScanner(r); url == "" && sc.Scan(); {
		url = serving.Address(sc.Bytes())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // each refusal is a line of the log
		resp, err := http.Get(url + "/tools")
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			t.Fatalf("GET /tools = %v, %v; want 401", resp, err)
		}
		_ = resp.Body.Close()
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the host ended with %v, want success", err)
	}
}

// A client that goes away without a word is noticed by the end of stdin, and is no failure.
func TestALostClientEndsTheHostInOrder(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, "lab"))
	cmd.Env = environment(t)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	ping := strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n", 3)
	if _, err := in.Write([]byte(ping)); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the host ended with %v, want success", err)
	}
}
