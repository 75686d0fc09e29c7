// Package site is where the real host is tried with the fixture plugin: programs, directories, and what it takes to
// start and end a host.
//
//	s, err := site.New(ctx, site.Config{Root: "."}) // after make build and scripts/node.sh
//	defer s.Close()
//	p, err := s.Place("suite-2025-11-25")   // plugins, state and configuration of one host
//	defer p.Close()
//	h, err := p.Serve(ctx)                  // h.URL is "http://127.0.0.1:40123/mcp"
//	defer h.Close()
package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// patience is how long a host may take to start or to end.
const patience = 30 * time.Second

// Config says where the programs are.
type Config struct {
	Root string // the repository, after make build and scripts/node.sh
	Host string // the host; empty: bin/gatehouse of the repository
	Keep bool   // the directory stays
}

// Site holds the programs.
type Site struct {
	Dir string // for everything; a program of node that lies in it finds the packages

	cfg    Config
	plugin string // the fixture, built here
}

// New builds the fixture plugin.
func New(ctx context.Context, cfg Config) (*Site, error) {
	if cfg.Host == "" {
		cfg.Host = filepath.Join(cfg.Root, "bin/gatehouse")
	}
	for _, path := range []*string{&cfg.Root, &cfg.Host} {
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, fmt.Errorf("find the programs: %w", err)
		}
	}
	s := &Site{cfg: cfg}
	for need, how := range map[string]string{cfg.Host: "make build", s.Node(): "scripts/node.sh"} {
		if _, err := os.Stat(need); err != nil {
			return nil, fmt.Errorf("%w; type: %s", err, how)
		}
	}
	var err error
	if s.Dir, err = os.MkdirTemp("", "conformance-"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	s.plugin = filepath.Join(s.Dir, "conformance")
	if err := s.furnish(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Site) furnish(ctx context.Context) error {
	if err := os.Symlink(s.Packages(), filepath.Join(s.Dir, "node_modules")); err != nil {
		return fmt.Errorf("link the packages: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.plugin, "./e2e/conformplugin")
	build.Dir, build.Env = s.cfg.Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the fixture plugin: %w\n%s", err, out)
	}
	return os.Chmod(s.plugin, 0o755)
}

// Packages is the directory of the packages of tools/node.
func (s *Site) Packages() string { return filepath.Join(s.cfg.Root, ".cache/node/node_modules") }

// Node is a node of version 22 or newer.
func (s *Site) Node() string { return filepath.Join(s.Packages(), ".bin/node") }

// NodeCommand is a command that runs a program of node, in the site's directory and with nothing of this
// process's environment but PATH. At the end of ctx it is told to end.
func (s *Site) NodeCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.Node(), args...)
	cmd.Dir = s.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + s.Dir, "NO_COLOR=1"}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	return cmd
}

// Close removes everything, unless it is to be kept.
func (s *Site) Close() {
	if !s.cfg.Keep {
		_ = os.RemoveAll(s.Dir) // in the system's directory for temporary files
	}
}

// copyProgram makes a file of its own, so that two hosts never share one.
func copyProgram(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy a program: %w", err)
	}
	return errors.Join(os.WriteFile(to, raw, 0o755), os.Chmod(to, 0o755))
}
