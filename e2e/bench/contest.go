package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// workers is how many calls are under way at a time where throughput is measured.
const workers = 16

// subject is one side of a contest: it makes one call, and fails unless the answer is the right one. text
// comes back in the answer of a no-op, so that no call can be given the answer of another.
type subject func(ctx context.Context, text string) error

// contest is a ratio to be measured.
type contest struct {
	name           string
	aim            aim
	gauge          gauge
	ours, baseline subject
}

// gauge makes a number of what a subject does in a slice of time.
type gauge struct {
	measure func(context.Context, subject, time.Duration) (float64, error)
	format  func(float64) string
}

var (
	latency    = gauge{medianLatency, func(s float64) string { return fmt.Sprintf("%.0f µs", s*1e6) }}
	throughput = gauge{callRate, func(n float64) string { return fmt.Sprintf("%.0f/s", n) }}
)

// hold runs the contest. Each round gives a ratio of two neighbouring slices, and who goes first
// alternates; the median of the rounds counts.
func (c contest) hold(ctx context.Context, s settings) (row, error) {
	var ours, baseline, ratios []float64
	for i := -1; i < s.rounds; i++ { // the first warms up
		a, b, err := c.round(ctx, s.slice, i%2 == 0)
		if err != nil {
			return row{}, fmt.Errorf("%s: %w", c.name, err)
		}
		if i >= 0 {
			ours, baseline, ratios = append(ours, a), append(baseline, b), append(ratios, a/b)
		}
	}
	r := median(ratios)
	return row{
		what: c.name, ours: c.gauge.format(median(ours)), baseline: c.gauge.format(median(baseline)),
		got: fmt.Sprintf("%.2fx", r), spread: fmt.Sprintf("%.2f..%.2f", slices.Min(ratios), slices.Max(ratios)),
		aim: c.aim.text + "x", reached: c.aim.verdict(r),
	}, nil
}

func (c contest) round(
	ctx context.Context, slice time.Duration, oursFirst bool,
) (ours, baseline float64, err error) {
	order := []struct {
		name string
		from subject
		to   *float64
	}{{"gatehouse", c.ours, &ours}, {"the baseline", c.baseline, &baseline}}
	if !oursFirst {
		slices.Reverse(order)
	}
	for _, side := range order {
		if *side.to, err = c.gauge.measure(ctx, side.from, slice); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", side.name, err)
		}
	}
	return ours, baseline, nil
}

// holdAll runs contests one after the other.
func holdAll(ctx context.Context, s settings, contests ...contest) ([]row, error) {
	var rows []row
	for _, c := range contests {
		r, err := c.hold(ctx, s)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// calls numbers all calls of the bench: no two have the same text.
var calls atomic.Int64

func nextText() string { return "call-" + strconv.FormatInt(calls.Add(1), 10) }

// medianLatency calls one at a time, and gives seconds.
func medianLatency(ctx context.Context, call subject, slice time.Duration) (float64, error) {
	var took []float64
	for end := time.Now().Add(slice); time.Now().Before(end); {
		text, begun := nextText(), time.Now()
		if err := call(ctx, text); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun).Seconds())
	}
	return median(took), nil
}

// callRate keeps all workers calling, and gives calls per second.
func callRate(ctx context.Context, call subject, slice time.Duration) (float64, error) {
	var (
		wg     sync.WaitGroup
		done   atomic.Int64
		failed = make(chan error, workers) // closed by nobody; room for one of each worker
		begun  = time.Now()
		end    = begun.Add(slice)
	)
	for range workers {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := call(ctx, nextText()); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(done.Load()) / time.Since(begun).Seconds(), nil
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}
