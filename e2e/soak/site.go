package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/e2e/serving"
)

// patience is how long anything may take to start, to end or to come to rest.
const patience = time.Minute

// site is the host under test, and a directory of its own for everything that it needs.
type site struct {
	settings
	dir    string // removed by close
	config string // the host's file

	cmd    *exec.Cmd
	ended  chan error // holds the one result of Wait
	url    string
	token  string
	client *http.Client
}

// newSite puts programs and configuration into their places; nothing runs yet.
func newSite(ctx context.Context, s settings) (*site, error) {
	dir, err := os.MkdirTemp("", "gatehouse-soak-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	st := &site{
		settings: s, dir: dir, config: filepath.Join(dir, "gatehouse.yaml"),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * s.concurrency}},
	}
	if err := st.furnish(ctx); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

// furnish copies the programs, so that a build in the meantime changes nothing.
func (s *site) furnish(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find myself: %w", err)
	}
	if err := os.Mkdir(s.pluginDir(), 0o755); err != nil {
		return fmt.Errorf("make the directory of plugins: %w", err)
	}
	for from, to := range map[string]string{
		filepath.Join(s.root, "bin/gatehouse"):    s.program(),
		filepath.Join(s.root, "bin/plugins/ping"): filepath.Join(s.pluginDir(), "ping"),
		self: filepath.Join(s.pluginDir(), pluginPrefix),
	} {
		if err := copyProgram(from, to); err != nil {
			return fmt.Errorf("%w; type: make build", err)
		}
	}
	lab := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(s.pluginDir(), "lab"), "./e2e/labplugin")
	lab.Dir = s.root
	if out, err := lab.CombinedOutput(); err != nil {
		return fmt.Errorf("build the lab plugin: %w\n%s", err, out)
	}
	return s.configure(plainConfig)
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy a program: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("copy a program: %w", err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

func (s *site) pluginDir() string { return filepath.Join(s.dir, "plugins") }
func (s *site) program() string   { return filepath.Join(s.dir, "gatehouse") }
func (s *site) log() string       { return filepath.Join(s.dir, "host.log") }
func (s *site) state() string     { return filepath.Join(s.dir, "state", "gatehouse") }

// configure puts a configuration into its place as a deployment does: whole.
func (s *site) configure(text string) error {
	next := s.config + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return os.Rename(next, s.config)
}

func (s *site) environ() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"XDG_STATE_HOME=" + filepath.Join(s.dir, "state"), "MCP_CONFIG_FILE=" + s.config,
	}
}

// start starts the host, and waits until it is ready.
func (s *site) start(ctx context.Context) error {
	log, err := os.Create(s.log())
	if err != nil {
		return fmt.Errorf("make the log: %w", err)
	}
	defer log.Close()
	s.cmd = exec.Command(s.program(),
		"serve", "--transport", "http", "--port", "0", "--plugins-dir", s.pluginDir())
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = s.dir, s.environ(), log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the host: %w", err)
	}
	s.ended = make(chan error, 1) // closed by nobody
	go func() { s.ended <- s.cmd.Wait() }()
	if err := eventually(ctx, func() (bool, error) { return s.ready(ctx), nil }); err != nil {
		s.kill()
		return fmt.Errorf("the host does not become ready: %w\n%s", err, s.lastWords())
	}
	token, err := os.ReadFile(filepath.Join(s.state(), "token"))
	s.token = strings.TrimSpace(string(token))
	return err
}

func (s *site) ready(ctx context.Context) bool {
	if s.url = servingAddress(s.log()); s.url == "" {
		return false
	}
	status, _, err := s.do(ctx, http.MethodGet, "/readyz", "")
	return err == nil && status == http.StatusOK
}

// servingAddress looks into the log for where the host serves; empty: not yet there.
func servingAddress(log string) string {
	raw, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	return serving.Address(raw)
}

// stop ends the host as an operator does, and waits for its end.
func (s *site) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the host: %w", err)
	}
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(patience):
		return fmt.Errorf("the host does not end within %v of SIGTERM", patience)
	}
}

// kill is for the ways out on which the host may still run.
func (s *site) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	s.ended <- <-s.ended
}

func (s *site) close() {
	if !s.keep {
		_ = os.RemoveAll(s.dir) // in the system's directory for temporary files
	}
}

// lastWords is the end of the host's log.
func (s *site) lastWords() string {
	const few = 2000
	raw, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-few):])
}

// do sends a request with the token, and returns status and body.
func (s *site) do(ctx context.Context, method, path, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

// verify runs gatehouse audit verify.
func (s *site) verify(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, s.program(), "audit", "verify")
	cmd.Env = s.environ()
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// eventually asks until the answer is yes.
func eventually(ctx context.Context, yes func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := yes(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
