package main

import (
	"fmt"
	"text/tabwriter"
	"time"
)

// print prints what happened: calls by tool and outcome, what was done to the host, and what it used.
func (t *trial) print(trail *trail, metrics *ledger, took time.Duration) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	var total struct{ calls, answers, received, finished, refused int }
	fmt.Fprintln(w, "tool\tcalled\tanswered\treceived\tfinished\trefused\t")
	for _, name := range tools {
		c, told := metrics.of(name), t.crowd.told.of(name)
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n",
			name, told.received, told.started, c.received, c.finished, c.refused)
		total.calls, total.answers = total.calls+told.received, total.answers+told.started
		total.received, total.finished = total.received+c.received, total.finished+c.finished
		total.refused += c.refused
	}
	fmt.Fprintf(w, "all\t%d\t%d\t%d\t%d\t%d\t\n\t\t\t\t\t\t\n",
		total.calls, total.answers, total.received, total.finished, total.refused)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	t.printOutcomes(w, metrics)
	fmt.Fprintf(t.out, "%.0f calls/s; %d lines of trail in %d files; %d plans; listener came back %d times\n",
		float64(total.received)/took.Seconds(), trail.lines, trail.files, trail.plans, t.listener.returns)
	fmt.Fprintf(t.out, "done to the host:")
	for _, deed := range sorted(t.meddler.done) {
		fmt.Fprintf(t.out, " %s %d;", deed, t.meddler.done[deed])
	}
	fmt.Fprintf(t.out, " reloads applied %d, rejected %d\n", trail.applied, trail.rejected)
	for _, u := range uses {
		fmt.Fprintf(t.out, "%s after the first %v: %.1f%s, at the end: %.1f%s\n", u.name, t.warm(),
			t.before.sum(u.metric)/u.scale, u.unit, t.after.sum(u.metric)/u.scale, u.unit)
	}
	return nil
}

// printOutcomes prints one line for each tool and outcome that there was.
func (t *trial) printOutcomes(w *tabwriter.Writer, metrics *ledger) {
	fmt.Fprintln(w, "tool\toutcome\tcalls\t")
	for _, name := range tools {
		outcomes := metrics.of(name).outcomes
		for _, kind := range sorted(outcomes) {
			if outcomes[kind] > 0 {
				fmt.Fprintf(w, "%s\t%s\t%d\t\n", name, kindName(kind), outcomes[kind])
			}
		}
	}
	_ = w.Flush() // what cannot be printed has failed before
}
