package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// child is the process under a Process, in the form that go-plugin asks for. With go-plugin's own runner the
// end of a process is only seen when every pipe to it has closed, which a grandchild can put off for ever,
// and its stdin is the host's.
type child struct {
	name string
	dir  string // private to this process
	mark string // what its descendants are known by
	cmd  *exec.Cmd
	out  words // what is remembered of stderr

	image       *image
	confinement Confinement
	account     *account // nil: the host's own
	cell        *cell    // nil: it has none
	certificate string   // of the host, for the plugin
	socket      string   // where the plugin listens; written before go-plugin's Start returns

	stdout, stderr, lifeline *os.File // the host's ends of the pipes
	done                     chan struct{}

	mu     sync.Mutex // guards what follows
	killed bool       // asked for, perhaps before the start
	alive  bool       // between exec and the moment before the pid is free for others

	pid    int          // written before Start returns, as is layers
	layers []tool.Layer // what confines it
	err    error        // written before done is closed
}

var _ runner.Runner = (*child)(nil)

// newChild makes a child for an image. What it holds is let go by its end, or by discard.
func newChild(cfg Config, im *image, dir string, a *account) *child {
	name := kin.name()
	c := &child{
		name: cfg.Name, dir: dir, mark: kin.mark(name), image: im, confinement: cfg.Confine, account: a,
		done: make(chan struct{}), out: words{heard: make(chan struct{})},
	}
	c.cmd = &exec.Cmd{
		Path: im.exec(), Args: []string{cfg.Path}, Dir: dir, SysProcAttr: sysProcAttr(), ExtraFiles: im.extra(),
		Env: append(environment(cfg.Env, dir), envFile+"="+cfg.Path, envRun+"="+c.mark),
	}
	a.become(c.cmd.SysProcAttr)
	var why error
	c.cell, why = cfg.Cgroup.cell(name)
	c.cell.hold(c.cmd.SysProcAttr)
	c.layers = []tool.Layer{sessionLayer(), im.layer(), environmentLayer(), cgroupLayer(why), deathLayer()}
	return c
}

// prepare adds what go-plugin wants the plugin to know. Of two values for one key the last is taken: the
// socket goes into our own directory, as go-plugin's lies one level deeper than a socket's path has room for.
func (c *child) prepare(env []string) {
	c.cmd.Env = append(append(c.cmd.Env, env...),
		goplugin.EnvUnixSocketDir+"="+c.dir, envClientCert+"="+c.certificate)
}

// Start executes the file.
func (c *child) Start(context.Context) error {
	closeTheirs, err := c.pipes()
	if err != nil {
		return fmt.Errorf("make pipes: %w", err)
	}
	if err = c.image.clearOf(c.cmd); err == nil {
		started := make(chan error)
		go c.own(started)
		err = <-started
	}
	closeTheirs()
	if err != nil {
		c.closePipes()
		c.err = err
		close(c.done)
		return fmt.Errorf("%w: %w", errExec, err)
	}
	return nil
}

// pipes makes the standard streams. The returned function closes the child's ends.
func (c *child) pipes() (closeTheirs func(), err error) {
	var theirs []*os.File
	closeTheirs = func() {
		for _, f := range theirs {
			_ = f.Close() // the child has its own copies
		}
	}
	pipe := func(child, host **os.File, childReads bool) {
		if err != nil {
			return
		}
		var r, w *os.File
		if r, w, err = os.Pipe(); err != nil {
			return
		}
		if *child, *host = w, r; childReads {
			*child, *host = r, w
		}
		theirs = append(theirs, *child)
	}
	var in, out, errs *os.File
	pipe(&in, &c.lifeline, true)
	pipe(&out, &c.stdout, false)
	pipe(&errs, &c.stderr, false)
	if err != nil {
		closeTheirs()
		c.closePipes()
		return nil, err
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, errs
	return closeTheirs, nil
}

func (c *child) closePipes() {
	for _, f := range []*os.File{c.lifeline, c.stdout, c.stderr} {
		if f != nil {
			_ = f.Close() // nothing is written to these, and what was read is read
		}
	}
}

// own is the goroutine that starts the process and stays until it has ended. It keeps its thread for itself:
// the kernel sends the parent-death signal when the thread that forked ends, not the process, and the thread
// is confined as the process is to be. As it never unlocks the thread, the thread ends with it.
func (c *child) own(started chan<- error) {
	runtime.LockOSThread()
	if onMainThread() {
		defer runtime.UnlockOSThread() // nothing has been done to it
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread() // another one, as long as this one is ours
			close(elsewhere)
			c.live(started)
		}()
		<-elsewhere
		return
	}
	c.live(started)
}

// live is the life of the process, on a thread of its own.
func (c *child) live(started chan<- error) {
	if err := c.exec(); err != nil {
		c.endCell()
		started <- err
		return
	}
	started <- nil
	c.err = reap(c.cmd, c.release)
	kin.bury(c.pid, c.mark)
	c.endCell()
	kin.mourn() // now, as there is less to look for
	c.drain()
	close(c.done) // the last words are in: whoever waits for the end may ask how it came
}

func (c *child) exec() error {
	confined, err := c.confine() // which may hang on a dead file system, and must not hold up who kills
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return errors.New("ended before it had started")
	}
	if err := c.image.intact(); err != nil {
		return err
	}
	if err := kin.bear(c.mark, c.fork); err != nil {
		return err
	}
	c.layers = slices.Insert(c.layers, len(c.layers)-2, confined...)
	c.pid, c.alive = c.cmd.Process.Pid, true
	return nil
}

// fork starts the process, and returns when it has been executed.
func (c *child) fork() (int, error) {
	err := c.cmd.Start()
	c.image.executed()
	if err != nil {
		return 0, err
	}
	return c.cmd.Process.Pid, nil
}

// endCell kills what is left in the cgroup, on a thread that may write there.
func (c *child) endCell() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.cell.end() // what lives on, in the kernel, ends with the next host's sweep
	}()
	<-ended
}

// release sweeps the group of a process that has ended, and gives up its id.
func (c *child) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alive = false
	_ = syscall.Kill(-c.pid, syscall.SIGKILL) // fails when nobody is left, as it should be
}

// lastReads is how long the last words of an ended process are read on. A descendant in a session of its own
// may hold the pipes open for ever.
const lastReads = 200 * time.Millisecond

func (c *child) drain() {
	_ = c.lifeline.Close() // nobody reads it any more
	deadline := time.Now().Add(lastReads)
	_ = c.stdout.SetReadDeadline(deadline) // pipes take deadlines
	_ = c.stderr.SetReadDeadline(deadline)
	t := time.NewTimer(2 * lastReads) // for a logger that is stuck
	defer t.Stop()
	select {
	case <-c.out.heard:
	case <-t.C:
	}
}

// kill ends the process and its group, now or when it would be started. The number cannot have gone to
// another: while alive is true the process has not been collected. (os.Process signals by a pidfd, which
// cannot miss either; a group has none before Linux 6.9, and the leader of a session cannot leave its group.)
func (c *child) kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if !c.alive {
		return nil
	}
	return syscall.Kill(-c.pid, syscall.SIGKILL)
}

// ended says how the process ended; nil while it runs.
func (c *child) ended() error {
	select {
	case <-c.done:
		return c.exitError()
	default:
		return nil
	}
}

// running reports whether the process was executed and has not been seen to end.
func (c *child) running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alive
}

// naturalEnd is how long a process that failed in the handshake may take to end by itself, so that its own
// exit status can be told and not that we killed it.
const naturalEnd = 100 * time.Millisecond

// Kill is called by go-plugin when a start has failed, or when the process did not end after it had been
// asked.
func (c *child) Kill(context.Context) error {
	t := time.NewTimer(naturalEnd)
	defer t.Stop()
	select {
	case <-c.done:
		return nil
	case <-t.C:
		return c.kill()
	}
}

// Wait is called by go-plugin when both pipes have been read to their end.
func (c *child) Wait(context.Context) error {
	<-c.done
	c.closePipes()
	return c.err
}

// Stdout is where the handshake is read.
func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr is where the plugin's log is read.
func (c *child) Stderr() io.ReadCloser { return c.out.listen(c.stderr) }

// Name becomes the name of the plugin's logger.
func (c *child) Name() string { return c.name }

// ID is empty before the start; go-plugin does not wait for such a child.
func (c *child) ID() string {
	if c.pid == 0 {
		return ""
	}
	return strconv.Itoa(c.pid)
}

// Diagnose has nothing to add: start errors are told by startError.
func (c *child) Diagnose(context.Context) string { return "" }

var errAddress = errors.New("address refused")

// PluginToHost judges the address that the plugin wants to be called at: a socket directly in its own directory,
// named as the host names it. Otherwise it could have the host connect to anything, and remove it afterwards:
// what stands before ".." in a path may be a link.
func (c *child) PluginToHost(network, addr string) (string, string, error) {
	own := filepath.Join(c.dir, filepath.Base(addr))
	info, err := os.Lstat(own) // that there is none shows when it is connected to
	if network != "unix" || addr != own || err == nil && info.Mode().Type() != os.ModeSocket {
		return "", "", fmt.Errorf("%w: %s %q", errAddress, network, clip(addr))
	}
	c.socket = own
	return network, own, nil
}

// HostToPlugin changes nothing: both see the same file system.
func (c *child) HostToPlugin(network, addr string) (string, string, error) { return network, addr, nil }
