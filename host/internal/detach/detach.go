// Package detach runs calls that go on when who started them goes away: a [Runner] starts a call, comes back
// with the id by which it can be followed, and owns the call to its end.
//
//	r, err := detach.New(detach.Config{Caller: router, Logger: log})
//	id, err := r.Start(ctx, tool.Request{Tool: "NmapTool", Client: "alice", Arguments: args})
//	err = r.Close(ctx) // ends what still runs, and waits for it
//
// A call has started when it has been enlisted: every gate that can refuse it at once has let it pass, and it
// has a slot or a place in the queue. Who watches calls says so, through the [Detachment] in the call's
// context:
//
//	if d, ok := detach.From(ctx); ok { // the call is a detached one
//		d.Enlisted(id)
//	}
package detach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// What a zero in [Config] means.
const (
	DefaultMaxRunning   = 64
	DefaultMaxPerClient = 16
)

// ErrHostEnds is the cause with which Close cancels what still runs.
var ErrHostEnds = errors.New("the host is ending")

// Caller runs tools behind all gates, as call.Router does.
type Caller interface {
	Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error)
}

// Config is what a runner is made of.
type Config struct {
	Caller Caller       // required
	Logger *slog.Logger // of panics; required

	MaxRunning   int // detached calls at a time, those in queues too; zero: DefaultMaxRunning
	MaxPerClient int // of one client; zero: DefaultMaxPerClient
}

func (cfg Config) complete() (Config, error) {
	switch {
	case cfg.Caller == nil || cfg.Logger == nil:
		return cfg, errors.New("detach: Caller and Logger are required")
	case cfg.MaxRunning < 0 || cfg.MaxPerClient < 0:
		return cfg, fmt.Errorf("detach: MaxRunning is %d and MaxPerClient %d; neither must be negative",
			cfg.MaxRunning, cfg.MaxPerClient)
	}
	if cfg.MaxRunning == 0 {
		cfg.MaxRunning = DefaultMaxRunning
	}
	if cfg.MaxPerClient == 0 {
		cfg.MaxPerClient = DefaultMaxPerClient
	}
	return cfg, nil
}

// Runner owns detached calls. Its methods may be called concurrently.
type Runner struct {
	cfg    Config
	ctx    context.Context         // ends when the runner is closed
	cancel context.CancelCauseFunc // of ctx

	mu       sync.Mutex     // guards what follows
	closed   bool           // nothing is started any more
	running  int            // calls that have not ended
	byClient map[string]int // client -> its calls of these, at least one
	idle     chan struct{}  // closed by the last call to end after Close; nil: not closed yet
}

// New makes a runner.
func New(cfg Config) (*Runner, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, byClient: make(map[string]int)}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r, nil
}

// Running is how many detached calls have not ended.
func (r *Runner) Running() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

// Start starts a call, and returns its execution id as soon as it has been enlisted. The call gets the
// values of ctx, but neither its deadline nor, once it has been enlisted, its cancellation. A call that is
// refused, or ends otherwise before it was enlisted, gives its own error; one that ends well gives its id.
//
// The runner's own errors are of kind overloaded, when too many calls run, unavailable, after Close, and
// cancelled, when ctx ended first; then the call is ended too.
func (r *Runner) Start(ctx context.Context, req tool.Request) (id string, err error) {
	if ctx.Err() != nil {
		return "", goneAway(ctx)
	}
	if err := r.enter(req.Client); err != nil {
		return "", err
	}
	d := &Detachment{enlisted: make(chan string, 1)}
	detached, cancel := r.context(ctx, d)
	ended := make(chan outcome, 1) // written once
	go func() {
		out := outcome{err: tool.Errorf(tool.KindUnknown, "internal error: the call was abandoned")}
		defer func() { ended <- out }() // last, so that who starts the next call finds the place free
		defer r.leave(req.Client)
		defer cancel(nil)
		out = r.run(detached, req)
	}()
	select {
	case id := <-d.enlisted:
		return id, nil
	case out := <-ended:
		return d.after(out)
	case <-ctx.Done():
		gone := goneAway(ctx)
		cancel(gone)
		select { // what asks a person in the call uses what is its starter's
		case <-d.enlisted:
		case <-ended:
		}
		return "", gone
	}
}

// context is that of a call: it ends with the runner, and has the values of ctx.
func (r *Runner) context(ctx context.Context, d *Detachment) (context.Context, context.CancelCauseFunc) {
	values := context.WithValue(context.WithoutCancel(ctx), key{}, d)
	detached, cancel := context.WithCancelCause(values)
	stop := context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })
	return detached, func(cause error) {
		stop()
		cancel(cause)
	}
}

func goneAway(ctx context.Context) *tool.Error {
	cause := context.Cause(ctx)
	return tool.Errorf(tool.KindCancelled, "the caller went away before the call had started: %w", cause).
		Suggest("start it again if it is still wanted")
}

// outcome is what a call came to.
type outcome struct {
	id  string
	err error
}

// run makes the call. A panic, which the router should have caught, is the call's error.
func (r *Runner) run(ctx context.Context, req tool.Request) (out outcome) {
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Logger.Error("a detached call panicked",
				"tool", req.Tool, "panic", p, "stack", string(debug.Stack()))
			out.err = tool.Errorf(tool.KindUnknown, "internal error: the call panicked").
				Suggest("try once more; if it fails again, tell the operator, who finds the reason in the log")
		}
	}()
	res, err := r.cfg.Caller.Call(ctx, req, nil)
	return outcome{id: res.ExecutionID, err: err}
}

// enter counts a call, or refuses it.
func (r *Runner) enter(client string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return tool.Errorf(tool.KindUnavailable, "%w; it starts no more executions", ErrHostEnds).
			Suggest("start it again when the host is back")
	case r.running >= r.cfg.MaxRunning:
		return tool.Errorf(tool.KindOverloaded, "%d detached executions run already, which is the most "+
			"that this host runs at a time", r.running).
			Suggest("wait until one of them has ended, or cancel one that is not needed").
			With("running", r.running).With("allowed", r.cfg.MaxRunning)
	case r.byClient[client] >= r.cfg.MaxPerClient:
		n := r.byClient[client]
		return tool.Errorf(tool.KindOverloaded, "%d detached executions of %s run already, which is the "+
			"most that one client may have", n, client).
			Suggest("wait until one of them has ended (execution_wait), or cancel one that is not needed "+
				"(execution_cancel)").
			With("running", n).With("allowed", r.cfg.MaxPerClient)
	}
	r.running++
	r.byClient[client]++
	return nil
}

// leave counts a call that has ended off.
func (r *Runner) leave(client string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byClient[client]--; r.byClient[client] == 0 {
		delete(r.byClient, client)
	}
	if r.running--; r.running == 0 && r.idle != nil {
		close(r.idle)
	}
}

// Close starts nothing any more, cancels every call with the cause [ErrHostEnds], and waits until all have
// ended. When ctx ends first, the error says how many have not. Close may be called again.
func (r *Runner) Close(ctx context.Context) error {
	idle := r.shut()
	r.cancel(ErrHostEnds)
	select {
	case <-idle:
		return nil
	default:
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("detach: %d executions have not ended: %w", r.Running(), context.Cause(ctx))
	}
}

// shut starts nothing any more. The channel is closed when nothing runs.
func (r *Runner) shut() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.idle
	}
	r.closed, r.idle = true, make(chan struct{})
	if r.running == 0 {
		close(r.idle)
	}
	return r.idle
}

type key struct{}

// Detachment is in the context of a detached call, and of no other.
type Detachment struct {
	enlisted chan string // of one place; Start takes
}

// From returns the detachment of a call's context; there is none if the call is not detached.
func From(ctx context.Context) (*Detachment, bool) {
	d, ok := ctx.Value(key{}).(*Detachment)
	return d, ok
}

// Enlisted says that the call has started, and under which id it can be found. Only the first word counts.
// It does not block.
func (d *Detachment) Enlisted(id string) {
	select {
	case d.enlisted <- id:
	default:
	}
}

// after is what Start returns of a call that has ended. It may have been enlisted in the same moment.
func (d *Detachment) after(out outcome) (string, error) {
	select {
	case id := <-d.enlisted:
		return id, nil
	default:
		return out.id, out.err
	}
}
