package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/e2e/conformance/site"
)

// suite is a run of one of the official suites.
type suite struct {
	name    string // in the baseline and the table
	program string // of the packages
	args    []string
}

// suites are both published lines: the one for the revisions with sessions, and the next with what each revision
// requires.
var suites = []suite{
	{"0.1.16", "conformance-stable/dist/index.js", []string{"--suite", "all"}},
	{"2025-11-25", "conformance-alpha/dist/index.js", []string{"--requirements", "2025-11-25"}},
	{"2026-07-28", "conformance-alpha/dist/index.js", []string{"--requirements", "2026-07-28"}},
}

func isSuite(name string) bool {
	for _, s := range suites {
		if s.name == name {
			return true
		}
	}
	return false
}

// suitePatience is how long a suite may take; it takes some seconds.
const suitePatience = 3 * time.Minute

// announcedRE matches how many scenarios a suite says that it runs.
var announcedRE = regexp.MustCompile(`\((\d+) scenarios\)`)

// run runs a suite against a host of its own.
func (s suite) run(ctx context.Context, at *site.Site, n int) ([]scenario, error) {
	p, err := at.Place(fmt.Sprintf("suite-%s-%d", s.name, n))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	h, err := p.Serve(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	results := filepath.Join(at.Dir, fmt.Sprintf("results-%s-%d", s.name, n))
	if err := os.Mkdir(results, 0o755); err != nil {
		return nil, err
	}
	return s.against(ctx, at, h.URL, results)
}

// against runs a suite, and reads what it leaves in the directory of results.
func (s suite) against(ctx context.Context, at *site.Site, url, results string) ([]scenario, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, suitePatience, fmt.Errorf("it took longer than %v", suitePatience))
	defer cancel()
	args := []string{filepath.Join(at.Packages(), s.program), "server", "--url", url, "-o", results}
	out, err := at.NodeCommand(ctx, append(args, s.args...)...).CombinedOutput() // exits with 1 where anything fails
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("the suite %s: %w\n%s", s.name, cause, tail(out))
	}
	scenarios, readErr := readResults(results)
	if readErr != nil {
		return nil, readErr
	}
	said := announcedRE.FindSubmatch(out)
	if said == nil || string(said[1]) != strconv.Itoa(len(scenarios)) {
		return nil, fmt.Errorf("the suite %s left results of %d scenarios and does not say that it ran so many: %w\n%s",
			s.name, len(scenarios), err, tail(out))
	}
	return scenarios, nil
}

// tail is the end of what a program said.
func tail(out []byte) []byte {
	const few = 2000
	return bytes.TrimSpace(out[max(0, len(out)-few):])
}
