package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What a plugin may cost.
const (
	pluginStart  = 60       // milliseconds from the start of its process to the first answer of its program
	pluginMemory = 18 << 20 // resident bytes when nothing is under way
	pluginSize   = 15 << 20 // bytes of its file, stripped
)

// pluginStarts is how often a plugin is started; the median counts.
const pluginStarts = 9

// pluginName is that of the plugin that is measured: a command plugin as gatehouse plugin new makes it.
const pluginName = "newcomer"

// measurePlugin tells what a plugin costs that somebody has just begun: its start, its memory, its file.
func measurePlugin(ctx context.Context, s *site) ([]row, error) {
	dir, err := s.beginPlugin(ctx)
	if err != nil {
		return nil, err
	}
	start, err := s.startOfPlugin(ctx, dir)
	if err != nil {
		return nil, err
	}
	sizes, err := s.sizeOfPlugin(ctx, dir)
	return append([]row{start}, sizes...), err
}

// beginPlugin makes the plugin, and builds it stripped, alone in a directory.
func (s *site) beginPlugin(ctx context.Context) (dir string, err error) {
	source, dir := filepath.Join(s.dir, "begun"), filepath.Join(s.dir, "begun-plugins")
	if err := runTool(ctx, s.dir, s.host, "plugin", "new", pluginName,
		"--kind", "command", "--sdk", s.root, "--dir", source); err != nil {
		return "", err
	}
	return dir, runTool(ctx, source, "env", "GOWORK=off", "CGO_ENABLED=0", "go", "build", "-trimpath",
		"-ldflags", "-s -w", "-o", filepath.Join(dir, pluginName), ".")
}

// callPlugin calls the plugin's tool, which runs getent(1).
func (h *httpHost) callPlugin(ctx context.Context) error {
	body, err := h.execute(ctx, "NewcomerTool", `{"target":"127.0.0.1","extra_args":"-s files"}`)
	if err != nil {
		return err
	}
	return expect(body, `"error":null`)
}

// startOfPlugin calls the tool while the plugin has no process, so that the host starts one for the call. What
// the same call takes when there is a process is part of it.
func (s *site) startOfPlugin(ctx context.Context, dir string) (row, error) {
	h, err := s.with("MCP_PLUGINS_LAUNCH=lazy", "MCP_PLUGINS_IDLE_TIMEOUT=1").startHTTP(ctx, dir)
	if err != nil {
		return row{}, err
	}
	defer h.close()
	var cold, warm []float64
	for range pluginStarts {
		if err := h.idle(ctx, pluginName); err != nil {
			return row{}, err
		}
		for _, to := range []*[]float64{&cold, &warm} {
			began := time.Now()
			if err := h.callPlugin(ctx); err != nil {
				return row{}, err
			}
			*to = append(*to, float64(time.Since(began).Microseconds())/1e3)
		}
	}
	m := median(cold)
	return row{
		what: "a new command plugin, start to first answer : an answer",
		ours: fmt.Sprintf("%.1f ms", m), baseline: fmt.Sprintf("%.1f ms", median(warm)),
		got: fmt.Sprintf("%.0f ms", m), spread: fmt.Sprintf("%.0f..%.0f", slices.Min(cold), slices.Max(cold)),
		aim: fmt.Sprintf("<= %d ms", pluginStart), reached: atMost(pluginStart).verdict(m),
	}, nil
}

// idle waits until a plugin is known and has no process.
func (h *httpHost) idle(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s does not come to be idle", name))
	defer cancel()
	for {
		p, err := h.plugin(ctx, name)
		if err == nil && p.State == "idle" {
			return nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// sizeOfPlugin looks at the plugin in a host that has called nothing yet.
func (s *site) sizeOfPlugin(ctx context.Context, dir string) ([]row, error) {
	h, err := s.startHTTP(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	p, err := h.plugin(ctx, pluginName)
	if err != nil {
		return nil, err
	}
	resident, err := memory(p.Pid, residentNow)
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(filepath.Join(dir, pluginName))
	if err != nil {
		return nil, err
	}
	return []row{
		limitRow("a new command plugin, memory after its start", resident, pluginMemory),
		limitRow("a new command plugin, its file", float64(file.Size()), pluginSize),
	}, nil
}

func limitRow(what string, bytes, limit float64) row {
	return row{
		what: what, got: mebibytes(bytes), aim: fmt.Sprintf("< %g MiB", limit/(1<<20)),
		reached: atMost(limit - 1).verdict(bytes),
	}
}
