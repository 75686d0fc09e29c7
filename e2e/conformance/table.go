package main

import (
	"fmt"
	"io"
	"strings"
)

// printVerdict prints what a suite came to: a line of numbers, and a line for whatever is not simply good.
func printVerdict(out io.Writer, name string, v verdict) {
	fmt.Fprintf(out, "suite %s: %d of %d scenarios without a fault, %d checks good, %d expected to fail, "+
		"%d failed, %d entries of the baseline stale\n",
		name, v.clean, v.scenarios, v.checks, len(v.expected), len(v.unexpected), len(v.stale))
	for _, f := range v.expected {
		fmt.Fprintf(out, "  expected  %s:%s (%s)\n", f.scenario, f.check.ID, f.reason)
	}
	for _, f := range v.unexpected {
		fmt.Fprintf(out, "  %s   %s:%s: %s\n", f.check.Status, f.scenario, f.check.ID, oneLine(f.check.Message))
	}
	for _, e := range v.stale {
		fmt.Fprintf(out, "  STALE     line %d of the baseline: nothing of %s fails\n", e.line, e)
	}
}

// oneLine makes a line of a message, and not too long a one.
func oneLine(s string) string {
	const most = 400
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}
