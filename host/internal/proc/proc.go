// Package proc is one plugin process: started, spoken to, watched and ended. [Start] runs a file as a plugin
// through go-plugin; the [Process] that it returns is a [tool.Handler] whose calls run in that process. A
// process is never restarted: whoever wants another calls Start again (package fleet does).
//
//	p, err := proc.Start(ctx, proc.Config{Path: path, SHA256: sum, RuntimeDir: dir, Logger: logger})
//	if err != nil {
//		return err // a *tool.Error that says what to do about it
//	}
//	defer p.Close()
//	manifest, err := p.Describe(ctx)
//
// A process owns itself a session, a directory for its socket and its temporary files, and a pipe as its
// stdin of which it can read one thing only: the end. A plugin ends when it reads that; one that does not is
// killed with its process group by [Process.Close], and by the kernel when the host dies (on Linux).
//
// The bytes that were hashed are the bytes that run (see [Process.SHA256]). What else a process gives up is
// its [Confinement]; what it starts ends with its [Cgroup], and what escapes from it is found by [Adopt].
// [Process.Layers] tells what of all this is in force.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// Config says what to start. Path and RuntimeDir are required.
type Config struct {
	Name   string // for messages and logs; empty: the base name of Path
	Path   string // absolute path of the file
	SHA256 string // what the bytes that run must hash to, in hex; empty: anything
	// Judge judges the file that was opened, so that what was looked at before is what runs; an error is
	// ErrUnfinished. Nil: nobody does.
	Judge func(fs.FileInfo) error

	RuntimeDir   string        // exists; the process gets a directory of its own in it
	Env          []string      // the whole environment, "KEY=value"; nil: DefaultEnv()
	StartTimeout time.Duration // from the start to the handshake; zero: 10 s
	Grace        time.Duration // between being asked to end and being killed; zero: 2 s, which is also the most
	Logger       *slog.Logger  // gets what the plugin logs or prints on stderr; nil: nobody
	Confine      Confinement   // what the process gives up; zero: what every plugin does
	Cgroup       *Cgroup       // below which it gets a cgroup of its own; nil: it gets none
}

// ErrUnusable is in the chain of the error of a start that can only fail again, as long as the file stays
// what it is.
var ErrUnusable = errors.New("the file must be changed")

// Process is a plugin that runs, or has run.
type Process struct {
	name   string
	dir    string // of its socket; removed by Close
	grace  time.Duration
	rpc    *wire.Client
	client *goplugin.Client
	child  *child
	close  func() error // end, done once
}

var _ tool.Handler = (*Process)(nil)

func (c Config) withDefaults() (Config, error) {
	switch {
	case !filepath.IsAbs(c.Path):
		return c, fmt.Errorf("path %q is not absolute", c.Path)
	case !filepath.IsAbs(c.RuntimeDir):
		return c, fmt.Errorf("runtime directory %q is not an absolute path", c.RuntimeDir)
	case c.StartTimeout < 0 || c.Grace < 0:
		return c, errors.New("a duration is negative")
	}
	if err := c.Confine.check(); err != nil {
		return c, err
	}
	if c.Name == "" {
		c.Name = filepath.Base(c.Path)
	}
	if c.Env == nil {
		c.Env = DefaultEnv()
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 10 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 2 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Describe implements [tool.Handler].
func (p *Process) Describe(ctx context.Context) (tool.Manifest, error) {
	m, err := p.rpc.Describe(ctx)
	return m, p.explain(err)
}

// Configure implements [tool.Handler].
func (p *Process) Configure(ctx context.Context, policy tool.Policy) error {
	return p.explain(p.rpc.Configure(ctx, policy))
}

// Plan implements [tool.Handler].
func (p *Process) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	plan, err := p.rpc.Plan(ctx, r)
	return plan, p.explain(err)
}

// Call implements [tool.Handler]. When the process dies in the call, the error is of kind unavailable and
// says how.
func (p *Process) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	res, err := p.rpc.Call(ctx, r, emit)
	return res, p.explain(err)
}

// Ping asks the plugin's gRPC health service whether it serves. A frozen process never answers: give ctx a
// deadline.
func (p *Process) Ping(ctx context.Context) error { return p.explain(p.rpc.Ping(ctx)) }

// Done is closed when the process has ended and nothing is left of its process group, nor of its cgroup.
func (p *Process) Done() <-chan struct{} { return p.child.done }

// SHA256 is what the bytes that run hash to, in hex.
func (p *Process) SHA256() string { return p.child.image.sum }

// Pid is the id of the process, also of one that has ended.
func (p *Process) Pid() int { return p.child.pid }

// Err says how the process ended, and is nil while it runs.
func (p *Process) Err() error { return p.child.ended() }

// Kill ends the process and its group at once, without asking. Close is owed still.
func (p *Process) Kill() error { return p.child.kill() }

// Close ends the process and everything in its process group, and removes its directory. It asks first, and
// kills when the grace is over; either way it returns soon after. It may be called more than once, and
// concurrently; every caller waits for the end.
func (p *Process) Close() error { return p.close() }

// deathNotice is how long the news of a process's end may take after the connection has broken.
const deathNotice = 500 * time.Millisecond

// explain turns "the connection broke" into how the process ended, if it did. A plugin that itself says
// "unavailable" is told apart by being alive still after the time that the news of its end would take.
func (p *Process) explain(err error) error {
	if err == nil || tool.KindOf(err) != tool.KindUnavailable {
		return err
	}
	news := time.NewTimer(deathNotice)
	defer news.Stop()
	select {
	case <-p.child.done:
		return tool.Errorf(tool.KindUnavailable, "plugin %s is gone: %w", p.name, p.child.ended()).
			Suggest("try again in a few seconds; the host restarts the plugin").With("plugin", p.name)
	case <-news.C:
		return err
	}
}
