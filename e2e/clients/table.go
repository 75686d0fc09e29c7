package clients

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// tally is what came of all runs of one check.
type tally struct {
	good, all int
	slowest   time.Duration
}

// Print prints a line for each client and transport, with how many runs of how many each check did well in, and a
// line for whatever did not. It reports whether all did.
func Print(out io.Writer, outcomes []Outcome) bool {
	if len(outcomes) == 0 {
		return true
	}
	tallies := make(map[[3]string]tally)
	good := true
	for _, o := range outcomes {
		key := [3]string{o.Client, o.Transport, o.Check}
		t := tallies[key]
		t.all++
		if o.Err == nil {
			t.good++
		}
		t.slowest = max(t.slowest, o.Took)
		tallies[key] = t
		good = good && o.Err == nil
	}
	printTallies(out, tallies)
	for _, o := range outcomes {
		if o.Err != nil {
			fmt.Fprintf(out, "FAILED %s over %s, run %d, %s: %v\n", o.Client, o.Transport, o.Run, o.Check, o.Err)
		}
	}
	return good
}

func printTallies(out io.Writer, tallies map[[3]string]tally) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "CLIENT\tTRANSPORT\t%s\tSLOWEST CANCEL\n", strings.ToUpper(strings.Join(everything, "\t")))
	for _, k := range kinds {
		for _, transport := range []string{stdio, streaming} {
			if _, ok := tallies[[3]string{k.name, transport, checkList}]; !ok {
				continue
			}
			fmt.Fprintf(w, "%s\t%s", k.name, transport)
			for _, check := range everything {
				cell := "-"
				if t := tallies[[3]string{k.name, transport, check}]; slices.Contains(k.checks, check) {
					cell = fmt.Sprintf("%d/%d", t.good, t.all)
				}
				fmt.Fprintf(w, "\t%s", cell)
			}
			slowest := "-"
			if t := tallies[[3]string{k.name, transport, checkCancel}]; t.all > 0 {
				slowest = t.slowest.Round(time.Millisecond).String()
			}
			fmt.Fprintf(w, "\t%s\n", slowest)
		}
	}
	_ = w.Flush() // a broken pipe shows in what is printed next
}
