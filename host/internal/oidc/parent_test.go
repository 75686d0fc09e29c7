package oidc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// testIssuer is the child as its parent sees it.
type testIssuer struct {
	t      testing.TB
	url    string
	client *http.Client
	cmd    *exec.Cmd
	stdin  io.Closer
}

func startIssuer(t testing.TB, address string, pki *testCA) *testIssuer {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), listenEnv+"="+address, "GORACE=atexit_sleep_ms=0") // or it ends a second late
	i := &testIssuer{t: t, cmd: cmd, client: http.DefaultClient}
	if pki != nil {
		cmd.Env = append(cmd.Env, certEnv+"="+pki.certFile, keyEnv+"="+pki.keyFile)
		i.client = pki.client
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i.stdin = stdin
	t.Cleanup(i.stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the issuer did not start: %v", err)
	}
	i.url = strings.TrimSpace(line)
	return i
}

// stop ends the process. It may be called twice.
func (i *testIssuer) stop() {
	_ = i.stdin.Close()
	_ = i.cmd.Wait()
}

func (i *testIssuer) ask(method, path string, body any) string {
	i.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		i.t.Fatal(err)
	}
	r, err := http.NewRequest(method, i.url+path, bytes.NewReader(raw))
	if err != nil {
		i.t.Fatal(err)
	}
	answer, err := i.client.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		i.t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	return string(text)
}

func (i *testIssuer) sign(ask wish) string {
	i.t.Helper()
	return i.ask("POST", "/sign", ask)
}

func (i *testIssuer) behave(m manners) {
	i.t.Helper()
	i.ask("POST", "/behave", m)
}

func (i *testIssuer) rotate() {
	i.t.Helper()
	i.ask("POST", "/rotate", nil)
}

// withRSA gives it an RSA key, too.
func (i *testIssuer) withRSA() *testIssuer {
	i.t.Helper()
	i.ask("POST", "/rotate?rsa", nil)
	return i
}

func (i *testIssuer) counts() counts {
	i.t.Helper()
	var c counts
	if err := json.Unmarshal([]byte(i.ask("GET", "/counts", nil)), &c); err != nil {
		i.t.Fatal(err)
	}
	return c
}
