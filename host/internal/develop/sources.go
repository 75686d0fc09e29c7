package develop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sources are what a program is built from, as far as people change it: the packages of its own module, and
// of modules that lie in directories beside it.
type sources struct {
	dirs  map[string]bool // to watch
	files map[string]bool // that are embedded
}

// listed is a package as go list tells it.
type listed struct {
	Dir        string
	Standard   bool
	EmbedFiles []string
	Module     *struct {
		Main    bool
		Dir     string
		Replace *struct{ Version string }
	}
}

// local reports whether people change the package in place.
func (l listed) local() bool {
	m := l.Module
	return !l.Standard && m != nil && (m.Main || m.Replace != nil && m.Replace.Version == "")
}

// look asks the go command what a program is built from. Packages with mistakes in them are told as well.
func look(ctx context.Context, dir string) (sources, error) {
	s := sources{dirs: map[string]bool{dir: true}, files: make(map[string]bool)}
	var out bytes.Buffer
	cmd := command(ctx, dir, "list", "-e", "-deps", "-json=Dir,Standard,EmbedFiles,Module", ".")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return s, fmt.Errorf("ask the go command for the sources: %w", err)
	}
	for dec := json.NewDecoder(&out); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return s, nil
		} else if err != nil {
			return s, fmt.Errorf("read what the go command says: %w", err)
		}
		if p.local() {
			s.add(p)
		}
	}
}

func (s sources) add(p listed) {
	s.dirs[p.Dir] = true
	for _, name := range p.EmbedFiles {
		path := filepath.Join(p.Dir, name)
		s.files[path], s.dirs[filepath.Dir(path)] = true, true
	}
	s.dirs[p.Module.Dir] = true // of go.mod
}

// matters reports whether a change of a file may change the program. Editors leave other files beside the
// sources.
func (s sources) matters(path string) bool {
	name := filepath.Base(path)
	switch {
	case s.files[path], name == "go.mod", name == "go.sum", name == "go.work":
		return true
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"), strings.HasSuffix(name, "_test.go"):
		return false
	}
	switch filepath.Ext(name) {
	case ".go", ".proto", ".s", ".c", ".h":
		return true
	}
	return false
}

// stopping is how long a go command that is asked to end may take.
const stopping = 2 * time.Second

// command makes one of the go command, in the user's environment. When ctx ends, what it started ends with
// it.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopping
	return cmd
}

// Build builds the program of a directory. What the compiler says goes to words.
func Build(ctx context.Context, dir, to string, words io.Writer) error {
	cmd := command(ctx, dir, "build", "-o", to, ".")
	cmd.Stdout, cmd.Stderr = words, words
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return ErrBuild // words has why
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBuild, err)
	}
	if info, err := os.Stat(to); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%w: %s is no main package", ErrBuild, dir)
	}
	return nil
}

// ErrBuild is in the chain when the go command ran and has not built a program.
var ErrBuild = errors.New("it does not build")
