package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// aim is what a number is held to.
type aim struct {
	text  string
	meets func(float64) bool
}

func atMost(limit float64) aim {
	return aim{fmt.Sprintf("<= %g", limit), func(v float64) bool { return v <= limit }}
}

func atLeast(limit float64) aim {
	return aim{fmt.Sprintf(">= %g", limit), func(v float64) bool { return v >= limit }}
}

// verdict is the word of the table's last column.
func (a aim) verdict(v float64) string {
	if a.meets(v) {
		return "reached"
	}
	return "MISSED"
}

// row is one line of the table; what does not apply is empty.
type row struct {
	what, ours, baseline, got, spread, aim, reached string
}

// printTable prints the rows that were measured.
func printTable(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tGATEHOUSE\tBASELINE\tGOT\tROUNDS\tAIM\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.what, or(r.ours), or(r.baseline), or(r.got), or(r.spread), or(r.aim), or(r.reached))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
