package pages

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// done begins the line with which the shell says that a block has ended; its status follows.
const done = "=====block ended===== "

// Run runs the shell of a page in dir, which should be empty, and writes the files that it writes. The first
// command that fails ends it; what a block left running is killed in the end.
func (p Page) Run(ctx context.Context, dir string, environ []string) (err error) {
	s, err := begin(ctx, dir, environ)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	printed := ""
	for i, b := range p.Blocks {
		switch b.Kind {
		case Written:
			err = write(filepath.Join(dir, b.File), b.Text)
		case Shell:
			printed, err = s.run(i, b.Text)
		case Output:
			if missing := prints(printed, b.Text); missing != "" {
				err = fmt.Errorf("it printed:\n%s\nand not:\n%s", printed, missing)
			}
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", p.Name, b.Line, err)
		}
	}
	return nil
}

func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// session is a shell that reads blocks from files, so that what they run cannot read the next ones.
type session struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	blocks string // directory of their files
}

func begin(ctx context.Context, dir string, environ []string) (*session, error) {
	blocks, err := os.MkdirTemp("", "blocks")
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe() // and not StdoutPipe: what is left running holds the other end
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(blocks))
	}
	s := &session{cmd: exec.CommandContext(ctx, "sh", "-e"), out: bufio.NewReader(r), blocks: blocks}
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = dir, environ, w, w
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = func() error { return syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }
	if s.in, err = s.cmd.StdinPipe(); err == nil {
		err = s.cmd.Start()
	}
	return s, errors.Join(err, w.Close())
}

// run runs a block, and returns what it printed.
func (s *session) run(i int, text string) (printed string, err error) {
	name := filepath.Join(s.blocks, strconv.Itoa(i))
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(s.in, ". %s </dev/null\necho\necho '%s'$?\n", name, done); err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if status, ok := strings.CutPrefix(line, done); ok && status == "0\n" {
			return strings.TrimSuffix(b.String(), "\n"), nil
		}
		b.WriteString(line)
		if err != nil {
			return "", fmt.Errorf("a command failed. All that the block printed:\n%s", b.String())
		}
	}
}

// end ends the shell, and with it all that it left running.
func (s *session) end() error {
	_ = s.in.Close()
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM) // there may be nobody any more
	_, _ = io.Copy(io.Discard, s.out)
	_ = s.cmd.Wait() // its status was seen
	return os.RemoveAll(s.blocks)
}
