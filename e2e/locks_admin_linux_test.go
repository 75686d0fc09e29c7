package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// apart is a host whose administrators have an address of their own, and whose one token is the operator's.
func apart(t *testing.T, listen string) *host {
	t.Helper()
	return configured(t, apartConfig(t, listen))
}

func apartConfig(t *testing.T, listen string) string {
	t.Helper()
	return fmt.Sprintf("server: {port: %s}\nadmin: {listen: %q}\nauth: {tokens: [%s]}\n",
		freePort(t), listen, operatorToken("admin"))
}

// atSocket is a host, asked without a token at a socket.
func (h *host) atSocket(t *testing.T, path string) *host {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	other := h.by(&http.Client{Transport: transport}).as("")
	other.url = "http://gatehouse"
	return other
}

// adminRoutes are those of administrators, with the status of each when all is well.
var adminRoutes = []struct {
	method, path, body string
	good               int
}{
	{"GET", "/config", "", 200}, {"GET", "/tokens", "", 200}, {"POST", "/tokens", `{"name":"apart"}`, 201},
	{"POST", "/tokens/apart/rotate", "", 200}, {"DELETE", "/tokens/apart", "", 200},
	{"POST", "/tools/TrueTool/disable", "", 200}, {"POST", "/tools/TrueTool/enable", "", 200},
	{"POST", "/tools/TrueTool/breaker/open", "", 200}, {"POST", "/tools/TrueTool/breaker/close", "", 200},
	{"POST", "/plugins/lab/restart", "", 200}, {"POST", "/plugins/lab/stop", "", 200},
	{"POST", "/plugins/lab/start", "", 200}, {"POST", "/plugins/verify", "", 200},
}

// callRoutes are those of everybody that administrators' address does not have.
var callRoutes = []struct{ method, path, body string }{
	{"POST", execute, "{}"}, {"POST", "/tools/NoopTool/plan", "{}"}, {"POST", "/mcp", initialize},
	{"GET", "/mcp", ""}, {"GET", "/events", ""},
}

// wantApart asks both sides for all routes.
func wantApart(t *testing.T, public, admin *host) {
	t.Helper()
	for _, to := range adminRoutes {
		what := to.method + " " + to.path
		// 405 of a path that is also the name of a plugin, which may be looked at.
		if got := public.status(t, to.method, to.path, to.body); got != 404 &&
			(got != 405 || to.path != "/plugins/verify") {
			t.Errorf("%s of the public side = %d, want 404", what, got)
		}
		if r := admin.send(t, to.method, to.path, to.body); r.status != to.good {
			t.Errorf("%s of the administrators' side = %d %s, want %d", what, r.status, r.body, to.good)
		}
	}
	for _, to := range callRoutes {
		what := to.method + " " + to.path
		wantStatus(t, what+" of the administrators' side",
			admin.status(t, to.method, to.path, to.body, acceptMCP...), 404)
		if got := public.status(t, to.method, to.path, to.body, acceptMCP...); got == 404 && to.path != "/mcp" ||
			got == 403 {
			t.Errorf("%s of the public side = %d, want it there", what, got)
		}
	}
	for _, path := range []string{"/", "/livez", "/readyz", "/tools", "/tools/NoopTool", "/plugins",
		"/metrics", "/openapi.json"} {
		wantStatus(t, path+" of the public side", public.status(t, "GET", path, ""), 200)
		wantStatus(t, path+" of the administrators' side", admin.status(t, "GET", path, ""), 200)
	}
	for side, has := range map[*host]string{public: "/execute", admin: "/config"} {
		r := side.send(t, "GET", "/openapi.json", "")
		if both := strings.Contains(r.body, `"/config"`) && strings.Contains(r.body, "/execute\""); both ||
			!strings.Contains(r.body, has) {
			t.Errorf("the document of %s has the routes of both sides, or not its own", side.url)
		}
	}
}

func TestAdministratorsHaveASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	h := apart(t, "unix:"+path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("the socket is %v, %v; want one of mode 0600", info, err)
	}
	admin := h.atSocket(t, path)
	wantApart(t, h, admin)
	for _, args := range [][]string{
		{"tools", "disable", "NoopTool", "--reason", "a test"}, {"tools", "enable", "NoopTool"},
		{"breaker", "open", "NoopTool"}, {"breaker", "close", "NoopTool"}, {"plugins", "restart", "lab"},
		{"plugins", "list"}, {"health"},
	} {
		h.command(t, args...) // none of which has a token
	}
	var made struct{ Token string }
	admin.ask(t, "POST", "/tokens", `{"name":"new"}`, 201, &made)
	h.as(made.Token).ask(t, "POST", execute, "{}", 200, nil)
	wantStatus(t, "another Host at the socket", admin.status(t, "GET", "/config", "", "Host", "evil.example"),
		403)
	wantStatus(t, "another site at the socket",
		admin.status(t, "GET", "/config", "", "Origin", "https://evil.example"), 403)
	wantStatus(t, "the name of the socket, elsewhere", h.status(t, "GET", "/tools", "", "Host", "gatehouse"),
		403)
	own, disabled := fmt.Sprint("uid:", os.Geteuid()), 0
	for _, l := range h.trailed(t, "admin") {
		if l.Actor != own {
			t.Errorf("line %+v, want that %s did it", l, own)
		}
		if l.Action == "disable" && l.Facts["reason"] == "a test" {
			disabled++
		}
	}
	if disabled != 1 {
		t.Errorf("%d lines tell of the switch and its reason, want one", disabled)
	}
	h.stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the end the socket is %v, want it gone", err)
	}
}

// TestOthersNeedATokenAtTheSocket opens the socket to everybody, and comes as somebody else: who is root can.
// An ordinary user is itself, and comes in.
func TestOthersNeedATokenAtTheSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "gatehouse-e2e-") // where others can go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "admin.sock")
	apart(t, "unix:"+path)
	for name, mode := range map[string]os.FileMode{dir: 0o755, path: 0o666} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	root := os.Geteuid() == 0
	come := func(token string) (string, bool) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), "tools", "disable", "NoopTool")
		cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "XDG_STATE_HOME=" + dir, "MCP_ADMIN_LISTEN=unix:" + path,
			"GATEHOUSE_TOKEN=" + token}
		if root {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		return string(out), err == nil
	}
	if out, in := come(""); in == root || root && !strings.Contains(out, "bearer token is required") {
		t.Errorf("without a token: %s, want it to be let in as the host's own user alone", out)
	}
	if out, in := come("bad"); in == root || root && !strings.Contains(out, "bearer token is required") {
		t.Errorf("with a bad token: %s, want it to be let in as the host's own user alone", out)
	}
	if out, in := come(operator); !in {
		t.Errorf("with a token: %s, want it to be let in", out)
	}
}

func TestASocketIsTakenOverFromTheDeadAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	dead := apart(t, "unix:"+path)
	if err := dead.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead.wait()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("a host that was killed left %v, want its socket", err)
	}
	h := apart(t, "unix:"+path)
	admin := h.atSocket(t, path)
	admin.ask(t, "GET", "/config", "", 200, nil)
	out := refusesToStart(t, apartConfig(t, "unix:"+path))
	if !strings.Contains(out, "another process serves on "+path) || !strings.Contains(out, "admin.listen") {
		t.Errorf("a second host: %s, want who is there, and what to do", out)
	}
	admin.ask(t, "GET", "/config", "", 200, nil)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("after a second host was refused, the socket is %v", err)
	}
	h.stop()
	writeFile(t, path, "of somebody else")
	if out := refusesToStart(t, apartConfig(t, "unix:"+path)); !strings.Contains(out, "no socket") {
		t.Errorf("a file in its place: %s, want that it is no socket", out)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "of somebody else" {
		t.Errorf("the file is %q, %v; want it as it was", raw, err)
	}
}

func TestAdministratorsHaveAPort(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	for scheme, more := range map[string]string{
		"http": "", "https": fmt.Sprintf("tls: {cert_file: %s, key_file: %s}\n", f.cert, f.key),
	} {
		address := "127.0.0.1:" + freePort(t)
		h := configured(t, apartConfig(t, address)+more, "GATEHOUSE_TOKEN="+operator)
		h.client = a.client(t)
		admin := *h
		admin.url = scheme + "://" + address
		wantStatus(t, scheme+": without a token", admin.as("").status(t, "GET", "/config", ""), 401)
		wantStatus(t, scheme+": with a bad one", admin.as("bad").status(t, "POST", "/tools/NoopTool/disable", ""),
			401)
		caller := h.command(t, "token", "create", "caller")
		wantStatus(t, scheme+": as a caller", admin.as(caller).status(t, "GET", "/config", ""), 403)
		wantStatus(t, scheme+": by another name", admin.status(t, "GET", "/config", "", "Host", "evil.example"),
			403)
		wantApart(t, h, &admin)
		h.command(t, "tools", "disable", "NoopTool") // finds it
		h.ask(t, "POST", execute, "{}", 403, nil)
	}
}
