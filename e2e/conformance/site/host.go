package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/e2e/serving"
)

// Host is one that serves over HTTP.
type Host struct {
	URL string // of its MCP endpoint

	cmd   *exec.Cmd
	ended chan error // holds the one result of Wait
}

// Serve starts a host on a free port, and waits until it offers the tools of the fixture.
func (p *Place) Serve(ctx context.Context) (*Host, error) {
	log, err := os.Create(p.Log())
	if err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	defer log.Close()
	h := &Host{cmd: p.command("serve", "--transport", "http", "--port", "0"), ended: make(chan error, 1)}
	h.cmd.Stderr = log
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the host: %w", err)
	}
	go func() { h.ended <- h.cmd.Wait() }()
	if err := h.await(ctx, p); err != nil {
		h.Close()
		return nil, fmt.Errorf("the host does not become ready: %w\n%s", err, p.LastWords())
	}
	return h, nil
}

func (h *Host) await(ctx context.Context, p *Place) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !h.ready(ctx, p) {
		select {
		case err := <-h.ended:
			h.ended <- err
			return errors.Join(errors.New("it has ended"), err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

func (h *Host) ready(ctx context.Context, p *Place) bool {
	raw, err := os.ReadFile(p.Log())
	base := serving.Address(raw)
	if err != nil || base == "" {
		return false
	}
	h.URL = base + "/mcp"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/tools", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(body), `"test_simple_text"`)
}

// Close asks the host to end, and waits for it.
func (h *Host) Close() {
	_ = h.cmd.Process.Signal(os.Interrupt) // it may have ended already
	late := time.AfterFunc(patience, func() { _ = h.cmd.Process.Kill() })
	h.ended <- <-h.ended
	late.Stop()
}
