package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// measureNoop sets REST, through the host and all its gates, against the same plugin called by the bench
// itself.
func measureNoop(ctx context.Context, s *site) ([]row, error) {
	h, err := s.startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer h.close()
	d, err := s.startDirect()
	if err != nil {
		return nil, err
	}
	defer d.close()
	return holdAll(ctx, s.settings,
		contest{"no-op, REST : plugin called directly, median latency", atMost(3), latency, h.noop, d.noop},
		contest{"no-op, REST : plugin called directly, calls at 16", atLeast(0.4), throughput, h.noop, d.noop})
}

// measureMCPStdio sets MCP with the tool in a plugin against mcp-go with the tool in its own process.
func measureMCPStdio(ctx context.Context, s *site) ([]row, error) {
	h, err := s.startHost(ctx, "--transport", "stdio", "--plugins-dir", s.lab)
	if err != nil {
		return nil, err
	}
	defer h.close()
	b, err := s.startBaseline(ctx, baselineMCPStdio)
	if err != nil {
		return nil, err
	}
	defer b.close()
	ours, err := openStdio(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("host on stdio: %w", err)
	}
	baseline, err := openStdio(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("baseline on stdio: %w", err)
	}
	return holdAll(ctx, s.settings, contest{
		"no-op, MCP stdio : mcp-go in-process, calls at 16", atLeast(0.5), throughput, ours.noop, baseline.noop})
}

// measureMCPHTTP does the same over Streamable HTTP.
func measureMCPHTTP(ctx context.Context, s *site) ([]row, error) {
	h, err := s.startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer h.close()
	b, url, err := s.startHTTPBaseline(ctx, baselineMCPHTTP)
	if err != nil {
		return nil, err
	}
	defer b.close()
	ours, err := openHTTP(ctx, h.url, h.token)
	if err != nil {
		return nil, fmt.Errorf("host at /mcp: %w", err)
	}
	baseline, err := openHTTP(ctx, url, "")
	if err != nil {
		return nil, fmt.Errorf("baseline at /mcp: %w", err)
	}
	return holdAll(ctx, s.settings, contest{
		"no-op, /mcp : mcp-go in-process, calls at 16", atLeast(0.5), throughput, ours.noop, baseline.noop})
}

// measureSandbox sets a program in the sandbox, over REST, against a handler that only runs it. At the end
// of these runs the memory is read that the processes keep.
func measureSandbox(ctx context.Context, s *site) ([]row, error) {
	h, err := s.startHTTP(ctx, s.lab, s.plugins)
	if err != nil {
		return nil, err
	}
	defer h.close()
	b, url, err := s.startHTTPBaseline(ctx, baselineExec)
	if err != nil {
		return nil, err
	}
	defer b.close()
	bare := func(ctx context.Context, _ string) error {
		_, answer, err := post(ctx, url, http.Header{"Content-Type": {"application/json"}}, "{}")
		if err != nil {
			return err
		}
		return expect(answer, `"returncode":0`, `"error":null`)
	}
	rows, err := holdAll(ctx, s.settings,
		contest{"true(1) in the sandbox, REST : bare exec, median latency", atMost(3), latency, h.runTrue, bare},
		contest{"true(1) in the sandbox, REST : bare exec, calls at 16", atLeast(0.4), throughput, h.runTrue, bare})
	if err != nil {
		return nil, err
	}
	idle, err := measureIdle(h.cmd.Process.Pid)
	return append(rows, idle...), err
}

// starts is how often the host is started; the median counts.
const starts = 9

// measureStart times the host with its plugins, from the start of the process to the first "ready".
func measureStart(ctx context.Context, s *site) ([]row, error) {
	var took []float64
	for range starts {
		ready, err := s.startOnce(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, ready.Seconds()*1e3)
	}
	m := median(took)
	return []row{{
		what: "host start to ready, with its six plugins", got: fmt.Sprintf("%.0f ms", m),
		spread: fmt.Sprintf("%.0f..%.0f", slices.Min(took), slices.Max(took)),
		aim:    "< 250 ms", reached: atMost(250).verdict(m),
	}}, nil
}

func (s *site) startOnce(ctx context.Context) (time.Duration, error) {
	h, err := s.startHTTP(ctx, s.plugins)
	if err != nil {
		return 0, err
	}
	defer h.close()
	_, body, err := get(ctx, h.url+"/tools", h.token)
	if err != nil {
		return 0, err
	}
	return h.ready, expect(body, `"name":"NmapTool"`, `"name":"PingTool"`)
}

const (
	floodBytes = 1 << 30 // printed by the tool
	floodKept  = 1 << 20 // limits.max_stdout_bytes
)

// measureMemory has a tool print a gibibyte, in a host that has done little before, and sees how far
// memory rises.
func measureMemory(ctx context.Context, s *site) ([]row, error) {
	h, err := s.startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer h.close()
	for range 10 {
		if err := errors.Join(h.noop(ctx, nextText()), h.runTrue(ctx, "")); err != nil {
			return nil, err
		}
	}
	return measurePeaks(h.cmd.Process.Pid, func() error { return h.flood(ctx) })
}

// flood fails unless the tool printed all of it, and the host kept what it keeps.
func (h *httpHost) flood(ctx context.Context) error {
	body, err := h.execute(ctx, "FloodTool", fmt.Sprintf(`{"extra_args":"-c %d"}`, floodBytes))
	if err != nil {
		return err
	}
	var answer struct {
		Stdout          string
		ReturnCode      int
		TruncatedStdout bool `json:"truncated_stdout"`
		Error           *string
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	ran := answer.Error == nil && answer.ReturnCode == 0
	if !ran || !answer.TruncatedStdout || len(answer.Stdout) != floodKept {
		return fmt.Errorf("wrong answer: %d bytes of output, %s", len(answer.Stdout), shorten(body[len(body)-600:]))
	}
	return nil
}
