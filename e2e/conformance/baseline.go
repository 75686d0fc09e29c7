package main

import (
	"bufio"
	_ "embed" // of the baseline
	"fmt"
	"strings"
)

// baselineText has what is expected to fail, a line each: the suite, the scenario or scenario:check, and the
// reason.
//
//go:embed baseline.txt
var baselineText string

// expectation is one line of the baseline.
type expectation struct {
	suite, scenario string
	check           string // empty: any of the scenario
	reason          string
	line            int
}

func (e expectation) String() string {
	if e.check == "" {
		return e.scenario
	}
	return e.scenario + ":" + e.check
}

// covers reports whether the failure of a check is expected.
func (e expectation) covers(scenario string, c check) bool {
	return e.scenario == scenario && (e.check == "" || e.check == c.ID)
}

// parseBaseline reads a baseline. Suites that share an expectation stand in its line with commas between.
func parseBaseline(text string) ([]expectation, error) {
	var expected []expectation
	sc := bufio.NewScanner(strings.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		suites, rest, _ := strings.Cut(line, " ")
		entry, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
		reason = strings.TrimSpace(reason)
		if entry == "" || reason == "" {
			return nil, fmt.Errorf("line %d of the baseline: want a suite, a scenario or scenario:check, and a reason: %q",
				n, line)
		}
		name, id, _ := strings.Cut(entry, ":")
		for suite := range strings.SplitSeq(suites, ",") {
			if !isSuite(suite) {
				return nil, fmt.Errorf("line %d of the baseline: there is no suite %q", n, suite)
			}
			expected = append(expected, expectation{suite: suite, scenario: name, check: id, reason: reason, line: n})
		}
	}
	return expected, sc.Err()
}

// verdict is what a run of a suite came to.
type verdict struct {
	scenarios, clean, checks int // how many; of scenarios without a failure; of checks that succeeded
	expected                 []finding
	unexpected               []finding
	stale                    []expectation // of which nothing failed
}

// finding is a check that failed.
type finding struct {
	scenario string
	check    check
	reason   string // why it is expected to
}

func (v verdict) good() bool { return len(v.unexpected) == 0 && len(v.stale) == 0 }

// judge holds the results of a suite to its part of the baseline.
func judge(suite string, scenarios []scenario, baseline []expectation) verdict {
	v := verdict{scenarios: len(scenarios)}
	used := make(map[int]bool) // index in baseline
	for _, s := range scenarios {
		failed := s.failed()
		v.checks += s.passed()
		if len(failed) == 0 {
			v.clean++
		}
		for _, c := range failed {
			f := finding{scenario: s.name, check: c}
			for i, e := range baseline {
				if e.suite == suite && e.covers(s.name, c) {
					f.reason, used[i] = e.reason, true
				}
			}
			if f.reason == "" {
				v.unexpected = append(v.unexpected, f)
			} else {
				v.expected = append(v.expected, f)
			}
		}
	}
	for i, e := range baseline {
		if e.suite == suite && !used[i] {
			v.stale = append(v.stale, e)
		}
	}
	return v
}
