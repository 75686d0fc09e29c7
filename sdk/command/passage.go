package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// maxRuns is how many runs of the program one call may have.
const maxRuns = 10

// passage is one call under way: its runs, one after the other, with what they share. Deadline and caps are
// those of the call; the reader sees the output of all of them.
type passage struct {
	tool    *Tool
	env     sdk.Env
	job     *Job
	request sdk.Request
	emit    func(sdk.Event)
	path    string
	reader  Reader

	runs  int             // that were begun
	total sandbox.Outcome // of all runs: how it ended is that of the last, bytes and times are sums
}

// run makes the first run, and others as long as the author asks for one. Its error is why there was no
// further run, or none at all.
func (p *passage) run(ctx context.Context, args []string) error {
	for {
		out, err := p.once(ctx, args)
		if err != nil || p.tool.def.Again == nil || !endedByItself(out) {
			return err
		}
		l, err := p.again(ctx, out)
		if err != nil || l.words == nil {
			return err
		}
		args = l.words
	}
}

// endedByItself reports whether nobody ended the program.
func endedByItself(out sandbox.Outcome) bool {
	return !out.TimedOut && !out.Cancelled && out.LimitHit == "" && out.Signal == 0
}

// once makes one run.
func (p *passage) once(ctx context.Context, args []string) (sandbox.Outcome, error) {
	cmd, flush := p.sandboxed()
	cmd.Path, cmd.Args = p.path, args
	if err := p.tool.able(p.env, p.job, &cmd); err != nil { // before anybody is told that it runs
		return sandbox.Outcome{}, err
	}
	p.job.runs++
	if p.job.runs > 1 && p.reader.Next != nil {
		p.reader.Next(p.job.runs)
	}
	p.emit(sdk.Event{Exec: &sdk.Exec{
		Program: p.path, Argv: append([]string{p.path}, args...), Files: p.tool.hashed(p.path),
	}})
	out, err := p.env.Run(ctx, cmd)
	flush()
	if err != nil && !errors.Is(err, sandbox.ErrLost) {
		return out, p.tool.program.startError(err)
	}
	if err != nil {
		out.ExitCode = notRun.ReturnCode
	}
	p.runs++
	p.add(out)
	return out, err
}

// add puts the outcome of a run to those before it.
func (p *passage) add(out sandbox.Outcome) {
	sum := p.total
	sum.ExitCode, sum.Signal, sum.LimitHit = out.ExitCode, out.Signal, out.LimitHit
	sum.TimedOut, sum.Cancelled = out.TimedOut, out.Cancelled
	sum.StdoutBytes += out.StdoutBytes
	sum.StderrBytes += out.StderrBytes
	sum.TruncatedStdout = sum.TruncatedStdout || out.TruncatedStdout
	sum.TruncatedStderr = sum.TruncatedStderr || out.TruncatedStderr
	sum.Elapsed += out.Elapsed
	sum.CPU += out.CPU
	sum.MaxRSS = max(sum.MaxRSS, out.MaxRSS)
	sum.ReportErr = errors.Join(sum.ReportErr, out.ReportErr)
	p.total = sum
}

// again asks the author whether there is another run, and writes its command line. There is none when that
// has no words.
func (p *passage) again(ctx context.Context, out sandbox.Outcome) (line, error) {
	asking, cancel := ctx, context.CancelFunc(func() {})
	if !p.request.Deadline.IsZero() {
		asking, cancel = context.WithDeadline(ctx, p.request.Deadline)
	}
	defer cancel()
	more, err := p.tool.def.Again(asking, p.job, out)
	switch {
	case (more || err != nil) && p.over(asking):
		return line{}, nil
	case err != nil || !more:
		return line{}, err
	}
	l, err := p.tool.renewed(p.job)
	if err != nil {
		return line{}, err
	}
	if why := p.last(); why != "" {
		p.job.Note("another run was not made: %s; it would have been %s %s", why, p.tool.def.Program.Name,
			strings.Join(l.words, " "))
		return line{}, nil
	}
	return l, nil
}

// over reports whether the call is at its end, and then says so in the outcome: what was asked for is not
// complete.
func (p *passage) over(asking context.Context) bool {
	err := asking.Err()
	late := errors.Is(err, context.DeadlineExceeded) ||
		!p.request.Deadline.IsZero() && !time.Now().Before(p.request.Deadline)
	p.total.TimedOut, p.total.Cancelled = late, err != nil && !late
	return late || err != nil
}

// last says why there may be no further run, or "".
func (p *passage) last() string {
	switch {
	case p.request.Grant != nil:
		return "a person allowed one command, and that was run"
	case p.runs >= maxRuns:
		return "a call has at most 10 runs"
	}
	return ""
}

// renewed is the command line of a job that an author has changed. Everything that a change could have done
// away with is looked at again: an author cannot leave the scope, or open the gate, by mistake.
func (t *Tool) renewed(j *Job) (line, error) {
	if t.def.Target != NoTarget || j.Target.Prefix.IsValid() {
		if err := j.checkTarget(); err != nil {
			return line{}, err
		}
	}
	if err := j.conflicts(); err != nil {
		return line{}, err
	}
	if err := j.requirements(); err != nil {
		return line{}, err
	}
	if err := j.gate(); err != nil {
		return line{}, err
	}
	j.order()
	return t.argv(j)
}

// sandboxed is the command as the sandbox wants it; flush shows what is held back when the run has ended.
func (p *passage) sandboxed() (cmd sandbox.Command, flush func()) {
	chunk := func(s sdk.Stream) func([]byte) {
		return func(data []byte) { p.emit(sdk.Event{Output: &sdk.Output{Stream: s, Data: data}}) }
	}
	cmd = sandbox.Command{
		Limits: limits(p.env.Policy), Deadline: p.request.Deadline,
		Stdout: chunk(sdk.Stdout), Stderr: chunk(sdk.Stderr), Report: p.reader.Report,
	}
	shown, shownStderr := hiding(p.tool.def.Hide, &cmd.Stdout), hiding(p.tool.def.HideStderr, &cmd.Stderr)
	flush = func() { shown(); shownStderr() }
	cmd.Stdout, cmd.StdoutLimit = also(cmd.Stdout, p.request.MaxStdout, p.reader.Stdout)
	cmd.Stderr, cmd.StderrLimit = also(cmd.Stderr, p.request.MaxStderr, p.reader.Stderr)
	// A reader sees as much of each run: what a stranger sent in one must not hide what comes in the next.
	if p.reader.Stdout == nil {
		cmd.StdoutLimit = left(cmd.StdoutLimit, p.total.StdoutBytes)
	}
	if p.reader.Stderr == nil {
		cmd.StderrLimit = left(cmd.StderrLimit, p.total.StderrBytes)
	}
	return cmd, flush
}

// hiding keeps some lines of a stream from its writer; flush shows what is held back.
func hiding(drop func(line string) bool, stream *func([]byte)) (flush func()) {
	if drop == nil {
		return func() {}
	}
	h := &hider{drop: drop, next: *stream}
	*stream = h.write
	return h.flush
}

// left is what earlier runs have left of a cap. It is never 0, which is the sandbox's own default; nor is a
// cap of nothing: the handler cuts at the true one.
func left(limit, used int64) int64 {
	if limit = max(limit, 1) - used; limit <= 0 {
		return -1
	}
	return limit
}
