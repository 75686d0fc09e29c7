package plugintest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var isolationChecks = []Check{
	{"stdin", "its stdin is a lifeline: no program gets it, and at its end the plugin ends within 3 s",
		"configure", checkStdin},
	{"stdout", "after the line of the handshake nothing is written to stdout, ever", "configure", checkStdout},
	{"environment", "what is in its environment reaches no program, no output and no log", "configure",
		checkEnvironment},
}

func checkStdin(ctx context.Context, s *subject) Finding {
	const do = "read stdin in the background, and when it ends end the calls, their programs and the plugin; " +
		"give programs /dev/null in its place"
	return s.duringCalls(ctx, do, func(r *raw) (string, error) {
		lifeline := descriptor(r.pid, 0)
		for _, p := range s.programs(r.pid, nil) {
			if name := descriptor(p.pid, 0); name != "" && name == lifeline {
				return "", fmt.Errorf("the plugin's stdin is that of a program as well: %s", names([]status{p}))
			}
		}
		begun := time.Now()
		_ = r.lifeline.Close() // nothing was written
		if !r.ends(ctx, endLimit) {
			return "", fmt.Errorf("its stdin has ended, and it runs %s later", endLimit)
		}
		return fmt.Sprintf("ended %s after its stdin (%s)", took(time.Since(begun)), r.state), nil
	})
}

func checkStdout(ctx context.Context, s *subject) Finding {
	const do = "write to stderr, or to the log; in most languages the standard output can be pointed to " +
		"stderr once the handshake is written, for libraries that print"
	r, err := s.raw(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	called := s.everything(ctx, r)
	_ = r.shutdown(ctx) // another check's affair
	r.ends(ctx, endLimit)
	if text, n := r.stdout.more(); n > 0 {
		return failed(do, "after the handshake %d bytes came on stdout: %q", n, clip(text, 120))
	}
	f := passed("not a byte after the handshake")
	if called == 0 {
		return f.warn("no call was made: there are no samples")
	}
	return f
}

// everything asks all that there is to ask, and reports how many calls were made.
func (s *subject) everything(ctx context.Context, r *raw) (calls int) {
	asking, cancel := context.WithTimeout(ctx, 2*askLimit)
	defer cancel()
	_, _ = r.rpc.Describe(asking) // what comes of these is seen elsewhere
	_, _ = r.rpc.CheckHealth(asking)
	for _, x := range s.exercises {
		for _, q := range x.hostileRequests()[:4] {
			_, _ = call(asking, r.rpc, q.request, askLimit, nil)
		}
		if x.quick == nil {
			continue
		}
		if q, err := x.request(x.quick); err == nil {
			_, _ = r.rpc.Plan(asking, q)
			_, _ = call(ctx, r.rpc, q, quickLimit, nil)
			calls++
		}
	}
	return calls
}

// canaryName is a variable that nobody knows.
const canaryName = "GATEHOUSE_TEST_CANARY"

func checkEnvironment(ctx context.Context, s *subject) Finding {
	const do = "give programs PATH, LANG and LC_ALL, and nothing of the plugin's own environment; print and " +
		"log none of it"
	if !sees {
		return notTested("environments can be looked at on Linux alone", "test it there")
	}
	canary := rand.Text()
	h, err := s.host(ctx, canaryName+"="+canary)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer h.close()
	manifest, _ := json.Marshal(s.manifest) // made of texts and numbers
	if strings.Contains(string(manifest), canary) {
		return failed(do, "the manifest has what is in the plugin's environment")
	}
	for _, x := range s.exercises {
		if x.quick != nil || x.slow != nil {
			s.warm(ctx, h, h.Pid(), x)
		}
	}
	w := watch(ctx, s, h, canary)
	f := s.forEach(do, func(x exercise) verdict { return s.keeps(ctx, h, x, w) })
	w.stop()
	if strings.Contains(h.log.String(), canary) {
		return failed(do, "what is in the plugin's environment stands in its log")
	}
	return f
}

// keeps makes the calls of a tool while the programs are watched.
func (s *subject) keeps(ctx context.Context, h *hosted, x exercise, w *watched) verdict {
	if x.quick == nil && x.slow == nil {
		return untested("there is no sample of it")
	}
	before, ran := w.looks.Load(), false
	if x.quick != nil {
		var v verdict
		if ran, v = w.call(ctx, h, x); v.err != nil {
			return v
		}
	}
	if x.slow != nil {
		z, v := s.sleep(ctx, h, h.Pid(), x, quickLimit)
		if z == nil {
			return v
		}
		// The programs are there, and two more looks see them.
		looks := w.looks.Load()
		await(ctx, settleLimit, func() bool { return w.looks.Load() > looks+2 })
		z.stop()
	}
	if leak := w.leak.Load(); leak != nil {
		return wrong("a program has the plugin's environment: %s", *leak)
	}
	if blind := w.blind.Load(); blind != nil {
		return untested("the environment of %s is not for this user to see; test as root", *blind)
	}
	looks, programs := w.looks.Load()-before, int(w.programs.Swap(0))
	switch {
	case programs == 0 && ran && x.slow == nil:
		return untested("its program is too quick to be looked at; give a slow sample")
	case programs == 0 && ran:
		return untested("its program is too quick to be looked at; give a slow sample that runs one as well")
	case programs == 0:
		return seen("%d looks, saw no program", looks)
	}
	return seen("%d looks at %s, nothing of the plugin's environment", looks, counted(programs, "program"))
}

// watched is what is seen of the programs of a plugin, until it is stopped.
type watched struct {
	canary   string
	looks    atomic.Int64
	programs atomic.Int64           // that were seen twice since the last tool
	hurry    atomic.Bool            // whether there is no pause between the looks
	leak     atomic.Pointer[string] // a program that has the canary
	blind    atomic.Pointer[string] // one that cannot be looked at

	cancel context.CancelFunc
	done   chan struct{}
}

// watch looks at the programs that a plugin runs, over and over.
func watch(ctx context.Context, s *subject, h *hosted, canary string) *watched {
	ctx, cancel := context.WithCancel(ctx)
	w := &watched{canary: canary, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		known := make(map[process]sight)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			for _, p := range s.programs(h.Pid(), nil) {
				w.look(p, known)
			}
			w.looks.Add(1)
			if w.hurry.Load() {
				continue
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return w
}

// sight is what was seen of a program so far.
type sight struct {
	times int
	had   bool // the canary, when it was last seen
}

func (w *watched) stop() {
	w.cancel()
	<-w.done
}

// look looks at one program. Between fork and exec a process has its parent's environment, so that only
// what is seen twice counts.
func (w *watched) look(p status, known map[process]sight) {
	env, err := environment(p.pid)
	name := names([]status{p})
	seen := known[p.process]
	denied := errors.Is(err, fs.ErrPermission)
	if err != nil && !denied {
		return // it ends
	}
	if denied && seen.times > 0 {
		w.blind.Store(&name)
	}
	if seen.times++; seen.times == 2 {
		w.programs.Add(1)
	}
	has := strings.Contains(env, w.canary)
	if has && seen.had {
		w.leak.Store(&name)
	}
	seen.had = has
	known[p.process] = seen
}

// call makes the quick call, and looks for the canary in all that it tells. It reports whether a program was
// run: the plan has one, or the call said so.
func (w *watched) call(ctx context.Context, h *hosted, x exercise) (ran bool, v verdict) {
	r, err := x.request(x.quick)
	if err != nil {
		return false, verdict{err: err}
	}
	planning, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	plan, _ := h.Plan(planning, r) // what is wrong with it is another check's affair
	ran = len(plan.Argv) > 0
	told := &words{}
	w.hurry.Store(true)
	defer w.hurry.Store(false)
	res, err := call(ctx, h, r, quickLimit, func(ev tool.Event) {
		ran = ran || ev.Exec != nil
		if ev.Output != nil {
			_, _ = told.Write(ev.Output.Data)
		}
		if ev.Log != nil {
			_, _ = told.Write([]byte(ev.Log.Message))
		}
		if ev.Progress != nil {
			_, _ = told.Write([]byte(ev.Progress.Message))
		}
	})
	if v, is := missing(err); is {
		return ran, v
	}
	result, _ := json.Marshal(res) // made of JSON values
	if strings.Contains(told.String()+string(result), w.canary) || err != nil && strings.Contains(err.Error(),
		w.canary) {
		return ran, wrong("what it answers has what is in the plugin's environment")
	}
	return ran, verdict{}
}
