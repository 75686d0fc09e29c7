package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// operator is the secret of a token for those hosts whose configuration says who may come in.
const operator = "the operator's own secret, of a test"

// operatorToken is that token, as an element of auth.tokens.
func operatorToken(role string) string {
	return fmt.Sprintf("{name: operator, sha256: %s, role: %s}", digest(operator), role)
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// configured is a host under a configuration that says all of it: nothing is asked of it when it serves, as
// it may want what this test has not made yet.
func configured(t *testing.T, yaml string, settings ...string) *host {
	t.Helper()
	h := unstarted(t, yaml, settings...)
	stderr, err := h.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	go h.follow(stderr, make(chan string, 1))
	h.url = h.served(t)
	return h
}

// servesAt is in the log of a host that serves, on all addresses of the machine too.
var servesAt = regexp.MustCompile(`"@message":"serving",.*"address":"(https?://)([^"]+)"`)

// served waits until the host serves, and returns the address at which tests reach it: on loopback alone.
func (h *host) served(t *testing.T) string {
	t.Helper()
	late := time.After(patience)
	for {
		text, more := h.log.read()
		if found := servesAt.FindStringSubmatch(text); found != nil {
			return found[1] + strings.NewReplacer("0.0.0.0", "127.0.0.1", "[::]", "127.0.0.1").Replace(found[2])
		}
		select {
		case <-more:
		case err := <-h.ended:
			h.ended <- err
			t.Fatalf("the host ended: %v\n%s", err, h.log)
		case <-late:
			t.Fatalf("the host does not serve:\n%s", h.log)
		}
	}
}

// unstarted is a host with the plugin lab and a file of its own. The file says where it listens, so that
// commands find it there.
func unstarted(t *testing.T, yaml string, settings ...string) *host {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, yaml)
	h := &host{t: t, log: &logBuffer{}, ended: make(chan error, 1), client: http.DefaultClient, token: operator}
	h.cmd = exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), "serve")
	h.cmd.Env = environment(t, append([]string{
		"MCP_CONFIG_FILE=" + file, "MCP_SERVER_TRANSPORT=http", "MCP_PLUGINS_DIR=" + filepath.Join(bin, "lab"),
	}, settings...)...)
	return h
}

// refusesToStart starts a host that must end by itself, and returns its words.
func refusesToStart(t *testing.T, yaml string, settings ...string) string {
	t.Helper()
	h := unstarted(t, yaml, settings...)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-done:
		case <-time.After(patience):
			_ = h.cmd.Process.Kill()
		}
	}()
	out, err := h.cmd.CombinedOutput()
	if code := h.cmd.ProcessState.ExitCode(); code < 1 {
		t.Fatalf("the host = exit %d, %v; want it to be refused:\n%s", code, err, out)
	}
	return string(out)
}

// as is the same host, asked with another token; "": with none.
func (h *host) as(token string) *host {
	other := *h
	other.token = token
	return &other
}

// by is the same host, asked by another client.
func (h *host) by(client *http.Client) *host {
	other := *h
	other.client = client
	return &other
}

// from is a client on this machine whose requests come from an address of its own.
func from(t *testing.T, address string) *http.Client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// command runs gatehouse in the environment of the host, and returns what it prints for programs.
func (h *host) command(t *testing.T, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), args...)
	cmd.Env, cmd.Stderr = h.cmd.Env, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gatehouse %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// setting is a variable of the host's environment.
func (h *host) setting(t *testing.T, name string) string {
	t.Helper()
	for _, setting := range h.cmd.Env {
		if value, ok := strings.CutPrefix(setting, name+"="); ok {
			return value
		}
	}
	t.Fatalf("the environment of the host has no %s", name)
	return ""
}

// address is where a host listens.
func (h *host) address(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
