package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	swapCallers = 32
	swaps       = 7               // of a plugin's file under load; the median counts
	swapQuiet   = 2 * time.Second // of calls before each, to compare with
	loopRounds  = 5               // of a plugin that crashes again and again; likewise
	loopTime    = 3 * time.Second // of calls beside it, and of calls without it
	loopCallers = 4               // fewer than saturate the machine: what is measured is another's noise
)

// timed is how long a call took, and when it ended.
type timed struct {
	end  time.Time
	took time.Duration
}

// load is callers that call the no-op without a pause, until stop.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed atomic.Int64
	first  atomic.Pointer[error]

	mu    sync.Mutex // guards calls
	calls []timed
}

func (h *httpHost) load(ctx context.Context, callers int) *load {
	l := &load{}
	ctx, l.cancel = context.WithCancel(ctx)
	for range callers {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := h.noop(ctx, nextText())
				l.took(timed{time.Now(), time.Since(began)}, err, ctx.Err() != nil)
			}
		})
	}
	return l
}

func (l *load) took(t timed, err error, over bool) {
	switch {
	case over:
	case err != nil:
		l.failed.Add(1)
		l.first.CompareAndSwap(nil, &err)
	default:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.calls = append(l.calls, t)
	}
}

// stop ends the callers; an error is that a call failed.
func (l *load) stop() error {
	l.cancel()
	l.wg.Wait()
	if n := l.failed.Load(); n > 0 {
		return fmt.Errorf("%d calls failed, the first: %w", n, *l.first.Load())
	}
	return nil
}

// p99 is the time that 99 of 100 calls between two moments did not exceed, in milliseconds.
func (l *load) p99(from, to time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took []float64
	for _, c := range l.calls {
		if c.end.After(from) && c.end.Before(to) {
			took = append(took, float64(c.took.Microseconds())/1e3)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// measureSwap replaces a plugin's file while callers call it. Every call must succeed, or there is nothing to
// measure.
func measureSwap(ctx context.Context, s *site) ([]row, error) {
	dir, err := os.MkdirTemp(s.dir, "swap-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "lab")
	if err := copyProgram(s.labPlugin(), file, ""); err != nil {
		return nil, err
	}
	h, err := s.startHTTP(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	l := h.load(ctx, swapCallers)
	var ratios, before, during []float64
	for range swaps {
		quiet, swap, err := h.swapOnce(ctx, l, s.labPlugin(), file)
		if err != nil {
			_ = l.stop()
			return nil, err
		}
		ratios, before, during = append(ratios, swap/quiet), append(before, quiet), append(during, swap)
	}
	if err := l.stop(); err != nil {
		return nil, err
	}
	m := median(ratios)
	return []row{{
		what: fmt.Sprintf("a plugin replaced under %d callers, p99 : before; no call failed", swapCallers),
		ours: fmt.Sprintf("%.1f ms", median(during)), baseline: fmt.Sprintf("%.1f ms", median(before)),
		got: fmt.Sprintf("%.2fx", m), spread: fmt.Sprintf("%.2f..%.2f", slices.Min(ratios), slices.Max(ratios)),
		aim: "<= 3x", reached: atMost(3).verdict(m),
	}}, nil
}

// swapOnce measures the p99 for a while, replaces the file, and measures it until the old process has gone.
func (h *httpHost) swapOnce(ctx context.Context, l *load, from, to string) (quiet, swap float64, err error) {
	old, err := h.plugin(ctx, "lab")
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if err := pause(ctx, swapQuiet); err != nil {
		return 0, 0, err
	}
	exchanged := time.Now()
	if err := copyProgram(from, to, exchanged.String()); err != nil {
		return 0, 0, err
	}
	for {
		now, err := h.plugin(ctx, "lab")
		if err != nil {
			return 0, 0, err
		}
		if now.Pid != old.Pid && now.Pid != 0 && now.Draining == 0 {
			break
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	return l.p99(begin, exchanged), l.p99(exchanged, time.Now()), nil
}

// pluginState is what GET /plugins/{name} says, as far as it matters here.
type pluginState struct {
	Pid, Draining, Restarts int
	State                   string
}

func (h *httpHost) plugin(ctx context.Context, name string) (p pluginState, err error) {
	_, body, err := get(ctx, h.url+"/plugins/"+name, h.token)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(body, &p)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// crasher is a plugin that ends in its start.
const crasher = "#!/bin/sh\nexit 1\n"

// measureCrashLoop sets the calls of a plugin beside one that is started and crashes again and again against
// those of the same host without it.
func measureCrashLoop(ctx context.Context, s *site) ([]row, error) {
	dir, err := os.MkdirTemp(s.dir, "loop-")
	if err != nil {
		return nil, err
	}
	if err := copyProgram(s.labPlugin(), filepath.Join(dir, "lab"), ""); err != nil {
		return nil, err
	}
	h, err := s.startHTTP(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	l := h.load(ctx, loopCallers)
	var ratios, with, without []float64
	for range loopRounds {
		quiet, loud, err := h.loopOnce(ctx, l, filepath.Join(dir, "crasher"))
		if err != nil {
			_ = l.stop()
			return nil, err
		}
		ratios, with, without = append(ratios, loud/quiet), append(with, loud), append(without, quiet)
	}
	if err := l.stop(); err != nil {
		return nil, err
	}
	m := median(ratios)
	return []row{{
		what: "no-op beside a plugin in a crash loop : without one, p99",
		ours: fmt.Sprintf("%.2f ms", median(with)), baseline: fmt.Sprintf("%.2f ms", median(without)),
		got: fmt.Sprintf("%.2fx", m), spread: fmt.Sprintf("%.2f..%.2f", slices.Min(ratios), slices.Max(ratios)),
		aim: "< 1.1x", reached: atMost(1.1).verdict(m),
	}}, nil
}

func (h *httpHost) loopOnce(ctx context.Context, l *load, file string) (quiet, loud float64, err error) {
	begin := time.Now()
	if err := pause(ctx, loopTime); err != nil {
		return 0, 0, err
	}
	dropped := time.Now()
	if err := errors.Join(os.WriteFile(file, []byte(crasher), 0o600), os.Chmod(file, 0o755)); err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, loopTime); err != nil {
		return 0, 0, err
	}
	end := time.Now()
	p, err := h.plugin(ctx, "crasher")
	if err != nil || p.Restarts == 0 {
		return 0, 0, errors.Join(err, fmt.Errorf("the plugin is in no crash loop: %+v", p))
	}
	if err := os.Remove(file); err != nil {
		return 0, 0, err
	}
	return l.p99(begin, dropped), l.p99(dropped, end), pause(ctx, time.Second) // until it is forgotten
}
