package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/internal/machine"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Program stands in for a program that a tool runs. Nothing is started: Main runs in the test's process, and what
// the sandbox makes of a program is made of it: the caps of its output, its end at the deadline, its outcome. So a
// tool can be tried on a machine that has not got its program, in the time of a [testing/synctest] bubble, and with
// output that the real program gives once in a year. The zero Program is one that is not installed.
type Program struct {
	// Main is what runs in the program's place; it returns the exit code. nil: the program is not installed. It
	// may be called by several calls at once. A panic of its ends that call alone.
	//
	// ctx ends when the sandbox would send SIGTERM: at the deadline, and when the call is cancelled. Return soon
	// then: SIGKILL cannot be played, and who calls waits.
	Main func(ctx context.Context, run *Run) (exit int)
	// Version is held to command.Program.MinVersion; empty: it is new enough. Main is never asked for it.
	Version string
	// Lacks are capabilities, such as "CAP_NET_RAW", that the machine cannot hand on to the program. It has all
	// others that the tool's definition needs, whatever this machine is like.
	Lacks []string
}

// Run is one run of a [Program].
type Run struct {
	Command sandbox.Command // all that the tool asked the sandbox for

	Argv []string // argv[0] included, which is the path of the program
	Env  []string // "NAME=value"

	Stdout, Stderr io.Writer
	Report         io.Writer // descriptor 3; without a reader a write fails with EBADF

	signal syscall.Signal
	lost   bool
}

// KilledBy makes this the run of a program that a signal ended, and returns the exit code that belongs to it. As in
// the sandbox SIGXCPU is the limit on CPU time, SIGXFSZ that on files, and a SIGKILL says that memory was short.
//
//	return run.KilledBy(syscall.SIGSEGV)
func (r *Run) KilledBy(s syscall.Signal) (exit int) {
	r.signal = s
	return 128 + int(s)
}

// Lose makes this a run whose supervisor died on the way: see sandbox.ErrLost.
func (r *Run) Lose() (exit int) {
	r.lost = true
	return -1
}

var errUnprivileged = errors.New("a command with Files needs NoNewPrivileges: set it, or leave Files nil")

// The sandbox's caps where a command names none, and the size of its chunks.
const (
	stdoutLimit = 1 << 20
	stderrLimit = 256 << 10
	chunkSize   = 32 << 10
)

// directory is where the programs of a test seem to lie. There is no such directory.
const directory = "/sdktest/bin/"

// standIn is what the plugin learns of a program of the options; nil: it is the machine's own.
func (o Options) standIn(name string) *machine.Program {
	p, ok := o.Programs[name]
	switch {
	case !ok:
		return nil
	case p.Main == nil:
		return &machine.Program{}
	}
	return &machine.Program{Path: directory + name, Version: p.Version, Lacks: p.Lacks}
}

// run plays a program, if c is one of the options.
func (o Options) run(ctx context.Context, c sandbox.Command) (out sandbox.Outcome, handled bool, err error) {
	name := path.Base(c.Path)
	p := o.Programs[name]
	if p.Main == nil || c.Path != directory+name {
		return out, false, nil
	}
	out, err = p.play(ctx, c)
	return out, true, err
}

// play is one run, as sandbox.Pool.Run would make it.
func (p Program) play(ctx context.Context, c sandbox.Command) (out sandbox.Outcome, err error) {
	begun := time.Now()
	if c.Files != nil && !c.NoNewPrivileges {
		return out, &sandbox.StartError{Stage: "check the command", Err: errUnprivileged}
	}
	if !c.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.Deadline)
		defer cancel()
	}
	if ended(ctx, &out); out.Cancelled || out.TimedOut { // before it began
		out.ExitCode = 128 + int(syscall.SIGTERM)
		return timedOut(out), nil
	}
	stdout, stderr := newCapped(c.Stdout, c.StdoutLimit, stdoutLimit), newCapped(c.Stderr, c.StderrLimit, stderrLimit)
	report := newReport(c.Report)
	run := &Run{Command: c, Argv: append([]string{c.Path}, c.Args...), Env: c.Env,
		Stdout: stdout, Stderr: stderr, Report: report}
	if run.Env == nil {
		run.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LC_ALL=C"}
	}
	exit := func() int {
		defer report.close() // also when it panics
		return p.Main(ctx, run)
	}()
	ended(ctx, &out)
	out.StdoutBytes, out.TruncatedStdout = stdout.end()
	out.StderrBytes, out.TruncatedStderr = stderr.end()
	out.ReportErr, out.Elapsed = report.result(), time.Since(begun)
	if run.lost {
		return out, &sandbox.StartError{Stage: "supervise", Err: fmt.Errorf("%w: a test lost it", sandbox.ErrLost)}
	}
	run.finish(exit, &out)
	return out, nil
}

// ended says whether, and why, a run was told to end.
func ended(ctx context.Context, o *sandbox.Outcome) {
	o.TimedOut = errors.Is(ctx.Err(), context.DeadlineExceeded)
	o.Cancelled = ctx.Err() != nil && !o.TimedOut
}

func (r *Run) finish(exit int, o *sandbox.Outcome) {
	o.ExitCode, o.Signal = exit&0xff, r.signal // of an exit code the kernel keeps eight bits
	if !o.TimedOut && !o.Cancelled {
		o.LimitHit = map[syscall.Signal]string{
			syscall.SIGXCPU: "cpu time", syscall.SIGXFSZ: "file size", syscall.SIGKILL: "killed (out of memory?)",
		}[r.signal]
	}
	*o = timedOut(*o)
}

func timedOut(o sandbox.Outcome) sandbox.Outcome {
	if o.TimedOut {
		o.ExitCode = sandbox.ExitTimeout
	}
	return o
}

// capped hands on the beginning of what a program writes.
type capped struct {
	deliver func([]byte) // nil: nobody wants it
	limit   int64

	mu    sync.Mutex // guards what follows; held while deliver runs: the chunks come one after the other
	seen  int64
	chunk []byte // used again and again, as in the sandbox
	over  bool
}

func newCapped(deliver func([]byte), limit, usual int64) *capped {
	if limit == 0 {
		limit = usual
	}
	return &capped{deliver: deliver, limit: max(limit, 0)}
}

func (w *capped) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return 0, syscall.EPIPE // a goroutine of Main's that has outlived it
	}
	for ; n < len(p); n += len(w.chunk) {
		w.chunk = append(w.chunk[:0], p[n:min(len(p), n+chunkSize)]...)
		if room := w.limit - w.seen; room > 0 && w.deliver != nil {
			w.deliver(w.chunk[:min(int64(len(w.chunk)), room)])
		}
		w.seen += int64(len(w.chunk))
	}
	return n, nil
}

func (w *capped) end() (seen int64, truncated bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.seen, w.seen > w.limit
}

// report is the pipe of descriptor 3, and the goroutine that reads it.
type report struct {
	*io.PipeWriter
	done     chan struct{} // closed when what follows is there
	err      error
	panicked any
}

func newReport(read func(io.Reader) error) *report {
	r, w := io.Pipe()
	p := &report{PipeWriter: w, done: make(chan struct{})}
	if read == nil {
		_ = r.CloseWithError(syscall.EBADF)
		close(p.done)
		return p
	}
	go func() { // play waits for it
		defer close(p.done)
		defer func() { _, _ = io.Copy(io.Discard, r) }()
		defer func() {
			if v := recover(); v != nil {
				p.panicked = fmt.Sprintf("sdktest: in Report: %v\n%s", v, debug.Stack())
			}
		}()
		p.err = read(r)
	}()
	return p
}

// close ends the pipe, and waits for its reader.
func (p *report) close() {
	_ = p.PipeWriter.Close() // it never fails
	<-p.done
}

// result is what the reader returned. A panic of its goes on here, in the goroutine of the call.
func (p *report) result() error {
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.err
}
