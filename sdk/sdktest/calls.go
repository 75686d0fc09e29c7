package sdktest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// maxData is how many bytes parsed data may have, so that a message of the wire has room for it.
var maxData = 3 << 20

const (
	tinyCap   = 8 // bytes of output
	sameTime  = 3 // calls
	garbage   = 256 << 10
	hugeLine  = 8 << 20
	crashExit = 1
)

func (s Sample) plans(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, nil)
	plan := b.Plan(s.Tool, s.Quick)
	if plan.Verdict != sdk.Accept {
		t.Errorf("Plan(%s) = %s (%s), want %s", s.Quick, plan.Verdict, plan.Rule, sdk.Accept)
	}
	if again := b.Plan(s.Tool, s.Quick); !reflect.DeepEqual(plan, again) {
		t.Errorf("Plan(%s) says %+v, and then %+v", s.Quick, plan, again)
	}
	if b.ran() > 0 {
		t.Errorf("for Plan(%s) a program was run", s.Quick)
	}
	if len(plan.Argv) == 0 {
		return
	}
	_, _ = b.Call(t.Context(), s.Tool, s.Quick) // whether it succeeds is for another check
	planned := func(e sdk.Exec) bool { return e.Program == plan.Program && slices.Equal(e.Argv, plan.Argv) }
	if !slices.ContainsFunc(b.Executed(), planned) {
		t.Errorf("Call(%s) executed %q, want what its plan said: %q", s.Quick, b.Executed(), plan.Argv)
	}
}

func (s Sample) answers(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, func(o *Options) {
		o.Event = func(ev sdk.Event) {
			if ev.Progress != nil && !sane(*ev.Progress) {
				t.Errorf("Call(%s) tells the progress %+v, want -1 (unknown) or 0 to 100 per cent, and no more done than "+
					"there is", s.Quick, *ev.Progress)
			}
		}
	})
	res, err := b.Call(t.Context(), s.Tool, s.Quick)
	if err != nil {
		t.Errorf("Call(%s) = %v", s.Quick, err)
	}
	if !utf8.Valid(res.Data) || len(res.Data) > maxData {
		t.Errorf("Call(%s) has %d bytes of data, UTF-8: %t; want at most %d", s.Quick, len(res.Data),
			utf8.Valid(res.Data), maxData)
	}
	if _, err := json.Marshal(res.Metadata); err != nil {
		t.Errorf("Call(%s) has metadata that cannot be written: %v", s.Quick, err)
	}
	if n := b.ran(); n > 0 && len(b.Executed()) == 0 {
		t.Errorf("Call(%s) ran %d programs, and told of none by an event Exec", s.Quick, n)
	}
}

func sane(p sdk.Progress) bool {
	return p.Percent <= 100 && p.Done >= 0 && p.Total >= 0 && (p.Total == 0 || p.Done <= p.Total) // NaN is not <= 100
}

func (s Sample) answersAll(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, nil)
	var calls sync.WaitGroup
	for range sameTime {
		calls.Go(func() {
			if _, err := b.Call(t.Context(), s.Tool, s.Quick); err != nil {
				t.Errorf("one of %d calls of %s = %v", sameTime, s.Quick, err)
			}
		})
	}
	calls.Wait()
}

// keepsToCaps compares a call with one that may say little.
func (s Sample) keepsToCaps(t *testing.T, p sdk.Plugin) {
	full, errFull := s.bench(t, p, nil).Call(t.Context(), s.Tool, s.Quick)
	b := s.bench(t, p, func(o *Options) { o.MaxStdout, o.MaxStderr = tinyCap, tinyCap })
	res, err := b.Call(t.Context(), s.Tool, s.Quick)
	if sdk.KindOf(err) != sdk.KindOf(errFull) || (len(res.Data) == 0) != (len(full.Data) == 0) {
		t.Errorf("Call(%s), with caps of %d bytes = %v and %d bytes of data; with room for all %v and %d", s.Quick, tinyCap,
			err, len(res.Data), errFull, len(full.Data))
	}
	for _, c := range []struct {
		name      string
		full, got string
		truncated bool
	}{{"stdout", full.Stdout, res.Stdout, res.TruncatedStdout}, {"stderr", full.Stderr, res.Stderr, res.TruncatedStderr}} {
		if len(c.got) > tinyCap || c.truncated != (len(c.full) > tinyCap) {
			t.Errorf("Call(%s), with a cap of %d bytes: %s has %d, truncated: %t; without it has %d", s.Quick, tinyCap,
				c.name, len(c.got), c.truncated, len(c.full))
		}
	}
}

// cancelled goes away at the first event, or shortly after the start for a tool that is silent.
func (s Sample) cancelled(t *testing.T, p sdk.Plugin) {
	ctx, cancel := context.WithCancel(t.Context())
	b := s.bench(t, p, func(o *Options) { o.Event = func(sdk.Event) { cancel() } })
	defer time.AfterFunc(time.Second, cancel).Stop()
	if _, err := s.ends(ctx, t, b, time.Second); sdk.KindOf(err) != sdk.KindCancelled {
		t.Errorf("Call, cancelled = %v, want a %s", err, sdk.KindCancelled)
	}
}

func (s Sample) timesOut(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, func(o *Options) { o.Timeout = time.Second })
	res, err := s.ends(t.Context(), t, b, time.Second)
	if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || res.ReturnCode != sdk.ReturnCodeTimeout {
		t.Errorf("Call, past its deadline = %v, timed out: %t, returncode %d; want a %s, and %d", err, res.TimedOut,
			res.ReturnCode, sdk.KindTimeout, sdk.ReturnCodeTimeout)
	}
}

func (s Sample) closed(t *testing.T, p sdk.Plugin) {
	b := s.bench(t, p, nil)
	defer time.AfterFunc(time.Second,
		func() { _ = b.Handler().Close() }).Stop() // its error comes again at the end
	if _, err := s.ends(t.Context(), t, b, time.Second); sdk.KindOf(err) != sdk.KindCancelled {
		t.Errorf("Call, plugin ended = %v, want a %s", err, sdk.KindCancelled)
	}
}

// ends makes the slow call, which is told to end after some time, and fails the test when it does not.
func (s Sample) ends(ctx context.Context, t *testing.T, b *Bench, after time.Duration) (res sdk.Result, err error) {
	t.Helper()
	err = errors.New("hung")
	within(t, after+s.limit(), "Call("+s.Slow+")", func() { res, err = b.Call(ctx, s.Tool, s.Slow) })
	return res, err
}

// programs are what may stand in the place of a tool's own. want is the kind of error that comes of it; empty: any
// but unknown, or none.
var programs = []struct {
	name string
	Program
	want sdk.Kind
}{
	{"prints nothing", Program{Main: func(context.Context, *Run) int { return 0 }}, ""},
	{"prints random bytes", Program{Main: printsGarbage}, ""},
	{"prints one endless line", Program{Main: printsHugeLine}, ""},
	{"fails", Program{Main: func(_ context.Context, run *Run) int {
		_, _ = run.Stderr.Write([]byte("error: something is wrong\n"))
		return crashExit
	}}, ""},
	{"crashes", Program{Main: func(_ context.Context, run *Run) int {
		return run.KilledBy(syscall.SIGSEGV)
	}}, sdk.KindExecution},
	{"meets a limit", Program{Main: func(_ context.Context, run *Run) int {
		return run.KilledBy(syscall.SIGXCPU)
	}}, sdk.KindResourceExhausted},
	{"is lost", Program{Main: func(_ context.Context, run *Run) int { return run.Lose() }}, sdk.KindExecution},
	{"is not installed", Program{}, sdk.KindNotFound},
}

func printsGarbage(_ context.Context, run *Run) int {
	random := rand.NewChaCha8([32]byte{1}) // the same bytes each time
	p := make([]byte, garbage)
	_, _ = random.Read(p) // never fails
	for _, w := range []interface{ Write([]byte) (int, error) }{run.Stdout, run.Stderr, run.Report} {
		_, _ = w.Write(p) // nobody may want it
	}
	return 0
}

func printsHugeLine(_ context.Context, run *Run) int {
	p := make([]byte, 64<<10)
	for i := range p {
		p[i] = 'A'
	}
	for range hugeLine / len(p) {
		_, _ = run.Stdout.Write(p)
	}
	_, _ = run.Report.Write(p) // nobody may want it
	return 0
}

// copesWithPrograms makes the quick call with programs that nobody would want in the place of the tool's.
func (s Sample) copesWithPrograms(t *testing.T, p sdk.Plugin, command string) {
	if !s.plays(t, p, command) {
		t.Logf("%s runs a program that it has not found by sdk.Env.Find or package command: it is not played", s.Tool)
		return
	}
	for _, row := range programs {
		s.try(t, row.name, func(t *testing.T) {
			_, err := s.played(t, p, command, row.Program)
			if kind := sdk.KindOf(err); kind == sdk.KindUnknown || row.want != "" && kind != row.want {
				t.Errorf("Call(%s), the program %s: %v, want a %s", s.Quick, row.name, err,
					cmp.Or(row.want, "result, or an error of another kind"))
			}
		})
	}
	lacking := Program{Main: programs[0].Main}
	for _, n := range s.spec(t, p).Needs {
		if n.Kind == sdk.NeedCapability {
			lacking.Lacks = append(lacking.Lacks, n.Name)
		}
	}
	if len(lacking.Lacks) == 0 {
		return
	}
	s.try(t, "has no capabilities", func(t *testing.T) {
		_, err := s.played(t, p, command, lacking)
		if sdk.KindOf(err) == sdk.KindUnknown {
			t.Errorf("Call(%s) without %q = %v, want a %s, or that it does without", s.Quick, lacking.Lacks, err,
				sdk.KindNeedsPrivilege)
		}
	})
}

// plays reports whether the tool runs what stands in for its program.
func (s Sample) plays(t *testing.T, p sdk.Plugin, command string) bool {
	var called atomic.Bool
	_, _ = s.played(t, p, command, Program{Main: func(context.Context, *Run) int {
		called.Store(true)
		return 0
	}})
	return called.Load()
}

// played makes the quick call with a program in the place of the tool's.
func (s Sample) played(t *testing.T, p sdk.Plugin, command string, program Program) (res sdk.Result, err error) {
	b := s.bench(t, p, func(o *Options) {
		o.Programs = map[string]Program{}
		for name, other := range s.Options.Programs {
			o.Programs[name] = other
		}
		o.Programs[command] = program
	})
	within(t, s.limit(), "Call("+s.Quick+")", func() { res, err = b.Call(t.Context(), s.Tool, s.Quick) })
	return res, err
}
