package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var callChecks = []Check{
	{"answers", "a plan says what a call does, the call does it, and its data fits the output schema",
		"configure", checkAnswers},
	{"concurrent-calls", "two calls at once are two answers", "configure", checkConcurrent},
	{"output-cap",
		"no more output crosses than the request asks for, and the result says that some was left out",
		"configure", checkOutputCap},
	{"flood", "while the caller does not read, a tool that prints is held up and memory stays flat; messages " +
		"have 4 MiB at most", "configure", checkFlood},
	{"utf8", "texts on the wire are UTF-8, whatever a caller sent or a tool printed", "configure", checkUTF8},
}

// each is what became of one check for each tool.
type each struct {
	saw    []string // of those that passed
	failed []string
	not    []string // why something was not tested
}

// finding sums up. do is what a failure asks for.
func (e each) finding(do string) Finding {
	switch {
	case len(e.failed) > 0:
		f := failed(do, "%s", e.failed[0])
		f.Details = slices.Concat(e.failed[1:], e.not)
		return f
	case len(e.not) > 0:
		f := notTested(e.not[0], "%s", toTest(e.not))
		f.Details = slices.Concat(e.not[1:], e.saw)
		return f
	case len(e.saw) == 0:
		return notTested("the plugin offers no tool", "offer one that is not hidden")
	}
	f := passed("%s", e.saw[0])
	f.Details = e.saw[1:]
	return f
}

// toTest is what a person does about what was not tested.
func toTest(why []string) string {
	if slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, "sample") }) {
		return "write a sample for each tool into a file, and give it with --samples"
	}
	return "test where it can be"
}

// verdict is what came of one tool: what was seen, or what was wrong, or why it was not tested.
type verdict struct {
	saw string
	err error
}

// errNotTested is why a tool was not tested.
type errNotTested string

func (e errNotTested) Error() string { return string(e) }

func untested(format string, args ...any) verdict {
	return verdict{err: errNotTested(fmt.Sprintf(format, args...))}
}

// isUntested reports whether an error is why something was not tested.
func isUntested(err error) bool {
	var e errNotTested
	return errors.As(err, &e)
}

func seen(format string, args ...any) verdict { return verdict{saw: fmt.Sprintf(format, args...)} }

func wrong(format string, args ...any) verdict { return verdict{err: fmt.Errorf(format, args...)} }

// forEach makes a check of each tool.
func (s *subject) forEach(do string, check func(exercise) verdict) Finding {
	var e each
	for _, x := range s.exercises {
		name := x.entry.Spec.Name
		switch v := check(x); {
		case isUntested(v.err):
			e.not = append(e.not, fmt.Sprintf("%s: %v", name, v.err))
		case v.err != nil:
			e.failed = append(e.failed, fmt.Sprintf("%s: %v", name, v.err))
		default:
			e.saw = append(e.saw, fmt.Sprintf("%s: %s", name, v.saw))
		}
	}
	return e.finding(do)
}

// missing is the verdict of a call that cannot be made on this machine; false: it can.
func missing(err error) (verdict, bool) {
	switch tool.KindOf(err) {
	case tool.KindNotFound, tool.KindNeedsPrivilege:
		return untested("this machine has not what it needs: %v; %s", err, tool.AsError(err).Suggestion), true
	}
	return verdict{}, false
}

var noQuick = untested("there is no sample of a quick call")

func checkAnswers(ctx context.Context, s *subject) Finding {
	const do = "see that Plan and Call come to the same, and that Result.data fits the schema of Describe"
	h, err := s.host(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer h.close()
	return s.forEach(do, func(x exercise) verdict {
		if x.quick == nil {
			return noQuick
		}
		return s.answers(ctx, h, x)
	})
}

func (s *subject) answers(ctx context.Context, h *hosted, x exercise) verdict {
	r, err := x.request(x.quick)
	if err != nil {
		return verdict{err: err}
	}
	planning, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	plan, err := h.Plan(planning, r)
	if err != nil {
		return wrong("Plan: %w", err)
	}
	if plan.Verdict != tool.Accept {
		return wrong("Plan of the quick call: %s: %s", plan.Verdict, clip(plan.Rule, 200))
	}
	var executed []tool.Exec
	began := time.Now()
	res, err := call(ctx, h, r, quickLimit, func(ev tool.Event) {
		if ev.Exec != nil {
			executed = append(executed, *ev.Exec)
		}
	})
	if v, is := missing(err); is {
		return v
	}
	if err != nil {
		return wrong("the quick call fails: %w", err)
	}
	if err := s.fits(x.entry.Spec.Name, res); err != nil {
		return verdict{err: err}
	}
	planned := func(e tool.Exec) bool { return e.Program == plan.Program && slices.Equal(e.Argv, plan.Argv) }
	if len(plan.Argv) > 0 && !slices.ContainsFunc(executed, planned) {
		return wrong("the plan is to run %q, and the call says that it runs %q (event Exec)", plan.Argv, executed)
	}
	return seen("answered after %s, as planned", took(time.Since(began)))
}

// fits holds a result to the contract.
func (s *subject) fits(name string, res tool.Result) error {
	if err := res.Validate(); err != nil {
		return fmt.Errorf("the result: %w", err)
	}
	if len(res.Data) == 0 {
		return nil
	}
	schema := s.output(name)
	if schema == nil {
		return errors.New("there is data, and no output schema")
	}
	if bad := schema.Validate(res.Data); len(bad) > 0 {
		return fmt.Errorf("the data does not fit the output schema: %s %s", bad[0].Pointer, bad[0].Message)
	}
	return nil
}

func checkConcurrent(ctx context.Context, s *subject) Finding {
	const do = "keep what belongs to a call with that call; a host makes several at a time"
	h, err := s.host(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer h.close()
	return s.forEach(do, func(x exercise) verdict {
		if x.quick == nil {
			return noQuick
		}
		return h.twice(ctx, x)
	})
}

// twice makes two quick calls, at once where the tool takes more than one at a time.
func (h *hosted) twice(ctx context.Context, x exercise) verdict {
	how := "two calls at once"
	if x.entry.Spec.Concurrency == 1 {
		how = "one call at a time, as it declares"
	}
	var runs [2]*running
	for i := range runs {
		r, err := x.request(x.quick)
		if err != nil {
			return verdict{err: err}
		}
		runs[i] = begin(ctx, h, r, quickLimit, nil)
		if x.entry.Spec.Concurrency == 1 {
			<-runs[i].done
		}
	}
	for _, run := range runs {
		<-run.done
	}
	for _, run := range runs {
		if v, is := missing(run.err); is {
			return v
		}
		if run.err != nil {
			return wrong("%s: one fails: %w", how, run.err)
		}
	}
	if err := h.alive(ctx); err != nil {
		return wrong("after %s: %w", how, err)
	}
	return seen("%s, two answers", how)
}

func checkOutputCap(ctx context.Context, s *subject) Finding {
	const do = "count what is sent of each stream, stop at max_stdout and max_stderr, and set " +
		"truncated_stdout and truncated_stderr in the result"
	r, err := s.raw(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	return s.forEach(do, func(x exercise) verdict {
		if x.quick == nil {
			return noQuick
		}
		printed, v := r.capped(ctx, x)
		if v.err != nil {
			return v
		}
		if x.flood != nil {
			n, w := r.floodCut(ctx, x)
			if w.err != nil {
				return w
			}
			if printed += n; n > 1 {
				v.saw += fmt.Sprintf("; of a flood %d bytes came", n)
			}
		}
		switch {
		case printed > 1:
			return v
		case x.little:
			return seen("it prints at most %d bytes", printed)
		}
		return untested(printsLittle, printed)
	})
}

// printsLittle says that a tool has printed too little for a test.
const printsLittle = "it printed only %d bytes; give a flood sample, " +
	`or "flood": false for a tool that prints little`

// raw starts a plugin whose wire and streams are seen, and configures it. Close it.
func (s *subject) raw(ctx context.Context) (*raw, error) {
	r, err := s.execute(start{})
	if err != nil {
		return nil, err
	}
	err = r.connect(ctx)
	if err == nil {
		asking, cancel := context.WithTimeout(ctx, askLimit)
		defer cancel()
		err = r.rpc.Configure(asking, s.policy())
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// smallCap is what is asked for of a call that prints more, in bytes.
const smallCap = 64

// capped makes the quick call twice: as it is, to see how much it prints, and with caps below that.
func (r *raw) capped(ctx context.Context, x exercise) (printed int64, v verdict) {
	q, err := x.request(x.quick)
	if err != nil {
		return 0, verdict{err: err}
	}
	r.tap.reset()
	if _, err := call(ctx, r.rpc, q, quickLimit, nil); err != nil {
		if v, is := missing(err); is {
			return 0, v
		}
		return 0, wrong("the quick call fails: %w", err)
	}
	stdout, stderr := r.tap.counted()
	printed = stdout + stderr
	q.MaxStdout, q.MaxStderr = min(stdout/2, smallCap), min(stderr/2, smallCap)
	res, v := r.cut(ctx, q)
	out, errs := r.tap.counted()
	switch {
	case v.err != nil:
		return printed, v
	case stdout > 1 && !res.TruncatedStdout:
		return printed, wrong("of %d bytes on stdout %d came, and truncated_stdout is not set", stdout, out)
	case stderr > 1 && !res.TruncatedStderr:
		return printed, wrong("of %d bytes on stderr %d came, and truncated_stderr is not set", stderr, errs)
	}
	return printed, seen("prints %d bytes; with a cap of %d it is %d", printed, q.MaxStdout+q.MaxStderr,
		out+errs)
}

// floodCut makes the call that prints without end, with small caps and little time.
func (r *raw) floodCut(ctx context.Context, x exercise) (printed int64, v verdict) {
	q, err := x.request(x.flood)
	if err != nil {
		return 0, verdict{err: err}
	}
	q.MaxStdout, q.MaxStderr, q.Deadline = smallCap, smallCap, time.Now().Add(deadline)
	_, v = r.cut(ctx, q)
	stdout, stderr := r.tap.counted()
	return stdout + stderr, v
}

// cut makes a call, and sees that no more comes than is asked for.
func (r *raw) cut(ctx context.Context, q tool.Request) (tool.Result, verdict) {
	q.ID = executionID()
	r.tap.reset()
	res, err := call(ctx, r.rpc, q, quickLimit, nil)
	if err != nil && tool.KindOf(err) != tool.KindTimeout {
		return res, wrong("the call with small caps fails: %w", err)
	}
	out, errs := r.tap.counted()
	switch {
	case out > q.MaxStdout:
		return res, wrong("max_stdout is %d, and %d bytes came", q.MaxStdout, out)
	case errs > q.MaxStderr:
		return res, wrong("max_stderr is %d, and %d bytes came", q.MaxStderr, errs)
	}
	return res, verdict{}
}

func checkFlood(ctx context.Context, s *subject) Finding {
	const do = "write each chunk to the stream before the next is read from the program, in chunks of some " +
		"KiB; never gather output in memory"
	h, err := s.host(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer h.close()
	return s.forEach(do, func(x exercise) verdict {
		args := x.flood
		if args == nil {
			args = x.slow
		}
		if args == nil && x.little {
			args = x.quick
		}
		if args == nil {
			return untested("there is no sample of a call that prints without end, nor of a slow one")
		}
		return s.flood(ctx, h, x, args)
	})
}

// flood makes a call whose events nobody takes, and watches the plugin's memory.
func (s *subject) flood(ctx context.Context, h *hosted, x exercise, args json.RawMessage) verdict {
	r, err := x.request(args)
	if err != nil {
		return verdict{err: err}
	}
	const endless = 1 << 40
	r.MaxStdout, r.MaxStderr = endless, endless
	before := residentMemory(h.Pid())
	read := make(chan struct{}) // closed when events are taken again
	var printed atomic.Int64    // bytes that were read
	run := begin(ctx, h, r, quickLimit, func(ev tool.Event) {
		select {
		case <-read:
		case <-ctx.Done():
		}
		if ev.Output != nil {
			printed.Add(int64(len(ev.Output.Data)))
		}
	})
	defer run.stop()
	var most int64
	await(ctx, floodTime, func() bool {
		most = max(most, residentMemory(h.Pid())-before)
		return most > floodMemory || run.over()
	})
	close(read)
	if most > floodMemory {
		return wrong("nobody read, and it grew by %d MiB within %s", most>>20, took(time.Since(run.began)))
	}
	await(ctx, floodTime, func() bool { return printed.Load() >= floodBytes || run.over() }) // now it is read
	run.stop()
	return h.flooded(ctx, x, run, most, printed.Load())
}

// flooded judges a call whose events nobody took for a while, by the most that the plugin grew meanwhile, and
// the bytes that were printed once they were taken again.
func (h *hosted) flooded(ctx context.Context, x exercise, run *running, most, printed int64) verdict {
	if v, is := missing(run.err); is {
		return v
	}
	if err := h.alive(ctx); err != nil {
		return wrong("after a flood: %w", err)
	}
	if run.err != nil && tool.KindOf(run.err) == tool.KindExecution {
		return wrong("the call fails: %w", run.err)
	}
	if !sees {
		return untested("memory can be looked at on Linux alone")
	}
	switch {
	case printed < floodBytes && x.little:
		return seen("it prints at most %d bytes, and grew by %.1f MiB while nobody read", printed,
			float64(most)/(1<<20))
	case printed < floodBytes:
		return untested(printsLittle, printed)
	case x.little:
		return wrong(`its sample says that it prints little ("flood": false), and %d bytes came`, printed)
	}
	return seen("nobody read for %s, and it grew by %.1f MiB", took(floodTime), float64(most)/(1<<20))
}

func checkUTF8(ctx context.Context, s *subject) Finding {
	const do = "replace what is no UTF-8 (U+FFFD) in every text before it is sent; output and arguments are " +
		"bytes, and need no repair"
	r, err := s.raw(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	return s.forEach(do, func(x exercise) verdict {
		asked := 0
		for _, q := range x.hostileRequests() {
			if !isInvalidUTF8(q.request.Arguments) {
				continue
			}
			asked++
			if err := r.texts(ctx, q.request); err != nil {
				return wrong("%s: %w", q.what, err)
			}
		}
		if x.quick == nil {
			return seen("%d requests in broken texts, every answer can be read", asked)
		}
		q, err := x.request(x.quick)
		if err == nil {
			err = r.texts(ctx, q)
		}
		if err != nil {
			return wrong("the quick call: %w", err)
		}
		return seen("%d requests in broken texts and a call, every answer can be read", asked)
	})
}

// texts makes a request of both methods; an answer that cannot be read is an error.
func (r *raw) texts(ctx context.Context, q tool.Request) error {
	q.ID, q.Deadline = executionID(), time.Now().Add(quickLimit)
	if _, err := call(ctx, r.rpc, q, quickLimit, nil); garbled(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if _, err := r.rpc.Plan(ctx, q); garbled(err) {
		return err
	}
	return nil
}
