package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The statuses of a check that are none of success. A warning is about something that a server should do; here it
// counts as a failure does, as in the suite's own baselines.
const (
	failure = "FAILURE"
	warning = "WARNING"
	success = "SUCCESS"
)

// brokeOff is the id of the check that a scenario which broke off has failed.
const brokeOff = "broke-off"

// check is one thing that a scenario looked at.
type check struct {
	ID      string `json:"id"`
	Status  string `json:"status"` // SUCCESS, FAILURE, WARNING, INFO or SKIPPED
	Message string `json:"errorMessage"`
}

func (c check) failed() bool { return c.Status == failure || c.Status == warning }

// scenario is what one scenario of a suite came to. Of checks with one id the worst is kept.
type scenario struct {
	name   string
	checks []check // in the order of their ids
}

// failed are the checks that did.
func (s scenario) failed() (failed []check) {
	for _, c := range s.checks {
		if c.failed() {
			failed = append(failed, c)
		}
	}
	return failed
}

func (s scenario) passed() (n int) {
	for _, c := range s.checks {
		if c.Status == success {
			n++
		}
	}
	return n
}

// directoryRE matches the directory of a scenario's results, which has the time in its name.
var directoryRE = regexp.MustCompile(`^server-(.+)-\d{4}-\d{2}-\d{2}T[0-9-]+Z$`)

// readResults reads what a suite has written: a directory per scenario with a file checks.json, which is missing
// where the scenario itself broke off.
func readResults(dir string) ([]scenario, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	scenarios := make([]scenario, 0, len(entries))
	for _, e := range entries {
		name := directoryRE.FindStringSubmatch(e.Name())
		if name == nil {
			return nil, fmt.Errorf("the results have something of another form: %s", e.Name())
		}
		checks, err := readChecks(filepath.Join(dir, e.Name(), "checks.json"))
		if err != nil {
			return nil, err
		}
		scenarios = append(scenarios, scenario{name: name[1], checks: worst(checks)})
	}
	return scenarios, nil
}

func readChecks(file string) (checks []check, err error) {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return []check{{ID: brokeOff, Status: failure, Message: "the scenario left no results"}}, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &checks)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return checks, nil
}

// worst keeps one check of each id, the one that is worst.
func worst(checks []check) []check {
	gravity := []string{"INFO", "SKIPPED", success, warning, failure}
	byID := make(map[string]check)
	for _, c := range checks {
		old, ok := byID[c.ID]
		if !ok || slices.Index(gravity, c.Status) > slices.Index(gravity, old.Status) {
			byID[c.ID] = c
		}
	}
	kept := make([]check, 0, len(byID))
	for _, c := range byID {
		kept = append(kept, c)
	}
	slices.SortFunc(kept, func(a, b check) int { return strings.Compare(a.ID, b.ID) })
	return kept
}
