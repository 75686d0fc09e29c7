package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	crowd       = 100 // plugins, each a file of its own
	crowdStarts = 5   // of a host with them; the median counts
)

// measureCrowd times the start of a host with many plugins: eager, all with a process; and lazy, when it knows
// from an earlier start what they offer.
func measureCrowd(ctx context.Context, s *site) ([]row, error) {
	dir, err := s.buildCrowd(ctx, crowd)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	eager, _, err := s.startCrowd(ctx, dir, "MCP_PLUGINS_LAUNCH=eager")
	if err != nil {
		return nil, fmt.Errorf("eager: %w", err)
	}
	lazy, sizes, err := s.startCrowd(ctx, dir, "MCP_PLUGINS_LAUNCH=lazy")
	if err != nil {
		return nil, fmt.Errorf("lazy: %w", err)
	}
	size := median(sizes) / (1 << 20)
	return []row{
		startRow(fmt.Sprintf("host start to ready, %d plugins, eager", crowd), eager, 3000),
		startRow(fmt.Sprintf("host start to ready, %d plugins, lazy, known", crowd), lazy, 300),
		{
			what: fmt.Sprintf("memory of a lazy host with %d plugins", crowd), got: fmt.Sprintf("%.0f MiB", size),
			aim: "< 60 MiB", reached: atMost(60).verdict(size),
		},
	}, nil
}

func startRow(what string, took []float64, limit float64) row {
	m := median(took)
	return row{
		what: what, got: fmt.Sprintf("%.0f ms", m), spread: fmt.Sprintf("%.0f..%.0f", slices.Min(took), slices.Max(took)),
		aim: fmt.Sprintf("<= %.0f ms", limit), reached: atMost(limit).verdict(m),
	}
}

// buildCrowd copies one program under many names.
func (s *site) buildCrowd(ctx context.Context, size int) (dir string, err error) {
	one := filepath.Join(s.dir, "manyplugin")
	err = runTool(ctx, s.root, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", one, "./e2e/manyplugin")
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(s.dir, "crowd-"); err != nil {
		return "", err
	}
	for i := range size {
		name := crowdName(i)
		if err := copyProgram(one, filepath.Join(dir, name), name); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func crowdName(i int) string { return fmt.Sprintf("many%03d", i) }

// copyProgram puts a copy under a name at once, as an installer does. What is added at its end makes it another
// program to who goes by the bytes.
func copyProgram(from, to, more string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	tmp := filepath.Join(filepath.Dir(to), ".new-"+filepath.Base(to))
	dst, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, io.MultiReader(src, strings.NewReader(more))); err != nil {
		_ = dst.Close()
		return err
	}
	if err := dst.Close(); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

// startCrowd starts a host with them again and again, and returns the milliseconds until it was ready and the
// bytes that it held then. A first start is not counted: what a host remembers of plugins, it knows afterwards.
func (s *site) startCrowd(ctx context.Context, dir, launch string) (took, sizes []float64, err error) {
	for i := range crowdStarts + 1 {
		ready, size, err := s.startCrowdOnce(ctx, dir, launch)
		if err != nil {
			return nil, nil, err
		}
		if i > 0 {
			took, sizes = append(took, float64(ready.Microseconds())/1e3), append(sizes, size)
		}
	}
	return took, sizes, nil
}

func (s *site) startCrowdOnce(ctx context.Context, dir, launch string) (time.Duration, float64, error) {
	own := *s
	own.environ = append(slices.Clone(s.environ), launch)
	h, err := own.startHTTP(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	defer h.close()
	size, err := memory(h.cmd.Process.Pid, residentNow)
	if err != nil {
		return 0, 0, err
	}
	_, body, err := get(ctx, h.url+"/tools", h.token)
	if err != nil {
		return 0, 0, err
	}
	var list struct{ Total int }
	if err := json.Unmarshal(body, &list); err != nil {
		return 0, 0, err
	}
	if list.Total != crowd {
		return 0, 0, fmt.Errorf("%d tools when it was ready, want %d", list.Total, crowd)
	}
	body, err = h.execute(ctx, "many007Tool", "{}")
	if err != nil {
		return 0, 0, err
	}
	return h.ready, size, expect(body, `"error":null`)
}
