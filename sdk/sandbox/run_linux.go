//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox/internal/supervisor"
)

// unresponsive is how long after SIGKILL a supervisor may take to report that all is dead: three times what
// one needs for a thousand processes on a machine with six times the work that it can do. With the grace
// before SIGKILL it leaves the caller time to answer before whoever asked gives the caller up.
const unresponsive = 1500 * time.Millisecond

// attempts bounds how often a job is offered to another supervisor, when one died before it read it.
const attempts = 4

var (
	errUnread = errors.New("the supervisor died before it read the job")
	errDied   = fmt.Errorf("%w: it died; everything that it ran was killed", ErrLost)
	errHung   = fmt.Errorf("%w: it did not report the end of the program; both were killed", ErrLost)
)

// Run runs c to its end. The error is a *StartError when the program could not be run, with all of its
// limits, or its supervisor was lost: see ErrLost. A program that failed or was killed is no error. When ctx
// is cancelled the whole tree gets SIGTERM, and SIGKILL 500 ms later; the end of ctx by its own deadline does
// the same and counts as TimedOut.
//
//	Run
//	  resolve, encode            check the command, once
//	  take                       a supervisor: idle or new
//	  send                       the job and the ends of its pipes
//	  watch                      wait for Started, Done; deadline, cancellation: order Term, Kill
//	  put or retire              the supervisor goes back before the output is read to its end
//	  finish                     wait for the readers
func (p *Pool) Run(ctx context.Context, c Command) (Outcome, error) {
	begun := time.Now()
	c, err := c.resolve(begun)
	if err != nil {
		return Outcome{}, err
	}
	job, err := encode(&c)
	if err != nil {
		return Outcome{}, err
	}
	r := run{pool: p, ctx: ctx, command: &c, job: job, until: c.Deadline}
	if r.over(begun) {
		return r.out, nil
	}
	if err := r.open(); err != nil {
		return Outcome{}, &StartError{"make pipes", err}
	}
	err = r.execute()
	r.closeWriteEnds()
	r.out.Elapsed = time.Since(begun)
	r.streams.finish(&r.out)
	return r.out, err
}

func encode(c *Command) ([]byte, error) {
	processes := c.Limits.Processes
	if processes == 0 {
		processes = supervisor.NotSet
	}
	job := supervisor.Job{
		Argv:         append([]string{c.Path}, c.Args...),
		Env:          c.Env,
		FileSize:     c.Limits.FileSize,
		Processes:    processes,
		OpenFiles:    c.Limits.OpenFiles,
		CPU:          c.Limits.cpuSeconds(),
		AddressSpace: c.Limits.AddressSpace,
		Report:       c.Report != nil,
	}
	if err := c.confine(&job); err != nil {
		return nil, err
	}
	packet, err := job.Append(make([]byte, 0, 2048))
	if err != nil {
		return nil, &StartError{"encode the job", err}
	}
	return packet, nil
}

// phase is how far a run is on its way to an end.
type phase int

const (
	running  phase = iota
	asked          // SIGTERM was ordered
	ordained       // SIGKILL was ordered
)

// run is one call of Run.
type run struct {
	pool      *Pool
	ctx       context.Context
	command   *Command
	job       []byte
	streams   streams
	writeEnds []int

	phase   phase
	until   time.Time // when the phase ends by itself; zero: never
	noticed bool      // that ctx has ended
	started bool
	pid     int
	pidfd   int
	out     Outcome
}

// over reports whether the run has ended before it began.
func (r *run) over(now time.Time) bool {
	err := r.ctx.Err()
	switch {
	case errors.Is(err, context.DeadlineExceeded), !r.until.IsZero() && !now.Before(r.until):
		r.out.TimedOut, r.out.ExitCode = true, ExitTimeout
	case err != nil:
		r.out.Cancelled, r.out.ExitCode = true, 128+int(syscall.SIGTERM)
	default:
		return false
	}
	return true
}

// open makes the pipes and starts their readers.
func (r *run) open() error {
	n := 2
	if r.command.Report != nil {
		n = 3
	}
	var readEnds []*os.File
	for range n {
		var fds [2]int
		err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC)
		if err == nil {
			// Non-blocking on our side only: no thread of ours waits, and the program sees a
			// pipe like any other.
			if err = errors.Join(syscall.SetNonblock(fds[0], true), r.admit(fds[1])); err != nil {
				closeFd(fds[0])
				closeFd(fds[1])
			}
		}
		if err != nil {
			for _, f := range readEnds {
				_ = f.Close()
			}
			r.closeWriteEnds()
			return err
		}
		readEnds = append(readEnds, os.NewFile(uintptr(fds[0]), "output"))
		r.writeEnds = append(r.writeEnds, fds[1])
	}
	r.streams.start(r.command, readEnds)
	return nil
}

// admit lets a program of another user open the write end of a pipe by name, as /dev/fd/3. A new mode takes
// no capability, as a new owner would; and only the program's own user comes as far as the name.
func (r *run) admit(fd int) error {
	const openToWriters = 0o622
	if r.command.RunAs == nil || !own().root {
		return nil
	}
	return syscall.Fchmod(fd, openToWriters)
}

func (r *run) closeWriteEnds() {
	for _, fd := range r.writeEnds {
		closeFd(fd)
	}
	r.writeEnds = nil
}

// execute finds a supervisor for the job and has it done.
func (r *run) execute() error {
	for range attempts {
		w, fresh, err := r.pool.take(r.command.RequireNamespace)
		if err != nil {
			return err
		}
		if err = r.on(w); !errors.Is(err, errUnread) {
			return err
		}
		r.pool.log.Warn("sandbox: replacing a dead supervisor", "pid", w.process.Pid, "fresh", fresh)
	}
	return &StartError{"start a supervisor", errUnread}
}

// on does the job with s, and gives s back.
func (r *run) on(w *worker) error {
	r.pidfd = -1
	defer func() { closeFd(r.pidfd) }()
	if err := w.send(r.job, r.writeEnds); err != nil {
		_ = w.process.Kill()
		r.pool.retire(w)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			return errUnread
		}
		return &StartError{"send the job", err}
	}
	var done supervisor.Message
	if err := r.watch(w, &done); err != nil {
		r.lose(w, err)
		return err
	}
	if done.Dirty {
		r.pool.log.Warn("sandbox: a program left files in its directory", "program", r.command.Path)
		r.pool.retire(w)
	} else {
		r.pool.put(w)
	}
	if done.Stage != supervisor.StageNone {
		return &StartError{done.Stage.String(), done.Errno}
	}
	r.out.CPU = time.Duration(done.CPU) * time.Microsecond
	r.out.MaxRSS = int64(done.MaxRSS)
	r.out.finish(syscall.WaitStatus(done.WaitStatus), r.command.Limits.cpuSeconds(), r.phase != running)
	return nil
}

// watch waits until the supervisor reports that all is dead, and meanwhile passes on our orders.
func (r *run) watch(w *worker, m *supervisor.Message) error {
	past := time.Unix(1, 0)
	wake := func() { _ = w.conn.SetReadDeadline(past) }
	defer context.AfterFunc(r.ctx, wake)()
	defer context.AfterFunc(r.pool.ctx, wake)()
	r.arm(w)
	for {
		pidfd, err := w.receive(m)
		switch {
		case err == nil && m.Kind == supervisor.KindStarted:
			r.started, r.pid, r.pidfd = true, int(m.Pid), pidfd
			r.closeWriteEnds()
		case err == nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := r.escalate(w); err != nil {
				return err
			}
		case !r.started && r.phase == running && w.diedDeaf(err):
			return errUnread // our job was the one message that could be unread
		default:
			return &StartError{"supervise", errDied}
		}
	}
}

// arm has receive return when the phase ends, or at once when ctx ended and its wake may be past.
func (r *run) arm(w *worker) {
	_ = w.conn.SetReadDeadline(r.until)
	if !r.noticed && r.ended() != nil {
		_ = w.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// ended is why nobody wants the run to go on, or nil.
func (r *run) ended() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return r.pool.ctx.Err()
}

// escalate goes on to the next phase, when it is time.
func (r *run) escalate(w *worker) error {
	now := time.Now()
	ended := r.ended()
	r.noticed = ended != nil
	late := !r.until.IsZero() && !now.Before(r.until)
	switch {
	case r.phase == running && late:
		r.out.TimedOut = true
		r.ask(w, now.Add(r.command.Grace))
	case r.phase == running && ended != nil:
		r.out.TimedOut = errors.Is(ended, context.DeadlineExceeded)
		r.out.Cancelled = !r.out.TimedOut
		r.ask(w, now.Add(min(r.command.Grace, cancelGrace)))
	case r.phase == asked && late:
		w.order(supervisor.KindKill)
		r.phase, r.until = ordained, now.Add(unresponsive)
	case r.phase == asked && ended != nil && r.until.After(now.Add(cancelGrace)):
		r.until = now.Add(cancelGrace) // nobody waits any more: shorten the grace of a timeout
	case r.phase == ordained && late:
		return &StartError{"supervise", errHung}
	}
	r.arm(w)
	return nil
}

func (r *run) ask(w *worker, until time.Time) {
	w.order(supervisor.KindTerm)
	r.phase, r.until = asked, until
}

// lose ends all that a dead or hung supervisor ran. In a PID namespace the kernel does, when the supervisor
// is dead. Else the brand finds it all; the pidfd, and the group as long as its leader exists, are for
// kernels or limits where no brand could be set.
func (r *run) lose(w *worker, cause error) {
	if r.pidfd >= 0 && killPidfd(r.pidfd) && !w.namespace {
		_ = syscall.Kill(-r.pid, syscall.SIGKILL) // in a namespace the number would mean somebody else here
	}
	w.destroy()
	r.pool.retire(w)
	if !errors.Is(cause, errUnread) {
		r.pool.log.Error("sandbox: lost a supervisor", "pid", w.process.Pid, "err", cause)
	}
}
