package plugintest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var endingChecks = []Check{
	{"cancel", "when the caller goes away, the call's programs are gone within 1 s", "configure", checkCancel},
	{"deadline", "a call ends by itself at its deadline, 3 s later at most, and says that it was the time",
		"configure", checkDeadline},
	{"shutdown", "asked to end (GRPCController/Shutdown) it ends within 3 s, and leaves nothing", "configure",
		checkShutdown},
	{"orphans", "killed in the middle of a call (SIGKILL) it leaves no process behind, in whatever session",
		"configure", checkOrphans},
}

const doEnd = "end the program, and all that it has started, when the call's context ends: a process group " +
	"of its own that is killed, and what has left it as well; the sandbox of the sdk does it"

var noSlow = untested("there is no sample of a slow call")

// sleeper is a slow call that has started what it starts.
type sleeper struct {
	*running
	before   []status        // were there already
	programs []status        // that it runs
	sockets  map[string]bool // that were open before
}

// sleep makes the slow call of a tool, and waits until its programs run. A call that ends meanwhile has
// ended for a reason, which is the verdict.
func (s *subject) sleep(ctx context.Context, c caller, pid int, x exercise, limit time.Duration) (*sleeper,
	verdict) {
	if x.slow == nil {
		return nil, noSlow
	}
	r, err := x.request(x.slow)
	if err != nil {
		return nil, verdict{err: err}
	}
	r.Deadline = time.Now().Add(limit)
	z := &sleeper{before: s.family.living(pid), sockets: sockets(pid)}
	z.running = begin(ctx, c, r, limit+deadlineLate+time.Second, nil)
	await(ctx, settleLimit, func() bool {
		z.programs = s.programs(pid, z.before)
		return len(z.programs) > 0 || z.over()
	})
	if !z.over() && len(z.programs) > 0 {
		await(ctx, settleTime, z.over) // what starts may start more
		z.programs = s.programs(pid, z.before)
	}
	if !z.over() {
		return z, verdict{}
	}
	if v, is := missing(z.err); is {
		return nil, v
	}
	if z.err != nil {
		return nil, wrong("the slow call fails: %w", z.err)
	}
	return nil, wrong("the slow call ended by itself after %s; it should take half a minute",
		took(time.Since(z.began)))
}

// settleTime is how long the first program of a call may take to start others.
const settleTime = 150 * time.Millisecond

// left are the programs that run still.
func (s *subject) left(pid int, z *sleeper) []status { return s.programs(pid, z.before) }

// opened are the sockets that the call has opened and not closed.
func (z *sleeper) opened(pid int) []string {
	now := sockets(pid)
	maps.DeleteFunc(now, func(name string, _ bool) bool { return z.sockets[name] })
	return slices.Collect(maps.Keys(now))
}

func checkCancel(ctx context.Context, s *subject) Finding {
	if !sees {
		return notTested("processes can be looked at on Linux alone", "test it there")
	}
	h, err := s.host(ctx)
	if err != nil {
		return failed(doEnd, "%v", err)
	}
	defer h.close()
	return s.forEach(doEnd, func(x exercise) verdict {
		if x.slow == nil {
			return noSlow
		}
		s.warm(ctx, h, h.Pid(), x)
		return s.cancels(ctx, h, x)
	})
}

// cancels is how often a slow call is cancelled, once what the plugin keeps for the next call is there.
const cancels = 3

// cancels cancels the slow call, again and again.
func (s *subject) cancels(ctx context.Context, h *hosted, x exercise) (v verdict) {
	kept := 0
	for i := range 1 + cancels {
		var z *sleeper
		if z, v = s.sleep(ctx, h, h.Pid(), x, quickLimit); v != (verdict{}) {
			return v
		}
		if v = s.cancelled(ctx, h, z); v.err != nil {
			return v
		}
		if i == 0 {
			await(ctx, settleTime, func() bool { return false })
			kept = len(s.own(h.Pid()))
		} else if now := s.grows(ctx, h.Pid(), kept); now != nil {
			return wrong("after a cancel it kept %s of its own, later %d: %s", counted(kept, "process"),
				len(now), names(now))
		}
	}
	return v
}

func (s *subject) cancelled(ctx context.Context, h *hosted, z *sleeper) verdict {
	open := 0
	await(ctx, settleTime, func() bool { // one that connects anew again and again has none for a moment
		open = len(z.opened(h.Pid()))
		return open > 0 || len(z.programs) > 0
	})
	z.stop()
	ran := len(z.programs) > 0
	if !ran && open == 0 {
		return s.unseen(ctx, h)
	}
	after, gone := await(ctx, endLimit, func() bool {
		return len(s.left(h.Pid(), z)) == 0 && (ran || len(z.opened(h.Pid())) == 0)
	})
	switch {
	case !gone && ran:
		return wrong("%s after the cancel these live: %s", endLimit, names(s.left(h.Pid(), z)))
	case !gone:
		return wrong("%s after the cancel it has %s open that the call opened", endLimit,
			counted(len(z.opened(h.Pid())), "connection"))
	case after > cancelLimit:
		return wrong("it took %s until the cancelled call was gone; allowed is %s", took(after), cancelLimit)
	}
	if err := h.alive(ctx); err != nil {
		return wrong("after the cancel: %w", err)
	}
	if ran {
		return seen("%s gone %s after the cancel", counted(len(z.programs), "process"), took(after))
	}
	return seen("%s closed %s after the cancel", counted(open, "connection"), took(after))
}

// busy is the time on a processor in a second after which a call goes on.
const busy = 200 * time.Millisecond

// unseen looks at a plugin whose call ran no program and opened no connection, once it was cancelled: who
// works on is seen, who waits is not.
func (s *subject) unseen(ctx context.Context, h *hosted) verdict {
	await(ctx, cancelLimit, func() bool { return false }) // it has that long to end
	before := processorTime(h.Pid())
	await(ctx, time.Second, func() bool { return false })
	if spent := processorTime(h.Pid()) - before; spent > busy {
		return wrong("it runs no program; from 1 s to 2 s after the cancel it spent %s on a processor", took(spent))
	}
	if err := h.alive(ctx); err != nil {
		return wrong("after the cancel: %w", err)
	}
	return untested("it runs no program and opens no connection, and nothing is to be seen of the call's end")
}

func checkDeadline(ctx context.Context, s *subject) Finding {
	const do = "end the call at the timeout of the request, keep what there is, and answer with timed_out and " +
		"an error of the kind timeout"
	h, err := s.host(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer h.close()
	return s.forEach(do, func(x exercise) verdict {
		if x.slow == nil {
			return noSlow
		}
		s.warm(ctx, h, h.Pid(), x)
		v := s.timesOut(ctx, h, x)
		if kept := len(s.own(h.Pid())); v.err == nil && kept > 0 {
			return s.timesOutAgain(ctx, h, x, kept)
		}
		return v
	})
}

// timesOutAgain sees whether more of the plugin's own processes are left behind with each deadline.
func (s *subject) timesOutAgain(ctx context.Context, h *hosted, x exercise, kept int) (v verdict) {
	for range 1 + spare {
		if v = s.timesOut(ctx, h, x); v.err != nil {
			return v
		}
		if now := s.grows(ctx, h.Pid(), kept); now != nil {
			return wrong("after a deadline it kept %s of its own, later %d: %s", counted(kept, "process"), len(now),
				names(now))
		}
	}
	return v
}

func (s *subject) timesOut(ctx context.Context, h *hosted, x exercise) verdict {
	r, err := x.request(x.slow)
	if err != nil {
		return verdict{err: err}
	}
	before := s.family.living(h.Pid())
	r.Deadline = time.Now().Add(deadline)
	run := begin(ctx, h, r, quickLimit, nil)
	defer run.stop()
	_, over := await(ctx, deadline+deadlineLate, run.over)
	elapsed := time.Since(run.began)
	if !over {
		return wrong("the call had %s, and runs after %s still", deadline, took(elapsed))
	}
	if v, is := missing(run.err); is {
		return v
	}
	kind := tool.KindOf(run.err)
	switch {
	case elapsed < deadline && run.err == nil:
		return wrong("the slow call ended by itself after %s; it should take half a minute", took(elapsed))
	case kind != tool.KindTimeout && !run.result.TimedOut:
		return wrong("the call had %s, and ended after %s with %q (%v), which does not say that it was the time",
			deadline, took(elapsed), kind, run.err)
	}
	_, gone := await(ctx, deadline+deadlineLate-elapsed, func() bool {
		return len(s.programs(h.Pid(),
			before)) == 0
	})
	if !gone {
		return wrong("the call ended, and these live: %s", names(s.programs(h.Pid(), before)))
	}
	return seen("with %s it ended after %s, timed out", deadline, took(elapsed))
}

func checkShutdown(ctx context.Context, s *subject) Finding {
	const do = "serve plugin.GRPCController/Shutdown: end the calls and their programs, and exit"
	return s.duringCalls(ctx, do, func(r *raw) (string, error) {
		begun := time.Now()
		if err := r.shutdown(ctx); err != nil && !r.ends(ctx, endLimit) {
			return "", fmt.Errorf("asked to end it says: %w", err)
		}
		if !r.ends(ctx, endLimit-time.Since(begun)) {
			return "", fmt.Errorf("asked to end it runs %s later; a host has to kill it", endLimit)
		}
		return fmt.Sprintf("ended %s after it was asked (%s)", took(time.Since(begun)), r.state), nil
	})
}

func checkOrphans(ctx context.Context, s *subject) Finding {
	const do = "tie programs to the plugin's life: PR_SET_PDEATHSIG, and a pipe that only the plugin holds " +
		"for what leaves its process group; the sandbox of the sdk does it"
	return s.duringCalls(ctx, do, func(r *raw) (string, error) {
		_ = syscall.Kill(r.pid, syscall.SIGKILL) // the process alone, as the kernel does when memory is short
		if !r.ends(ctx, endLimit) {
			return "", errors.New("it cannot be killed")
		}
		_ = syscall.Kill(-r.pid, syscall.SIGKILL) // its group, as every host does; there may be nobody in it
		return "killed", nil
	})
}

// duringCalls ends a plugin while the slow calls of all its tools run, and sees that nothing is left. Where
// there are none, it is ended idle; for a tool without one that was no test.
func (s *subject) duringCalls(ctx context.Context, do string, end func(*raw) (string, error)) Finding {
	if !sees {
		return notTested("processes can be looked at on Linux alone", "test it there")
	}
	r, err := s.raw(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	slow, verdicts := s.sleepAll(ctx, r)
	defer stopAll(slow)
	var e each
	for _, v := range verdicts {
		switch {
		case !isUntested(v.err):
			return failed(do, "%v", v.err)
		case errors.Is(v.err, noSlow.err), len(slow) == 0:
			e.not = append(e.not, v.err.Error())
		default: // what this machine cannot run
			e.saw = append(e.saw, v.err.Error())
		}
	}
	all := len(s.family.living(r.pid))
	saw, err := end(r)
	if err != nil {
		return failed(do, "%v", err)
	}
	ended := time.Now()
	var left []status
	after, gone := await(ctx, endLimit, func() bool {
		left = s.family.living(r.pid)
		return len(left) == 0
	})
	if !gone {
		return failed(do, "%s, and %s later these live: %s", saw, took(time.Since(ended)), names(left))
	}
	sum := fmt.Sprintf("%s; %s gone after %s", saw, counted(all, "descendant"), took(after))
	if len(slow) == 0 {
		sum = saw + ", when it was idle, with nothing left"
	}
	e.saw = slices.Insert(e.saw, 0, sum)
	return e.finding(do)
}

// sleepAll begins the slow calls of all tools. The verdicts are of those that do not run.
func (s *subject) sleepAll(ctx context.Context, r *raw) (all []*sleeper, verdicts []verdict) {
	for _, x := range s.exercises {
		z, v := s.sleep(ctx, r.rpc, r.pid, x, quickLimit)
		if z != nil {
			all = append(all, z)
			continue
		}
		v.err = fmt.Errorf("%s: %w", x.entry.Spec.Name, v.err)
		verdicts = append(verdicts, v)
	}
	return all, verdicts
}

func stopAll(all []*sleeper) {
	for _, z := range all {
		z.stop()
	}
}

// isInvalidUTF8 reports whether bytes are no text.
func isInvalidUTF8(b []byte) bool { return strings.ToValidUTF8(string(b), "") != string(b) }
