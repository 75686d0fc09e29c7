package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/e2e/serving"
)

// patience is how long anything may take to start or to end.
const patience = 15 * time.Second

// runTool runs a program that only has to succeed.
func runTool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// process is a server that the bench started: a host or a baseline. It ends when its stdin does, or at
// SIGTERM.
type process struct {
	cmd   *exec.Cmd
	begun time.Time
	in    io.WriteCloser
	out   *bufio.Reader
	log   string // file of stderr; empty: none
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 64<<10)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	p.begun = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	return p, nil
}

// close asks the process to end, and waits for it.
func (p *process) close() {
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(os.Interrupt) // fails when it has ended already
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait() // how it ends is not what is measured
	late.Stop()
}

// startHost starts the host's own binary. Its log goes into a file, as in service; every call writes a
// line there.
func (s *site) startHost(ctx context.Context, args ...string) (*process, error) {
	log, err := os.CreateTemp(s.dir, "host-*.log")
	if err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.host, append([]string{"serve"}, args...)...)
	cmd.Dir, cmd.Stderr = s.dir, log
	cmd.Env = append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + s.dir, "TMPDIR=" + s.dir,
		"XDG_STATE_HOME=" + filepath.Join(s.dir, "state"),
		"MCP_RATE_LIMIT_REQUESTS=1000000", // the gate does its work, and refuses nothing
	}, s.environ...)
	p, err := start(cmd)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	p.log = log.Name()
	return p, nil
}

// httpHost is a host that serves over HTTP.
type httpHost struct {
	*process
	url, token string
	ready      time.Duration // from the start of the process to GET /readyz 200
}

// startHTTP starts a host with the plugins of these directories, and waits until it is ready.
func (s *site) startHTTP(ctx context.Context, dirs ...string) (*httpHost, error) {
	args := []string{"--transport", "http", "--port", strconv.Itoa(s.port)}
	for _, d := range dirs {
		args = append(args, "--plugins-dir", d)
	}
	p, err := s.startHost(ctx, args...)
	if err != nil {
		return nil, err
	}
	h := &httpHost{process: p}
	if s.port != 0 {
		h.url = "http://127.0.0.1:" + strconv.Itoa(s.port)
	}
	if err := h.await(ctx, s); err != nil {
		h.close()
		said, _ := os.ReadFile(h.log)
		return nil, fmt.Errorf("host: %w\n%s", err, said)
	}
	return h, nil
}

func (h *httpHost) await(ctx context.Context, s *site) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for !h.isReady(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for it to be ready: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
	h.ready = time.Since(h.begun)
	token, err := os.ReadFile(filepath.Join(s.dir, "state/gatehouse/token"))
	h.token = strings.TrimSpace(string(token))
	return err
}

func (h *httpHost) isReady(ctx context.Context) bool {
	if h.url == "" {
		h.url = servingAddress(h.log)
	}
	if h.url == "" {
		return false
	}
	status, _, err := get(ctx, h.url+"/readyz", "")
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

// startBaseline starts this program again, as a server.
func (s *site) startBaseline(ctx context.Context, kind string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find myself: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, baselineCommand, kind)
	cmd.Stderr = os.Stderr
	p, err := start(cmd)
	if err != nil {
		return nil, fmt.Errorf("baseline %s: %w", kind, err)
	}
	return p, nil
}

// startHTTPBaseline starts a baseline that prints its address, and returns that too.
func (s *site) startHTTPBaseline(ctx context.Context, kind string) (*process, string, error) {
	p, err := s.startBaseline(ctx, kind)
	if err != nil {
		return nil, "", err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.close()
		return nil, "", fmt.Errorf("baseline %s: %w", kind, errors.Join(err, errors.New("it printed no address")))
	}
	return p, strings.TrimSpace(line), nil
}
