//go:build unix && !(linux && (amd64 || arm64))

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Pool runs programs, any number at a time. It is safe for use by many goroutines.
type Pool struct {
	config Config
	ctx    context.Context // ends with Close: runs treat that as their own cancellation
	cancel context.CancelFunc
	live   sync.WaitGroup // counts runs; Add under mu, while closed is false

	mu     sync.Mutex // guards what follows
	closed bool
}

// New makes a Pool.
func New(c Config) *Pool {
	p := &Pool{config: c}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Close ends every run as if its context were cancelled, and returns when no program is left. It may be
// called twice; the second call waits too.
func (p *Pool) Close() error {
	p.cancel()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.live.Wait()
	return nil
}

func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return &StartError{"enter the pool", ErrClosed}
	}
	p.live.Add(1)
	return nil
}

// Run runs c to its end. The error is a *StartError when the program could not be run. A program that
// failed or was killed is no error. When ctx is cancelled the process group gets SIGTERM, and SIGKILL
// 500 ms later; the end of ctx by its own deadline does the same and counts as TimedOut.
//
// On this platform no limit but the deadline and those on output is in force: see Layers.
func (p *Pool) Run(ctx context.Context, c Command) (Outcome, error) {
	begun := time.Now()
	c, err := c.resolve(begun)
	if err != nil {
		return Outcome{}, err
	}
	if err := c.confine(); err != nil {
		return Outcome{}, &StartError{"check the command", err}
	}
	if err := p.enter(); err != nil {
		return Outcome{}, err
	}
	dir, err := os.MkdirTemp(p.config.Dir, "gatehouse-empty-")
	if err != nil {
		p.live.Done()
		return Outcome{}, &StartError{"make an empty directory", err}
	}
	var s streams
	cmd, err := start(&c, dir, &s)
	if err != nil {
		p.live.Done()
		_ = os.RemoveAll(dir)
		return Outcome{}, err
	}
	out := p.watch(ctx, &c, cmd)
	_ = os.RemoveAll(dir)
	p.live.Done()
	out.Elapsed = time.Since(begun)
	s.finish(&out)
	return out, nil
}

// confine refuses what would be a promise here. Capabilities a program has none on this platform, and that of
// NoNewPrivileges and Files it has nothing is what Layers says.
func (c *Command) confine() error {
	if _, err := parseCapabilities(c.Capabilities); err != nil {
		return err
	}
	if c.RequireNamespace {
		return fmt.Errorf("%w: only on Linux has a program one: leave RequireNamespace false", ErrNoNamespace)
	}
	me := User{uint32(os.Geteuid()), uint32(os.Getegid())}
	if u := c.RunAs; u != nil && *u != me {
		return fmt.Errorf("only on Linux can a program run as another user, such as %d:%d: leave RunAs nil",
			u.UID, u.GID)
	}
	return nil
}

// start starts the program in a process group of its own, and the readers of its pipes.
func start(c *Command, dir string, s *streams) (*exec.Cmd, error) {
	cmd := &exec.Cmd{Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env, Dir: dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	n := 2
	if c.Report != nil {
		n = 3
	}
	var ours, theirs []*os.File
	defer func() { closeFiles(theirs) }()
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			closeFiles(ours)
			return nil, &StartError{"make pipes", err}
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = theirs[0], theirs[1], theirs[2:]
	if err := cmd.Start(); err != nil {
		closeFiles(ours)
		return nil, &StartError{"exec", err}
	}
	s.start(c, ours)
	return cmd, nil
}

func closeFiles(list []*os.File) {
	for _, f := range list {
		_ = f.Close()
	}
}

// watch waits for the program, and ends its group at the deadline and when ctx ends.
func (p *Pool) watch(ctx context.Context, c *Command, cmd *exec.Cmd) (out Outcome) {
	exited := make(chan struct{}) // closed by the waiter
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	var deadline <-chan time.Time
	if !c.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(c.Deadline))
		defer timer.Stop()
		deadline = timer.C
	}
	grace := min(c.Grace, cancelGrace)
	select {
	case <-exited:
	case <-deadline:
		out.TimedOut, grace = true, c.Grace
	case <-ctx.Done():
		out.TimedOut = errors.Is(ctx.Err(), context.DeadlineExceeded)
		out.Cancelled = !out.TimedOut
	case <-p.ctx.Done():
		out.Cancelled = true
	}
	ended := out.TimedOut || out.Cancelled
	if ended {
		terminate(cmd, grace, exited)
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the program left in its group
	status := cmd.ProcessState
	out.CPU = status.UserTime() + status.SystemTime()
	out.finish(status.Sys().(syscall.WaitStatus), c.Limits.cpuSeconds(), ended)
	return out
}

func terminate(cmd *exec.Cmd, grace time.Duration, exited <-chan struct{}) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-exited:
	case <-timer.C:
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	}
}

// Available reports whether a program that is started with this capability among its Capabilities has
// it: capabilities are Linux's.
func Available(string) bool { return false }

// Layers says what protects this machine from a program, and what does not.
func Layers() []Layer {
	return []Layer{
		{"process group", true, "programs run in sessions of their own and are killed by group"},
		{"clean start", true, "fixed environment, empty stdin and directory"},
		{"supervisor", false,
			"Linux on amd64 and arm64 only: what leaves its group, or outlives this process, lives on"},
		{"resource limits", false,
			"Linux on amd64 and arm64 only: CPU time, memory and files are not limited"},
		{"survivor search", false, "Linux only: what this process leaves when it is killed lives on"},
		{"no new privileges", false, "Linux only: programs may gain what their files carry"},
		{"landlock", false, "Linux only: a program sees all files that its user may see"},
		{"own user", false, "Linux only: programs run as the user of this process"},
		{"capabilities", false, "Linux only: a program has all rights of its user"},
		{"PID namespace", false, "Linux only: programs see, and can signal, other processes of their user"},
		{"cgroup", false, "Linux only, and not used there"},
	}
}
